"""The quality of the labels: each function's coverage, overlap, conflict and accuracy, agreement, errors, leaks.

Everything but the audit and the likely errors follows from counts of patterns, gathered bucket by bucket.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.work import Outcome
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.storage.buckets import Bucket
from socorpus.labeling import logistic, schema, steps, strays
from socorpus.labeling.aggregation import agreement, dawid_skene, plain_vote, uninformative
from socorpus.labeling.aggregation import patterns as vote_patterns
from socorpus.labeling.aggregation.dawid_skene import ABSTAIN
from socorpus.labeling.analysis import label_errors, leaks
from socorpus.labeling.schema import FOLDER, TASKS, Task

VERSION = 11
_FAILURES_SHOWN = 3
Int64 = npt.NDArray[np.int64]


def path(task: str) -> str:
    """Path of a task's analysis."""
    return f"{FOLDER}/{task}/analysis.json"


def load(root: Path, task: str) -> dict[str, Any] | None:
    """A task's analysis; None where there is none."""
    try:
        analysis: dict[str, Any] = files.read_json(root / path(task))
        return analysis
    except FileNotFoundError:
        return None


def seconds(root: Path, task: str) -> dict[str, float]:
    """Processor time of each function when it last voted on the corpus, in seconds over all buckets; most first.

    What several functions read of a post is found when the first of them asks, and counts as this one's time.
    """
    spent: Counter[str] = Counter()
    for name in receipts.names(root, "label_vote"):
        receipt = receipts.load(root, "label_vote", name) if name.startswith(f"{task}/") else None
        if receipt is not None:
            spent.update(receipt.counts.get("seconds", {}))
    return dict(sorted(spent.items(), key=lambda pair: (-pair[1], pair[0])))


def extras() -> list[str]:
    """Optional packages that are installed, with their versions: the analysis depends on them."""
    versions = {"cleanlab": label_errors.version(), "scikit-learn": logistic.version()}
    return [f"{name} {version}" for name, version in versions.items() if version]


def analyse(
    root: Path,
    task: str,
    voters: Sequence[str],
    buckets: Sequence[Bucket],
    remarks: Mapping[str, Any],
    taught: bool = False,
) -> Outcome:
    """Counts and labels -> labels/TASK/analysis.json.

    Args:
        remarks: `failed`, `failures` and `strays` of the manifest's entry, if any.
        taught: whether people's verdicts corrected the probabilities of a weigher.
    """
    definition = TASKS[task]
    counted = steps.read_counts(root, [steps.patterns_path(task, bucket) for bucket in buckets], len(voters))
    patterns, weight, truth = counted.patterns, counted.weight, counted.verdict
    model = dawid_skene.from_dict(files.read_json(root / steps.model_path(task)))
    untaught = counted.fit(voters, definition, model.facts, model.assumed, teach=False) if (truth >= 0).any() else model
    corrections = files.read_json(root / steps.corrections_path(task)) if taught else {}
    measured = corrections["measured"] if taught else model.measured
    examples = sum(sum(parquet.row_groups(root / schema.path(task, "examples", bucket.name))) for bucket in buckets)
    analysis = {
        "task": task,
        "labels": list(definition.labels),
        "examples": examples,
        "without_vote": examples - counted.posts,
        "items": int(weight[(patterns != ABSTAIN).any(1)].sum()),
        "method": model.method,
        "facts": list(model.facts),
        "held_out": dict(model.held_out),
        "prior": _named(definition, model.prior),
        "functions": functions(patterns, weight, truth, model, examples if not definition.spans else None),
        "agreement": {
            "functions": agreement.of_patterns(model.counted(patterns), weight, len(definition.labels)),
            "people": agreement.of_people(counted.units, len(definition.labels) + 1),
            "judged_by_several": len(counted.units),
            "kappa": None if definition.spans else agreement.kappa(counted.units, len(definition.labels)),
            "labels": agreement.by_label(counted.units, definition),
            "disputed": counted.disputes[0],
            "adjudicated": counted.disputes[1],
        },
        "people": against_people(patterns, weight, truth, untaught) | {"seconds": _median(counted.seconds)},
        "names": _names(root, task),
        "probabilities": {
            "basis": "judged" if measured is not None else model.basis,
            "measured": measured,
            "corrected": corrections.get("verdicts", 0),
        },
        "audit": leaks.run(root, buckets, definition),
        "errors": label_errors.find(root, buckets, definition),
        **remarks,
        "abstains": steps.abstains(root, task),
    }
    files.write_json(root / path(task), analysis)
    return Outcome({path(task): len(voters)})


