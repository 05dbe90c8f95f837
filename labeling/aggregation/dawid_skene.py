"""Votes -> probabilities: Dawid and Skene's model with abstaining, by expectation maximisation over patterns of votes.

A pattern is the votes of all functions on one item, and has a count: the cost grows not with the corpus but with the
number of distinct patterns. Source: A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates
Using the EM Algorithm", Applied Statistics 28(1), 1979. Labelling functions, unlike doctors, do not see every patient;
the plain model failed in the tests without each of these additions:

- Abstaining is an outcome of its own while rates are learned. Most functions only ever vote for one label; without it
  their rows of the confusion matrix would be all ones, and their votes uninformative.
- While rates are learned, the true label of an item is one that somebody votes for. Where functions hardly overlap,
  classes would otherwise come to mean "this function voted" instead of labels.
- Rates are learned from items on which two or more functions vote, or that people judged. A vote without overlap is
  never contradicted, and its function would seem never to be wrong.
- Pseudo-votes draw the rates of each function to those of a plain vote, in which all functions are equally good
  (`plain_vote`). How many is chosen by the held-out likelihood of the votes (`held_out`); without end it is the plain
  vote itself, which is best where functions seldom meet. There is one more for every ten votes without overlap.
- Those that vote for several labels share their confusions (`confusions`) where that predicts held-out votes better.
- A function that meets others on fewer than `OFTEN` items is taken to be right three times in four, and its silence is
  no evidence. Where people judged a function's votes elsewhere it is taken to be right as often, however others
  contradict it: votes do not say which of two functions that contradict each other is right, and one that speaks often
  would turn the others into their opposite. Where only such functions vote, their odds are multiplied and the shares of
  the labels don't count (`patterns.start`).
- Votes of a function for a label that come as often where others vote for other labels are not counted
  (`uninformative`).
- Functions that nearly always vote the same on the same items share one voice: the model assumes independent errors,
  and copies would otherwise outvote all others.
- People's judgements take part in learning (semi-supervised, with more weight for judged items as in Nigam, McCallum,
  Thrun and Mitchell, Machine Learning 39, 2000): of a judged item the label is that judgement, but for the share of
  judgements that is wrong. Then they correct the probabilities (`calibration`). How much weight judged items have is
  chosen by the log loss on judgements that were held out; where none is better than the model that nobody taught, by
  more than a standard error, people's judgements stand for their own items only.
- Functions may be declared to state facts, such as an event of a dump's history. Where one votes, its label is taken as
  known, whatever others say and however rare it is, and others' rates are learned from it.

The learned rates are then applied only to votes: silence depends more on a function's rule than on the item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from socorpus.labeling.aggregation import calibration as calibrations
from socorpus.labeling.aggregation import confusions, held_out, plain_vote, uninformative
from socorpus.labeling.aggregation import patterns as vote_patterns
from socorpus.labeling.aggregation.calibration import Calibration
from socorpus.labeling.aggregation.patterns import ABSTAIN as ABSTAIN
from socorpus.labeling.aggregation.patterns import FACT as FACT
from socorpus.labeling.aggregation.patterns import Counts as Counts
from socorpus.labeling.aggregation.patterns import Float
from socorpus.labeling.aggregation.patterns import Votes as Votes
from socorpus.labeling.aggregation.patterns import distinct as distinct

VERSION = 10
FEWEST_FUNCTIONS = 3
"""Functions that must vote often enough for their rates to be learned; with fewer the majority decides."""
OFTEN = 20
"""Votes that are often enough; for learning a function's rates, votes on items where others vote too."""
FEWEST_JUDGED = 20
"""Judged items from which probabilities are measured, and may be corrected; with fewer they are assumed."""
ENOUGH_BLIND = 50
"""Judged items without a suggestion from which only these measure the probabilities."""
_EMPHASIS = (1.0, 5.0, 25.0)
"""Weights of a judged item in learning that are tried, beside none."""
STRENGTHS = (640.0, 160.0, 40.0, 10.0, 2.0)
"""Numbers of pseudo-votes of a function that are tried."""
_PSEUDO_ALONE, _TIES = 0.1, 0.5
_COPIES = 0.9
_ITERATIONS, _TOLERANCE = 500, 1e-7
_TRIED_ITERATIONS, _TRIED_TOLERANCE = 60, 1e-3


