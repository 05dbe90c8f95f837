"""Names of sites: what can be one, and which of them are addresses on the web.

A name is the first half of every key (`NAME:POST_ID`) and a folder's name in the corpus.
"""

import re
import unicodedata

from socorpus.corpus.errors import InputError

LONGEST = 200
"""Bytes of a name in UTF-8. File systems take 255, of which suffixes of files that are being written need some."""

_BLANKS = " +&"
"""Characters, beside '.', '_' and '-', that a name may have when somebody gives it; a folder's become '-'."""

# https://stackexchange.com/sites: those outside of stackexchange.com, and Stack Overflow's in other languages.
_OUTSIDE = r"(?:meta\.)?(?:stackoverflow\.com|superuser\.com|serverfault\.com|askubuntu\.com|mathoverflow\.net)"
_HOSTS = re.compile(
    rf"(?:[a-z0-9-]+\.)+stackexchange\.com|{_OUTSIDE}|stackapps\.com|(?:es|ja|pt|ru)(?:\.meta)?\.stackoverflow\.com"
    # Of nobody (RFC 2606): sites that are made up.
    r"|(?:[a-z0-9-]+\.)*example(?:\.com|\.net|\.org)",
    re.IGNORECASE,
)


def given(name: str) -> str:
    """A name that a user gives, in Unicode's form NFC, otherwise as it is: no two become one.

    Raises:
        InputError: it can't be a folder's name everywhere, or is too long.

    Examples:
        >>> given("日本"), given("Super User")
        ('日本', 'Super User')
    """
    normal = unicodedata.normalize("NFC", name)
    strange = next((letter for letter in normal if not (_is_word(letter) or letter in "._-" + _BLANKS)), None)
    if not normal or strange is not None:
        what = "it is empty" if strange is None else f"it has {strange!r} (U+{ord(strange):04X})"
        raise InputError(
            f"--site {name!r} can't be the name of a site: {what}; a name has letters and digits of any script, '.', "
            "'_', '-', '+', '&' and blanks"
        )
    # Readers of data sets pass over files that begin with '.' or '_'; Windows drops '.' and blanks at the end.
    if not normal[0].isalnum() or normal[-1] in ". ":
        raise InputError(
            f"--site {name!r} can't be the name of a site: it must begin with a letter or a digit, and end in no '.' "
            "or blank"
        )
    return checked(normal, f"--site {name!r}")


def of_folder(name: str) -> str:
    """The name of a folder or an archive as a site's: runs of other characters become '-'; empty if none is left.

    Examples:
        >>> of_folder("Käse & Brot")
        'Käse-Brot'
    """
    normal = unicodedata.normalize("NFC", name)
    kept = "".join(letter if _is_word(letter) or letter in "._-" else "\0" for letter in normal)
    cleaned = re.sub("\0+", "-", kept).strip("-_.")
    # A mark without its letter would join whatever stands before it.
    return cleaned if not cleaned or cleaned[0].isalnum() else of_folder(cleaned[1:])


def checked(name: str, where: str) -> str:
    """The name, if it is not too long for a folder's.

    Raises:
        InputError: it is; begins with `where`.
    """
    if (size := len(name.encode())) > LONGEST:
        raise InputError(
            f"{where}: the site's name has {size} bytes in UTF-8, more than the {LONGEST} that leave room in the names "
            "of files; choose a shorter one with --site"
        )
    return name


def host(name: str) -> str | None:
    """The host of a site on the web, where its name is one: a site's of the Stack Exchange network, or example.com's.

    Examples:
        >>> host("cooking.stackexchange.com"), host("cooking")
        ('cooking.stackexchange.com', None)
    """
    return name if _HOSTS.fullmatch(name) else None


def _is_word(letter: str) -> bool:
    """Whether a character is a letter, a mark on one, or a digit."""
    return unicodedata.category(letter)[0] in "LMN"
