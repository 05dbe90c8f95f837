"""comparison.html: a comparison on one page that opens offline, to look at: plots with their figures beside them."""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from socorpus.corpus.report import fragments as html
from socorpus.corpus.report import page as report_page
from socorpus.corpus.report import plots
from socorpus.corpus.report.sections import Section
from socorpus.corpus.storage.files import atomic
from socorpus.training.evaluation.table import (
    EXPLAINED,
    HEAD,
    TAUGHT,
    TITLES,
    costs,
    duration,
    score,
    taught,
    taught_columns,
)

ALL_PAIRS = 10
"""Systems up to which the plot has all pairs; of more, those next to one another."""
SHOWN = 8
"""Systems with plots of their own: those with the highest scores."""
LABELS = 10
"""Labels up to which a confusion is a table; of more, the commonest mistakes are listed."""
MISTAKES = 15


def write(path: Path, facts: Mapping[str, Any]) -> None:
    """The page of a comparison.

    Args:
        facts: the contents of comparison.json.
    """
    sections = []
    for data in facts["data"]:
        column = [cell for cell in facts["cells"] if (cell["task"], cell["data"]) == (data["task"], data["name"])]
        if column:
            sections.append(Section(f"{data['task']} – {data['name']}", _table(data, column)))
    curved = dict.fromkeys((curve["task"], curve["data"]) for curve in facts.get("curves", ()))
    for number, (task, name) in enumerate(curved):
        mine = [curve for curve in facts["curves"] if (curve["task"], curve["data"]) == (task, name)]
        metric = next(iter(next(cell for cell in facts["cells"] if cell["task"] == task and cell["scores"])["scores"]))
        groups = {
            cell["system"]: set(cell["group"])
            for cell in facts["cells"]
            if (cell["task"], cell["data"]) == (task, name)
        }
        sections.insert(number, Section(f"{task} – {name}: what labels are worth", _curves(mine, metric, groups)))
    settings = facts["settings"]
    shown = ", ".join(f"{name} {value}" for name, value in settings.items())
    sections.append(Section("How to read this", html.paragraph(EXPLAINED)))
    sections.append(Section("Fine-tuning", html.paragraph(shown)))
    headline = [
        ("systems", f"{len({cell['system'] for cell in facts['cells']}):,}"),
        ("tasks", f"{len({(data['task'], data['of']) for data in facts['data']}):,}"),
        ("missing", f"{sum(bool(cell['missing']) for cell in facts['cells']):,}"),
        ("seeds", f"{len(settings['seeds']):,}"),
    ]
    under = (
        "" if facts["finished"] else "not finished: what is missing is computed when the same command is given again"
    )
    page = report_page.page("Comparison", "Comparison of systems", under, headline, sections)
    with atomic(path) as partial:
        partial.write_text(page, "utf-8")


def _table(data: Mapping[str, Any], column: Sequence[Mapping[str, Any]]) -> Markup:
    there = [cell for cell in column if cell["scores"]]
    counts = ", ".join(f"{count:,} {split}" for split, count in data["counts"].items())
    body = html.paragraph("; ".join([f"Examples: {counts}", *data["notes"]]) + ".")
    if there:
        metrics = list(there[0]["scores"])
        more = taught_columns(there)
        rows = [
            [_name(cell), *(score(cell["scores"][name]) for name in metrics), *taught(cell, more), *costs(cell)]
            for cell in there
        ]
        body += html.table(
            ["system", *(TITLES[name] for name in metrics), *(TAUGHT[name] for name in more), *HEAD], rows
        )
        body += _budgets(there)
        ranked = sorted(there, key=lambda cell: (-cell["scores"][metrics[0]]["mean"], cell["system"]))
        body += _differences(ranked, metrics[0]) + _labels(there)
        body += _calibration(ranked[:SHOWN]) + _confusion(ranked[:SHOWN]) + _slices(ranked[:SHOWN], metrics[0])
        if data["slices_left_out"]:
            body += html.paragraph("Slices left out: " + "; ".join(data["slices_left_out"]) + ".", "note")
    notes = [f"{cell['system']}: {note}" for cell in there for note in cell["notes"]]
    notes += [f"{cell['system']} was not compared: {cell['missing']}" for cell in column if cell["missing"]]
    return body + (html.bullets(notes) if notes else Markup(""))


def _budgets(there: Sequence[Mapping[str, Any]]) -> Markup:
    """What each system was allowed to choose on the validation split; a table of those that chose something."""
    known = [(cell["system"], cell["budget"]) for cell in there if cell["budget"] is not None]
    if not any(budget["configurations"] > 1 for _, budget in known):
        return Markup("")
    rows = [
        [
            system,
            f"{budget['configurations']:,}",
            "–" if budget["runs"] is None else f"{budget['runs']:,}",
            "–" if budget["passes"] is None else f"{budget['passes']:,.4g}",
            duration(budget["seconds"]),
            "–" if budget["dollars"] is None else f"{budget['dollars']:,.4g}",
            budget["chosen"] or "nothing to choose",
        ]
        for system, budget in known
    ]
    explained = (
        "What each system chose on the validation split, never on the test split, and of how much. Runs are trainings "
        "of models, fits of plain systems, and answers of endpoints; passes are over the training examples, in all "
        "runs of the choice together. The column train of the table above has none of this. Systems that are not here "
        "choose nothing."
    )
    heads = ["system", "configurations", "runs", "passes", "time", "$", "chosen"]
    return _head("Budgets of choice") + html.paragraph(explained, "note") + html.table(heads, rows)