@dataclass(frozen=True)
class Judged:
    """Items that people judged, and on which functions voted: n rows."""

    patterns: Votes
    verdict: Counts
    """int64[n], people's label."""
    counts: Counts
    """int64[n], items of each row."""
    fold: Counts
    """int64[n], from 0 to `held_out.FOLDS` - 1: rows are held out by this number."""
    blind: npt.NDArray[np.bool_]
    """bool[n], whether people saw no suggestion."""
    error: float = calibrations.ERROR
    """Share of the judgements that are wrong."""


@dataclass(frozen=True)
class LabelModel:
    """The label model of a task: m functions, k labels; the last outcome is abstaining."""

    method: str
    """dawid_skene or majority; weigher where a function weighs others (`counting`)."""
    functions: tuple[str, ...]
    labels: tuple[str, ...]
    prior: Float
    """float64[k], the share of each label among the items that anyone votes on."""
    rates: Float
    """float64[m, k, k + 1]: rates of a function's outcomes on items of each label; sums to 1 over the last axis."""
    voices: Float
    """float64[m], 1, or less for functions that copy one another."""
    votes: Counts
    """int64[m], votes of each function."""
    accuracy: Float
    """float64[m], mean probability of a function's votes; nan where it overlaps others too rarely to learn it."""
    iterations: int
    held_out: Mapping[str, float | None]
    """Mean held-out log likelihood of the outcomes on an item of the majority and of the model; None: not compared."""
    free: npt.NDArray[np.bool_]
    """bool[m], functions whose votes state odds: where only these vote, the shares of the labels don't count."""
    facts: tuple[str, ...] = ()
    """Functions whose votes state facts."""
    assumed: Mapping[str, float] = field(default_factory=dict)
    """Share of right votes that is assumed of a function where nothing can be learned; else `plain_vote.ASSUMED`."""
    calibration: Calibration | None = None
    """Correction that was learned from people's judgements."""
    muted: tuple[tuple[str, str], ...] = ()
    """Functions and labels for which their votes are shown to tell nothing; these are not counted."""
    measured: Mapping[str, Any] | None = None
    """Figures of the probabilities against held-out judgements (`calibration.measure`); None: they are assumed.

    Also `teaching`: `used`, whether judgements change the labels of other items; `judged`, number of judged items;
    `with` and `without`, the held-out log loss of what people said (their slips allowed for) with the best of these
    changes, and of the model that nobody taught."""

    @property
    def taught(self) -> bool:
        """Whether people's judgements change the labels of items that nobody judged."""
        return self.measured is not None and bool(self.measured["teaching"]["used"])

    @property
    def basis(self) -> str:
        """The source of the probabilities: judged, or assumed where nobody judged enough to measure them."""
        return "assumed" if self.measured is None else "judged"

    @property
    def version(self) -> str:
        """The `version` of labels that this model gives."""
        return f"{self.method}-{VERSION}"

    def counted(self, patterns: Votes) -> Votes:
        """The votes without those that are not counted."""
        places = [(self.functions.index(function), self.labels.index(label)) for function, label in self.muted]
        return uninformative.without(patterns, places)

    def probabilities(self, patterns: Votes) -> Float:
        """Probability of each label for each pattern (int8[n, m], -1 abstains), float64[n, k], rows of sum 1."""
        patterns = self.counted(patterns)
        log = vote_patterns.log_probabilities(patterns, self.prior, self.rates, self.free, self.voices)
        stating = vote_patterns.places(self.functions, self.facts)
        return vote_patterns.stated(patterns, stating, _corrected(self.calibration, patterns, log))

    def choose(self, patterns: Votes) -> tuple[npt.NDArray[np.int64], Float]:
        """The likeliest label of each pattern among those voted for (int64[n]), and all probabilities.

        Where nobody votes who is counted it is the likeliest of all; of labels that are as likely it is the commonest.
        """
        patterns = self.counted(patterns)
        probabilities = self.probabilities(patterns)
        if not len(probabilities):
            return np.zeros(0, np.int64), probabilities
        heard = vote_patterns.heard(patterns, probabilities.shape[1])
        likely = np.where(heard | ~heard.any(1, keepdims=True), np.round(probabilities, 9), -1.0)
        tied = likely == likely.max(1, keepdims=True)
        return np.where(tied, self.prior[None], -1.0).argmax(1), probabilities

    def speaks(self, patterns: Votes, label: npt.NDArray[np.int64], probabilities: Float) -> npt.NDArray[np.bool_]:
        """Whether each pattern gets its label, bool[n]: somebody votes who is counted, and no other label is as likely.

        Args:
            label, probabilities: as `choose` gives them. A likelier label is one for which nobody votes: such a vote
                says what the post is not, and nobody says what it is. Where two labels tie, votes say neither.
        """
        voted: npt.NDArray[np.bool_] = (self.counted(patterns) != ABSTAIN).any(1)
        return voted & likeliest(label, probabilities)

    def start(self, patterns: Votes) -> Float:
        """Probabilities of the labels before the votes of each pattern, float64[n, k]."""
        voted = self.counted(patterns) != ABSTAIN
        return np.exp(vote_patterns.start(voted.any(1), voted[:, ~self.free].any(1), self.prior))

    def as_dict(self) -> dict[str, Any]:
        """As JSON; numbers have twelve digits: rates of votes that are rare among many items are small."""
        rounded = {name: _significant(getattr(self, name)) for name in ("prior", "rates", "voices")}
        accuracy = [None if np.isnan(value) else round(float(value), 9) for value in self.accuracy]
        return {
            "method": self.method,
            "version": self.version,
            "functions": list(self.functions),
            "labels": list(self.labels),
            "facts": list(self.facts),
            "assumed": dict(self.assumed),
            "iterations": self.iterations,
            "held_out": dict(self.held_out),
            **rounded,
            "votes": self.votes.tolist(),
            "free": self.free.tolist(),
            "accuracy": accuracy,
            "basis": self.basis,
            "calibration": None if self.calibration is None else self.calibration.as_dict(),
            "muted": [list(pair) for pair in self.muted],
            "measured": self.measured,
        }


