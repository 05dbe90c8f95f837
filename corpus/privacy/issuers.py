"""Formats that issuers of credentials document, from the table `issuers.toml`."""

import base64
import binascii
import pkgutil
import re
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.found import LONGEST, Found, whole
from socorpus.corpus.privacy.redact import STAND_IN

CLASSES: Mapping[str, str] = {
    "alnum": "A-Za-z0-9",
    "lownum": "a-z0-9",
    "upnum": "A-Z0-9",
    "letter": "A-Za-z",
    "digit": "0-9",
    "hex": "0-9a-f",
    "HEX": "0-9A-F",
    "anyhex": "0-9a-fA-F",
    "base32": "A-Z2-7",
    "url": r"A-Za-z0-9_\-",
    "word": "A-Za-z0-9_",
    "b64": "A-Za-z0-9+/",
    "text": r"A-Za-z0-9_\-.=",
    "dotted": r"A-Za-z0-9_\-.",
    "tilde": r"A-Za-z0-9_\-.~",
    "slug": r"a-z0-9_\-.",
    "slack": r"A-Za-z0-9%\-",
    "percent": "A-Za-z0-9%",
    "sig": "A-Za-z0-9%+/=",
    "bang": "A-Za-z0-9._!",
    "snow": "A-Za-z0-9",
    "webtoken": r"A-Za-z0-9_\-.",
    "printable": r"!-~",
}
"""Characters of the classes in the table's forms, as in the brackets of a regular expression."""
_UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_SPECIAL = {"uuid": _UUID, "tail*0-1": r"(?:-\d)?", "tailx*0-1": "(?:-X)?", "fm2*1": "fm2_", "=*0-1": "=?"}
_SPECIAL |= {"=*0-2": "={0,2}", "=*0-3": "={0,3}"}
_MANY = 1000  # the most that re2 repeats


@dataclass(frozen=True)
class Format:
    """A row of the table."""

    issuer: str
    kind: str
    form: str
    source: str
    prefix: str = ""
    anchor: str = ""
    after: str = ""
    near: str = ""
    check: str = ""

    @property
    def prefixes(self) -> list[str]:
        """The beginnings of its values; a no-break word may end in a space."""
        return [part + " " if part == "FlyV1" else part for part in self.prefix.split()]


@cache
def formats() -> tuple[Format, ...]:
    """The rows of the table, in its order."""
    table = pkgutil.get_data(__package__, "issuers.toml")
    assert table is not None
    return tuple(Format(**row) for row in tomllib.loads(table.decode())["format"])


def expression(form: str) -> str:
    """A form of the table as a regular expression that Python and google-re2 read alike."""
    return "".join(_part(part) for part in form.split())


def _part(part: str) -> str:
    name, star, count = part.partition("*")
    if part in _SPECIAL:
        return _SPECIAL[part]
    if not star or name not in CLASSES:
        return re.escape(part)
    least, dash, most = count.partition("-")
    if not dash:
        return f"[{CLASSES[name]}]{{{least}}}"
    return f"[{CLASSES[name]}]{{{least},{most}}}"


_ENOUGH = 10


def _opening(prefix: str, form: str, enough: int = _ENOUGH) -> str:
    """An expression for the first characters of a value, as many as tell it from most words."""
    pattern, length = re.escape(prefix), len(prefix)
    if length >= 4 and not prefix.isalpha() and enough == _ENOUGH:  # a sign or a digit within tells it from words
        enough = length + 2
    for part in form.split():
        if length >= enough:
            break
        name, star, count = part.partition("*")
        if part == "uuid":
            return pattern + "[0-9a-fA-F]{8}-"
        if part in _SPECIAL or not star or name not in CLASSES:
            if part in _SPECIAL:
                break
            pattern, length = pattern + re.escape(part), length + len(part)
            continue
        least = int(count.partition("-")[0])
        taken = min(least, 24 if prefix.endswith(".") and len(prefix) <= 4 else max(2, enough - length))
        pattern, length = pattern + f"[{CLASSES[name]}]{{{taken}}}", length + taken
        if taken < least or "-" in count:
            break
    return pattern


def suspects() -> dict[str, str]:
    """Expressions of google-re2 for where a format begins, where one has an anchor, and where an issuer is named."""
    openings: dict[str, None] = {}
    anchors: dict[str, None] = {}
    names: dict[str, None] = {}
    for row in formats():
        if row.near:
            names.update(dict.fromkeys(row.near.split()))
        elif row.anchor:
            head, _, tail = row.form.partition(f" {row.anchor}")
            last = head.split()[-1].partition("*")[0]
            pattern = f"[{CLASSES[last]}]" + _opening(row.anchor, tail, 30 if row.anchor == "." else _ENOUGH)
            anchors[pattern] = None
        elif row.after:
            openings[re.escape(row.after) + _opening("", row.form)] = None
        else:
            openings.update(dict.fromkeys(_opening(prefix, row.form) for prefix in row.prefixes))
    return {
        "format": "|".join(openings),
        "anchor": "|".join(anchors),
        "named": "(?i:" + "|".join(re.escape(name) for name in names) + ")" + _TOLD,
    }


