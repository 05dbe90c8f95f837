"""Named entities: spans of the types of Tabassum et al. 2020 in a post's text, including comments.

Every labelling function (`code`, `prose`, `tags`) reads one post at a time, outside of code blocks, and abstains where
it is unsure. Types and spans follow the guideline of that corpus: versions are separate from the names they belong to,
an address is no entity, quotes are part of a value.

In a corpus the votes are combined like those of other tasks (`combined` does this for plain texts). `label` does
the same with the weights of the package, or with what `learn` learned from an annotated file.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from socorpus.corpus.config import Labels
from socorpus.corpus.schema import SEGMENT
from socorpus.labeling import functions as labelling
from socorpus.labeling.aggregation import counting, decide
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.functions import Function, Threads, Vote
from socorpus.labeling.schema import VOTES, Task
from socorpus.labeling.tasks.entities import bio, site_prior
from socorpus.labeling.tasks.entities import code as entities_code
from socorpus.labeling.tasks.entities import post as entities_post
from socorpus.labeling.tasks.entities import prose as entities_prose
from socorpus.labeling.tasks.entities import tags as entities_tags
from socorpus.labeling.tasks.entities import weighing as entities_weighing
from socorpus.labeling.tasks.entities.learned import Learned, kept, shipped
from socorpus.labeling.tasks.entities.learning import Text
from socorpus.labeling.tasks.entities.learning import learn as _learn
from socorpus.labeling.tasks.entities.spans import Span

__all__ = ["TASK", "Learned", "combined", "label", "learn"]


def _settings(labels: Labels) -> dict[str, Any]:
    """Name -> type of the user's own entities, those of this task's types (`labels.names`, each `TYPE: NAME`)."""
    pairs = [(label.strip(), name.strip()) for label, _, name in (entry.partition(":") for entry in labels.names)]
    return {"names": {name: label for label, name in pairs if label in TASK.labels}}


TASK = Task(
    "entities",
    {
        "Algorithm": "a named method or technique of computing, such as quicksort, SHA-256, gradient descent",
        "Application": "a program, tool or service that one uses rather than calls, such as Excel, Docker, gcc",
        "Class": "a class, interface or struct of code, such as ArrayList, HttpServlet",
        "Code_Block": "a piece of code in a sentence that is more than one name, such as x = y + 1",
        "Data_Structure": "a way to arrange data, such as array, linked list, data frame, table",
        "Data_Type": "a type of values, such as int, varchar, string, boolean",
        "Device": "hardware, such as iPhone, GPU, Raspberry Pi",
        "File_Name": "the name or path of a certain file or folder, such as web.config, /etc/hosts",
        "File_Type": "a format of files or its ending, such as CSV, .png, JSON",
        "Function": "a function, method, command or operator that is called, such as printf, map(), SELECT",
        "HTML_XML_Tag": "an element of HTML or XML, such as <div>, span, href",
        "Language": "a language for programs, queries, markup or styles, such as Python, SQL, CSS",
        "Library": "a library, framework, package or its interface, such as jQuery, numpy, Spring",
        "Operating_System": "an operating system, such as Windows, Ubuntu, Android",
        "User_Interface_Element": "a part of a screen that is seen or used, such as button, text box, menu",
        "User_Name": "the name of a person or of an account, such as @Jon Skeet",
        "Value": "a value written out, such as 42, null, 'hello', #ff0000",
        "Variable": "a variable, field, column, parameter or property, such as user_id, this.width",
        "Version": "a version of software, such as 3.5, v2, ES6",
        "Website": "a site on the web or an organisation behind it, such as GitHub, Google, MSDN",
        "Error_Name": "an error, exception or its code, such as NullPointerException, 404",
        "Keyboard_IP": "keys that are pressed, or an address in a network, such as Ctrl+C, 127.0.0.1",
    },
    question="Which names of software, code and technology does this text have?",
    unit="span",
    collect=entities_tags.collect,
    merge=entities_tags.merge,
    settings=_settings,
    leave_out=("Code_Block",),
    abstains=site_prior.abstains,
    version=5,
    weigher=entities_weighing.weigher,
)
"""The 20 types of Tabassum et al. 2020 (names of libraries and of users merged, organisations as websites; Code_Block
is inline code), then two more from their files."""

FUNCTIONS = (entities_code, entities_prose, entities_tags, entities_weighing)
"""Modules whose functions are registered by their import."""


def label(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None = None,
    tags: Sequence[Iterable[str]] | None = None,
    tokens: Sequence[bio.Offsets] | None = None,
    learned: Learned | None = None,
) -> list[list[tuple[Span, float]]]:
    """Label texts end to end: sorted spans of each text, without overlap, with their probabilities.

    Args:
        segments: of each text, as `corpus.schema.SEGMENT`; None: only prose.
        tags: of each text's question.
        tokens: of each text; spans are then widened to whole tokens.
        learned: result of `learn` on an annotated file; None: the weights of the package.
    """
    model = shipped() if learned is None else learned
    labelled = []
    for index, text in enumerate(_texts(texts, segments, tags)):
        widen = widener(tokens[index] if tokens is not None else None)
        likely: dict[Span, float] = {}
        (judged,) = model.probabilities([text.post], [text.votes])
        for span, probability in site_prior.Prior().shifted(text.post, judged, text.votes).items():
            wide = Span(*widen(span.start, span.end), span.label)
            likely[wide] = max(probability, likely.get(wide, 0.0))
        labelled.append([(span, likely[span]) for span in kept(likely)])
    return labelled


def combined(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None = None,
    tags: Sequence[Iterable[str]] | None = None,
    tokens: Sequence[bio.Offsets] | None = None,
) -> list[list[tuple[Span, float]]]:
    """Labels of a corpus of only these texts: sorted spans of each text, with their probabilities.

    Args: as for `label`.
    """
    names = [function.name for function in labelling.of_task(TASK.name)]
    rows = [
        {"site": "", "post_id": index, "start": vote.start, "end": vote.end, "label": vote.label}
        | {"function": function.name, "version": function.version, "source": "function"}
        | {"evidence": json.dumps(vote.evidence)}
        for index, text_votes in enumerate(votes_on(texts, segments, tags))
        for function, vote in text_votes
    ]
    votes = pa.Table.from_pylist(rows, schema=VOTES)
    model = counting.Counted([counting.count(votes, names, TASK)], len(names)).fit(names, TASK)
    posts = pa.array(range(len(texts)), pa.int64())
    nothing = pa.array([""] * len(texts))
    keys = pa.table(
        {"site": nothing, "post_id": posts, "thread_id": posts, "split": nothing, "text": pa.array(texts, pa.string())}
    )
    labelled: list[list[tuple[Span, float]]] = [[] for _ in texts]
    for row in decide.decide(keys, votes, model, TASK).to_pylist():
        widen = widener(tokens[row["post_id"]] if tokens is not None else None)
        span = Span(*widen(row["start"], row["end"]), row["label"])
        labelled[row["post_id"]].append((span, row["probability"]))
    return labelled


def learn(path: Path) -> Learned:
    """Learn from a file of the StackOverflow NER corpus, in a minute.

    Raises:
        InputError: the file can't be read, is not of that format, or scikit-learn is not installed.
    """
    return learn_documents(so_ner.read(path))


def learn_documents(documents: Sequence[so_ner.Document]) -> Learned:
    """As `learn`, from documents."""
    return _learn(annotated(documents))


def annotated(documents: Sequence[so_ner.Document]) -> list[Text]:
    """Documents as texts to learn from, with the votes on them; types that the task does not have are left out."""
    return with_gold(
        [document.text for document in documents],
        [document.segments for document in documents],
        None,
        [document.tokens for document in documents],
        [[span for span in document.spans if span.label in TASK.labels] for document in documents],
        [document.question for document in documents],
    )


def with_gold(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]],
    tags: Sequence[Iterable[str]] | None,
    tokens: Sequence[bio.Offsets],
    gold: Sequence[Iterable[Span]],
    questions: Sequence[int],
) -> list[Text]:
    """Texts to learn from, with the votes on them.

    Args:
        segments, tags, tokens: as for `label`.
        gold: spans of each text, of any types.
        questions: number of each text's question; texts of one question are in one fold.
    """
    return [
        replace(text, widen=widener(offsets), gold=frozenset(spans), question=question)
        for text, offsets, spans, question in zip(_texts(texts, segments, tags), tokens, gold, questions, strict=True)
    ]


def votes_on(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None = None,
    tags: Sequence[Iterable[str]] | None = None,
    functions: Sequence[Function] | None = None,
) -> list[list[tuple[Function, Vote]]]:
    """Votes of the functions (None: all) on each text."""
    numbers = range(len(texts))
    table = pa.table(
        {
            "post_id": pa.array(numbers, pa.int64()),
            "text": pa.array(texts, pa.string()),
            "segments": pa.array([list(segments[index]) if segments else [] for index in numbers], pa.list_(SEGMENT)),
            "tags": pa.array([list(tags[index]) if tags else [] for index in numbers], pa.list_(pa.string())),
            "title": pa.nulls(len(texts), pa.string()),
        }
    )
    nothing = pa.table({})
    threads = Threads("", nothing, nothing, nothing, nothing, nothing, None, nothing, span_examples=table)
    voted: list[list[tuple[Function, Vote]]] = [[] for _ in texts]
    for function in labelling.of_task(TASK.name) if functions is None else functions:
        for vote in function.find(threads):
            voted[vote.post_id].append((function, vote))
    return voted


def _texts(
    texts: Sequence[str],
    segments: Sequence[Iterable[Mapping[str, Any]]] | None,
    tags: Sequence[Iterable[str]] | None,
) -> list[Text]:
    nothing = pa.table({})
    threads = Threads("", nothing, nothing, nothing, nothing, nothing, None, nothing)
    prepared = []
    for index, text in enumerate(texts):
        post = entities_post.post(text, segments[index] if segments else (), tags[index] if tags else ())
        prepared.append(Text(post, entities_post.voted(post, threads), widener(None)))
    return prepared


def widener(tokens: bio.Offsets | None) -> Callable[[int, int], tuple[int, int]]:
    """A function that widens a span to the tokens that it touches; it leaves a span as it is if there are none."""
    if tokens is None:
        return lambda start, end: (start, end)

    def widen(start: int, end: int) -> tuple[int, int]:
        first, last = bio.touched(tokens, start, end)
        return (tokens[first][0], tokens[last - 1][1]) if first < last else (start, end)

    return widen
