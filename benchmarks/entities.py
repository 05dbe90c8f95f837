"""Weak entities against the StackOverflow NER corpus: exact-span F1 and calibration on dev, by type and by function.

Nothing is fitted on dev. `--fold` cross-validates within train instead, and leaves dev alone (some minutes). `--names`
simulates what people's judgements of the commonest names teach: a table of its own, from the gold spans.

`--stacked` scores another system, `stacked` of `socorpus evaluate`, learned of the whole of train; `--encoder FOLDER`
the same with the vectors of that encoder (several minutes on a core).

python benchmarks/entities.py [--data PATH] [--fold] [--names] [--stacked [--encoder FOLDER]]
"""

import argparse
import hashlib
import math
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lxml import etree
from rich.console import Console
from rich.table import Table

from socorpus.corpus.documents import html
from socorpus.labeling.aggregation import weighed
from socorpus.labeling.aggregation.weighed import Judged
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.datasets.so_ner import Document
from socorpus.labeling.tasks.entities import task as entities_task
from socorpus.labeling.tasks.entities.learned import Learned
from socorpus.labeling.tasks.entities.spans import Counts, Scores, Span, score

TARGETS = {"F1": 0.65, "log loss": 0.47, "ECE": 0.03, "right from 0.9": 0.95}
NAMES, CONTEXTS = (0, 50, 100, 200, 400), 3
"""Numbers of names that people judge in the simulation, and contexts of each."""
SLIPS = (0.0, 0.1)
"""Shares of contexts that simulated people judge wrongly."""
BUDGET = 1000
"""Microseconds a post, all functions together."""
Labelled = list[list[tuple[Span, float]]]


def label(documents: Sequence[Document], learned: Learned | None) -> Labelled:
    """Spans of documents with their probabilities, widened to the corpus's tokens."""
    return entities_task.label(
        [document.text for document in documents],
        [document.segments for document in documents],
        tokens=[document.tokens for document in documents],
        learned=learned,
    )


def by_fold(documents: Sequence[Document], folds: int = 4) -> Labelled:
    """Spans of each document by what is learned of the other folds; a question is in one fold."""
    numbers = {question: rank % folds for rank, question in enumerate(sorted({d.question for d in documents}))}
    labelled: dict[int, list[tuple[Span, float]]] = {}
    for fold in range(folds):
        inside = [row for row, document in enumerate(documents) if numbers[document.question] == fold]
        learned = entities_task.learn_documents([d for d in documents if numbers[d.question] != fold])
        labelled |= zip(inside, label([documents[row] for row in inside], learned), strict=True)
    return [labelled[row] for row in range(len(documents))]


def by_stacked(folder: Path, encoder: str | None) -> tuple[list[Document], Labelled]:
    """Documents of dev, and their spans by `stacked`, learned of train; there is no validation split to choose on."""
    from socorpus.labeling.schema import TASKS
    from socorpus.training.evaluation.entities import stacked
    from socorpus.training.examples import benchmarks
    from socorpus.training.finetuning import pretrained
    from socorpus.training.finetuning.settings import FinetuneSettings

    data = benchmarks.conll(folder, TASKS["entities"])
    everything = {"train": [*data.splits["train"], *data.splits["validation"]], "validation": [], "test": []}
    vectors = None
    if encoder is not None:
        vectors = stacked.encoder_vectors(pretrained.find(encoder), data.task, FinetuneSettings())
    fitted = stacked.fit(replace(data, splits=everything), vectors)
    documents = so_ner.read(folder / "dev.txt")
    return documents, [list(answer.spans) for answer in fitted.predict(data.splits["test"])]


def by_function(documents: Sequence[Document]) -> dict[str, Counts]:
    """Votes of each function that are right, all of them, and the gold spans of the types it votes for."""
    gold = [set(one.spans) for one in documents]
    right: dict[str, int] = defaultdict(int)
    cast: dict[str, int] = defaultdict(int)
    types: dict[str, set[str]] = defaultdict(set)
    said = entities_task.votes_on([one.text for one in documents], [one.segments for one in documents])
    for document, truth, votes in zip(documents, gold, said, strict=True):
        widen = entities_task.widener(document.tokens)
        found = {
            (function.name, Span(*widen(vote.start, vote.end), vote.label))
            for function, vote in votes
            if vote.start is not None and vote.end is not None
        }
        for name, span in found:
            cast[name] += 1
            right[name] += span in truth
            types[name].add(span.label)
    return {
        name: Counts(right[name], cast[name], sum(span.label in types[name] for truth in gold for span in truth))
        for name in sorted(cast, key=lambda one: -cast[one])
    }


