"""Weak entities against the StackOverflow NER corpus: exact-span F1 on dev, by type and by function; time a post.

Nothing is fitted on dev. The first figure uses nothing annotated, the second the gazetteer of train and how far its
functions are to be believed there, the third a context model trained on train too.

python benchmarks/entities.py [--data PATH] [--fold]
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from lxml import etree
from rich.console import Console
from rich.table import Table

from socorpus.corpus.documents import html
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.datasets.so_ner import Document
from socorpus.labeling.tasks.entities import task as entities_task
from socorpus.labeling.tasks.entities.spans import Counts, Scores, Span, score
from socorpus.labeling.tasks.entities.task import Learned

FLOORS = (0.42, 0.58)
"""F1 to reach with nothing annotated, and with gazetteers learned from train."""
BUDGET = 1000
"""Microseconds a post, all functions together."""
NAMES = ("nothing annotated", "gazetteers of train", "and a context model")
COMBINED = "nothing annotated, as apply combines votes"


def label(documents: Sequence[Document], learned: Learned | None) -> list[list[Span]]:
    """Spans of documents, widened to the corpus's tokens."""
    return entities_task.label(
        [one.text for one in documents],
        [one.segments for one in documents],
        tokens=[one.tokens for one in documents],
        learned=learned,
    )


def by_fold(documents: Sequence[Document], context: bool, folds: int = 4) -> list[list[Span]]:
    """Spans of each document by what is learned of the other folds; a question is in one fold."""
    place = {question: at % folds for at, question in enumerate(sorted({one.question for one in documents}))}
    found: dict[int, list[Span]] = {}
    for fold in range(folds):
        inside = [at for at, one in enumerate(documents) if place[one.question] == fold]
        learned = entities_task.learn_documents([one for one in documents if place[one.question] != fold], context)
        found |= zip(inside, label([documents[at] for at in inside], learned), strict=True)
    return [found[at] for at in range(len(documents))]


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
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--fold", action="store_true", help="cross-validate within train instead, and leave dev alone")
    arguments = parser.parse_args()
    folder = arguments.data / "benchmarks" / "ner"
    train = so_ner.read(folder / "train.txt")
    judged = train if arguments.fold else so_ner.read(folder / "dev.txt")
    if arguments.fold:
        found = [label(judged, None), by_fold(judged, False), by_fold(judged, True)]
    else:
        learned = [None, entities_task.learn_documents(train), entities_task.learn_documents(train, context=True)]
        found = [label(judged, one) for one in learned]
    gold = [one.spans for one in judged]
    every = [score(gold, spans) for spans in found]
    twenty = [score(gold, spans, only=entities_task.TASK.labels[:20]) for spans in found]
    console = Console(width=110)
    console.print(_figures("train, 4 folds" if arguments.fold else "dev", every, twenty))
    _combined(judged, console)
    console.print(_types(every))
    console.print(_functions(by_function(judged)))
    spent, posts, length = microseconds(arguments.data / "dumps")
    console.print(f"{spent:.0f} us a post, {posts} real posts of {length:.0f} characters; budget {BUDGET} us")


def _figures(name: str, every: Sequence[Scores], twenty: Sequence[Scores]) -> Table:
    table = Table("with", "precision", "recall", "F1", "F1 of the 20 types", "floor", title=f"Exact spans, {name}")
    for row, (what, scores, narrow) in enumerate(zip(NAMES, every, twenty, strict=True)):
        micro = scores.micro
        floor = str(FLOORS[row]) if row < len(FLOORS) else ""
        table.add_row(what, *(f"{x:.3f}" for x in (micro.precision, micro.recall, micro.f1, narrow.micro.f1)), floor)
    return table


def _combined(documents: Sequence[Document], console: Console) -> None:
    """What a corpus of the documents' texts has for labels, and how far its probabilities are to be believed."""
    found = entities_task.combined(
        [one.text for one in documents],
        [one.segments for one in documents],
        tokens=[one.tokens for one in documents],
    )
    gold = [set(one.spans) for one in documents]
    micro = score(gold, [[span for span, _ in spans] for spans in found]).micro
    console.print(f"{COMBINED}: precision {micro.precision:.3f}, recall {micro.recall:.3f}, F1 {micro.f1:.3f}")
    table = Table("probability", "spans", "mean", "right")
    for least, most in ((0.0, 0.4), (0.4, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        some = [
            (probability, span in truth)
            for truth, spans in zip(gold, found, strict=True)
            for span, probability in spans
            if span.label != "Code_Block" and least <= probability < most
        ]
        if some:
            mean, right = (sum(column) / len(some) for column in zip(*some, strict=True))
            table.add_row(f"from {least}", str(len(some)), f"{mean:.2f}", f"{right:.2f}")
    console.print(table)


def _types(every: Sequence[Scores]) -> Table:
    table = Table("type", "gold", *(f"F1, {name}" for name in NAMES), title="By type")
    for label_, counts in sorted(every[0].types.items(), key=lambda one: -one[1].gold):
        table.add_row(label_, str(counts.gold), *(f"{scores.types[label_].f1:.2f}" for scores in every))
    return table


def _functions(found: dict[str, Counts]) -> Table:
    table = Table("function", "votes", "precision", "share of its types' spans", title="By function")
    for name, counts in found.items():
        table.add_row(name, str(counts.predicted), f"{counts.precision:.2f}", f"{counts.recall:.2f}")
    return table


if __name__ == "__main__":
    main()
