"""The choice of an endpoint's prompt: how many examples it shows and its form, on the validation split.

Successive halving (`training.halving`): all variants are asked about a few validation texts, the better half about
twice as many, and so on. Texts are drawn so that each rung has those of the one before, whose answers are kept: none is
paid twice, and a choice that was stopped goes on without asking anew. What all of it can cost at most is reckoned
before anything is sent.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.labeling.schema import Task
from socorpus.training.examples import metrics, readers
from socorpus.training.examples.example import Example
from socorpus.training.halving import rungs
from socorpus.training.llm.endpoint import Chat
from socorpus.training.llm.prompts import FORMS

SHOTS = (0, 4, 2, 8)
"""Numbers of examples to choose from."""
TEXTS = 100
"""Most validation texts that the last variants are asked about."""


@dataclass(frozen=True)
class Variant:
    """A way to ask: examples shown, and form of the prompt."""

    shots: int
    form: str

    def __str__(self) -> str:
        """Both in words."""
        return f"{self.shots} shots, prompt {self.form}"


def grid(number: int, shots: int | None = None, form: str | None = None) -> tuple[Variant, ...]:
    """The variants of a choice, the plainest first.

    Args:
        number: of them, at most.
        shots, form: what the user has settled; None: to be chosen.
    """
    numbers, forms = SHOTS if shots is None else (shots,), FORMS if form is None else (form,)
    places = sorted(itertools.product(range(len(numbers)), range(len(forms))), key=sum)
    return tuple(Variant(numbers[first], forms[second]) for first, second in places)[:number]


@dataclass(frozen=True)
class VariantChoice:
    """The variant that was chosen, and the budget of the choice.

    Attributes:
        asked: texts, over all variants and rungs, those of earlier rungs not counted again.
        tried: each variant in each rung: shots, form, texts, and scores on the validation split.
        spent: dollars that were spent on it by this process; None: the price is not known.
        worth: dollars that all its answers cost, whenever they were asked for; None likewise.
    """

    variant: Variant
    variants: int
    asked: int
    tried: tuple[dict[str, Any], ...]
    spent: float | None = None
    worth: float | None = None

    @property
    def note(self) -> str:
        """What was chosen, of how much, for people."""
        if not self.tried:
            return f"{self.variant}: there is nothing to choose of, or no validation split to choose on"
        dollars = "" if self.worth is None else f", ${self.worth:,.4g}"
        return (
            f"{self.variant}, chosen of {self.variants} by successive halving on the validation split: "
            f"{self.asked:,} answers{dollars}"
        )


class Chooser:
    """A choice among variants of one endpoint.

    Args:
        chat_of: makes the endpoint's `Chat` of a variant, which may spend a number of dollars at most.
        validation: the validation split's examples; at most `TEXTS` of them are asked about.
    """

    def __init__(
        self,
        task: Task,
        variants: Sequence[Variant],
        chat_of: Callable[[Variant, float | None], Chat],
        validation: Sequence[Example],
        leave_out: Sequence[str] = (),
    ) -> None:
        self._task, self._variants, self._chat_of, self._leave_out = task, variants, chat_of, leave_out
        self._texts = readers.drawn(validation, TEXTS)
        self._rungs = rungs(len(variants)) if len(variants) > 1 and self._texts else []

    def _of_rung(self, share: float) -> list[Example]:
        return readers.drawn(self._texts, max(1, round(share * len(self._texts))))

    def most(self, test: Sequence[Example]) -> float | None:
        """Dollars that the choice and then the answers for `test` can cost at most; None: the price is not known.

        Nothing is sent, and labels are not looked at. It is reckoned as if the dearest variants came off best.
        """
        total, before = 0.0, set[str]()
        last: list[float] = []
        parts = [(count, self._of_rung(share)) for count, share in self._rungs] + [(1, list(test))]
        for number, (count, texts) in enumerate(parts):
            is_test = number == len(parts) - 1
            new = texts if is_test else [example for example in texts if example.key not in before]
            before |= {example.key for example in texts}
            last = []
            for variant in self._variants:
                dollars = self._chat_of(variant, None).estimate(new).dollars if new else 0.0
                if dollars is None:
                    return None
                last.append(dollars)
            total += sum(sorted(last, reverse=True)[:count])
        return total

    def choose(self, limit: float | None) -> VariantChoice:
        """Ask, and choose by the task's main metric; of equal ones by log loss, then the plainer one.

        Args:
            limit: dollars that may be spent.

        Raises:
            InputError, BuildError: as of `Chat.predict`.
        """
        left = list(range(len(self._variants)))
        tried: list[dict[str, Any]] = []
        spent, worth, asked = 0.0, 0.0, 0
        priced = False
        known: dict[int, int] = {}
        for number, (_, share) in enumerate(self._rungs):
            texts, main = self._of_rung(share), metrics.main(self._task)
            ranked = []
            for place in left:
                variant = self._variants[place]
                chat = self._chat_of(variant, None if limit is None else limit - spent)
                answers = chat.predict(texts)
                scores = metrics.scores(self._task, texts, answers, self._leave_out)
                used, price = chat.usage, chat.endpoint.price
                spent += used.dollars or 0.0
                asked += len(texts) - known.get(place, 0)
                if price is not None:
                    priced = True
                    # Answers of the last rung's texts are those of all rungs of this variant.
                    tokens = used.input_tokens + used.cached_input_tokens
                    more = used.output_tokens + used.cached_output_tokens
                    worth += price.of(tokens, more) * (1 - known.get(place, 0) / len(texts))
                known[place] = len(texts)
                shown = {name: scores[name] for name in metrics.names(self._task)}
                tried.append({"shots": variant.shots, "form": variant.form, "texts": len(texts), **shown})
                ranked.append((-scores[main], scores.get("log_loss", 0.0), place))
            keep = self._rungs[number + 1][0] if number + 1 < len(self._rungs) else 1
            left = sorted(place for *_, place in sorted(ranked)[:keep])
        variant = self._variants[left[0]]
        return VariantChoice(
            variant, len(self._variants), asked, tuple(tried), spent if priced else None, worth if priced else None
        )

    def permit(self, model: str, most: float | None, limit: float | None) -> None:
        """Refuse a choice that would cost too much together with the answers after it.

        Args:
            most: as of `most`.

        Raises:
            InputError: it costs more than the limit, or costs something and there is no limit.
        """
        if not most or (limit is not None and most <= limit):
            return
        cost = (
            f"{model}: choosing of {len(self._variants)} prompts on {len(self._texts):,} validation texts, and then "
            f"the test texts, could cost about ${most:,.4g}"
        )
        if limit is None:
            raise InputError(f"{cost}; give --limit DOLLARS")
        raise InputError(
            f"{cost}, more than the limit of ${limit:,.4g}; raise --limit, lower --choose or --most-test, or settle "
            "the prompt with ?shots=N&prompt=FORM"
        )