def functions(
    patterns: dawid_skene.Votes, weight: Int64, truth: Int64, model: dawid_skene.LabelModel, examples: int | None
) -> list[dict[str, Any]]:
    """Figures of each voter, in the model's order.

    Args:
        patterns: int8[n, m], votes; weight: int64[n], items of each pattern.
        truth: int64[n], people's verdict; -1 for none, k for a span that is none.
        examples: of which coverage is a share; None: of the items on which anybody votes.

    Returns:
        `coverage`: votes / examples; `overlap`: share of its votes on items where another votes too; `conflict`: share
        of its votes where another votes differently (both of votes that are counted, None where it has none);
        `accuracy`: learned by the model, or the share of right votes that it assumes, None where it never votes;
        `assumed`: whether it rests on a share that nobody learned or judged here;
        `people`: number of its votes on items that people judged, and of the right ones among them; `lift`: label ->
        how many times as often it votes for it where others do as where others vote for other labels, with the
        interval and the numbers of such votes; `not_counted`: labels for
        which its votes tell nothing and don't count (`uninformative`).
    """
    rows = []
    voted = patterns != ABSTAIN
    group = dawid_skene.copies(patterns, weight)
    stating = vote_patterns.places(model.functions, model.facts)
    total = examples if examples is not None else int(weight[voted.any(1)].sum())
    counted = model.counted(patterns)
    for index, name in enumerate(model.functions):
        here = voted[:, index]
        votes = int(weight[here].sum())
        others = np.delete(counted, index, 1)
        beside = counted.copy()
        beside[:, index] = patterns[:, index]
        spoken = others != ABSTAIN
        heard = weight * (counted[:, index] != ABSTAIN)
        overlap = int(heard[spoken.any(1)].sum())
        conflict = int(heard[(spoken & (others != patterns[:, [index]])).any(1)].sum())
        judged, right = here & (truth >= 0), here & (truth == patterns[:, index])
        by = np.bincount(patterns[here, index], weights=weight[here], minlength=len(model.labels))
        accuracy, assumed = _accuracy(model, index)
        rows.append(
            {
                "name": name,
                "votes": votes,
                "labels": {label: int(by[number]) for number, label in enumerate(model.labels) if by[number]},
                "coverage": _share(votes, total),
                "overlap": _share(overlap, int(heard.sum())),
                "conflict": _share(conflict, int(heard.sum())),
                "accuracy": None if accuracy is None or not votes else round(accuracy, 4),
                "assumed": assumed and votes > 0,
                "voice": round(float(model.voices[index]), 4),
                "people": {"judged": int(weight[judged].sum()), "right": int(weight[right].sum())},
                "lift": {
                    model.labels[label]: lift.as_dict()
                    for label, lift in uninformative.of_function(
                        *(beside, weight.astype(np.float64), group, stating, len(model.labels), index)
                    ).items()
                },
                "not_counted": [label for function, label in model.muted if function == name],
            }
        )
    return rows


def _accuracy(model: dawid_skene.LabelModel, index: int) -> tuple[float | None, bool]:
    """A function's share of right votes, and whether it is assumed, or follows from what is, of it or of all functions.

    None where a weigher knows no probabilities of its votes.
    """
    function, accuracy = model.functions[index], float(model.accuracy[index])
    if not np.isnan(accuracy):
        assumed = function in model.assumed or model.held_out["majority"] is None
        return accuracy, assumed and model.method != "weigher" and not model.taught
    if model.method == "weigher":
        return model.assumed.get(function), function in model.assumed
    usual = dawid_skene.FACT if function in model.facts else plain_vote.ASSUMED
    return model.assumed.get(function, usual), True


def against_people(
    patterns: dawid_skene.Votes, weight: Int64, truth: Int64, model: dawid_skene.LabelModel
) -> dict[str, Any]:
    """Combined labels of functions, by a model that nobody taught, against people's: numbers of items judged, of those
    with a vote, and of the right ones among these."""
    judged = truth >= 0
    guess, probabilities = model.choose(patterns)
    spoken = judged & model.speaks(patterns, guess, probabilities)
    right = spoken & (guess == truth)
    counts = {"judged": judged, "voted": spoken, "right": right, "no_span": judged & (truth == len(model.labels))}
    return {name: int(weight[mask].sum()) for name, mask in counts.items()}


def _names(root: Path, task: str) -> dict[str, int]:
    """Judgements of names: of how many different ones, and in how many of the contexts shown the label is right."""
    if not files.exists(root / schema.names_path(task)):
        return {}
    rows = parquet.read(root / schema.names_path(task), schema.NAMES).to_pylist()
    return {
        "names": len({(row["label"], row["name"]) for row in rows}),
        "right": sum(row["right"] for row in rows),
        "contexts": sum(row["times"] for row in rows),
    }