def from_dict(values: Mapping[str, Any]) -> LabelModel:
    """The model that `LabelModel.as_dict` wrote."""
    m, k = len(values["functions"]), len(values["labels"])
    return LabelModel(
        values["method"],
        tuple(values["functions"]),
        tuple(values["labels"]),
        np.array(values["prior"], np.float64),
        np.array(values["rates"], np.float64).reshape(m, k, k + 1),
        np.array(values["voices"], np.float64),
        np.array(values["votes"], np.int64),
        np.array([np.nan if value is None else value for value in values["accuracy"]], np.float64),
        values["iterations"],
        values["held_out"],
        np.array(values["free"], bool),
        tuple(values["facts"]),
        values.get("assumed", {}),
        None if values["calibration"] is None else calibrations.from_dict(values["calibration"]),
        tuple((function, label) for function, label in values["muted"]),
        values["measured"],
    )


@dataclass(frozen=True)
class _Plain:
    """The plain vote of some items, and what a better model starts from."""

    prior: Float
    rates: Float
    votes: Float
    """float64[m, k], votes of each function for each label."""
    among: Float
    """The same on items where others vote too."""
    met: Float
    """float64[n], items of each pattern on which functions meet; else 0."""
    alike: bool
    """Whether the labels are equally likely before the votes."""
    lonely: npt.NDArray[np.bool_]
    """bool[m], functions of which nothing can be learned."""

    def free(self, strength: float) -> npt.NDArray[np.bool_]:
        """bool[m], functions whose votes state odds in a model of this number of pseudo-votes."""
        return self.lonely | (self.alike and not np.isfinite(strength))


