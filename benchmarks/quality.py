"""What leaks in "60k Stack Overflow Questions with Quality Rating": markup, length and tags alone, beside the text.

The audit of the score from text follows (docs/quality-score.md); all takes two minutes of one core.

python benchmarks/quality.py [--data PATH] [--file CSV]
"""

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from socorpus.labeling.datasets import so60k
from socorpus.labeling.text_score import audit as quality_audit

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("SOCORPUS_REAL_DATA", ROOT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=default, help="folder with benchmarks/quality")
    parser.add_argument("--file", type=Path, help="another file of the same columns, such as the whole public set")
    given = parser.parse_args()
    path = given.file or given.data / "benchmarks/quality/so-60k-subset.csv"
    questions = so60k.read(path)
    console = Console()
    for row in so60k.formats(questions).to_pylist():
        console.print(f"{row['label']}: {row['html']} bodies in HTML, {row['markdown']} in Markdown")
    scores = {split: so60k.audits(questions, split) for split in ("folds", "time")}
    table = Table("a model that sees", title=f"{path.name}: {len(questions)} questions")
    for head in ("accuracy, 5 folds", "macro F1, 5 folds", "accuracy, last fifth", "macro F1, last fifth"):
        table.add_column(head, justify="right")
    for folds, time in zip(scores["folds"], scores["time"], strict=True):
        figures = (folds.accuracy, folds.macro_f1, time.accuracy, time.macro_f1)
        table.add_row(folds.view, *(f"{figure:.3f}" for figure in figures))
    console.print(table)
    audit, _ = quality_audit.run(questions, console.print)
    table = Table("a model that sees", title=f"{quality_audit.FOLDS} folds by time")
    for head in ("ROC AUC", "95%"):
        table.add_column(head, justify="right")
    label = audit["auc_of"][0]
    for name, figures in [("text", audit["text"]), *audit["masked"].items(), *audit["baselines"].items()]:
        low, high = figures[label]["interval"]
        table.add_row(name, f"{figures[label]['auc']:.3f}", f"{low:.3f} to {high:.3f}")
    console.print(table)


if __name__ == "__main__":
    main()
