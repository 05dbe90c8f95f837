"""A site written by hand for the tests of report and explain: one post of each fate, and a corpus built of it."""

from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from socorpus.corpus import config, pipeline
from socorpus.corpus.config import Config
from socorpus.corpus.dump import sources
from socorpus.corpus.engine.executor import Engine

SITE = "small.stackexchange.com"
SECRET, MAILBOX = "AKIAQ7RZ4NXW2KPLM3VT", "jane.roe@brewery-supplies.com"
QUESTION, ANSWER, COPY, NEAR, SHORT, SCRIPT, WIKI, UNREADABLE, PRIVATE = 1, 2, 3, 4, 5, 6, 7, 8, 9
CAUSE = (
    "The mash was too cold when the enzymes went in, so the starch never became sugar and the yeast had nothing "
    "to eat. Heat the water to seventy degrees first, stir the grain in slowly, wait for an hour with the lid on, "
    "measure with the hydrometer, and only then go on with the boil as the recipe says."
)
_ADVICE = "Keep the fermenter in a dark place, since light turns the hops into a smell of skunk, batch {}."


def dump(folder: Path) -> Path:
    """Write Posts.xml, Comments.xml, Votes.xml and PostHistory.xml into `folder`/SITE; that folder."""
    posts = [
        _post(QUESTION, 1, "<p>My beer does not ferment at all. What went wrong with it?</p>", Title="No fermentation"),
        _post(ANSWER, 2, f"<p>{CAUSE}</p>", ParentId=QUESTION, Score=9),
        _post(COPY, 2, f"<p>{CAUSE}</p>", ParentId=QUESTION, Score=1),
        _post(NEAR, 2, f"<p>{CAUSE.replace('seventy', 'sixty')}</p>", ParentId=QUESTION, Score=2),
        _post(SHORT, 2, "<p>Just wait.</p>", ParentId=QUESTION),
        _post(SCRIPT, 1, "<p>Why?</p>", Title="<script>alert('title')</script> & <b>bold</b>"),
        _post(WIKI, 5, "<p>Beer is a drink made of water, malt, hops and yeast.</p>"),
        f'  <row Id="{UNREADABLE}" PostTypeId="1" CreationDate="not a date" Body="{MAILBOX}" <script>alert(2)</script>',
        _post(
            PRIVATE,
            1,
            f"<p>Write to {MAILBOX} about the shop of the brewery.</p><pre><code>aws_key = '{SECRET}'\n</code></pre>"
            "<p>Then <code>&lt;script&gt;alert('body')&lt;/script&gt;</code> is what I got back from the shop.</p>",
            Title="Who sells malt by the sack",
        ),
    ]
    posts += [_post(100 + i, 1, f"<p>{_ADVICE.format(i) * (i + 1)}</p>", Title=f"Question {i}") for i in range(20)]
    _table(folder, "Posts", posts)
    _table(
        folder,
        "Comments",
        [_row(Id=1, PostId=ANSWER, Score=0, Text="Thank you, that helped.", CreationDate=_time(9), UserId=3)],
    )
    votes = [_row(Id=i, PostId=ANSWER, VoteTypeId=2, CreationDate=_time(9)) for i in range(1, 4)]
    _table(folder, "Votes", [*votes, _row(Id=9, PostId=ANSWER, VoteTypeId=3, CreationDate=_time(9))])
    _table(
        folder,
        "PostHistory",
        [
            _row(Id=i, PostHistoryTypeId=kind, PostId=ANSWER, RevisionGUID=f"{i}", CreationDate=_time(9), Text="x")
            for i, kind in enumerate((2, 5, 5, 10, 11), start=1)
        ],
    )
    return folder / SITE


def build(root: Path, *found: Path, **sections: Any) -> dict[str, Any]:
    """Build a corpus of these sources in this process, with these sections of the configuration; its manifest."""
    return build_with(root, config.load(overrides=sections), *found, workers=0)


def build_with(root: Path, built: Config, *found: Path, workers: int) -> dict[str, Any]:
    """Build a corpus of these sources by a configuration that was loaded, with as many processes; its manifest."""
    with Engine(root, workers=workers) as engine:
        return pipeline.build(root, sources.discover([str(path) for path in found]), built, engine)


def _table(folder: Path, name: str, rows: list[str]) -> None:
    path = folder / SITE / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    root = name.lower()
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<{root}>", *rows, f"</{root}>", ""]
    path.write_text("\n".join(lines), "utf-8")


def _post(number: int, kind: int, body: str, **attributes: Any) -> str:
    given = {"Id": number, "PostTypeId": kind, "CreationDate": _time(number % 28 + 1), "Score": 0, "Body": body}
    return _row(**(given | {"OwnerUserId": 3, "OwnerDisplayName": "jane"} | attributes))


def _row(**attributes: Any) -> str:
    return f"  <row {' '.join(f'{name}={quoteattr(str(value))}' for name, value in attributes.items())} />"


def _time(day: int) -> str:
    return f"2021-03-{day:02d}T10:00:00.000"
