"""README.md of a fine-tuned model: its labels, its training data, its scores and their meaning."""

from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any


def text(facts: Mapping[str, Any]) -> str:
    """The card, with the metadata header of the hub.

    Args:
        facts: contents of finetune.json.
    """
    kind = "token-classification" if facts["spans"] else "text-classification"
    labels = "\n".join(
        f"- `{label}`" + (f": {meaning}" if meaning else "") for label, meaning in facts["meanings"].items()
    )
    counts = ", ".join(f"{sum(numbers):,} labels for {split}" for split, numbers in facts["counts"].items())
    notes = "".join(f" {note[:1].upper()}{note[1:]}." for note in facts["data"]["notes"])
    cut = facts["cut"]["test"]
    lost = f" {cut['cut']:,} of {cut['texts']:,} test texts lost their end." if cut["cut"] else ""
    return f"""---
library_name: {"peft" if facts["learned_parameters"] < facts["parameters"] else "transformers"}
pipeline_tag: {kind}
language:
- en
tags:
- stack-exchange
- {facts["task"]}
---

# {facts["task"].capitalize()} of Stack Exchange posts

`{facts["model"].rsplit("/", 1)[-1]}` ({facts["parameters"]:,} parameters), fine-tuned by socorpus {facts["socorpus"]}.
{"It tags words with B- and I- of these types" if facts["spans"] else "It distinguishes these labels"}:

{labels}

## Data

{facts["data"]["name"]}: {counts}.{notes} Texts are read in windows of {facts["reading"]["length"]:,} tokens.{lost}

Labels of a corpus come mostly from labelling functions, not from people: the scores show how well the model predicts
the functions. The posts are CC BY-SA; no licence is chosen here for the weights.

## Scores on the test split

{_scores(facts)}

Seed {facts["best_seed"]}, the best on the validation split, is the one in this folder.{_rate(facts)}
"""


def _rate(facts: Mapping[str, Any]) -> str:
    if facts.get("choice"):
        return f" Its settings: {facts['choice']['note']}."
    if len(facts["rates"]) < 2:
        return ""
    tried = ", ".join(f"{rate['rate']:g}" for rate in facts["rates"])
    return f" Its learning rate of {facts['rate']:g} is the best of {tried} on the validation split."


def _scores(facts: Mapping[str, Any]) -> str:
    names = [name for name in facts["seeds"][0]["test"] if ":" not in name]
    rows = [[f"seed {result['seed']}", *(f"{result['test'][name]:.3f}" for name in names)] for result in facts["seeds"]]
    if len(facts["seeds"]) > 1:
        columns = [[result["test"][name] for result in facts["seeds"]] for name in names]
        rows.append(["mean", *(f"{mean(column):.3f} ± {stdev(column):.3f}" for column in columns)])
    head = ["", *(name.replace("_", " ") for name in names)]
    lines = [head, ["---", *("---:" for _ in names)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