def beginnings(rule: str) -> frozenset[str]:
    """The first two characters, in lower case, of the suspicious places of one of `suspects`."""
    if rule == "format":
        return frozenset(start.lower() for start in _by_opening())
    if rule == "named":
        return frozenset(name[:2] for name in _near())
    return frozenset(first + anchor.lower() for anchor in _anchored() for first in _BEFORE_ANCHORS)


_BEFORE_ANCHORS = "0123456789abcdefghijklmnopqrstuvwxyz+/_-.="
# Behind an issuer's name: the rest of its word, and a word for what is told, a sign of assignment or both. Bounded, as
# a search goes on for as long as an alternative before the one that matched may match.
_TOLD = (
    r"(?:[\w.\-]{0,24}?(?:[:=]|(?i:key|token|secret|auth|api|bearer))|[\w.\-]{0,24}[\"'\])]*[ \t]*[:=,(>]"
    r"|[\w.\-]{0,24} (?i:api|app|key|token|secret|access|auth|bearer|client|consumer|account|personal|webhook|pass|cred"
    r"|rest|sdk|service|id))"
)


_LEFT = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F][0-9A-F]))"
_RIGHT = r"(?![A-Za-z0-9])"


@dataclass(frozen=True)
class _Exact:
    expression: str
    row: Format
    skip: int
    """Code points from the suspicious place to the value."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when it is first asked for: a small site meets few of these formats."""
        return _compiled(self.expression)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


@cache
def _by_opening() -> dict[str, list[_Exact]]:
    """Patterns by the first two characters of their opening."""
    table: dict[str, list[_Exact]] = {}
    for row in formats():
        if row.near or row.anchor:
            continue
        if row.after:
            exact = _Exact(expression(row.form) + _RIGHT, row, len(row.after))
            table.setdefault(row.after[:2], []).append(exact)
        for prefix in row.prefixes:
            whole_value = _LEFT + f"{re.escape(prefix)}{expression(row.form)}{_RIGHT}"
            table.setdefault(prefix[:2], []).append(_Exact(whole_value, row, 0))
    return table


@cache
def _anchored() -> dict[str, list[_Exact]]:
    """Patterns by the first character of their anchor."""
    table: dict[str, list[_Exact]] = {}
    for row in formats():
        if row.anchor and not row.near:
            exact = _Exact(f"{_LEFT}{expression(row.form)}{_RIGHT}", row, 0)
            table.setdefault(row.anchor[0], []).append(exact)
    return table


@cache
def _near() -> dict[str, list[_Exact]]:
    """Patterns by the issuer's name."""
    table: dict[str, list[_Exact]] = {}
    for row in formats():
        exact = _Exact(rf"(?<![A-Za-z0-9_\-./+]){expression(row.form)}(?![A-Za-z0-9_\-/=+.])", row, 0)
        for name in row.near.split():
            table.setdefault(name, []).append(exact)
    return table


@cache
def _names() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(_near(), key=len, reverse=True))), re.I)


def opening(text: str, place: int) -> Iterator[Found]:
    """The value of a format that begins, or is announced, at a place."""
    best: tuple[int, int, str] | None = None
    for exact in _by_opening().get(text[place : place + 2], ()):
        if exact.skip and not text.startswith(exact.row.after, place):
            continue
        start = place + exact.skip
        match = exact.pattern.match(text, start, start + LONGEST)
        if match is not None and _credible(match[0], exact.row) and (best is None or match.end() > best[1]):
            best = (start, match.end(), exact.row.kind)
    if best is not None:
        yield "format", best[0], whole(text, best[0], best[1]), best[2]
        pair = _SECOND.match(text, best[1]) if text.startswith(_WITH_A_SECOND, best[0]) else None
        if pair is not None and values.random(pair[1]) and not values.placeholder(pair[1]):
            yield "format", pair.start(1), pair.end(1), "key"


_WITH_A_SECOND = ("AC", "SK", "AKIA", "ASIA")
_SECOND = re.compile(r"[\"'`]?[\s,:/]{1,4}[\"'`]?([A-Za-z0-9+/]{40}|[0-9a-f]{32})(?![\w+/=])")
"""The secret right behind an account's number or a key's, in a call with both."""
_WINDOW = 80