@dataclass(frozen=True)
class _Setting:
    """What does not depend on the number of items of each pattern."""

    patterns: Votes
    k: int
    voices: Float
    group: Counts
    stating: list[int]
    assumed: Float
    """float64[m], share of right votes where nothing can be learned."""
    known: npt.NDArray[np.bool_]
    """bool[m], whether that share is known from elsewhere."""
    order: Counts
    """int64[n], order of the patterns in which items are dealt out to folds."""
    shared: bool = False
    """Whether functions share their confusions."""


def fit(
    patterns: Votes,
    counts: Counts,
    functions: Sequence[str],
    labels: Sequence[str],
    facts: Sequence[str] = (),
    judged: Judged | None = None,
    assumed: Mapping[str, float] | None = None,
) -> LabelModel:
    """Learn each function's rates from agreement and disagreement, from stated facts, and from people's judgements.

    Whether functions are told apart, or the majority decides, is chosen by the held-out likelihood of their votes; with
    `FEWEST_JUDGED` judgements or more by the log loss on these, held out. The same patterns and counts give the same
    model, bit for bit: sort them first, as `distinct` does.

    Args:
        patterns: int8[n, m], the label's number that each function votes for, or -1; no two rows equal, none all -1.
        counts: int64[n], items of each pattern; not those that people judged.
        facts: those of the functions whose votes state facts.
        judged: what people said.
        assumed: of some functions the share of right votes to assume where nothing can be learned.

    Raises:
        ValueError: shapes that don't fit.
    """
    m, k = len(functions), len(labels)
    if patterns.shape != (len(counts), m):
        raise ValueError(f"patterns are of shape {patterns.shape}, not {(len(counts), m)}")
    people = judged if judged is not None else _nothing_judged(m)
    every, items = distinct(np.concatenate([patterns, people.patterns]), np.concatenate([counts, people.counts]))
    voted = (items[:, None] * (every != ABSTAIN)).sum(0)
    stating, group = vote_patterns.places(functions, facts), copies(every, items)
    muted = uninformative.find(every, items.astype(np.float64), group, stating, k)
    if muted:
        patterns, counts = distinct(uninformative.without(patterns, muted), counts)
        people = _judged_without(people, muted)
        every, items = distinct(np.concatenate([patterns, people.patterns]), np.concatenate([counts, people.counts]))
        group = copies(every, items)
    voices = 1.0 / np.bincount(group, minlength=m)[group]
    assumed = {name: share for name, share in (assumed or {}).items() if name in functions}
    right = np.array([assumed.get(name, plain_vote.ASSUMED) for name in functions], np.float64)
    known = np.array([name in assumed for name in functions], bool)
    setting = _Setting(every, k, voices, group, stating, right, known, held_out.order_of(every, functions, labels))
    plain = _plain(setting, items)
    often = int((plain.votes.sum(1) >= OFTEN).sum()) >= FEWEST_FUNCTIONS and k > 1
    scores = _compare(setting, items) if often and plain.met.any() else {}
    choice = _Choice(_simplest(scores) if scores else np.inf)
    if scores and _sharing(setting, plain).any():
        sharing = replace(setting, shared=True)
        shared = _compare(sharing, items)
        strength = _simplest(shared)
        if np.isfinite(strength) and shared[strength].sum() > scores[choice.strength].sum():
            setting, scores, choice = sharing, shared, _Choice(strength)
    whole = replace(setting, patterns=np.concatenate([patterns, people.patterns]))
    correction, measured = None, None
    if k > 1 and people.counts.sum() >= FEWEST_JUDGED:
        choice, correction, measured = _taught(whole, counts, people, plain, choice, scores)
    weights = _Weights.of(whole, counts, people, np.ones(len(people.counts), bool), choice.emphasis)
    prior, rates, iterations = _rates(whole, weights, plain, choice.strength, _ITERATIONS, _TOLERANCE)
    sums = {strength: float(scored.sum()) for strength, scored in scores.items()}
    best = max((score for strength, score in sums.items() if np.isfinite(strength)), default=None)
    compared, each = {"majority": sums.get(np.inf), "dawid_skene": best}, max(float(plain.met.sum()), 1.0)
    model = LabelModel(
        "dawid_skene" if np.isfinite(choice.strength) else "majority",
        *(tuple(functions), tuple(labels), prior, rates, voices),
        *(voted, np.full(m, np.nan), iterations),
        {name: None if score is None else round(score / each, 6) for name, score in compared.items()},
        plain.free(choice.strength),
        tuple(name for name in functions if name in facts),
        assumed,
        correction,
        tuple((functions[function], labels[label]) for function, label in muted),
        measured,
    )
    believed = _normal(model.probabilities(whole.patterns) * weights.seen) if len(whole.patterns) else np.zeros((0, k))
    return replace(model, accuracy=_accuracy(whole.patterns, believed, np.maximum(weights.met, weights.judged)))