def bodies(folder: Path, most: int) -> list[str]:
    """Bodies of posts below a folder, spread evenly."""
    found = []
    for file in sorted(folder.rglob("*.[xX][mM][lL]")):
        if file.stem.lower() in ("posts", "postswithdeleted"):
            for _, row in etree.iterparse(file, recover=True, huge_tree=True):
                if row.get("Body"):
                    found.append(row.attrib["Body"])
                row.clear()
    return found[:: max(1, len(found) // most)]


def microseconds(folder: Path) -> tuple[float, int, float]:
    """Processor time of all functions, microseconds a post; how many real posts that was, and their mean length."""
    read = [html.html(body) for body in bodies(folder, 2000)]
    segments = [
        [{"kind": kind, "start": a, "end": b, "language": language, "id": 0} for kind, a, b, language in one.segments]
        for one in read
    ]
    texts = [one.text for one in read]
    entities_task.votes_on(texts[:50], segments[:50])
    started = time.process_time()
    entities_task.votes_on(texts, segments)
    spent = time.process_time() - started
    return spent / len(texts) * 1e6, len(texts), sum(map(len, texts)) / len(texts)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    root = Path(os.environ.get("SOCORPUS_REAL_DATA", Path(__file__).resolve().parents[2] / "shared"))
    parser.add_argument("--data", type=Path, default=root)
    parser.add_argument("--fold", action="store_true", help="cross-validate within train instead, and leave dev alone")
    parser.add_argument("--names", action="store_true", help="only simulate judgements of names")
    parser.add_argument("--stacked", action="store_true", help="score the system `stacked` of `socorpus evaluate`")
    parser.add_argument("--encoder", metavar="FOLDER", help="with the vectors of this encoder")
    arguments = parser.parse_args()
    folder = arguments.data / "benchmarks" / "ner"
    if arguments.stacked or arguments.encoder:
        judged, labelled = by_stacked(folder, arguments.encoder)
    else:
        judged = so_ner.read(folder / ("train.txt" if arguments.fold else "dev.txt"))
        labelled = by_fold(judged) if arguments.fold else label(judged, None)
    gold = [document.spans for document in judged]
    console = Console(width=110)
    if arguments.names:
        for slips in SLIPS:
            console.print(judged_names(gold, labelled, [document.text for document in judged], slips))
        return
    predicted = [[span for span, _ in spans] for spans in labelled]
    every, twenty = score(gold, predicted), score(gold, predicted, only=entities_task.TASK.labels[:20])
    table = Table("precision", "recall", "F1", "F1 of the 20 types", *list(TARGETS)[1:], "AUC")
    micro = every.micro
    figures = [micro.precision, micro.recall, micro.f1, twenty.micro.f1, *calibration(gold, labelled)]
    table.add_row(*(f"{figure:.3f}" for figure in figures))
    console.print(f"{'train, 4 folds' if arguments.fold else 'dev'}; targets {TARGETS}")
    console.print(table)
    console.print(_reliability(gold, labelled))
    console.print(_types(every))
    console.print(_functions(by_function(judged)))
    spent, posts, length = microseconds(arguments.data / "dumps")
    console.print(f"{spent:.0f} us a post, {posts} real posts of {length:.0f} characters; budget {BUDGET} us")


def _stated(gold: Sequence[Sequence[Span]], labelled: Labelled) -> list[tuple[float, bool]]:
    """Probability of each label, and whether it is right."""
    return sorted(
        (probability, span in set(truth))
        for truth, spans in zip(gold, labelled, strict=True)
        for span, probability in spans
        if span.label != "Code_Block"
    )


def calibration(gold: Sequence[Sequence[Span]], labelled: Labelled) -> tuple[float, float, float, float]:
    """Log loss, ECE over tenths, share of right labels from 0.9 on, and AUC, all over labels."""
    stated = _stated(gold, labelled)
    tenths: dict[int, float] = defaultdict(float)
    for value, right in stated:
        tenths[int(value * 10)] += value - right
    sure = [right for value, right in stated if value >= 0.9]
    return _loss(stated), sum(map(abs, tenths.values())) / len(stated), sum(sure) / len(sure), _area(stated)


def _loss(stated: Sequence[tuple[float, bool]]) -> float:
    return -sum(math.log(value if right else 1 - value) for value, right in stated) / len(stated)


def _area(stated: Sequence[tuple[float, bool]]) -> float:
    """AUC; of equal probabilities the wrong ones come first."""
    ranks = [rank for rank, (_, right) in enumerate(sorted(stated), 1) if right]
    hits = len(ranks)
    return (sum(ranks) - hits * (hits + 1) / 2) / (hits * (len(stated) - hits))


def judged_names(gold: Sequence[Sequence[Span]], labelled: Labelled, texts: Sequence[str], slips: float) -> Table:
    """Figures of the spans that nobody saw, by the number of the commonest names that people judged."""
    table = Table(
        *("names", "share of spans", "spans unseen", "AUC before", "after", "log loss before", "after"),
        title=f"Judged names, {CONTEXTS} contexts each, {slips:.0%} of them wrongly",
    )
    spans = [
        (f"{span.label} {texts[number][span.start : span.end].lower()}", probability, span in truth, (number, *span))
        for number, (truth, labels) in enumerate(zip(map(set, gold), labelled, strict=True))
        for span, probability in labels
        if span.label != "Code_Block"
    ]
    by_name: dict[str, list[int]] = defaultdict(list)
    for row, (key, *_) in enumerate(spans):
        by_name[key].append(row)
    commonest = sorted(by_name, key=lambda key: (-len(by_name[key]), key))
    for most in NAMES:
        verdicts, seen = [], set[int]()
        for key in commonest[:most]:
            drawn = sorted(by_name[key], key=lambda row: hashlib.sha256(repr(spans[row][3]).encode()).digest())
            shown = drawn[:CONTEXTS]
            seen.update(shown)
            right = sum(spans[row][2] != (_drawn(spans[row][3]) < slips) for row in shown)
            mean = sum(spans[row][1] for row in by_name[key]) / len(by_name[key])
            label, _, name = key.partition(" ")
            verdicts.append(Judged(label, name, mean, float(right), float(len(shown))))
        corrections = weighed.fit(verdicts)
        unseen = [span for row, span in enumerate(spans) if row not in seen]
        before = [(stated, right) for _, stated, right, _ in unseen]
        after = [(_corrected(stated, key, corrections), right) for key, stated, right, _ in unseen]
        of_them = sum(len(by_name[key]) for key in commonest[:most])
        figures = [value for measure in (_area, _loss) for value in (measure(before), measure(after))]
        table.add_row(
            str(most), f"{of_them / len(spans):.0%}", str(len(unseen)), *(f"{figure:.3f}" for figure in figures)
        )
    return table


def _drawn(place: tuple[int, int, int, str]) -> float:
    """A number from 0 to 1 that is always the same for a span."""
    return int.from_bytes(hashlib.sha256(f"slip {place}".encode()).digest()[:8], "big") / 2.0**64


def _corrected(probability: float, key: str, corrections: weighed.Corrections) -> float:
    odds = math.log(probability / (1 - probability)) + corrections.every
    odds += corrections.types.get(key.partition(" ")[0], 0.0) + corrections.names.get(key, 0.0)
    return 1 / (1 + math.exp(-odds))


def _reliability(gold: Sequence[Sequence[Span]], labelled: Labelled) -> Table:
    table = Table("probability", "labels", "mean", "right", title="Reliability")
    stated = _stated(gold, labelled)
    for tenth in range(10):
        some = [pair for pair in stated if int(pair[0] * 10) == tenth]
        if some:
            mean, right = (sum(column) / len(some) for column in zip(*some, strict=True))
            table.add_row(f"from {tenth / 10}", str(len(some)), f"{mean:.2f}", f"{right:.2f}")
    return table


def _types(scores: Scores) -> Table:
    table = Table("type", "gold", "precision", "recall", "F1", title="By type")
    for name, counts in sorted(scores.types.items(), key=lambda pair: -pair[1].gold):
        table.add_row(name, str(counts.gold), f"{counts.precision:.2f}", f"{counts.recall:.2f}", f"{counts.f1:.2f}")
    return table


def _functions(found: dict[str, Counts]) -> Table:
    table = Table("function", "votes", "precision", "share of its types' spans", title="By function")
    for name, counts in found.items():
        table.add_row(name, str(counts.predicted), f"{counts.precision:.2f}", f"{counts.recall:.2f}")
    return table


if __name__ == "__main__":
    main()