def anchored(text: str, place: int) -> Iterator[Found]:
    """The value of a format whose anchor is at a place."""
    for exact in _anchored().get(text[place + 1 : place + 2], ()):
        if not text.startswith(exact.row.anchor, place + 1):
            continue
        start = max(0, place - _WINDOW)
        for match in exact.pattern.finditer(text, start, place + 2 * _WINDOW):
            if match.start() <= place < match.end() and _credible(match[0], exact.row):
                yield "format", match.start(), match.end(), exact.row.kind
                return


_REACH = 48
"""Most code points between an issuer's name and a value of its format."""
_CANDIDATE = re.compile(r"[A-Za-z0-9_\-+/=:.|]{15,}")
_NOT_A_VALUE = re.compile(
    r"(?:commit|sha\d*|md5|hash|checksum|digest|etag|rev(?:ision)?|version|build|blob|tree)[\w\- "
    r"]{0,8}[\s:=#\"'/@]*$",
    re.I,
)


def named(text: str, place: int) -> Iterator[Found]:
    """The value of a format that is known only beside its issuer's name, which is at a place."""
    name = _names().match(text, place)
    if name is None:
        return
    newline = text.find("\n", name.end(), name.end() + _REACH + LONGEST)
    stop = newline if newline >= 0 else name.end() + _REACH + LONGEST
    for match in _CANDIDATE.finditer(text, name.end(), min(stop, name.end() + _REACH + 200)):
        if match.start() > name.end() + _REACH:
            return
        gap = text[name.end() : match.start()]
        if STAND_IN.search(gap) or "://" in gap or _NOT_A_VALUE.search(gap):
            return
        for exact in _near()[name[0].lower()]:
            row, value = exact.row, exact.pattern.search(text, match.start(), match.end())
            if (
                value is not None
                and value.start() > place
                and (values.random(re.split("[:|/]", value[0])[-1]) or "uuid" in row.form)
            ):
                key = gap + text[match.start() : value.start()]
                announced = re.search(r"key|token|secret|auth|pass|cred|api|bearer|[:=(,>]\s*[\"'`]?$", key, re.I)
                if announced and len(set(value[0])) >= 8 and not values.placeholder(value[0]):
                    yield "named", value.start(), value.end(), row.kind
                    yield from _next_to(text, value.end())
                    return


_NEXT = re.compile(r"[\"'`]\s{0,4},\s{0,24}[\"'`]([A-Za-z0-9_\-]{16,64})(?=[\"'`])")


def _next_to(text: str, place: int) -> Iterator[Found]:
    """The values in the arguments right behind one that ends at a place: a key and its secret are given together."""
    for _ in range(3):
        match = _NEXT.match(text, place)
        if match is None or not values.random(match[1]) or values.placeholder(match[1]):
            return
        yield "named", match.start(1), match.end(1), "key"
        place = match.end(1)


def _credible(value: str, row: Format) -> bool:
    """Whether a value of a format has digits or disorder, as a long identifier hasn't, and its sum is right."""
    match row.check:
        case "jwt":
            return _decoded(value.split(".", 1)[0]).find(b'"') >= 0 and not values.placeholder(value)
        case "snowflake":
            return _decoded(value.split(".", 1)[0]).isdigit() and len(value.split(".")[-1]) >= 27
        case "macaroon":
            return b"pypi.org" in _decoded(value[5:85]) and not values.placeholder(value)
        case "crc32" if crc32(value.partition("_")[2]):
            return True
    body = value
    for prefix in row.prefixes:
        body = body.removeprefix(prefix)
    if values.placeholder(body) or value.endswith("EXAMPLE") or len(set(value)) < 10:
        return False
    short = len(value) - len(body) <= 2 and not row.after and not row.anchor  # `s.` and the like say little
    if short and not values.random(body):
        return False
    lettered = row.form.startswith("letter") or row.prefix.startswith("AKIA")
    # Words in a row are an identifier: a drawn value of 20 characters has a digit in 29 of 30 cases.
    return lettered or any(map(str.isdigit, body)) or values.random(re.split("[_-]", body)[-1])


def crc32(body: str) -> bool:
    """Whether the last six characters of a token's body are the CRC-32 of what is before them, in base 62."""
    number = zlib.crc32(body[:-6].encode())
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return len(body) > 6 and body[-6:] == digits.rjust(6, "0")


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _decoded(head: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(head.rstrip("=") + "=" * (-len(head.rstrip("=")) % 4))
    except (binascii.Error, ValueError):
        return b""
