"""The systems of a comparison: their names, how they run, and how to get missing models.

A system is written as `[NAME=]WHAT`. WHAT is `audits`; one of `SYSTEMS`, ours or a plug-in's; the folder of a run or a
model, or a name on the hub, prefixed with `scratch:` to start from random weights, with `weak:` to learn from the weak
labels of a corpus first, with `selftrain:` to learn from its own labels of a corpus's texts at last, with `frozen:` to
learn from its vectors by logistic regression, with `joined:` to learn from these and from weighted words, or with
`stacked:` to learn entities from these and from all that the package has for entities (`stacked` alone: without); or
`chat:MODEL[@URL][?shots=N&prompt=FORM]` for an OpenAI-compatible endpoint.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from socorpus.corpus import plugins
from socorpus.corpus.errors import InputError
from socorpus.corpus.plugins import Registry
from socorpus.labeling.schema import Task
from socorpus.training.examples.example import Data, Example, Prediction
from socorpus.training.llm.prompts import FORMS

OPENAI = "https://api.openai.com/v1"
_NAMED = re.compile(r"([^=/\\:?]+)=(.*)", re.DOTALL)
_CHAT = re.compile(r"chat:([^@?]+)(?:@([^?]+))?(?:\?([^?]+))?")
_ASKED = re.compile(r"shots=(?P<shots>\d+)|prompt=(?P<form>[a-z]+)")


class Answering(Protocol):
    """A fitted system.

    For the table it may have attributes: `parameters`, their number; `note`, a sentence; `configurations`, how many
    settings it chose from on the validation split.
    """

    def predict(self, examples: Sequence[Example]) -> Sequence[Prediction]:
        """The predictions for the examples, in order."""
        ...


@dataclass(frozen=True)
class Definition:
    """A system that is defined by a function or a class.

    Attributes:
        fit: fits the system to a task's data, whose test split is empty.
        version: raise it when the predictions change. None, in a plug-in: the plug-in's hash or version.
        unit: `text` or `span`, of a system for tasks of whole texts, or of spans, only.
    """

    fit: Callable[[Data], Answering]
    version: int | str | None = None
    unit: str | None = None


_OURS = tuple(f"socorpus.training.evaluation.{name}" for name in ("baselines", "linear_embeddings", "entities.crf"))
SYSTEMS: Registry[Definition] = Registry("system", _OURS)
"""Systems with names: our audits, then those of active plug-ins."""

Fit = TypeVar("Fit", bound=Callable[[Data], Answering])


def system(name: str, version: int | str | None = None, unit: str | None = None) -> Callable[[Fit], Fit]:
    """Make a function, or a class, a system of the comparison: it is fitted to a task's `Data` and then predicts.

    It is called with the data, whose test split is empty, and returns an object whose `predict` gets the test examples
    without their labels and returns a `Prediction` for each.

    Args:
        name: for `socorpus evaluate --system NAME`.
        version: see `Definition`.
        unit: `text` or `span`, if it is for tasks of whole texts, or of spans, only; on others it has no row.

    Raises:
        InputError: there is a system of this name, no name is given, or the unit is none.
    """
    if not isinstance(name, str):
        raise plugins.rejected(
            f'system {getattr(name, "__name__", name)}: @system needs its name in parentheses, as in @system("first")'
        )

    if unit not in (None, "text", "span"):
        raise plugins.rejected(f"system {name}: unit is 'text', 'span' or left out, and not {unit!r}")

    def enter(fit: Fit) -> Fit:
        SYSTEMS.add(name, Definition(fit, version, unit))
        return fit

    return enter


TAUGHT = {"weak": "weak labels + {}", "selftrain": "self-trained {}"}
"""Prefixes of models that learn from a corpus too, and what their names look like."""
FROZEN = {"frozen": "frozen", "joined": "TF-IDF +"}
"""Kinds of systems that learn from the vectors of an encoder that stays as it is, and how their names begin."""

STACKED = "stacked"
"""Kind of the system for spans that has the package's functions, a CRF and trees, and an encoder's vectors if named."""


@dataclass(frozen=True)
class System:
    """A row of the comparison.

    Attributes:
        name: in the table.
        kind: `defined`, `model`, `frozen`, `joined`, `stacked` or `chat`.
        what: a name in `SYSTEMS`, a model's name or folder (of `stacked` also nothing), or the endpoint's model.
        url: base URL of an endpoint.
        shots: examples in an endpoint's prompt; None: none, or chosen.
        form: of an endpoint's prompt (`llm.prompts.FORMS`); empty: the usual one, or chosen.
        weak: whether a model learns from weak labels first.
        selftrain: whether it goes on to learn from its own labels.
        hint: how to get it if it is missing.
    """

    name: str
    kind: str
    what: str
    url: str = OPENAI
    shots: int | None = None
    form: str = ""
    weak: bool = False
    selftrain: bool = False
    hint: str = ""


_PREFIXES = ("scratch", *TAUGHT, *FROZEN, STACKED, "chat")


def parse(text: str) -> list[System]:
    """The systems that a user named.

    Raises:
        InputError: it can't be read.
    """
    if text == "audits":
        return [System(name, "defined", name) for name in SYSTEMS.by_plugin(None)]
    if text == "paper":
        return [*parse("audits"), *PAPER]
    named = _NAMED.fullmatch(text)
    name, what = named.groups() if named is not None else ("", text)
    if not what:
        raise InputError(f"system {text!r}: nothing is named; write NAME=FOLDER, a folder, chat:MODEL or audits")
    if what in SYSTEMS:
        return [System(name or what, "defined", what)]
    if what.startswith("chat:"):
        match = _CHAT.fullmatch(what)
        if match is None:
            raise _no_endpoint(text)
        model, url, asked = match.groups()
        return [_endpoint(text, name, model, url or OPENAI, asked)]
    if what.partition(":")[0] in TAUGHT:
        return [_taught(text, name, what)]
    kind, _, model = what.partition(":")
    if kind in (*FROZEN, STACKED) and model.partition(":")[0] in (*TAUGHT, *FROZEN, STACKED, "chat"):
        raise InputError(
            f"system {text!r}: {kind}: stands before a folder, a name on the hub, or scratch: and one of these"
        )
    if what == STACKED or (kind == STACKED and model):
        return [System(name or f"{STACKED} {_last(model)}".rstrip(), STACKED, model)]
    if kind in FROZEN and model:
        return [System(name or f"{FROZEN[kind]} {_last(model)}", kind, model)]
    if model and (near := difflib.get_close_matches(kind, _PREFIXES, 1, 0.75)) and near[0] != kind and "/" not in kind:
        raise InputError(f"system {text!r}: did you mean {near[0]}:{model}?")
    return [System(name or _last(what), "model", what)]


def _no_endpoint(text: str) -> InputError:
    return InputError(
        f"system {text!r}: an endpoint is chat:MODEL, chat:MODEL@URL or chat:MODEL@URL?shots=4&prompt=user"
    )


def _endpoint(text: str, name: str, model: str, url: str, asked: str | None) -> System:
    settled: dict[str, str] = {}
    for part in asked.split("&") if asked else ():
        match = _ASKED.fullmatch(part)
        if match is None:
            raise _no_endpoint(text)
        settled |= {key: value for key, value in match.groupdict().items() if value is not None}
    shots, form = settled.get("shots"), settled.get("form", "")
    if form and form not in FORMS:
        raise InputError(f"system {text!r}: there is no prompt {form!r}; there are {', '.join(FORMS)}")
    label = name or ", ".join([model, *([f"{shots} shots"] if shots else []), *([f"prompt {form}"] if form else [])])
    return System(label, "chat", model, url, None if shots is None else int(shots), form)


def _taught(text: str, name: str, what: str) -> System:
    """A model that learns from a corpus too: `weak:MODEL`, `selftrain:MODEL` or `selftrain:weak:MODEL`."""
    selftrain, weak = what.startswith("selftrain:"), what.removeprefix("selftrain:").startswith("weak:")
    model = what.removeprefix("selftrain:").removeprefix("weak:")
    if not model or model.partition(":")[0] in (*TAUGHT, *FROZEN, STACKED, "chat"):
        raise InputError(
            f"system {text!r}: write weak:MODEL, selftrain:MODEL or selftrain:weak:MODEL, where MODEL is a folder, a "
            "name on the hub, or scratch: and one of these"
        )
    label = _last(model)
    for prefix, there in (("weak", weak), ("selftrain", selftrain)):
        label = TAUGHT[prefix].format(label) if there else label
    return System(name or label, "model", model, weak=weak, selftrain=selftrain)


GROUPS = ("audits", "paper")
"""What stands for systems of its own."""


def _last(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def fits(system: System, task: Task) -> bool:
    """Whether a system is for tasks of this kind: of whole texts, or of spans."""
    if system.kind == STACKED:
        return task.spans
    return system.kind != "defined" or SYSTEMS[system.what].unit in (None, "span" if task.spans else "text")


_HUB = "add --download, or give its folder with --system {name}=FOLDER"
_OWN = "train it: socorpus train CORPUS --preset {preset}; then add --system {name}=RUN"
_LLAMA = (
    "its weights are given out on request: merge the adapters trl-lib/llama-7b-se-rl-peft into LLaMA 7B, "
    "and give the folder with --system {name}=FOLDER"
)


def _model(name: str, what: str, hint: str = _HUB, **more: str) -> System:
    return System(name, "model", what, hint=hint.format(name=name, **more))


PAPER = (
    _model("SOBertBase", "mmukh/SOBertBase"),
    _model("SOBertLarge", "mmukh/SOBertLarge"),
    _model("sobert-base", "runs/sobert-base", _OWN, preset="sobert-base"),
    _model("sobert-large", "runs/sobert-large", _OWN, preset="sobert-large"),
    _model("modern-base", "runs/modern-base", _OWN, preset="modern-base"),
    _model("modern-large", "runs/modern-large", _OWN, preset="modern-large"),
    _model("BERTOverflow", "jeniya/BERTOverflow"),
    _model("BERTBase", "google-bert/bert-base-uncased"),
    _model("BERTLarge", "google-bert/bert-large-uncased"),
    _model("ModernBERT-base", "answerdotai/ModernBERT-base"),
    _model("ModernBERT-large", "answerdotai/ModernBERT-large"),
    _model("Ettin-150m", "jhu-clsp/ettin-encoder-150m"),
    _model("Ettin-400m", "jhu-clsp/ettin-encoder-400m"),
    System("GPT-3.5", "chat", "gpt-3.5-turbo"),
    System("GPT-4", "chat", "gpt-4"),
    _model("CodeLlama", "codellama/CodeLlama-7b-hf"),
    _model("StackLlama", "stack-llama-7b", _LLAMA),
)
"""The systems of "Skill over Scale", our own presets, and today's general encoders. Names on the hub drift: a folder
given with NAME=FOLDER takes a row's place."""


