"""The rules of personal data and secrets: one expression that stops at suspicious places, and an exact rule for each.

A rule takes a text and the code point of a suspicious place, and yields the value there. Where issuers document a format
(`issuers.toml`: prefix, length, alphabet) it decides; other values are told by the name that they are assigned to
(`assignments`, `secrets`) or by their place on a command line or in a call (`commands`).

Not reported, since they identify nobody and open nothing: addresses that are not globally routable (private, loopback,
link-local, netmasks, the documentation ranges of RFC 5737 and RFC 3849) and public resolvers, the reserved domains of
RFC 2606, telephone numbers 555-0100 to 555-0199, placeholders, references to variables, the shell's PWD, users of code
hosts (`git@`), logins in addresses (`ssh://me@host`).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import cache

import re2

from socorpus.corpus.privacy import addresses, commands, issuers, phones, secrets, values
from socorpus.corpus.privacy.found import Found, Rule

# --- headers ---------------------------------------------------------------------------------------------------------

_HEADER = re.compile(
    r"(bearer|token|apikey|api-key)[ +]{1,2}([\w.~+/\-]{16,}=*)|(basic)[ +]{1,2}([A-Za-z0-9+/]{8,}={0,2})", re.I
)


def _header(text: str, place: int) -> Iterator[Found]:
    match = _HEADER.search(text, place, place + 2048)
    if match is None:
        return
    group = 2 if match[1] else 4
    value = match[group]
    if match[3]:
        try:
            good = b":" in base64.b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            good = False
    else:
        good = values.random(value.rstrip("="))
    if good and not values.placeholder(value):
        yield "header", match.start(group), match.end(group), "token"


# --- the prefilter ---------------------------------------------------------------------------------------------------

_QUOTE = r"(?:\\{0,3}[\"'`]|&quot;|&#3[49];|\[\[|[@$bBrRuUfFnNLE]{1,2}[\"'#]|%?[qQ]{1,2}[({\[]|\xe2\x80[\x98-\x9e]|\xc2\xab)"
_CLOSED = r"(?:[\\\"'`\])}*.\-]|&quot;|\[\w{0,12}\]){0,5}"
_TIED = "|".join(
    (
        rf"[ \t]{{0,24}}(?:[:=!?+.|<\-]{{1,3}}>?|=>|[,({{])\s{{0,24}}(?:{_QUOTE}|[^\s\"'`<>]{{4}})",
        rf"[ \t]{{0,24}}(?:[:=]{{1,3}}>?|[,({{ \t])[^\n\"'`]{{0,60}}{_QUOTE}",
        r"[\"'][ \t\r\n]{1,40}[\w:\-]{1,40}=",
        r"[^<>\n]{0,60}(?:>|&gt;)\s{0,20}[^\s]",
        r"\s{0,40}[\"']?,?\s{0,40}[\"']?(?i:value|default)",
        r"[ \t]{1,24}[^\s\"'`<>]{4}",
    )
)
_LOOSE = "|".join(
    (
        rf"[ \t]{{0,24}}(?:[:=!?+.|<\-]{{1,3}}>?|=>|[,({{>])\s{{0,24}}(?:{_QUOTE}|!!\w{{1,8}} |base64:|[\w+/\-]{{16}})",
        rf"[ \t]{{0,24}}(?:[:=]{{1,3}}>?|[,({{])[^\n\"'`]{{1,40}}{_QUOTE}",
        rf"[ \t]{{1,24}}{_QUOTE}",
        rf"[ \t]{{1,8}}(?:[aA]s[ \t]|[*\w.\[\]]{{1,31}}[ \t]{{0,8}}=)[^\n\"'`]{{0,40}}{_QUOTE}",
        r"[\"'][ \t\r\n]{1,40}(?:[\w:\-]{1,40}=[\"'])",
        r"(?:>|&gt;)\s{0,20}[\w+/\-]{16}",
        r"[^<>\n]{0,40}(?:>\s{0,8})?(?:</[\w:\-]{1,40}>)?\s{0,40}<(?i:string|value|[\w\-]{0,20}value)",
        r"(?:\s{0,40}[\"']?,?|[ \t]\{)\s{0,40}[^\n\"'`=]{0,20}\s{0,20}[\"']?(?i:value|default)[\"']?[ \t]{0,8}[:=]",
        r"[ \t][\w+/\-]{20}",
    )
)
_PASSWORDS = (
    r"(?i:pass|pwd|pswd|kennwort|senha|contrase|mot_?de_?pa|wachtwoord|heslo|haslo|parola|salasana|losenord|adgangskode|sifre|jelsz)"
    r"|(?i:pw|psw|mdp)\b"
    "|пароль|Пароль|hasło|密码|密碼|パスワード|비밀번호|lösenord|şifre"
)
_KEYS = r"(?i:secret|token|key|salt|appid|credential|[?&_\"']sig|[_\"' :]auth|seed)"

SUSPECTS: Mapping[str, str] = {
    "ip4": r"\d\.\d{1,3}\.\d{1,3}\.\d",
    "ip6": r"[23fF][0-9a-fA-F]{3}:[0-9a-fA-F]{0,4}:[0-9a-fA-F:]|64:ff9b:",
    "phone": r"\+\d[\d ().\-]{6}|\d{3}(?:\) ?|[.\-])\d{3}[.\-]\d{4}"
    r"|(?i:phone|mobile|whatsapp|tel|fax|cell)[a-z]{0,4}(?i: number| no| num)?(?: is)?[ :.#=\-]{1,3}\(?\d[\d ().\-]{6}",
    "spelled": r"(?i:[\[({<] ?(?:at|@) ?[\])}>])|[ _\-]AT[ _\-]\w| at \w[\w\-]{0,40}(?: \w[\w\-]{0,40})? (?i:dot) \w",
    "encoded": r"(?:%40|\\u0040|\\x40|&#0{0,3}64;|&#[xX]0{0,3}40;|&commat;|\xef\xbc\xa0)[\w\x80-\xff]",
    "header": r"(?i:bearer|authorization\W{1,6}(?:basic|token|api-?key))[ +]{1,2}[\w.~+/\-]{8}",
    **issuers.suspects(),
    "private_key": r"-BEGIN [A-Z0-9 ]*PRIVATE KEY|Private-Lines:",
    "identified": r"(?i:identified by )",
    "password": rf"(?:{_PASSWORDS})[\w\-]{{0,60}}{_CLOSED}(?:{_TIED})",
    "key": rf"{_KEYS}[\w\-]{{0,60}}{_CLOSED}(?:{_LOOSE})",
    "before_key": r"for(?:Key|KeyPath|HTTPHeaderField) ?: ?@?[\"'][\w.\-]",
    "call": commands.CALLS,
    "program": commands.PROGRAMS,
    "echoed": r"(?:sudo -S|chpasswd)",
    "secure_string": r"(?i:ConvertTo-SecureString)",
}
"""Name of a rule of `RULES` -> where it may have something to find, in google-re2's dialect."""

RESUMED = {"format": 2, "password": 2, "key": 3, "header": 6, "named": 3, "program": 3, "call": 4, "spelled": 2}
"""Bytes after the beginning of a suspicious place at which the search goes on, where another may lie within it."""


@cache
def prefilter() -> re2._Regexp:
    """`SUSPECTS` as one expression over UTF-8 bytes: group n + 1 is the n-th of them."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 64 << 20
    return re2.compile("|".join(f"({pattern})" for pattern in SUSPECTS.values()).encode(), options)


RULES: Mapping[str, Rule] = {
    "ip4": addresses.ip4,
    "ip6": addresses.ip6,
    "phone": phones.phone,
    "spelled": addresses.spelled,
    "encoded": addresses.encoded,
    "header": _header,
    "format": issuers.opening,
    "anchor": issuers.anchored,
    "named": issuers.named,
    "identified": commands.identified,
    "password": secrets.named,
    "key": secrets.named,
    "before_key": secrets.before_key,
    "program": commands.program,
    "call": commands.call,
    "echoed": commands.echoed,
    "secure_string": commands.secure_string,
}
"""The rules of `SUSPECTS`, by name, but `private_keys.PrivateKeys`; those of `@` are `addresses.at_sign` and
`mentions.mention`."""
