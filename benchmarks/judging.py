"""Labels judged by hand: samples drawn by seed, shown without their labels, and precision by task and class.

    python benchmarks/judging.py draw before/a,before/b after/a,after/b --task quality --each 40 -o sheet
    python benchmarks/judging.py collect sheet --drawn 2026-11    verdicts into benchmarks/judged
    python benchmarks/judging.py score after/a after/b            precision of labels

docs/judging.md is the protocol. What lies in benchmarks/judged has keys and verdicts, and no text of anybody.
"""

import argparse
import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from rich.console import Console
from rich.table import Table

from socorpus.labeling import label_examples

JUDGED = Path(__file__).resolve().parent / "judged"
TASKS = ("quality", "closure", "obsolescence", "entities")
NOTHING = "none"
"""The verdict that no label is right: nothing is named there, or the text is not to be judged at all."""
UNSURE = "unsure"
"""The verdict of who can't say; such items count for nothing."""
_AROUND = 300
_EVENTS = (10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 33, 34, 35, 36, 37, 38)


def kept_apart(site: str, thread: int) -> bool:
    """Whether nobody who writes labelling functions looks at a thread: samples are drawn from these only."""
    return hashlib.sha1(f"{site}:{thread}".encode()).digest()[0] % 2 == 1


def _table(corpus: Path, folder: str) -> list[dict[str, Any]]:
    path = corpus / folder
    return ds.dataset(path, format="parquet").to_table().to_pylist() if any(path.rglob("*.parquet")) else []


def _key(label: Mapping[str, Any], digest: bytes) -> tuple[Any, ...]:
    return label["site"], label["post_id"], digest.hex(), label["start"], label["end"]


def labels(corpus: Path, task: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]]:
    """Each label of a task with its key (site, post, digest of the text, span) and its example."""
    rows = (row for table in label_examples(corpus, task) for row in table.to_pylist())
    examples = {(row["site"], row["post_id"]): row for row in rows}
    for label in _table(corpus, f"labels/{task}/labels"):
        example = examples[label["site"], label["post_id"]]
        yield _key(label, example["digest"]), label, example


def _order(seed: int, key: Sequence[Any]) -> str:
    return hashlib.sha1(f"{seed} {key}".encode()).hexdigest()


def draw(
    groups: Sequence[Sequence[Path]], task: str, each: int, seed: int
) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """`each` labels of each class and group, from the threads that are kept apart, in an order that says nothing.

    What has a verdict is not drawn again.

    Args:
        groups: the corpora of each group, such as those of a release before a change and of one after it: who judges
            does not see which group a label is from.

    Returns:
        keys with what the judge sees of each: the text, and what a visitor of the site sees beside it.
    """
    chosen: dict[tuple[Any, ...], tuple[Path, dict[str, Any]]] = {}
    judged = _verdicts(task)
    for corpora in groups:
        classes: dict[str, list[tuple[tuple[Any, ...], Path, dict[str, Any]]]] = defaultdict(list)
        for corpus in corpora:
            for key, label, example in labels(corpus, task):
                if kept_apart(label["site"], label["thread_id"]) and key not in judged:
                    classes[label["label"]].append((key, corpus, example))
        for drawn in classes.values():
            for key, corpus, example in sorted(drawn, key=lambda item: _order(seed, item[0]))[:each]:
                chosen.setdefault(key, (corpus, example))
    pages = {corpus: _Pages(corpus, task) for corpora in groups for corpus in corpora}
    keys = sorted(chosen, key=lambda key: _order(seed + 1, key))
    return [(key, pages[chosen[key][0]].page(key, chosen[key][1])) for key in keys]