def likeliest(label: npt.NDArray[np.int64], probabilities: Float) -> npt.NDArray[np.bool_]:
    """Whether the chosen label is likelier than each other by 1e-9, bool[n], of labels int64[n], probabilities
    float64[n, k]."""
    others = np.round(probabilities, 9)
    own = others[np.arange(len(label)), label]
    others[np.arange(len(label)), label] = -1.0
    return np.asarray(own > others.max(1, initial=-1.0))


def copies(patterns: Votes, counts: Counts) -> Counts:
    """Number of the group of each function, int64[m]: those of one group nearly always vote the same."""
    return vote_patterns.groups(patterns, counts.astype(np.float64), _COPIES)


def _nothing_judged(m: int) -> Judged:
    none = np.zeros(0, np.int64)
    return Judged(np.zeros((0, m), np.int8), none, none, none, np.zeros(0, bool))


def _judged_without(people: Judged, muted: Sequence[tuple[int, int]]) -> Judged:
    """The judgements of items on which there are other votes than these."""
    patterns = uninformative.without(people.patterns, muted)
    rows = (patterns != ABSTAIN).any(1)
    verdict, counts, fold = (array[rows] for array in (people.verdict, people.counts, people.fold))
    return Judged(patterns[rows], verdict, counts, fold, people.blind[rows], people.error)


@dataclass(frozen=True)
class _Choice:
    """Number of pseudo-votes (`inf`: the plain vote), and weight of a judged item in learning; 0: as any other."""

    strength: float
    emphasis: float = 0.0


@dataclass(frozen=True)
class _Weights:
    """Weights of patterns in learning, float64[n], the judged ones at the end."""

    items: Float
    met: Float
    """Items on which functions meet, else 0."""
    judged: Float
    """Items whose judgement is used, times the emphasis, else 0."""
    seen: Float
    """float64[n, k], likelihood of people's judgement by label; ones without any."""

    @staticmethod
    def of(whole: _Setting, counts: Counts, people: Judged, used: npt.NDArray[np.bool_], emphasis: float) -> "_Weights":
        """Weights where only some judgements are used; the items of others count as not judged."""
        used = used & (emphasis > 0)
        items = np.concatenate([counts, people.counts]).astype(np.float64)
        verdict = np.concatenate([np.full(len(counts), -1), np.where(used, people.verdict, -1)])
        judged = np.concatenate([np.zeros(len(counts)), emphasis * people.counts * used])
        seen = calibrations.slips(verdict, whole.k, people.error)
        return _Weights(items, items * _overlapping(whole) * (judged == 0), judged, seen)