def _curves(curves: Sequence[Mapping[str, Any]], metric: str, groups: Mapping[str, set[str]]) -> Markup:
    """Learning curves, and at which share of the labels one system has what another has with all.

    Args:
        groups: letters of each system with all labels.
    """
    shown = curves[:SHOWN]
    points = {
        curve["system"]: [(labels, of["mean"]) for labels, of in zip(curve["labels"], curve["scores"], strict=True)]
        for curve in shown
    }
    name = f"{TITLES[metric]} by number of labels: " + "; ".join(
        f"{system}: " + ", ".join(f"{mean:.3f} with {labels:,}" for labels, mean in curve)
        for system, curve in points.items()
    )
    plot = plots.curves(name, points, "labels to learn from", tenfold=True)
    shares = {share: labels for curve in curves for share, labels in zip(curve["shares"], curve["labels"], strict=True)}
    rows = []
    for curve in curves:
        scores = dict(zip(curve["shares"], curve["scores"], strict=True))
        area = "–" if curve["area"] is None else f"{curve['area']:.3f}"
        rows.append([curve["system"], *(score(scores[of]) if of in scores else "–" for of in sorted(shares)), area])
    heads = [f"{100 * share:g}% ({shares[share]:,})" for share in sorted(shares)]
    saved = [[curve["system"], *(_reached(curve, other, groups) for other in shown)] for curve in shown]
    explained = (
        "Each share is drawn anew for each seed, of the training and of the validation split, so that ± has what the "
        "draw does; the last point is all labels. Area: the mean of the curve over the logarithm of the labels. "
        "Below: the share of the labels with which the system of a row has what the system of a column has with all, "
        "between points by a straight line; a dash where it never has. It is a reading of the means, and in "
        "brackets where the two share a letter with all labels: there it says nothing."
    )
    return (
        html.paragraph(explained, "note")
        + html.figure(plot, f"{TITLES[metric]} by labels")
        + html.table(["system", *heads, "area"], rows)
        + _head("Labels that are enough")
        + html.table(["system", *(curve["system"] for curve in shown)], saved)
    )


def _reached(curve: Mapping[str, Any], other: Mapping[str, Any], groups: Mapping[str, set[str]]) -> str:
    if other["system"] == curve["system"]:
        return ""
    share = curve["reached"].get(other["system"])
    if share is None:
        return "–"
    at_most = "≤ " if curve["scores"][0]["mean"] >= other["scores"][-1]["mean"] else ""
    reached = f"{at_most}{100 * share:.2g}%"
    alike = groups.get(curve["system"], set()) & groups.get(other["system"], set())
    return f"({reached})" if alike else reached


def _head(title: str) -> Markup:
    return Markup("<h3>{}</h3>").format(title)


def _name(cell: Mapping[str, Any]) -> Any:
    return Markup("<b>{}</b>").format(cell["system"]) if cell["best"] else cell["system"]


def signed(value: float) -> str:
    """A difference, with its sign."""
    return f"{value + 0.0:+.3f}".replace("-", "−")


def p_value(value: float) -> str:
    """A p-value, small ones as below 0.001."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _told(difference: Mapping[str, Any]) -> str:
    return "  differ" if difference["holm"] <= 0.05 else ""


def _differences(ranked: Sequence[Mapping[str, Any]], metric: str) -> Markup:
    """A forest plot; the same as a table of figures for those who don't see it."""
    if len(ranked) < 2:
        return Markup("")
    pairs = list(combinations(ranked, 2) if len(ranked) <= ALL_PAIRS else pairwise(ranked))
    shown = {f"{first['system']} − {other['system']}": first["differences"][other["system"]] for first, other in pairs}
    which = "all pairs" if len(ranked) <= ALL_PAIRS else "neighbours by score; differences.csv has all pairs"
    caption = f"{which}: difference, p corrected for all pairs of this table; dark where two systems differ"
    return _head("Differences between systems") + forest(shown, TITLES[metric], caption)


def forest(differences: Mapping[str, Mapping[str, Any]], measure: str, caption: str) -> Markup:
    """A forest plot of differences by their titles, each with its interval and its corrected p-value."""
    # Each row's text says what its colour does.
    rows = [
        (
            title,
            difference["mean"],
            difference["low"],
            difference["high"],
            f"{signed(difference['mean'])}  p {p_value(difference['holm'])}{_told(difference)}",
            plots.KEPT if difference["holm"] <= 0.05 else plots.QUIET,
        )
        for title, difference in differences.items()
    ]
    bounds = (min([0.0, *(row[2] for row in rows)]), max([0.0, *(row[3] for row in rows)]))
    name = f"Differences in {measure}, each with its 95% interval: " + "; ".join(
        f"{row[0]} {signed(row[1])} from {signed(row[2])} to {signed(row[3])}, p {p_value(difference['holm'])}"
        for row, difference in zip(rows, differences.values(), strict=True)
    )
    return html.figure(plots.intervals(name, rows, bounds, f"difference in {measure}", 0.0), caption)