def suggestion(what: str) -> str:
    """The nearest known system to a name that is none, and what can be named."""
    own = [*SYSTEMS, STACKED, "audits", "paper"]
    written = {name: name for name in own} | {row.name: row.what for row in PAPER if row.kind == "model"}
    written |= {what: what for what in written.values()}
    lower = {name.lower(): name for name in written}
    near = difflib.get_close_matches(what.removeprefix("scratch:").lower(), lower, 1)
    meant = f"did you mean {written[lower[near[0]]]}? " if near else ""
    return (
        f"{meant}A system is one of {', '.join(own)}; of a plug-in (--plugin); the folder of a run or of a model; a "
        "name on the Hugging Face hub, such as answerdotai/ModernBERT-base; scratch:, weak:, selftrain:, frozen:, "
        "joined: or stacked: before one of these; or chat:MODEL"
    )


def chosen(texts: list[str]) -> list[System]:
    """The systems that a user named, in their order; one of a group (`audits`, `paper`) gives way to a namesake.

    Raises:
        InputError: one can't be read, or two systems that were named one by one have one name.
    """
    by_name: dict[str, System] = {}
    written: dict[str, str] = {}
    for text in texts or ["paper"]:
        for row in parse(text):
            if text not in GROUPS:
                earlier = written.setdefault(row.name, text)
                if by_name.get(row.name, row) != row and earlier != text:
                    raise InputError(
                        f"systems {earlier!r} and {text!r} are both called {row.name!r}: write NAME={text}, so that "
                        "they can be told apart"
                    )
            elif row.name in written:
                continue
            by_name[row.name] = row
    return list(by_name.values())