def _taught(
    whole: _Setting, counts: Counts, people: Judged, plain: _Plain, usual: _Choice, scores: Mapping[float, Float]
) -> tuple[_Choice, Calibration | None, dict[str, Any]]:
    """The choice of the least log loss on held-out judgements, its correction, and its figures.

    That nobody taught the model is the first choice: without good reason it stays.
    """
    choices = [usual]
    if np.isfinite(usual.strength):
        choices.append(replace(usual, emphasis=_EMPHASIS[0]))
    if scores:
        finite = [strength for strength in scores if np.isfinite(strength)]
        strength = max(finite, key=lambda strength: scores[strength].sum())
        choices += [_Choice(strength, emphasis) for emphasis in _EMPHASIS]
    held_out_log = {choice: _held_out(whole, counts, people, plain, choice) for choice in choices}
    seen = calibrations.slips(people.verdict, whole.k, people.error)
    losses: dict[tuple[float, _Choice], Float] = {}
    for looseness in calibrations.LOOSENESS:
        for choice, log in held_out_log.items():
            right = (_corrected_held_out(whole, log, people, looseness) * seen).sum(1)
            losses[looseness, choice] = -np.log(np.maximum(right, 1e-12))
    elsewhere = calibrations.shares_elsewhere(people.verdict, people.counts, people.fold, whole.k)
    constant = float(-(people.counts * np.log(elsewhere)).sum() / people.counts.sum())
    untaught = (calibrations.LOOSENESS[0], usual)
    mean = {key: float((loss * people.counts).sum() / people.counts.sum()) for key, loss in losses.items()}
    looseness, choice = chosen = _least(losses, people.counts, constant)
    log = held_out_log[choice]
    weight, known = people.counts.astype(np.float64), _not_stated(whole, people)
    correction = None
    if chosen != untaught:
        correction = calibrations.fit(
            people.patterns[known], log[known], people.verdict[known], weight[known], people.error, looseness
        )
    best = mean[chosen] if chosen != untaught else min(loss for key, loss in mean.items() if key != untaught)
    teaching = {
        "used": chosen != untaught,
        "judged": int(people.counts.sum()),
        "with": round(best, 4),
        "without": round(mean[untaught], 4),
    }
    believed = _corrected_held_out(whole, log, people, looseness)
    rows = people.blind if int(people.counts[people.blind].sum()) >= ENOUGH_BLIND else np.ones(len(people.blind), bool)
    measured = calibrations.measure(believed[rows], people.verdict[rows], people.counts[rows], people.fold[rows])
    blind = int(people.counts[people.blind].sum())
    of_blind = {"blind": blind, "only_blind": bool(rows is people.blind)}
    return choice, correction, measured | of_blind | {"teaching": teaching}


def _least(losses: Mapping[tuple[float, _Choice], Float], counts: Counts, constant: float) -> tuple[float, _Choice]:
    """The first whose mean loss is not above the least one by more than a standard error of the difference.

    Of those that people taught, which are all but the very first, it must not be above that of a constant either, or it
    is the least one itself.
    """
    best = min(losses, key=lambda key: float((losses[key] * counts).sum()))
    untaught = next(iter(losses))
    total = counts.sum()
    for key, loss in losses.items():
        behind = loss - losses[best]
        mean = float((behind * counts).sum() / total)
        deviation = float(np.sqrt(((behind - mean) ** 2 * counts).sum() / total))
        near = mean <= deviation / np.sqrt(total)
        if near and (key == untaught or (loss * counts).sum() / total <= constant):
            return key
    return best


def _held_out(whole: _Setting, counts: Counts, people: Judged, plain: _Plain, choice: _Choice) -> Float:
    """Log probabilities of judged items by models that see only judgements of the other folds, float64[rows, k]."""
    log = np.zeros((len(people.counts), whole.k))
    for number in np.unique(people.fold).tolist():
        own = people.fold == number
        weights = _Weights.of(whole, counts, people, ~own, choice.emphasis)
        prior, rates, _ = _rates(whole, weights, plain, choice.strength, _TRIED_ITERATIONS, _TRIED_TOLERANCE)
        log[own] = vote_patterns.log_probabilities(
            people.patterns[own], prior, rates, plain.free(choice.strength), whole.voices
        )
    return log