def _labels(there: Sequence[Mapping[str, Any]]) -> Markup:
    labels = list(dict.fromkeys(label for cell in there for label in cell["labels"]))
    rows = []
    for label in labels:
        known = next(cell["labels"][label] for cell in there if label in cell["labels"])
        rows.append([label, known["true"], *(_f1(cell, label) for cell in there)])
    return _head("F1 by label") + html.table(["label", "true", *(cell["system"] for cell in there)], rows)


def _f1(cell: Mapping[str, Any], label: str) -> str:
    return score(cell["labels"][label]["f1"]) if label in cell["labels"] else "–"


def _calibration(shown: Sequence[Mapping[str, Any]]) -> Markup:
    figures = []
    for cell in shown:
        if (calibration := cell["calibration"]) is None:
            continue
        total = sum(some["count"] for some in calibration["bins"])
        points = [(some["confidence"], some["right"], some["count"] / total) for some in calibration["bins"]]
        name = f"Reliability of {cell['system']}, expected calibration error {calibration['error']:.3f}: " + "; ".join(
            f"{some['count']:,} predictions of confidence {some['confidence']:.2f}, {some['right']:.2f} of them right"
            for some in calibration["bins"]
        )
        plot = plots.against_diagonal(name, points, "confidence", "share that is right")
        figures.append(html.figure(plot, f"{cell['system']}: calibration error {calibration['error']:.3f}"))
    if not figures:
        return Markup("")
    explained = (
        "Predictions in ten bins by confidence, of all seeds; a circle's area is the bin's share of predictions. Below "
        "the dotted line a system is surer than it is right. Of spans: of those that it says. The error is too high "
        "for few predictions, even of a system that is well calibrated."
    )
    return _head("Calibration") + html.paragraph(explained, "note") + html.grid(figures)


def _confusion(shown: Sequence[Mapping[str, Any]]) -> Markup:
    """A table of each system: rows are true, columns what was predicted."""
    body = Markup("")
    for cell in shown:
        confusion = cell["confusion"]
        true, predicted, counts = (confusion[name] for name in ("true", "predicted", "counts"))
        if len(predicted) <= LABELS:
            rows = [
                [row, *(_tinted(count, sum(line)) for count in line)] for row, line in zip(true, counts, strict=True)
            ]
            inner = html.table(["true \\ predicted", *predicted], rows)
        else:
            mistakes = sorted(
                (-count, row, column)
                for row, line in zip(true, counts, strict=True)
                for column, count in zip(predicted, line, strict=True)
                if count and row != column
            )
            inner = html.table(
                ["true", "predicted", "count"],
                [[row, column, f"{-count:,.1f}"] for count, row, column in mistakes[:MISTAKES]],
            )
        body += html.fold(cell["system"], inner, unfolded=cell is shown[0])
    explained = (
        "Rows are true, columns what was predicted: counts, means over seeds, with the share of the row. Of spans, "
        "those with equal start and end are held against each other. Of many labels, the commonest mistakes."
    )
    return _head("Confusion") + html.paragraph(explained, "note") + body


def _tinted(count: float, whole: float) -> Markup:
    part = count / whole if whole else 0.0
    return plots.tinted(f"{count:,.1f}".removesuffix(".0") + f" ({100 * part:.0f}%)", part)


def _slices(shown: Sequence[Mapping[str, Any]], metric: str) -> Markup:
    """Of each kind of slice a plot a system, all on one axis."""
    body = Markup("")
    for kind in dict.fromkeys(kind for cell in shown for kind in cell["slices"]):
        scores = [part["score"] for cell in shown for part in cell["slices"][kind].values()]
        bounds = (min(some["low"] for some in scores), max(some["high"] for some in scores))
        figures = []
        for cell in shown:
            whole = cell["scores"][metric]["mean"]
            rows = [
                (name, some["mean"], some["low"], some["high"], f"{part['examples']:,}", plots.KEPT)
                for name, part in cell["slices"][kind].items()
                for some in (part["score"],)
            ]
            name = f"{TITLES[metric]} of {cell['system']} by {kind}, {whole:.3f} on all: " + "; ".join(
                f"{row[0]} {row[1]:.3f} from {row[2]:.3f} to {row[3]:.3f}, {row[4]} examples" for row in rows
            )
            figures.append(html.figure(plots.intervals(name, rows, bounds, TITLES[metric], whole), cell["system"]))
        body += _head(f"By {kind}") + html.grid(figures)
    if not body:
        return body
    explained = (
        "95% intervals of each slice, behind them its examples; the dotted line is the system's score on all. Slices "
        "are many, and of many some lie apart by chance: they show where to look, and prove nothing. Macro F1 is over "
        "the labels that a slice has, so that slices without a hard label look easy."
    )
    return html.paragraph(explained, "note") + body
