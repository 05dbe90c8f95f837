"""Intervals and p-values of `socorpus evaluate` on simulated tables whose truth is known, beside other methods.

python -m benchmarks.intervals [--tables 500] [--quick]

Prints the table that intervals.md has. A table has five or six systems on the same threads. A text, or a span, is told
right where a sum of normal variables is above zero: how hard its thread and the text itself are, the same for all
systems; how hard it is for the system; what the system's seed does to each label; and chance. So posts of a thread
hang together, systems err on the same texts, and a score expected over all threads and seeds is an integral. Labels
are 62, 25, 9 and 4 of 100. Seeds of a system have its own standard deviation, of two systems up to four times apart.
Half of the tables have systems of different skill, in the others all systems are equally good: these count false
positives, a table with any pair at or below 0.05 after Holm's correction being one.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import special

from socorpus.labeling.schema import Task
from socorpus.training.evaluation import uncertainty
from socorpus.training.examples import metrics
from socorpus.training.examples.metrics import Sums

Float = npt.NDArray[np.float64]

KINDS = ("texts", "spans")
TASKS = {
    "texts": Task("quality", dict.fromkeys("abcd", "")),
    "spans": Task("entities", dict.fromkeys(("Library",), ""), unit="span"),
}
SHARES = np.array([0.62, 0.25, 0.09, 0.04])
MISTAKEN = np.where(np.eye(4) > 0, 0.0, SHARES) / (1 - SHARES)[:, None]
"""Given a true label, the shares of the others among wrong answers."""
THREAD, TEXT, SYSTEM, CHANCE = np.sqrt([0.15, 0.35, 0.2, 0.3])
"""Standard deviations of what decides whether an answer is right; their squares add up to one."""
SKILL = {"texts": np.array([1.1, 0.7, 0.5, 0.3]), "spans": np.array([0.5])}
"""Quantiles of the share that is right, by label."""
SPURIOUS = 0.35
"""Spans that are said and are none, for each true one."""
SEEDS = {"small": 0.02, "large": 0.06}
"""Standard deviation of seeds' effects, in the units of `SKILL`."""
RESAMPLES = 500


@dataclass(frozen=True)
class Simulated:
    """A table: the sums of each system's runs, and each system's true score."""

    task: Task
    systems: Mapping[str, Sequence[Sums]]
    truth: Mapping[str, float]


def simulated(
    kind: str, threads: int, seeds: Sequence[int], draw: np.random.Generator, equal: bool = False, effect: float = 0.03
) -> Simulated:
    """A table.

    Args:
        seeds: numbers of runs of the systems; 0: one run of a system that has no seeds; 1: the truth is of this run.
        equal: whether all systems are equally good.
        effect: standard deviation of seeds' effects; of each system between 0.4 and 1.6 times that.
    """
    score = _texts_score if kind == "texts" else _spans_score
    common = SKILL[kind]
    standard = _seeds(kind, 500, np.random.default_rng(1))
    standard = np.concatenate([standard, -standard])
    aim = float(score(common, effect * standard).mean())
    made, truth = [], {}
    for number, runs in enumerate(seeds):
        deviation = effect * draw.uniform(0.4, 1.6) if runs else 0.0
        if equal:
            skill = common + _shift(lambda shift, d=deviation: score(common + shift, d * standard).mean(), aim)
        else:
            skill = common + 0.25 * draw.normal() + 0.2 * draw.normal(size=len(common))
        effects = deviation * _seeds(kind, max(runs, 1), draw)
        expected = effects if runs == 1 else deviation * standard
        truth[f"s{number}"] = float(score(skill, expected).mean())
        made.append((skill, effects))
    values = (_texts if kind == "texts" else _spans)(threads, made, draw)
    task = TASKS[kind]
    systems = {name: [Sums(run, task) for run in runs] for name, runs in zip(truth, values, strict=True)}
    return Simulated(task, systems, truth)


def _shift(score: Callable[[float], float], aim: float) -> float:
    low, high = -1.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) < aim else (low, middle)
    return middle


def _seeds(kind: str, runs: int, draw: np.random.Generator) -> Float:
    """float64[runs, 4 labels], or of spans the effect on what is there and on what is not."""
    if kind == "spans":
        return draw.normal(size=(runs, 2)) * [1, 2]
    return draw.normal(size=(runs, 1)) + 1.5 * draw.normal(size=(runs, 4))


def _texts_score(skill: Float, effects: Float) -> Float:
    """The macro F1 that each run has on all threads there could be."""
    right = special.ndtr(skill + effects)
    said = SHARES * right + (SHARES * (1 - right)) @ MISTAKEN
    return (2 * SHARES * right / (SHARES + said)).mean(-1)


def _spans_score(skill: Float, effects: Float) -> Float:
    right = special.ndtr(skill + effects[:, 0])
    return 2 * right / (right + SPURIOUS * np.exp(effects[:, 1]) + 1)


