"""A finished corpus, opened for reading: its tables as Arrow datasets, its threads, and the stories of posts."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from socorpus.corpus import schema
from socorpus.corpus.errors import UnknownNameError
from socorpus.corpus.report import story
from socorpus.corpus.report.story import Story
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.storage import datasets, generations, integrity, parquet
from socorpus.corpus.storage.boundary import corpus_place

LABEL_TABLES = ("labels", "votes", "examples")
Row = Mapping[str, Any]
_BATCH = 64
"""Rows that are Python objects at a time."""
_SCHEMAS = {
    "documents": schema.DOCUMENTS,
    "pairs": schema.PAIRS,
    "decisions": schema.DECISIONS,
    "shards": schema.SHARDS,
}
_COMMENTS = ["comment_id", "post_id", "score", "text", "creation_date", "user_display_name", "user_id"]


@dataclass(frozen=True)
class Thread:
    """A question with its answers and their comments.

    Attributes:
        site, thread_id: the thread; `thread_id` is the `post_id` of its question.
        question: its row of `documents`; None where the dump has answers to a question that it does not have.
        answers: rows of `documents`, in order of `post_id`.
        comments: rows of `tables/comments` by the post that they are on, in order of `comment_id`.
    """

    site: str
    thread_id: int
    question: Row | None
    answers: tuple[Row, ...]
    comments: Mapping[int, tuple[Row, ...]]


class _Datasets(dict[str, ds.Dataset]):
    """Datasets by name; for another name an error that says which there are."""

    def __init__(self, where: str, datasets: Mapping[str, ds.Dataset]):
        super().__init__(datasets)
        self._where = where

    def __missing__(self, name: object) -> ds.Dataset:
        raise UnknownNameError.of(f"{self._where} {name!r}", name, self)


class Corpus:
    """A finished corpus.

    Every table is a `pyarrow.dataset.Dataset`, which reads only the columns and rows that are asked for. Opening a
    corpus reads only its manifest; a table's files are held against it when the table is opened, and what was opened
    stays the same whatever builds do meanwhile. `documents` and `tables` hold the text as it was published, `shards`,
    `pairs` and labels hold placeholders for personal data.

    Args:
        path: the folder that `build` wrote, or its address in an object store.

    Raises:
        InputError: there is no finished corpus, it is of another version, or (by a table) files are not those of its
            manifest.

    Examples:
        >>> corpus = Corpus("corpus")
        >>> corpus.documents.count_rows() == corpus.manifest["totals"]["documents"]
        True
        >>> rows = corpus.shards("train").head(2, columns=["url", "license", "author", "text"])
        >>> rows.num_rows
        2
        >>> sorted(corpus.signals)[:3]
        ['contamination', 'exact', 'language']
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = corpus_place(path)
        self._tree, self.manifest = integrity.pinned(self.path)
        generations.hold(self, self._tree)

    @property
    def generation(self) -> Path:
        """The folder where users find the files: its own, but in an object store that of the generation."""
        return generations.shown(self.path, self._tree)

    @property
    def tree(self) -> Path:
        """The folder of the files that this object reads, which stays as it is whatever builds do meanwhile."""
        return self._tree

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Corpus({str(self.path)!r})"

    @cached_property
    def tables(self) -> Mapping[str, ds.Dataset]:
        """The dump's tables by name (posts, comments, history, and so on), those that it has. Another name raises
        `UnknownNameError`, a `KeyError`."""
        names = [name for name in schema.DUMP if self._paths(f"tables/{name}")]
        return _Datasets(f"{self.path}: no table", {name: self._dataset(f"tables/{name}") for name in names})

    @cached_property
    def documents(self) -> ds.Dataset:
        """One row a question or answer."""
        return self._dataset("documents")

    @cached_property
    def pairs(self) -> ds.Dataset:
        """One row a code block, with the prose around it."""
        return self._dataset("pairs")

    @cached_property
    def signals(self) -> Mapping[str, ds.Dataset]:
        """Tables of signals by name, each row for row with `documents`. Another name raises `UnknownNameError`, a
        `KeyError`."""
        names = dict.fromkeys(path.split("/")[1] for path in self._paths("signals"))
        return _Datasets(f"{self.path}: no signal", {name: self._dataset(f"signals/{name}") for name in names})

    @cached_property
    def decisions(self) -> ds.Dataset:
        """Kept or dropped, and by which rule, row for row with `documents`."""
        return self._dataset("decisions")

    def shards(self, split: str | None = None) -> ds.Dataset:
        """The kept documents of a split (train, validation, test), or of all three.

        Raises:
            UnknownNameError: there is no such split.
        """
        if split is not None and split not in SPLITS:
            raise UnknownNameError.of(f"split {split!r} is not known", split, SPLITS)
        return self._dataset("shards" if split is None else f"shards/{split}")

    def labels(self, task: str, table: str = "labels") -> ds.Dataset:
        """The labels of a task, or its `votes` or `examples`.

        Examples have no text where that is a document's: `socorpus.labeling.label_examples` has them as a whole.

        Raises:
            UnknownNameError: the corpus has no labels of the task, or there is no such table.
        """
        if table not in LABEL_TABLES:
            raise UnknownNameError.of(f"table {table!r} is not known", table, LABEL_TABLES)
        labelled = self.manifest.get("labels", {})
        if task not in labelled:
            sentence = f"{self.path}: no labels of {task} (socorpus labeling apply makes them)"
            raise UnknownNameError.of(sentence, task, labelled)
        return self._dataset(f"labels/{task}/{table}")

    def facts(self) -> ds.Dataset:
        """The facts of each post that the labels rest on: closed, why, duplicate, moved, about the site.

        Raises:
            UnknownNameError: the corpus has no labels.
        """
        if not self.manifest.get("labels"):
            raise UnknownNameError(f"{self.path}: no facts of posts, as it has no labels (socorpus labeling apply)")
        return self._dataset("labels/facts")

    def explain(self, key: str) -> Story:
        """All that the corpus knows of a post (`SITE:POST_ID`), in lines when it is printed.

        Raises:
            InputError: `key` is no key, or the site is not in the corpus.

        Examples:
            >>> print(Corpus("corpus").explain("modern.example.com:1"))
            modern.example.com:1: question, kept
            ...
        """
        self._require(story.folders(self.manifest, key))
        return story.find(self._tree, key)

    def threads(self, site: str | None = None) -> Iterator[Thread]:
        """The threads, site by site; memory holds one bucket of them (`threads.bucket_mb` of XML).

        Args:
            site: only this site's.

        Raises:
            UnknownNameError: the site is not in the corpus.

        Examples:
            >>> threads = Corpus("corpus").threads()
            >>> thread = next(thread for thread in threads if thread.answers)
            >>> thread.question["post_id"] == thread.thread_id == thread.answers[0]["thread_id"]
            True
        """
        if site is not None and site not in self.manifest["sites"]:
            raise UnknownNameError.of(f"{self.path}: no site {site}", site, self.manifest["sites"])
        return self._threads("documents" if site is None else f"documents/{site}")

    def _threads(self, folder: str) -> Iterator[Thread]:
        self._require([folder, "tables/comments"])
        for path in sorted(self._paths(folder)):
            documents = parquet.read(self._tree / path).sort_by([("thread_id", "ascending"), ("post_id", "ascending")])
            yield from _threads_of(documents, self._comments(path.replace("documents/", "tables/comments/", 1)))

    def _comments(self, path: str) -> pa.Table:
        if path not in self.manifest["files"]:
            return schema.dump_schema("comments").empty_table().select(_COMMENTS)
        order = [("post_id", "ascending"), ("comment_id", "ascending")]
        return parquet.read(self._tree / path, columns=_COMMENTS).sort_by(order)

    def _paths(self, folder: str) -> list[str]:
        return [path for path in self.manifest["files"] if path.startswith(f"{folder}/") and path.endswith(".parquet")]

    def _dataset(self, folder: str) -> ds.Dataset:
        empty = _SCHEMAS.get(folder.partition("/")[0], pa.schema(schema.KEY))
        self._require([folder])
        table = datasets.dataset(self._tree, self._paths(folder), empty)
        generations.hold(table, self._tree)
        return table

    def _require(self, folders: Sequence[str]) -> None:
        integrity.require(self.path, self._tree, integrity.within(self.manifest["files"], folders))


def _threads_of(documents: pa.Table, comments: pa.Table) -> Iterator[Thread]:
    """The threads of one bucket, in order of their questions.

    Args:
        documents: sorted by `thread_id` and `post_id`.
        comments: sorted by `post_id` and `comment_id`.
    """
    commented = comments["post_id"].to_numpy()
    rows = (row for batch in documents.to_batches(max_chunksize=_BATCH) for row in batch.to_pylist())
    for thread_id, group in groupby(rows, key=itemgetter("thread_id")):
        posts = list(group)
        by_post = {}
        for post in posts:
            start, end = np.searchsorted(commented, [post["post_id"], post["post_id"] + 1]).tolist()
            if end > start:
                by_post[post["post_id"]] = tuple(comments.slice(start, end - start).to_pylist())
        question = next((post for post in posts if post["kind"] == "question"), None)
        answers = tuple(post for post in posts if post is not question)
        yield Thread(posts[0]["site"], thread_id, question, answers, by_post)