def probabilities(facts: Mapping[str, Any]) -> str:
    """A sentence on what the probabilities of labels rest on, and how good they are.

    Args:
        facts: `measured` (`LabelModel.measured`), and `corrected`: number of judgements that changed them, if any.
    """
    measured = facts["measured"]
    if measured is None and facts.get("corrected"):
        return (
            f"Probabilities are corrected by {counted(facts['corrected'], 'judgement')}, not measured: that takes "
            f"{dawid_skene.FEWEST_JUDGED} labels in texts that people judged (socorpus labeling sync, or sheet)."
        )
    if measured is None:
        return (
            "Probabilities are assumed, not measured: nobody has judged enough labels to compare them with (socorpus "
            "labeling sync, or sheet)."
        )
    which = "judged without a suggestion and held out" if measured["only_blind"] else "judged and held out"
    worse = "" if measured["log_loss"] < measured["constant"] else ": the probabilities say no more than frequencies do"
    return (
        f"Probabilities on {measured['judged']:,} items {which}: log loss {measured['log_loss']:.3f}, that of a "
        f"constant {measured['constant']:.3f}{worse}; expected calibration error {measured['ece']:.3f}, accuracy "
        f"{measured['accuracy']:.3f}."
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the singular where it is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def teaching(facts: Mapping[str, Any]) -> list[str]:
    """Sentences on what people's judgements change of the labels of other items; none where too few judged.

    Args:
        facts: an analysis, or the manifest's entry of a task: `teaching` (`plan.TaskPlan.teaching`).
    """
    given: Mapping[str, Any] | None = facts.get("teaching")
    if not given:
        return []
    losses = f"held-out log loss {given['with']:.3f} with the correction, {given['without']:.3f} without"
    if not given["used"]:
        own = f"People's {counted(given['judged'], 'judgement')} count for their own posts only"
        return [f"{own}: what they teach of others is not better by more than a standard error ({losses})."]
    after, before = given["labels"], given["labels_without"]
    change = f"; of posts that nobody judged, {after:,} have a label, {before:,} without it" if after != before else ""
    return [f"People's {counted(given['judged'], 'judgement')} correct other posts' labels: {losses}{change}."]


def _method(analysis: Mapping[str, Any]) -> str:
    """The sentence on how votes are combined, and why."""
    if analysis["method"] == "weigher":
        return (
            "A function weighs the others: the accuracy of each is the mean of the probabilities that it gives "
            "their votes, from which the probability of a single label may be far."
        )
    vote, model = (analysis["held_out"][name] for name in ("majority", "dawid_skene"))
    if vote is None or model is None:
        return (
            "Fewer than three functions vote often enough, and meet, to learn how good each is: a plain vote decides, "
            "in which each vote counts as its function is assumed to be right."
        )
    figures = f"held-out log likelihood of the votes on an item {model:.3f}, of a plain vote {vote:.3f}"
    if analysis["method"] == "majority":
        return (
            f"Learning how good each function is predicts their votes no better ({figures}): a plain vote decides, in "
            "which functions that seldom meet others, or were judged elsewhere (right=), count as assumed, and all "
            "others alike."
        )
    return f"Functions are told apart, which predicts their votes better ({figures})."


def _named(task: Task, values: npt.NDArray[np.float64]) -> dict[str, float]:
    return {label: round(float(value), 4) for label, value in zip(task.labels, values, strict=True)}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _lifts(rows: Sequence[Mapping[str, Any]], facts: Sequence[str]) -> list[str]:
    """Sentences on votes that are not counted, and on functions of which nothing shows that they tell labels apart."""
    sentences = []
    for row in rows:
        lifts: Mapping[str, Mapping[str, Any]] = row.get("lift", {})
        sentences += [
            f"{row['name']}'s votes for {label} tell nothing and are not counted"
            f"{': ' + _lift(label, lifts[label]) if label in lifts else ''}."
            for label in row.get("not_counted", ())
        ]
        if row["name"] in facts or any(lift["least"] > 1 for lift in lifts.values()):
            continue
        rest = {label: lift for label, lift in lifts.items() if label not in row.get("not_counted", ())}
        if sum(lift["same"] + lift["different"] for lift in rest.values()) >= dawid_skene.OFTEN:
            figures = "; ".join(_lift(label, lift) for label, lift in rest.items())
            against = all(lift["most"] < 1 for lift in rest.values())
            sentences.append(
                f"{row['name']} contradicts the others, and votes alone do not say who is right: {figures}."
                if against
                else f"Nothing shows that {row['name']} tells labels apart: {figures}."
            )
    return sentences


def _lift(label: str, lift: Mapping[str, Any]) -> str:
    return (
        f"where others vote for {label} it does {lift['ratio']:.2f} times as often as where they vote for other labels "
        f"({lift['least']:.2f} to {lift['most']:.2f})"
    )


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 1) if values else None