def _texts(threads: int, systems: Sequence[tuple[Float, Float]], draw: np.random.Generator) -> list[Float]:
    """float64[runs, threads, figures of `metrics.Sums`] of each system."""
    posts = draw.geometric(1 / 1.8, threads).clip(max=12)
    thread = np.repeat(np.arange(threads), posts)
    # Every second post has its thread's label, so that labels hang together too.
    label = np.where(
        draw.random(len(thread)) < 0.5, draw.choice(4, threads, p=SHARES)[thread], draw.choice(4, len(thread), p=SHARES)
    )
    hard = THREAD * draw.normal(size=threads)[thread] + TEXT * draw.normal(size=len(thread))
    mistaken = (draw.random(len(thread))[:, None] > np.cumsum(MISTAKEN, 1)[label]).sum(1)

    def by_thread(labels: npt.NDArray[np.int64], weights: npt.NDArray[np.bool_] | None = None) -> Float:
        counted = np.bincount(thread * 4 + labels, weights=weights, minlength=threads * 4)
        return counted.reshape(threads, 4).astype(np.float64)

    true, made = by_thread(label), []
    for skill, effects in systems:
        own = hard + SYSTEM * draw.normal(size=len(thread))
        runs = []
        for effect in effects:
            right = (skill + effect)[label] + own + CHANCE * draw.normal(size=len(thread)) > 0
            hits = by_thread(label, right)
            heads = [true.sum(1), hits.sum(1), np.zeros(threads)]
            runs.append(np.column_stack([*heads, hits, by_thread(np.where(right, label, mistaken)), true]))
        made.append(np.stack(runs))
    return made


def _spans(threads: int, systems: Sequence[tuple[Float, Float]], draw: np.random.Generator) -> list[Float]:
    size = draw.gamma(1.2, 1 / 1.2, threads)
    true = draw.poisson(3 * size)
    thread = np.repeat(np.arange(threads), true)
    hard = THREAD * draw.normal(size=threads)[thread] + TEXT * draw.normal(size=len(thread))
    lures, made = draw.gamma(1, 1, threads) * 3 * size, []
    for skill, effects in systems:
        own = hard + SYSTEM * draw.normal(size=len(thread))
        rate = SPURIOUS * lures * draw.gamma(2, 0.5, threads)
        runs = []
        for found, wrong in effects:
            right = skill + found + own + CHANCE * draw.normal(size=len(thread)) > 0
            hits = np.bincount(thread, weights=right, minlength=threads)
            runs.append(np.column_stack([hits, hits + draw.poisson(rate * np.exp(wrong)), true]).astype(np.float64))
        made.append(np.stack(runs))
    return made


# The methods: of a table, an interval of each score, and an interval and a p-value of each pair.

Interval = tuple[float, float]
Answers = tuple[dict[str, Interval], dict[tuple[str, str], tuple[Interval, float]]]


def ours(table: Simulated) -> Answers:
    """What `socorpus evaluate` does."""
    main = metrics.main(table.task)
    scores = {name: uncertainty.summary(main, runs) for name, runs in table.systems.items()}
    pairs = uncertainty.differences(main, table.systems)
    return (
        {name: (score.low, score.high) for name, score in scores.items()},
        {pair: ((pairs[pair].low, pairs[pair].high), pairs[pair].p) for pair in combinations(table.systems, 2)},
    )


def one_t(table: Simulated) -> Answers:
    """The same variances with one t for p-values too: Obuchowski, Rockette and Hillis as published."""
    scores, pairs = ours(table)
    main = metrics.main(table.task)
    runs = {name: uncertainty.Runs.of(main, sums) for name, sums in table.systems.items()}
    new = {}
    for (first, second), (interval, _) in pairs.items():
        error = uncertainty.Error.of(runs[first], runs[second])
        away = abs(runs[first].mean - runs[second].mean) / np.sqrt(error.total)
        new[first, second] = (interval, float(2 * special.stdtr(error.degrees, -away)))
    return scores, new


def bootstrap(table: Simulated, seeds: str) -> Answers:
    """Percentiles of a bootstrap.

    Args:
        seeds: "fixed": of threads alone; "drawn": of threads and seeds; "scaled": so, with the deviations of S seeds
            from their mean by the square root of S / (S - 1) larger.
    """
    main, draw = metrics.main(table.task), np.random.default_rng(0)
    threads = len(next(iter(table.systems.values()))[0].values)
    weights = np.stack([np.bincount(draw.integers(0, threads, threads), minlength=threads) for _ in range(RESAMPLES)])
    means = {}
    for name, runs in table.systems.items():
        each = np.stack([metrics.of_sums(main, table.task, weights @ run.values) for run in runs], 1)
        means[name] = each.mean(1)
        if seeds != "fixed" and len(runs) > 1:
            chosen = np.take_along_axis(each, draw.integers(0, len(runs), each.shape), 1).mean(1)
            scale = np.sqrt(len(runs) / (len(runs) - 1)) if seeds == "scaled" else 1.0
            means[name] = means[name] + scale * (chosen - means[name])

    def interval(values: Float) -> Interval:
        low, high = np.quantile(values, [0.025, 0.975])
        return float(low), float(high)

    def p(values: Float) -> float:
        sides = ((values <= 0).sum(), (values >= 0).sum())
        return min(1.0, 2 * (1 + min(sides)) / (RESAMPLES + 1))

    apart = {pair: means[pair[0]] - means[pair[1]] for pair in combinations(means, 2)}
    return (
        {name: interval(values) for name, values in means.items()},
        {pair: (interval(values), p(values)) for pair, values in apart.items()},
    )