def _corrected_held_out(whole: _Setting, log: Float, people: Judged, looseness: float) -> Float:
    """Probabilities of judged items, corrected by what the judgements of the other folds teach, float64[rows, k]."""
    believed = np.zeros_like(log)
    known = _not_stated(whole, people)
    for number in np.unique(people.fold).tolist():
        own, others = people.fold == number, (people.fold != number) & known
        weight = people.counts[others].astype(np.float64)
        correction = calibrations.fit(
            people.patterns[others], log[others], people.verdict[others], weight, people.error, looseness
        )
        believed[own] = _corrected(correction, people.patterns[own], log[own])
    return vote_patterns.stated(people.patterns, whole.stating, believed)


def _not_stated(whole: _Setting, people: Judged) -> npt.NDArray[np.bool_]:
    """Rows on which no function states a fact: those that do need no correction."""
    known: npt.NDArray[np.bool_] = (people.patterns[:, whole.stating] == ABSTAIN).all(1)
    return known


def _corrected(correction: Calibration | None, patterns: Votes, log: Float) -> Float:
    return vote_patterns.posterior(log) if correction is None else correction.apply(patterns, log)


def _overlapping(setting: _Setting) -> npt.NDArray[np.bool_]:
    """Whether functions meet on a pattern, bool[n]; copies don't count."""
    overlapping: npt.NDArray[np.bool_] = ((setting.patterns != ABSTAIN) * setting.voices).sum(1) > 1 + 1e-9
    return overlapping


def _plain(setting: _Setting, counts: Counts) -> _Plain:
    patterns, k = setting.patterns, setting.k
    weight = counts.astype(np.float64)
    met = weight * _overlapping(setting)
    votes = vote_patterns.outcomes(patterns, weight[:, None], k)[:, 0, :k]
    among = vote_patterns.outcomes(patterns, met[:, None], k)[:, 0, :k]
    factor, prior, alike = plain_vote.fit(patterns, weight, met, setting.voices, setting.group, setting.stating, k)
    rates = plain_vote.rates(among, met.sum(), prior, factor)
    lonely = setting.known | (among.sum(1) < OFTEN)
    rates[lonely] = plain_vote.assumed(votes, weight.sum(), setting.assumed)[lonely]
    return _Plain(prior, rates, votes, among, met, alike, lonely)


def _sharing(setting: _Setting, plain: _Plain) -> npt.NDArray[np.bool_]:
    """Functions that may share their confusions, bool[m]; stated facts have none."""
    among = plain.among.copy()
    among[setting.stating] = 0
    among[setting.known] = 0
    return confusions.several(among, setting.group, OFTEN)


