"""Made-up questions of known labels, as a file of the public set's columns."""

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

COMMON = [
    "the",
    "value",
    "of",
    "a",
    "list",
    "is",
    "read",
    "from",
    "file",
    "when",
    "server",
    "starts",
    "and",
    "then",
    "it",
]
CLEAR = ["reproduce", "minimal", "documentation", "expected", "upgraded"]
VAGUE = ["plz", "urgent", "homework", "doesnt", "asap"]
TAGS = {"HQ": "quaxlang", "LQ_EDIT": "brimscript"}


def text(draw: random.Random, count: int, extra: list[str], share: float) -> str:
    """Sentences of common words, of which a share are taken from `extra`."""
    words = [draw.choice(extra) if draw.random() < share else draw.choice(COMMON) for _ in range(count)]
    return " ".join(words).capitalize() + "."


def write(path: Path, count: int, signal: str) -> Path:
    """A file of HQ and LQ_EDIT questions by turns at random.

    Args:
        signal: what tells the label: "words" of the text, the "format" of the body, or the name of a "tag" in the text.
    """
    draw = random.Random(7)
    with path.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["Id", "Title", "Body", "Tags", "CreationDate", "Y"])
        for number in range(count):
            label = draw.choice(("HQ", "LQ_EDIT"))
            cues = (CLEAR if label == "HQ" else VAGUE) if signal == "words" else COMMON
            title = text(draw, 6, cues, 0.08)
            tag = TAGS[label] if signal == "tag" else "general"
            prose = text(draw, 25, cues, 0.08) + (f" It is in {tag.upper()}." if signal == "tag" else "")
            code = f"call({draw.randint(1, 9)})"
            html = f"<p>{prose}</p>\n\n<pre><code>{code}\n</code></pre>\n"
            markdown = f"{prose}\n\n    {code}\n"
            body = markdown if signal == "format" and label == "HQ" else html
            created = datetime(2020, 1, 1) + timedelta(hours=number)
            rows.writerow([number + 1, title, body, f"<{tag}>", f"{created:%Y-%m-%d %H:%M:%S}", label])
    return path