METHODS: Mapping[str, Callable[[Simulated], Answers]] = {
    "threads": partial(bootstrap, seeds="fixed"),
    "drawn": partial(bootstrap, seeds="drawn"),
    "scaled": partial(bootstrap, seeds="scaled"),
    "one t": one_t,
    "ours": ours,
}


@dataclass(frozen=True)
class Judged:
    """How often a method is right.

    Attributes:
        differences, scores: shares of intervals that hold the truth.
        false_positives: share of the tables of equal systems in which a pair differs after Holm's correction.
        width: mean width of the intervals of differences.
    """

    differences: float
    scores: float
    false_positives: float
    width: float


def judged(
    kind: str,
    threads: int,
    seeds: Sequence[int],
    tables: int,
    methods: Sequence[str] = tuple(METHODS),
    effect: float = SEEDS["small"],
) -> dict[str, Judged]:
    """How often methods are right in simulated tables, every second one with systems that are equally good."""
    draw = np.random.default_rng([threads, len(kind), *seeds, round(1000 * effect)])
    kept: dict[str, tuple[list[bool], list[bool], list[bool], list[float]]] = {
        name: ([], [], [], []) for name in methods
    }
    for number in range(tables):
        # Of one run its own score is the truth, which is never equal to others.
        equal = number % 2 == 1 and 1 not in seeds
        table = simulated(kind, threads, seeds, draw, equal, effect)
        for name in methods:
            scores, pairs = METHODS[name](table)
            held, of_scores, false, width = kept[name]
            for (first, second), ((low, high), _) in pairs.items():
                held.append(low <= table.truth[first] - table.truth[second] <= high)
                width.append(high - low)
            of_scores += [low <= table.truth[system] <= high for system, (low, high) in scores.items()]
            if equal:
                false.append(min(uncertainty.corrected([p for _, p in pairs.values()])) <= 0.05)
    return {
        name: Judged(*(float(np.mean(values)) if values else float("nan") for values in lists))
        for name, lists in kept.items()
    }


DESIGNS: Sequence[tuple[str, tuple[int, ...]]] = (
    ("no seeds", (0, 0, 0, 0, 0)),
    ("1 seed each", (1, 1, 1, 1, 1)),
    ("2 seeds each", (2, 2, 2, 2, 2)),
    ("3 seeds each", (3, 3, 3, 3, 3)),
    ("5 seeds each", (5, 5, 5, 5, 5)),
    ("none, none, 3, 3, 5, 5", (0, 0, 3, 3, 5, 5)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=500, help="in a row")
    parser.add_argument("--quick", action="store_true", help="only our method")
    given = parser.parse_args()
    methods = ("ours",) if given.quick else tuple(METHODS)
    speed()
    print("| score | threads | runs | seeds' effects | " + " | ".join(methods) + " |")
    print("| --- | ---: | --- | --- | " + " | ".join("---" for _ in methods) + " |")
    for kind in KINDS:
        for threads in (200, 2000):
            for title, seeds in DESIGNS:
                for size in SEEDS if any(seeds) else ("small",):
                    found = judged(kind, threads, seeds, given.tables, methods, SEEDS[size])
                    cells = [_cell(found[name]) for name in methods]
                    effect = size if any(seeds) else "–"
                    print(f"| {kind} | {threads:,} | {title} | {effect} | " + " | ".join(cells) + " |", flush=True)


def _cell(judged: Judged) -> str:
    false = "–" if np.isnan(judged.false_positives) else f"{100 * judged.false_positives:.1f}"
    return f"{100 * judged.differences:.1f} / {100 * judged.scores:.1f} / {false} / {judged.width:.3f}"


def speed() -> None:
    """Seconds of a large table."""
    table = simulated("texts", 2000, (5,) * 20, np.random.default_rng(0))
    started = time.perf_counter()
    pairs = uncertainty.differences("macro_f1", table.systems)
    seconds = time.perf_counter() - started
    print(f"20 systems of 5 runs, 2,000 threads: {len(pairs) // 2} differences in {seconds:.2f} s\n", flush=True)


if __name__ == "__main__":
    main()
