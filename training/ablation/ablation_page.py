"""ablation.html: an ablation on one page that opens offline: a forest plot of each measure, and what is behind it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from socorpus.corpus.report import fragments as html
from socorpus.corpus.report import page as report_page
from socorpus.corpus.report.sections import Section
from socorpus.training.ablation.variants import BASE
from socorpus.training.evaluation.comparison_page import forest, p_value

EXPLAINED = (
    "Each variant is the corpus built with other keys, and on each the same small encoders, the proxies, are trained "
    "from random weights: as many tokens, steps and seeds for all. Held-out loss is the mean of −log p over masked "
    "tokens, in nats, on the same texts with the same masks for all; no proxy has seen these texts, their threads or "
    "their duplicates. In brackets: the 95% interval over threads and seeds together. Differences are those from base "
    "on the same threads, and p-values are corrected for all pairs of a table (Holm). Variants that share a letter of "
    "the column group are not told apart, which does not say that they are equal."
)
MISLEADS = (
    (
        "A proxy's ranking need not hold for a larger model, or for more tokens: differences that a small model shows "
        "early may shrink, vanish or turn."
    ),
    (
        "Losses of variants on their own held-out texts could not be compared: a corpus of easier texts has a lower "
        "loss. So all are scored on the same texts, and these are of one kind: a variant that trains on more of that "
        "kind gains by it."
    ),
    (
        "All variants have equal compute, so that a smaller corpus is read more often (column passes). A variant may "
        "lose for what it drops, or for what it repeats: a larger corpus, or fewer tokens, tells these apart."
    ),
    "The tokenizer is that of the corpus as it is, for all variants: losses by other tokens can't be compared.",
    "The more variants, the likelier that the best of them is best by chance.",
)


def render(facts: Mapping[str, Any]) -> str:
    """The page of an ablation.

    Args:
        facts: the contents of ablation.json.
    """
    sections = [Section(measure["name"], _measure(measure, facts)) for measure in facts["measures"]]
    sections.append(Section("The variants", _variants(facts)))
    sections.append(Section("The held-out texts", _held_out(facts)))
    sections.append(Section("How to read this", html.paragraph(EXPLAINED) + html.bullets(MISLEADS)))
    proxy = facts["proxy"]
    shown = "; ".join(f"[{name}] {json.dumps(keys)}" for name, keys in proxy["config"].items())
    sections.append(Section("The proxies", html.paragraph(shown)))
    headline = [
        ("variants", f"{len(facts['variants']):,}"),
        ("proxies", f"{len({run for entry in facts['variants'] for run in entry['proxies'].values()}):,}"),
        ("seeds", f"{len(proxy['seeds']):,}"),
        ("tokens each", f"{proxy['tokens']:,}"),
        ("steps each", f"{proxy['steps']:,}"),
    ]
    under = f"{facts['corpus']['name']}, varied by {'; '.join(facts['vary'])}"
    return report_page.page("Ablation", "Ablation of data", under, headline, sections)


def changed(entry: Mapping[str, Any]) -> str:
    """The keys in which a variant differs from the corpus, each with its value there and here."""
    return "; ".join(
        f"{key}: {json.dumps(change['base'])} → {json.dumps(change['variant'])}"
        for key, change in entry["changes"].items()
    )


def interval(figures: Mapping[str, Any], written: Callable[[float], str]) -> str:
    """A figure with its interval, and its standard deviation over proxies where it has one: 5.123 [5.101, 5.145]."""
    spread = f"\u00a0±{figures['spread']:.4f}" if figures.get("spread") else ""
    return f"{written(figures['mean'])}\u00a0[{written(figures['low'])},\u00a0{written(figures['high'])}]{spread}"


def signed(value: float) -> str:
    """A difference, with its sign: those of losses are small."""
    return f"{value + 0.0:+.4f}".replace("-", "−")


def _measure(measure: Mapping[str, Any], facts: Mapping[str, Any]) -> Markup:
    rows = []
    entries = {entry["name"]: entry for entry in facts["variants"]}
    for name, score in measure["scores"].items():
        difference = measure["differences"].get(name)
        entry = entries[name]
        rows.append(
            [
                name,
                f"{entry['documents']:,}",
                f"{entry['passes']:,.2f}",
                interval(score, "{:.4f}".format),
                "" if difference is None else interval(difference, signed),
                "" if difference is None else p_value(difference["holm"]),
                measure["groups"][name],
            ]
        )
    head = ["variant", "documents", "passes", measure["name"], f"− {BASE}", "p (Holm)", "group"]
    shown = {f"{name} − {BASE}": difference for name, difference in measure["differences"].items()}
    better = "left of the line is better than base" if measure["better"] == "lower" else "right of it is better"
    caption = f"difference from {BASE}, p corrected for all pairs of this table; dark where it differs; {better}"
    on = f"On {measure['on']}, of {measure['threads']:,} threads."
    plot = forest(shown, measure["name"], caption) if shown else Markup("")
    return html.paragraph(on) + plot + html.table(head, rows)


def _variants(facts: Mapping[str, Any]) -> Markup:
    rows = [
        [
            entry["name"],
            changed(entry),
            f"{entry['documents']:,}",
            f"{entry['train_documents']:,}",
            f"{entry['train_tokens']:,}",
            f"{entry['passes']:,.2f}",
            entry["folder"],
        ]
        for entry in facts["variants"]
    ]
    head = ["variant", "keys: base → variant", "documents", "to train on", "tokens", "passes", "folder"]
    return html.table(head, rows) + (html.bullets(facts["notes"]) if facts["notes"] else Markup(""))


def _held_out(facts: Mapping[str, Any]) -> Markup:
    held = facts["held_out"]
    rows = [
        ["documents of base's validation split", f"{held['validation']:,}"],
        ["of threads that a variant trains on", f"{held['thread_in_training']:,}"],
        ["of other threads, with a duplicate that a variant trains on", f"{held['duplicate_in_training']:,}"],
        ["left", f"{held['left']:,}"],
        ["of these in the validation split of every variant", f"{held['common']:,}"],
        ["drawn", f"{held['drawn']:,}"],
        ["drawn of those of every variant", f"{held['drawn_common']:,}"],
        ["threads of these", f"{held['threads']:,}"],
    ]
    return html.table(["held-out texts", "number"], rows)
