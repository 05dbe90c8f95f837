"""Lists of what is to be removed, as people write them: text, CSV or JSON Lines.

A row names a post (`SITE:ID`, `https://HOST/q/ID`, or columns `site` and `post_id`), an author (`SITE:user:ID`,
`https://HOST/users/ID`, or `site` and `author_id`) or a comment (`SITE:comment:ID`, an address that ends in
`#comment7_42`, or `site` and `comment_id`).
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.corpus.takedown.removals import AUTHOR, COMMENT, POST, Name

_SHOWN = 20
"""Refused rows that a message names; how many more there are, it says too."""
_KEY = re.compile(r"(?P<site>[^\s:/]+):(?:(?P<kind>user|author|comment|post):)?(?P<id>\d+)")
_COMMENT = re.compile(r"comment(\d+)(?:_\d+)?")
_PLACES = (
    (re.compile(r"/users/(\d+)(?:/.*)?"), AUTHOR),
    (re.compile(r"/(?:q|a)/(\d+)(?:/.*)?"), POST),
    (re.compile(r"/questions/\d+/[^/]*/(\d+)"), POST),
    (re.compile(r"/questions/(\d+)(?:/.*)?"), POST),
)
_KINDS = {None: POST, "post": POST, "user": AUTHOR, "author": AUTHOR, "comment": COMMENT}
_COLUMNS = {
    **dict.fromkeys(("post_id", "post"), POST),
    **dict.fromkeys(("author_id", "author", "user_id", "user"), AUTHOR),
    **dict.fromkeys(("comment_id", "comment"), COMMENT),
}
_WHOLE = ("key", "url", "address")
"""Columns that name by themselves what is meant."""
_LARGEST = 2**63 - 1


def read(path: Path, sites: Mapping[str, str | None]) -> list[Name]:
    """What a list names, in its order, each once.

    Args:
        path: `.csv` or `.tsv` with a head; `.jsonl`, `.ndjson` or `.json`, an object or a text a line; else text, a
            name a line, where empty lines and those that begin with # say nothing.
        sites: the sites of the corpus, with the host of each where it is known.

    Raises:
        InputError: the file can't be read, or rows of it say nothing that can be removed: names their lines.
    """
    try:
        text = files.read_text(path).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    hosts = {host: site for site, host in sites.items() if host is not None}
    known: dict[Name, None] = {}
    refused: list[str] = []
    for line, entry in _rows(path, text):
        try:
            known[_name(entry, sites, hosts)] = None
        except ValueError as error:
            refused.append(f"line {line}: {error}")
    if refused:
        more = f"\n  and {len(refused) - _SHOWN:,} more" if len(refused) > _SHOWN else ""
        raise InputError(
            f"{path}: {len(refused):,} rows name nothing that can be removed, so nothing was done; correct them:\n  "
            + "\n  ".join(refused[:_SHOWN])
            + more
        )
    if not known:
        raise InputError(f"{path}: names nothing; a row is SITE:ID, SITE:user:ID, SITE:comment:ID or an address")
    return list(known)


def _rows(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Rows with their lines."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if suffix == ".tsv" else ",")
        names = {name.strip().lower() for name in reader.fieldnames or ()}
        if not names & {*_COLUMNS, *_WHOLE}:
            raise InputError(
                f"{path}: its first line names no column that says what to remove; there are "
                f"{', '.join((*_WHOLE, *_COLUMNS))}, beside site"
            )
        try:
            for row in reader:
                yield reader.line_num, {str(name).strip().lower(): value for name, value in row.items()}
        except csv.Error as error:
            raise InputError(f"{path}: line {reader.line_num}: no CSV ({error})") from None
        return
    as_json = suffix in (".jsonl", ".ndjson", ".json")
    for number, line in enumerate(text.splitlines(), 1):
        text = line.strip()
        if not text or (not as_json and text.startswith("#")):
            continue
        if not as_json:
            yield number, text
            continue
        try:
            yield number, json.loads(text)
        except (ValueError, RecursionError):
            yield number, None


def _name(entry: Any, sites: Mapping[str, str | None], hosts: Mapping[str, str]) -> Name:
    if isinstance(entry, str):
        return _of_text(entry, sites, hosts)
    if not isinstance(entry, dict):
        raise ValueError("no JSON object or text")
    given = {name: str(value).strip() for name, value in entry.items() if value is not None and str(value).strip()}
    if text := [given[name] for name in _WHOLE if name in given]:
        return _of_text(text[0], sites, hosts)
    named = [name for name in _COLUMNS if name in given]
    if len(named) != 1:
        raise ValueError(
            f"one of {', '.join(_COLUMNS)} is needed, and {'there is none' if not named else ' and '.join(named)}"
        )
    if ":" in given[named[0]]:
        return _of_text(given[named[0]], sites, hosts)
    if "site" not in given and len(sites) > 1:
        raise ValueError(f"of which site? The corpus has {', '.join(sites)}")
    return _checked(given.get("site", next(iter(sites))), _COLUMNS[named[0]], given[named[0]], sites)


def _of_text(text: str, sites: Mapping[str, str | None], hosts: Mapping[str, str]) -> Name:
    if "://" in text:
        address = urlsplit(text)
        site = hosts.get(address.netloc.lower())
        if site is None:
            raise ValueError(f"{text}: no site of the corpus has the host {address.netloc}; name it as SITE:ID")
        if comment := _COMMENT.fullmatch(address.fragment):
            return _checked(site, COMMENT, comment[1], sites)
        path = address.path.rstrip("/")
        if address.fragment.isdecimal() and path.startswith("/questions/"):
            return _checked(site, POST, address.fragment, sites)
        for pattern, kind in _PLACES:
            if match := pattern.fullmatch(path):
                return _checked(site, kind, match[1], sites)
        raise ValueError(f"{text}: no address of a post, a comment or a user")
    match = _KEY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no SITE:ID, SITE:user:ID, SITE:comment:ID, and no address")
    return _checked(match["site"], _KINDS[match["kind"]], match["id"], sites)


def _checked(site: str, kind: str, number: str, sites: Mapping[str, str | None]) -> Name:
    if site not in sites:
        raise ValueError(f"the corpus has no site {site}; it has {', '.join(sites)}")
    if not re.fullmatch(r"-?\d{1,19}", number, re.ASCII) or abs(int(number)) > _LARGEST:
        raise ValueError(f"{number[:40]!r} is no number of a {kind}")
    return Name(site, kind, int(number))
