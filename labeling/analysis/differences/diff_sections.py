"""Sections of a difference's page on the labels: which became which, by whose votes, and where."""

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from socorpus.corpus.diff import diff_page
from socorpus.corpus.report import fragments as html
from socorpus.corpus.report.sections import Section
from socorpus.labeling.analysis.differences.label_diff import Change, LabelDiff
from socorpus.labeling.analysis.differences.whole_diff import Diff

_NONE = "no label"


def write(path: Path, diff: Diff) -> None:
    """Write the page of a difference."""
    sections = [_section(changes) for changes in diff.labels.values()]
    distributions = [changes.distribution for changes in diff.labels.values()]
    diff_page.write(path, diff.corpus, diff.titles, sections, distributions)


def _section(changes: LabelDiff) -> Section:
    content = html.paragraph(
        f"{changes.changed:,} labels changed, {changes.same:,} are the same; of these the probability of "
        f"{changes.raised:,} rose by more than 0.05, and that of {changes.lowered:,} fell. Votes were combined by "
        f"{changes.methods[0] or 'nobody'}, and are by {changes.methods[1] or 'nobody'}."
    )
    for title, sites in (("only in the old corpus", changes.gone), ("only in the new corpus", changes.added)):
        if sites:
            content += html.paragraph(f"Sites {title}: {', '.join(sites)}.")
    rows = matrix(changes)
    if rows:
        content += Markup("<h3>Which label became which</h3>")
        content += html.table(["old", "new", "labels"], rows)
    if changes.causes:
        content += Markup("<h3>Whose votes changed them</h3>")
        content += html.paragraph(
            "A label on which the votes of several functions differ counts for each of them; (label model): the same "
            "votes are combined otherwise; (people): a person's word.",
            "note",
        )
        content += html.table(
            ["function", "labels"], sorted(changes.causes.items(), key=lambda pair: (-pair[1], pair[0]))
        )
    if changes.votes:
        kinds = ("new", "gone", "changed")
        content += Markup("<h3>Votes</h3>")
        content += html.table(
            ["function", *kinds], [[name, *(of[kind] for kind in kinds)] for name, of in sorted(changes.votes.items())]
        )
    if changes.functions:
        content += Markup("<h3>Functions that are new, gone, of another version, or weighed otherwise</h3>")
        content += html.table(["function", "what", "old accuracy", "new accuracy"], list(functions(changes)))
    if changes.examples:
        content += Markup("<h3>Examples</h3>") + html.bullets(map(example, changes.examples))
    return Section(f"Labels of {changes.task}", content)


def matrix(changes: LabelDiff) -> list[tuple[str, str, int]]:
    """Old label, new label and their number: those that changed first, the commonest first, then those that did not."""
    moved = sorted(changes.pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    kept = sorted(changes.kept.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [(old or _NONE, new or _NONE, count) for (old, new), count in moved]
    return [*rows, *((label, label, count) for label, count in kept)]


def functions(changes: LabelDiff) -> Iterator[tuple[str, str, str, str]]:
    """Of each function that differs its name, what it is, and how often the models take it to be right."""
    for change in changes.functions:
        old, new = change.old_version, change.new_version
        if old is None or new is None:
            what = "new" if old is None else "gone"
        else:
            what = f"version {old} → {new}" if old != new else "weighed otherwise"
        was, is_now = ("–" if share is None else f"{share:.3f}" for share in (change.old_accuracy, change.new_accuracy))
        yield change.function, what, was, is_now


def example(change: Change) -> str:
    """A label that changed, in a line."""
    place = f" {change.start}-{change.end}" if change.start is not None else ""
    sides = ((change.old, change.old_probability), (change.new, change.new_probability))
    was, is_now = (f"{label} {value:.2f}" if label and value is not None else _NONE for label, value in sides)
    return f"{change.key}{place}: {was} → {is_now}, by {', '.join(change.causes)}"
