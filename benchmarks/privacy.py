"""Recall by form and by issuer, precision, and damage of what privacy replaces, beside detect-secrets.

python benchmarks/privacy.py [--list] [--detail]

`privacy_lines.tsv` is what the rules were developed with; `privacy_apart.tsv` was written before the first of them and
not changed since. `privacy_later.tsv` and `privacy_third.tsv` were each written by somebody who did not know the rules,
and scored once before their misses were looked at (0.863 and 0.923 of their secrets; the third again at 0.967 after the
rules had been widened without it). `privacy_fourth.tsv` is of the same hand as the third; 0.825 of its secrets were
found before the rules were widened, 0.930 after it, both times without a look at it. Since then the kinds of all are
covered, so that their figures are no estimate any more.
All are made up. What has to be random in a credential is drawn here, so that no file holds what looks like a live one.
"""

import argparse
import base64
import hashlib
import random
import re
import string
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from socorpus.corpus.config import Privacy  # noqa: E402
from socorpus.corpus.privacy import detect  # noqa: E402
from tests.corpus import making  # noqa: E402

FILES = {
    "developed with": "privacy_lines.tsv",
    "apart": "privacy_apart.tsv",
    "later": "privacy_later.tsv",
    "third": "privacy_third.tsv",
    "fourth": "privacy_fourth.tsv",
}
_ALPHABETS = {
    "alnum": string.ascii_letters + string.digits,
    "letter": string.ascii_letters,
    "lownum": string.ascii_lowercase + string.digits,
    "hexlow": string.ascii_lowercase + string.digits,
    "UPPERNUM": string.ascii_uppercase + string.digits,
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "url": string.ascii_letters + string.digits + "-_",
    "base64": string.ascii_letters + string.digits + "+/",
    "aws": string.ascii_letters + string.digits + "+/",
    "base32": string.ascii_uppercase + "234567",
    "bech32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "django": string.ascii_lowercase + string.digits + "!@#$%^&*(-_=+)",
    "play": string.ascii_letters + string.digits + "@=:?^",
}


@dataclass(frozen=True)
class Line:
    """A line of a set."""

    form: str
    issuer: str
    text: str
    secrets: tuple[tuple[int, int], ...]
    """Start and end, in code points."""


def lines(name: str) -> list[Line]:
    """The lines of a file, the same at every call."""
    rows = [row.split("\t", 2) for row in (ROOT / "benchmarks" / name).read_text("utf-8").splitlines()]
    rows = [row for row in rows if not row[0].startswith("#")]
    return [_line(*row, random.Random(f"{name} {number}")) for number, row in enumerate(rows)]


def _line(form: str, issuer: str, template: str, draw: random.Random) -> Line:
    drawn = re.sub("‹([^›]+)›", lambda match: _drawn(match[1], draw), template.replace("⏎", "\n"))
    text, secrets = "", []
    for piece in re.split("(⟦[^⟧]*⟧)", drawn):
        inner = piece.removeprefix("⟦").removesuffix("⟧")
        if inner != piece:
            secrets.append((len(text), len(text) + len(inner)))
        text += inner
    return Line(form, issuer, text, tuple(secrets))


def _drawn(part: str, draw: random.Random) -> str:
    if part.startswith("md5:"):
        return hashlib.md5(part[4:].encode()).hexdigest()
    name, _, count = part.partition("*")
    if name == "digitb64":
        digits = "".join(draw.choices(string.digits, k=int(count) * 3 // 4))
        return base64.b64encode(digits.encode()).decode()
    return "".join(draw.choices(_ALPHABETS[name], k=int(count)))


Spans = Sequence[tuple[int, int]]


def ours(texts: Sequence[str]) -> list[Spans]:
    """What privacy finds in texts of one line, each a document of its own."""
    table = detect.find(making.texts(list(texts)), Privacy())
    return [[(span["start"], span["end"]) for span in row] for row in table["spans"].to_pylist()]


def detect_secrets(texts: Sequence[str]) -> list[Spans]:
    """What detect-secrets finds with its defaults, each text a file of its own."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    spans: list[Spans] = []
    with default_settings(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text"
        for text in texts:
            file.write_text(text, "utf-8")
            values = {secret.secret_value for secret in scan_file(str(file)) if secret.secret_value}
            spans.append(sorted((text.find(value), text.find(value) + len(value)) for value in values if value in text))
    return spans


@dataclass(frozen=True)
class Figures:
    """Figures of one system on one set."""

    secrets: Counter[tuple[str, str]]
    hits: Counter[tuple[str, str]]
    """By form and issuer: secrets, and those of which nothing is left."""
    spans: int
    right: int
    """Spans that lie within a secret."""
    damaged: list[tuple[Line, str]]
    """Lines without secrets that changed, and lines whose other text changed, with what was cut out."""
    missed: list[tuple[Line, str]]


def score(rows: Sequence[Line], found: Sequence[Spans]) -> Figures:
    """Hold spans against the secrets of lines."""
    figures = Figures(Counter(), Counter(), 0, 0, [], [])
    spans = right = 0
    for line, own in zip(rows, found, strict=True):
        key = (line.form, line.issuer)
        inside = {place for start, end in line.secrets for place in range(start, end)}
        cut = {place for start, end in own for place in range(start, end)}
        for start, end in line.secrets:
            figures.secrets[key] += 1
            if cut.issuperset(range(start, end)):
                figures.hits[key] += 1
            else:
                figures.missed.append((line, line.text[start:end]))
        spans += len(own)
        right += sum(inside.issuperset(range(start, end)) for start, end in own)
        if cut - inside:
            figures.damaged.append((line, " ".join(line.text[start:end] for start, end in own)))
    return Figures(figures.secrets, figures.hits, spans, right, figures.damaged, figures.missed)


def _by(figures: Figures, part: int) -> Iterator[tuple[str, int, int]]:
    totals: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for key, count in figures.secrets.items():
        totals[key[part]] += count
        hits[key[part]] += figures.hits[key]
    for name in sorted(totals):
        yield name, hits[name], totals[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="list misses and damage of the set developed with")
    parser.add_argument("--detail", action="store_true", help="recall by form and issuer")
    options = parser.parse_args()
    systems = {"socorpus": ours, "detect-secrets": detect_secrets}
    for part, name in FILES.items():
        rows = lines(name)
        decoys = sum(not row.secrets for row in rows)
        print(f"{part}: {len(rows)} lines, {decoys} decoys, {sum(len(row.secrets) for row in rows)} secrets")
        for system, find in systems.items():
            figures = score(rows, find([row.text for row in rows]))
            total, hits = figures.secrets.total(), figures.hits.total()
            precision = figures.right / max(1, figures.spans)
            print(
                f"  {system:16} recall {hits / total:.3f} ({hits} of {total})   precision {precision:.3f} "
                f"({figures.right} of {figures.spans})   damaged lines {len(figures.damaged)}"
            )
            if system == "socorpus" and options.detail:
                for column, title in ((0, "form"), (1, "issuer")):
                    shares = ", ".join(f"{key} {got}/{count}" for key, got, count in _by(figures, column) if key != "-")
                    print(f"    by {title}: {shares}")
            if system == "socorpus" and options.list and part == "developed with":
                for line, secret in figures.missed:
                    print(f"    missed {secret!r} in {line.text!r}")
                for line, cut in figures.damaged:
                    print(f"    damaged {line.text!r}: {cut!r}")


if __name__ == "__main__":
    main()