class _Pages:
    """What a visitor of the site sees of a post: comments, score, events, edits."""

    def __init__(self, corpus: Path, task: str) -> None:
        self._task = task
        self._more: dict[tuple[str, int], dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        if task == "entities":
            return
        for row in _table(corpus, "tables/comments"):
            self._more[row["site"], row["post_id"]]["comments"].append(row["text"])
        for row in _table(corpus, "tables/history"):
            kind = row["post_history_type_id"]
            if kind in _EVENTS:
                event = {"type": kind, "at": f"{row['creation_date']:%Y-%m-%d}", "comment": row["comment"]}
                self._more[row["site"], row["post_id"]]["events"].append(
                    event | {"reason": row["close_reason_id"], "text": (row["text"] or "")[:300]}
                )
            elif kind in (4, 5, 6):
                edit = {"type": kind, "at": f"{row['creation_date']:%Y-%m-%d}", "comment": row["comment"]}
                self._more[row["site"], row["post_id"]]["edits"].append(edit | {"text": (row["text"] or "")[:1500]})
        for row in _table(corpus, "tables/links"):
            link = {"to": row["related_post_id"], "type": row["link_type_id"]}
            self._more[row["site"], row["post_id"]]["links"].append(link)
        for row in _table(corpus, "tables/posts"):
            facts = {name: row.get(name) for name in ("view_count", "answer_count", "closed_date", "score")}
            published = {name: f"{value}" for name, value in facts.items() if value is not None}
            self._more[row["site"], row["post_id"]]["published"].append(published)

    def page(self, key: tuple[Any, ...], example: Mapping[str, Any]) -> dict[str, Any]:
        site, post, _, start, end = key
        text = example["text"]
        shown = {"site": site, "tags": example["tags"], "title": example["title"], "kind": example["kind"]}
        shown["created"] = f"{example['created']:%Y-%m-%d}"
        if start is not None:
            before, after = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
            return shown | {"span": text[start:end], "text": f"{before}⟦{text[start:end]}⟧{after}"}
        return shown | {"text": text, **self._more[site, post]}


def _drawn(given: argparse.Namespace) -> None:
    groups = [[Path(name) for name in names.split(",")] for names in given.groups]
    items = draw(groups, given.task, given.each, given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "items.jsonl").open("w") as sheet, (given.out / "keys.jsonl").open("w") as keys:
        for number, (key, page) in enumerate(items):
            sheet.write(json.dumps({"item": number, **page}, ensure_ascii=False, default=str) + "\n")
            keys.write(json.dumps({"item": number, "task": given.task, "key": key}) + "\n")
    print(f"{len(items)} items of {given.task}: {given.out}/items.jsonl; verdicts go to verdicts.jsonl beside it")


def _collected(given: argparse.Namespace) -> None:
    keys = {row["item"]: row for row in _lines(given.sheet / "keys.jsonl")}
    verdicts = {row["item"]: row["verdict"] for row in _lines(given.sheet / "verdicts.jsonl")}
    if missing := sorted(keys.keys() - verdicts.keys()):
        raise SystemExit(f"{given.sheet}/verdicts.jsonl: no verdict on the items {missing[:10]} …")
    JUDGED.mkdir(exist_ok=True)
    task = keys[0]["task"]
    path = JUDGED / f"{task}.jsonl"
    rows = {tuple(row["key"]): row for row in (_lines(path) if path.exists() else ())}
    for item, row in keys.items():
        rows[tuple(row["key"])] = {"key": row["key"], "verdict": verdicts[item], "drawn": given.drawn}
    ordered = sorted(rows.values(), key=lambda row: json.dumps(row["key"]))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ordered), "utf-8")
    print(f"{path}: {len(ordered)} judged")


def _verdicts(task: str) -> dict[tuple[Any, ...], str]:
    path = JUDGED / f"{task}.jsonl"
    return {tuple(row["key"]): row["verdict"] for row in (_lines(path) if path.exists() else ())}


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    z, share = 1.96, right / of
    middle, spread = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - spread) / (1 + z * z / of), (middle + spread) / (1 + z * z / of)


def precision(corpora: Iterable[Path], task: str) -> list[dict[str, Any]]:
    """Labels of some corpora by class: how many, how many of them judged and right, how sure the judged ones were.

    A text whose digest is another than the judged one counts for nothing, as do verdicts of `UNSURE`.
    """
    verdicts = _verdicts(task)
    counts: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    frequency: Counter[str] = Counter()
    for corpus in corpora:
        for key, label, _ in labels(corpus, task):
            frequency[label["label"]] += 1
            verdict = verdicts.get(key, UNSURE)
            if verdict != UNSURE:
                counts[label["label"]].append((verdict == label["label"], label["probability"]))
    return [
        {
            "label": label,
            "labels": number,
            "judged": len(counts[label]),
            "right": sum(right for right, _ in counts[label]),
            "stated": sum(probability for _, probability in counts[label]) / max(len(counts[label]), 1),
        }
        for label, number in sorted(frequency.items())
    ]


def weighted(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Precision of all labels and half its 95% interval: classes by their frequency, each with a smoothed share.

    Classes of which nothing was judged are left out.
    """
    judged = [row for row in rows if row["judged"]]
    every = sum(row["labels"] for row in judged) or 1
    share = sum(row["labels"] / every * row["right"] / row["judged"] for row in judged)
    variance = 0.0
    for row in judged:
        smoothed = (row["right"] + 1) / (row["judged"] + 2)
        variance += (row["labels"] / every) ** 2 * smoothed * (1 - smoothed) / row["judged"]
    return share, 1.96 * math.sqrt(variance)


def _scored(given: argparse.Namespace) -> None:
    console = Console()
    for task in TASKS:
        rows = precision(given.corpora, task)
        table = Table("class", title=task)
        for head in ("labels", "judged", "right", "precision", "95% interval", "stated"):
            table.add_column(head, justify="right")
        for row in rows:
            counts = [f"{row[name]:,}" for name in ("labels", "judged", "right")]
            if row["judged"]:
                low, high = wilson(row["right"], row["judged"])
                counts += [f"{row['right'] / row['judged']:.2f}", f"{low:.2f} to {high:.2f}", f"{row['stated']:.2f}"]
            table.add_row(row["label"], *counts)
        share, spread = weighted(rows)
        table.add_row("all, by frequency", "", "", "", f"{share:.2f}", f"{share - spread:.2f} to {share + spread:.2f}")
        console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("groups", nargs="+", metavar="CORPUS,CORPUS", help="corpora of a group, by commas")
    drawing.add_argument("--task", choices=TASKS, required=True)
    drawing.add_argument("--each", type=int, default=40, help="labels of each class and group")
    drawing.add_argument("--seed", type=int, default=1)
    drawing.add_argument("-o", "--out", type=Path, required=True)
    drawing.set_defaults(run=_drawn)
    collecting = commands.add_parser("collect")
    collecting.add_argument("sheet", type=Path)
    collecting.add_argument("--drawn", required=True, help="a name of the draw")
    collecting.set_defaults(run=_collected)
    scoring = commands.add_parser("score")
    scoring.add_argument("corpora", type=Path, nargs="+")
    scoring.set_defaults(run=_scored)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
