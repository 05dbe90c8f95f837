"""Queries that were saved with a corpus: in its folder `queries`, beside the generations that builds write.

A query is `queries/NAME.json`. One that reads no more than rules of selection may is a rule too: `queries/NAME.toml` is
its text, to be copied into a configuration. Nothing else is ever written.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from socorpus.corpus.config import Selection, SelectionRule
from socorpus.corpus.errors import InputError
from socorpus.corpus.selection import expressions, own_rules
from socorpus.corpus.selection.expressions import ExpressionError
from socorpus.corpus.storage import files
from socorpus.labeling.workbench import queries
from socorpus.labeling.workbench.column_store import ColumnStore
from socorpus.labeling.workbench.queries import Query

FOLDER = "queries"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


@dataclass(frozen=True)
class SavedQuery:
    """A saved query; `rule` is the text of a rule of selection, `why_not` why there is none."""

    name: str
    query: Query
    rule: str | None
    why_not: str | None


def check_name(name: str) -> str:
    """A name of a query, as it is.

    Raises:
        InputError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} is no name of a query: small letters, digits and _ (at most 50), such as too_loud"
        )
    return name


def rule(name: str, query: Query, store: ColumnStore) -> tuple[str | None, str | None]:
    """A query as a rule that drops what it finds: its text in TOML, or why it can't be one."""
    try:
        expression = queries.as_expression(query, store)
        if not expression:
            return None, "it asks nothing, so a rule would drop every post"
        checked = expressions.check(expression, store.of_rules)
    except (InputError, ExpressionError) as error:
        return None, f"a rule reads documents and signals alone: {error}"
    try:
        own_rules.check(Selection(rules=(SelectionRule(name, checked.text),)))
    except InputError as error:
        return None, str(error)
    lines = ["[[selection.rules]]", f"reason = {_toml(name)}", f"drop_if = {_toml(checked.text)}"]
    return "\n".join([*lines, f"meaning = {_toml(f'found by the query {name}')}", ""]), None


def _toml(text: str) -> str:
    """A basic string; JSON's escapes are TOML's but for U+007F."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def save(root: Path, name: str, query: Query, store: ColumnStore) -> SavedQuery:
    """Write a query, in the place of one of the same name.

    Raises:
        InputError: the name is none, or a link lies where it would be written.
    """
    folder = root / FOLDER
    check_name(name)
    text, why_not = rule(name, query, store)
    files.refuse_links(folder)
    files.write_json(folder / f"{name}.json", {"query": query.given})
    if text is not None:
        files.write_text(folder / f"{name}.toml", text)
    else:
        files.remove(folder / f"{name}.toml")
    return SavedQuery(name, query, text, why_not)


def load(root: Path, name: str) -> Query:
    """A saved query.

    Raises:
        InputError: there is none of this name, or its file is damaged.
    """
    path = root / FOLDER / f"{check_name(name)}.json"
    if not files.exists(path):
        known = ", ".join(names(root)) or "none; socorpus browse saves them"
        raise InputError(f"{root}: no query {name} is saved there; there are {known}")
    try:
        given = files.read_json(path)["query"]
        if not isinstance(given, Mapping):
            raise TypeError
        return Query.of(given)
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not a saved query; remove it, and save it again in socorpus browse") from None


def names(root: Path) -> list[str]:
    """Names of the saved queries, sorted."""
    return [path.stem for path in files.listed(root / FOLDER, ".json") if _NAME.fullmatch(path.stem)]


def described(root: Path, store: ColumnStore) -> list[SavedQuery]:
    """The saved queries; those that can't be read are left out."""
    known = []
    for name in names(root):
        try:
            query = load(root, name)
        except InputError:
            continue
        known.append(SavedQuery(name, query, *rule(name, query, store)))
    return known


def remove(root: Path, name: str) -> None:
    """Remove a saved query.

    Raises:
        InputError: the name is none, or a link lies there.
    """
    files.refuse_links(root / FOLDER)
    for suffix in ("json", "toml"):
        files.remove(root / FOLDER / f"{check_name(name)}.{suffix}")