def not_to_be_had(facts: Mapping[str, Any]) -> list[str]:
    """A sentence for each reason why the task's own functions do not give labels on some sites.

    Args:
        facts: an analysis, or the manifest's entry of a task: `abstains`, site -> label -> why (`Task.abstains`);
            `by_others`, site -> label -> number of labels that other votes made there.
    """
    by: dict[tuple[tuple[str, ...], str], list[str]] = {}
    others: list[tuple[str, str, str, int]] = []
    for site, labels in facts.get("abstains", {}).items():
        given = facts.get("by_others", {}).get(site, {})
        others += [(label, site, why, given[label]) for label, why in labels.items() if label in given]
        for why in dict.fromkeys(labels.values()):
            if names := tuple(label for label, reason in labels.items() if reason == why and label not in given):
                by.setdefault((names, why), []).append(site)
    sentences = [f"No {', '.join(names)} on {', '.join(sites)}: {why}." for (names, why), sites in by.items()]
    return sentences + [
        f"{label} on {site} is only by votes that this does not bind, as of plug-ins or people ({count:,}): {why}."
        for label, site, why, count in others
    ]


def without_vote(facts: Mapping[str, Any]) -> list[str]:
    """A sentence on examples on which nobody votes; none where there are none.

    Args:
        facts: an analysis, or the manifest's entry of a task.
    """
    count, examples = facts.get("without_vote", 0), facts["examples"]
    total = examples if isinstance(examples, int) else sum(examples.values())
    return [f"No vote on {count:,} of {total:,} examples (socorpus explain says more of each)."] if count else []


def withheld(facts: Mapping[str, Any]) -> list[str]:
    """A sentence on posts, or spans, that have votes and yet no label; none where there are none.

    Args:
        facts: an analysis, or the manifest's entry of a task: `withheld` (`counting.Counted.withheld`).
    """
    counts: Mapping[str, Mapping[str, int]] = facts.get("withheld", {})
    if not counts:
        return []
    total = sum(count for rivals in counts.values() for count in rivals.values())
    parts = [
        f"{count:,} with votes for {label}, where {rival} is as likely or likelier"
        for label, rivals in counts.items()
        for rival, count in rivals.items()
    ]
    why = "since another label is as likely, or one that nobody votes for likelier"
    return [f"No label on {total:,} items that have votes, {why}: {'; '.join(parts)}."]


def summary(analysis: Mapping[str, Any]) -> list[str]:
    """Sentences of an analysis, beside its tables."""
    sentences = []
    alpha = analysis["agreement"]["functions"]
    if alpha is not None:
        sentences.append(f"Krippendorff's alpha among functions: {alpha:.3f}.")
    human = analysis["people"]
    if human["judged"]:
        right = f"{human['right']:,} of {human['voted']:,} labels of functions are what people say"
        sentences.append(
            f"People judged {human['judged']:,} items; {right}. That is all judgements as they are, and labels that "
            "these did not teach: socorpus labeling accuracy weighs those without a suggestion to stand for all labels."
        )
    if names := analysis.get("names"):
        sentences.append(
            f"People judged {names['names']:,} names: their label is right in {names['right']:,} of "
            f"{names['contexts']:,} contexts, which has corrected the probabilities."
        )
    units = analysis["agreement"]["judged_by_several"]
    if units:
        among = analysis["agreement"]["people"]
        value = f"{among:.3f}" if among is not None else "not defined, as all say the same"
        kappa = analysis["agreement"].get("kappa")
        also = f"; {kappa[0]} kappa {kappa[1]:.3f}" if kappa is not None else ""
        sentences.append(f"Krippendorff's alpha among people, on {units:,} items that several judged: {value}{also}.")
    if disputed := analysis["agreement"].get("disputed"):
        done = analysis["agreement"]["adjudicated"]
        sentences.append(f"People judged {disputed:,} posts differently; {done:,} of these are adjudicated.")
    for name, count in analysis.get("failed", {}).items():
        rows = [row for row in analysis["failures"] if row["function"] == name][:_FAILURES_SHOWN]
        shown = "; ".join(f"{row['post']} ({row['error']})" for row in rows)
        sentences.append(
            f"{name} failed on {count:,} posts and does not vote on them: {shown}{', …' * (count > len(rows))}"
        )
    sentences += _lifts(analysis["functions"], analysis.get("facts", ()))
    task = schema.TASKS.get(analysis["task"])
    if task is not None:
        lost = analysis.get("strays", {}).items()
        sentences += [f"{strays.sentence(task, function, reasons)}." for function, reasons in lost]
    if "held_out" in analysis:  # of an earlier version it has neither
        sentences += [_method(analysis), probabilities(analysis["probabilities"])]
    sentences += [*teaching(analysis), *without_vote(analysis), *withheld(analysis)]
    sentences += not_to_be_had(analysis)
    return [*sentences, *filter(None, [analysis["audit"].get("note"), analysis["errors"]["note"]])]
