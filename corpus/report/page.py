"""report.html: a corpus on one page that opens offline, from its manifest and a summary of its tables."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.errors import InputError
from socorpus.corpus.report import summary
from socorpus.corpus.report.fragments import breakable
from socorpus.corpus.report.sections import AFTER, SECTIONS, Facts, Section
from socorpus.corpus.storage import files

NAME = "report.html"


Maker = Callable[[Facts], Section | None]
"""Makes a section, or None where it has nothing to say."""


def write(root: Path, facts: Mapping[str, Any], more: Sequence[Maker] = ()) -> Outcome:
    """Write `report.html` into the corpus at `root`, whose manifest is `facts`.

    Args:
        more: sections of other packages; they come after those of the documents and shards.

    Raises:
        InputError: the corpus lacks a file that its manifest promises.
    """
    try:
        page = render(Facts(root, facts, summary.gather(root, facts), _seconds(root)), more)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: missing from the corpus; build it again") from error
    files.write_text(root / NAME, page)
    return Outcome({NAME: 1})


def render(facts: Facts, more: Sequence[Maker] = ()) -> str:
    """The page."""
    place = SECTIONS.index(AFTER) + 1
    makers = (*SECTIONS[:place], *more, *SECTIONS[place:])
    there = [section for make in makers if (section := make(facts)) is not None]
    # The first says what became of the dump; the titles of the others have what they amount to beside them.
    sections = [replace(section, folded=number > 0) for number, section in enumerate(there)]
    sites = list(facts.sites)
    title = ", ".join(sites[:3]) + (f" and {len(sites) - 3} more sites" if len(sites) > 3 else "")
    dates = _dates(facts)
    origin = f"corpus version {facts.manifest['version']}, made by socorpus {facts.manifest['socorpus']}"
    under = f"{dates}; {origin}" if dates else origin
    return page("Corpus report", title or "no site", under, _headline(facts), sections)


def page(kind: str, title: str, under: str, figures: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """A page that opens offline: a title, what it is made of, some figures, and sections with a list of them.

    Its policy (CSP) lets nothing be loaded and only its own style and script count, which it names by their hashes: an
    element or attribute with a style or script of its own does nothing.
    """
    from jinja2 import Environment

    html, style, script = (_part(f"report.{name}") for name in ("html", "css", "js"))
    named: dict[str, Section] = {}
    for section in sections:
        slug = name = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        while name in named or name == "content":
            name = f"{slug}-{len(named) + 1}" if name == slug else f"{name}-2"
        named[name] = section
    rendered: str = (
        Environment(autoescape=True)
        .from_string(html)
        .render(
            kind=kind,
            title=breakable(title),
            plain=title,
            under=under,
            figures=figures,
            sections=named,
            style=Markup(style),
            style_hash=_hash(style),
            script=Markup(script),
            script_hash=_hash(script),
        )
    )
    return rendered


def _part(name: str) -> str:
    return resources.files("socorpus.corpus.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a policy (CSP, level 2) names an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _headline(facts: Facts) -> list[tuple[str, str]]:
    totals, shards = facts.totals, facts.manifest["shards"].values()
    return [
        ("rows read", f"{sum(totals['rows'].values()):,}"),
        ("quarantined", f"{totals['quarantined']:,}"),
        ("posts", f"{totals['posts']:,}"),
        ("documents", f"{totals['documents']:,}"),
        ("kept", f"{totals['kept']:,}"),
        ("dropped", f"{sum(totals['dropped'].values()):,}"),
        ("shards", f"{sum(shard['files'] for shard in shards):,}"),
        ("tokens", f"{sum(shard.get('tokens', 0) for shard in shards):,}"),
    ]


def _dates(facts: Facts) -> str:
    released = sorted({site["released"] for site in facts.sites.values() if site["released"]})
    spans = facts.summary.distributions.spans.values()
    phrases = []
    if released:
        phrases.append(f"dumps of {released[0]}" + (f" to {released[-1]}" if len(released) > 1 else ""))
    if spans:
        phrases.append(f"posts from {summary.day(min(s[0] for s in spans))} to {summary.day(max(s[1] for s in spans))}")
    return ", ".join(phrases)


def _seconds(root: Path) -> dict[str, tuple[int, float]]:
    runs = {stage: receipts.run_of(root, stage) for stage in receipts.stages(root) if stage != "report"}
    ordered = sorted((run.started, stage, run.seconds) for stage, run in runs.items() if run is not None)
    return {stage: (len(seconds), sum(seconds)) for _, stage, seconds in ordered if seconds}
