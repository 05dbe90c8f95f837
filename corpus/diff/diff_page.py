"""The page of a difference: one file that opens offline, with the report's style; labels come from another package."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from markupsafe import Markup

from socorpus.corpus.diff import moves
from socorpus.corpus.diff.corpus_diff import KEPT, CorpusDiff, Fact
from socorpus.corpus.diff.histograms import Distribution
from socorpus.corpus.report import fragments as html
from socorpus.corpus.report import page as report_page
from socorpus.corpus.report.sections import Section
from socorpus.corpus.storage import files

_ROWS = 300
"""Rows of a table that are shown; the JSON has all."""
Titles = tuple[str, str]
"""What the two corpora are called."""


def write(
    path: Path, diff: CorpusDiff, titles: Titles, labels: Sequence[Section], more: Sequence[Distribution]
) -> None:
    """Write the page.

    Args:
        titles: of the old and the new corpus.
        labels: sections of the labels, before the distributions.
        more: distributions of the labels.
    """
    every = [_facts(diff), _rows(diff), _moves(diff), *labels, _distributions((*diff.distributions, *more), titles)]
    # On a narrow screen words of their tables are broken, and no column is out of sight.
    sections = [Section(part.title, Markup('<div class="narrow">{}</div>').format(part.html)) for part in every]
    moved = diff.moved
    figures = [(moves.KINDS[kind], f"{moved[kind]:,}") for kind in moves.KINDS]
    figures += [
        ("keys of the configuration that differ", f"{len(diff.configuration):,}"),
        ("tables with other rows", f"{len(diff.tables):,}"),
    ]
    under = f"old: {titles[0]}; new: {titles[1]}" + ("" if diff.differs else "; there is no difference")
    text = report_page.page("What changed", f"{titles[0]} → {titles[1]}", under, figures, sections)
    files.write_text(path, text)


def shown(value: Any) -> str:
    """A value of a fact, in a line."""
    if value is None:
        return "–"
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    )


def delta(old: int, new: int) -> str:
    """The difference of two counts, with its sign."""
    return "0" if old == new else f"{new - old:+,}".replace("-", "−")


def _pairs(facts: Iterable[Fact], head: str) -> Markup:
    return html.table([head, "old", "new"], [[fact.name, shown(fact.old), shown(fact.new)] for fact in facts])


def _facts(diff: CorpusDiff) -> Section:
    content = _pairs(diff.facts, "fact")
    for head, unit, facts, none in (
        ("Configuration", "key", diff.configuration, "Every key has the same value."),
        ("Sources", "table, in bytes", diff.sources, "The tables of the dumps have the same bytes each."),
        ("Tables with other rows", "folder, in rows", diff.tables, "Every table has the same rows, by their hashes."),
    ):
        content += Markup("<h3>{}</h3>").format(head)
        content += _pairs(facts, unit) if facts else html.paragraph(none)
    return Section("What they are", content)


def _rows(diff: CorpusDiff) -> Section:
    content = Markup()
    for site, rows in groupby(diff.rows[:_ROWS], key=attrgetter("site")):
        content += Markup("<h3>{}</h3>").format(site)
        table = [[row.reason, row.old, row.new, delta(row.old, row.new)] for row in rows]
        content += html.table(["kept, or the rule", "old", "new", "difference"], table)
    return Section("Documents by rule", content + _more(len(diff.rows)))


def _more(count: int) -> Markup:
    return html.paragraph(f"… and {count - _ROWS:,} more rows; --json has all", "note") if count > _ROWS else Markup()


def _moves(diff: CorpusDiff) -> Section:
    if not diff.counts:
        return Section("Posts that moved", html.paragraph("No post moved, and no kept text is another one."))
    sums = diff.moved
    content = html.table(["move", "posts"], [[meaning, sums[kind]] for kind, meaning in moves.KINDS.items()])
    for site, rows in groupby(diff.counts[:_ROWS], key=attrgetter("site")):
        content += Markup("<h3>{}, by rule</h3>").format(site)
        table = [[way(row), edited(row.edited), row.posts] for row in rows]
        content += html.table(["move", "text of the document", "posts"], table)
    content += _more(len(diff.counts))
    for kind, meaning in moves.KINDS.items():
        drawn = [move for move in diff.examples if move.move == kind]
        if drawn:
            content += Markup("<h3>{}</h3>").format(meaning[0].upper() + meaning[1:])
            content += html.join(_example(move) for move in drawn)
    return Section("Posts that moved", content)


def edited(value: bool | None) -> str:
    """What became of the text of a document."""
    return "–" if value is None else "another" if value else "the same"


def way(move: moves.Move | moves.Count) -> str:
    """From which rule to which a post moved."""
    if move.move in ("gone", "new"):
        return f"{move.move}: {move.old_reason or move.new_reason or KEPT}"
    if move.move == "text":
        return "another text"
    return f"{move.old_reason or KEPT} → {move.new_reason or KEPT}"


def _example(move: moves.Move) -> Markup:
    evidence = json.dumps(dict(move.evidence), ensure_ascii=False) if move.evidence else ""
    head = Markup('<b>{}</b> {}, {}<span class="evidence">{}</span>').format(move.key, move.kind, way(move), evidence)
    title = Markup("<b>{}</b>\n").format(move.title) if move.title else Markup()
    return html.sample(head, Markup('<div class="text">{}{}</div>').format(title, move.text))


def _distributions(every: Sequence[Distribution], titles: Titles) -> Section:
    content = html.paragraph(
        "Counts over the same bins, and bars of their shares. The distance is the Jensen-Shannon divergence in bits "
        "(Lin, 1991): 0 of equal distributions, 1 of two that have no bin in common."
    )
    content += Markup('<p class="sides"><i></i><b>{}</b><i></i><b>{}</b></p>').format(*titles)
    return Section("Distributions", content + html.grid(map(_distribution, every)))


def _distribution(of: Distribution) -> Markup:
    content = Markup("<h3>{}</h3>").format(of.name) + html.paragraph(summary(of), "note")
    if rows := list(zip(of.bins, of.old, of.new, strict=True)):
        content += html.side_by_side("bin", ("old", "new"), rows)
    return Markup("<div>{}</div>").format(content)


def summary(distribution: Distribution) -> str:
    """The distance of a distribution, and its means, in a line."""
    distance = (
        "no distance, as one side has none"
        if distribution.distance is None
        else (f"distance {distribution.distance:.4f} bits")
    )
    if distribution.means is None:
        return distance
    means = ("–" if mean is None else f"{mean:,.2f}" for mean in distribution.means)
    return f"{distance}; means {' and '.join(means)}"