def _rates(
    setting: _Setting, weights: _Weights, plain: _Plain, strength: float, most: int, tolerance: float
) -> tuple[Float, Float, int]:
    """Shares of the labels, rates and number of iterations of expectation maximisation; 0 for the plain vote.

    Args:
        strength: number of pseudo-votes of each function; most, tolerance: where to stop.
    """
    if not np.isfinite(strength):
        # Where labels are alike they decide ties only, which go to the label with more votes.
        return vote_patterns.shares(plain.votes.sum(0)) if plain.alike else plain.prior, plain.rates, 0
    patterns, k = setting.patterns, setting.k
    learned = ((plain.among.sum(1) >= OFTEN) & ~setting.known)[:, None, None]
    size = (strength + _PSEUDO_ALONE * (plain.votes - plain.among).sum(1))[:, None, None]
    size = size * k * plain.prior[None, :, None]  # as items have them: of a rare label there are few
    general = _sharing(setting, plain) & setting.shared
    # Of a judged item any label may be true, of others one that somebody votes for.
    possible = vote_patterns.heard(patterns, k) | (weights.judged > 0)[:, None]
    prior, rates, iterations = plain.prior, plain.rates, 0
    # Soft shares of the votes as in the paper: a start as sure of itself as the plain vote ends in a poorer optimum.
    believed = _normal((vote_patterns.tally(patterns, setting.voices, k) + _TIES * prior * possible) * weights.seen)
    counting = (weights.met + weights.judged)[:, None]
    while iterations < most:
        iterations += 1
        prior = vote_patterns.shares((believed * weights.items[:, None]).sum(0))
        mass = believed * counting
        votes, usual = vote_patterns.outcomes(patterns, mass, k), plain.rates
        if general.any():
            usual = confusions.common(usual, votes, mass.sum(0), setting.voices, general)
        rates = _shares(votes * learned + usual * size)
        log = vote_patterns.log_probabilities(
            patterns, prior, rates, plain.free(strength), setting.voices, silence=True
        )
        now = vote_patterns.posterior(np.where(possible, log, -np.inf))
        now = _normal(vote_patterns.stated(patterns, setting.stating, now) * weights.seen)
        before, believed = believed, now
        if not len(patterns) or float(np.abs(believed - before).max()) < tolerance:
            break
    return prior, rates, iterations


def _compare(setting: _Setting, counts: Counts) -> dict[float, Float]:
    """Number of pseudo-votes -> held-out log likelihood of the votes of each fold; `inf` is the plain vote."""
    scores: dict[float, list[float]] = {strength: [] for strength in (np.inf, *STRENGTHS)}
    overlapping = _overlapping(setting)
    for learned, scored in held_out.folds(counts, setting.order):
        plain, met = _plain(setting, learned), np.where(overlapping, scored, 0).astype(np.float64)
        weights = _Weights.of(setting, learned, _nothing_judged(setting.patterns.shape[1]), np.zeros(0, bool), 1.0)
        for strength, of_folds in scores.items():
            prior, rates, _ = _rates(setting, weights, plain, strength, _TRIED_ITERATIONS, _TRIED_TOLERANCE)
            of_model = (prior, rates, plain.free(strength), setting.voices, setting.group, setting.stating)
            of_folds.append(held_out.score(setting.patterns, met, *of_model))
    return {strength: np.array(of_folds) for strength, of_folds in scores.items()}


def _simplest(scores: Mapping[float, Float]) -> float:
    """The largest number of pseudo-votes that is not worse than the best by more than a standard error.

    Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984), section 3.4.3.
    """
    best = max(scores, key=lambda strength: (scores[strength].sum(), strength))
    for strength in sorted(scores, reverse=True):
        behind = scores[best] - scores[strength]
        if behind.sum() <= np.sqrt(len(behind)) * behind.std(ddof=1):
            return strength
    return best


def _significant(values: Float) -> Any:
    """Numbers of an array with twelve significant digits, as nested lists."""
    return np.array([float(f"{value:.12g}") for value in values.ravel().tolist()]).reshape(values.shape).tolist()


def _normal(mass: Float) -> Float:
    probabilities: Float = mass / mass.sum(1, keepdims=True)
    return probabilities


def _shares(mass: Float) -> Float:
    """Shares over the outcomes; none where there is no mass."""
    rates: Float = mass / np.maximum(mass.sum(2, keepdims=True), 1e-12)
    return rates


def _accuracy(patterns: Votes, believed: Float, met: Float) -> Float:
    accuracy = np.full(patterns.shape[1], np.nan)
    for function in range(patterns.shape[1]):
        voted = np.flatnonzero((patterns[:, function] != ABSTAIN) & (met > 0))
        if met[voted].sum() >= OFTEN:
            probability = believed[voted, patterns[voted, function]]
            accuracy[function] = float((probability * met[voted]).sum() / met[voted].sum())
    return accuracy
