"""The data contracts in words: parts of docs/corpus.md and of docs/configuration.md are written by this module.

`python -m socorpus.corpus.schema_docs docs/corpus.md docs/configuration.md` brings the pages up to date; a test holds
them to that. The meaning of a key of the configuration is the docstring below it in `config`'s source.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from socorpus.corpus import config, schema, toml_config
from socorpus.corpus.selection import election
from socorpus.corpus.selection import rules as selection_rules

_KEY = {"site": "the site's name, its folder everywhere", "post_id": "the post's number on its site"}
_DIGEST = {"digest": "hash of the signals' inputs; equal digests have equal signals"}
_TEXT = {
    "thread_id": "the question's `post_id`, of its answers too",
    "kind": "`question` or `answer`",
    "created": "when it was posted",
    "score": "up votes minus down votes at the time of the dump",
    "tags": "tags; an answer has its question's",
    "title": "title; an answer has its question's",
    "segments": "parts of the text, in order: `kind` (prose, code, inline_code, quote, comment), `start` and"
    " `end` in the text, `language` of code, `id` of the post or comment",
    "url": "its address on the web; null where none of the site is known",
    "license": "its licence, from the dump or from its date",
    "author": "display name of the owner, null where the dump has none",
    "author_id": "the owner's number on the site",
    "accepted": "whether it is the accepted answer",
}
_TWINS = {
    "cluster": "key of the cluster's first member; null without a twin",
    "survivor": "key of the member to keep; null where it is this row, or there is no twin",
    "jaccard": "exact similarity with the survivor",
    "link": "key of the most similar member: the verified pair that ties this row to its cluster",
    "link_jaccard": "exact similarity with that member",
}

TABLES: dict[str, tuple[str, str, pa.Schema, dict[str, str]]] = {
    "documents": (
        "documents/SITE/BUCKET.parquet",
        "One row a question or answer, with its comments: text as people read it, code aligned.",
        schema.DOCUMENTS,
        {
            **_KEY,
            **_TEXT,
            "closed": "when it was closed; null while it is open",
            "edited": "when it was last edited; null if never",
            "views": "views of a question",
            "answers": "answers of a question",
            "comments": "comments that are in the text",
            "revisions": "rows of its history; null where the dump has no such table",
            "text": "the post, then its comments",
            "own_end": "`text[:own_end]` is the post's own, the rest its comments'",
            "links": "links in the text: `start`, `end`, `target`",
            **_DIGEST,
        },
    ),
    "pairs": (
        "pairs/SITE/BUCKET.parquet",
        "One row a code block of a document, with the prose around it; redacted.",
        schema.PAIRS,
        {
            **_KEY,
            "block": "number of the code block in the post, from 0",
            "code": "the code",
            "language": "its programming language; null where it is not known",
            "title": "the document's title",
            "before": "the prose before the code",
            "after": "the prose after it",
        },
    ),
    "signals/language": (
        "signals/language/SITE/BUCKET.parquet",
        "Natural language of the post's own prose.",
        schema.SIGNALS["language"],
        {
            **_KEY,
            "language": "ISO 639-1; null where there is too little prose",
            "probability": "probability of that language, 0 to 1",
        },
    ),
    "signals/statistics": (
        "signals/statistics/SITE/BUCKET.parquet",
        "Sizes of the post's own text.",
        schema.SIGNALS["statistics"],
        {
            **_KEY,
            "chars": "code points",
            "words": "words, in any script ([stages.md](stages.md#words))",
            "prose_chars": "code points of prose",
            "code_chars": "code points of code, inline code included",
            "code_blocks": "blocks of code",
            "code_share": "`code_chars / chars`; 0 of an empty text",
        },
    ),
    "signals/privacy": (
        "signals/privacy/SITE/BUCKET.parquet",
        "Personal data and secrets.",
        schema.SIGNALS["privacy"],
        {
            **_KEY,
            "spans": "where they are: `field` (text or title), `start`, `end`, `kind`; sorted, without overlap",
        },
    ),
    "signals/contamination": (
        "signals/contamination/SITE/BUCKET.parquet",
        "Overlap with benchmark files.",
        schema.SIGNALS["contamination"],
        {
            **_KEY,
            "benchmark": "file of the best match; null where nothing overlaps",
            "example": "row of that file, from 0",
            "overlap": "share of the example's n-grams that are in the document",
        },
    ),
    "signals/exact": (
        "signals/exact/SITE/BUCKET.parquet",
        "Exact copies, but for case and white space.",
        schema.SIGNALS["exact"],
        {
            **_KEY,
            "hash": "hash of the normalised text: equal for copies",
            "survivor": "key of the copy to keep; null where it is this row, or there is no copy",
        },
    ),
    "signals/near": (
        "signals/near/SITE/BUCKET.parquet",
        "Near duplicates by the shingles of the post's own words, its signs and its code.",
        schema.SIGNALS["near"],
        {**_KEY, **_TWINS},
    ),
    "signals/near_code": (
        "signals/near_code/SITE/BUCKET.parquet",
        "Near duplicates by the shingles of the post's own code.",
        schema.SIGNALS["near_code"],
        {**_KEY, **_TWINS},
    ),
    "decisions": (
        "decisions/SITE/BUCKET.parquet",
        "Which documents are kept, and the reason for each drop.",
        schema.DECISIONS,
        {
            **_KEY,
            "keep": "whether it is in the shards",
            "reason": "the rule that dropped it; null for a kept row",
            "evidence": "JSON: the values that the rule saw, such as the `survivor` of a duplicate",
        },
    ),
    "shards": (
        "shards/SPLIT/NUMBER.parquet",
        "The kept documents as a trainer reads them: redacted, tokenised, shuffled.",
        schema.SHARDS,
        {
            **_KEY,
            **_TEXT,
            "split": "`train`, `validation` or `test`: by thread and by time",
            "text": "the document's text, with placeholders for personal data and secrets",
            "own_end": "`text[:own_end]` is the post's own, the rest its comments'",
            "input_ids": "tokens of `text`, no special tokens added",
            "code_tokens": "where code is, in tokens: start, end, start, end …",
        },
    ),
    "tokens": (
        "tokens/KEY/SPLIT/NUMBER.parquet",
        "The shards' tokens by another tokenizer (`socorpus tokenize`), row for row with the shard of that name.",
        schema.TOKENS,
        {
            **_KEY,
            "input_ids": "tokens of the shard's `text`, no special tokens added",
            "code_tokens": "where code is, in tokens: start, end, start, end …",
        },
    ),
    "quarantine": (
        "quarantine/SITE.parquet",
        "Rows of the dump that could not be read, as they are.",
        schema.QUARANTINE,
        {
            "site": "the site's name",
            "table": "the table that the row is of",
            "file": "the file, and the member of an archive",
            "offset": "bytes from the start of the decoded stream; of Parquet and of a plug-in's source, rows",
            "reason": "why it could not be read",
            "row": "the raw bytes",
        },
    ),
}
"""Table -> its place, what a row is, its schema, and the meaning of each column."""


def schema_markdown() -> str:
    """All tables with their columns, as Markdown."""
    return "\n\n".join([*(_table(name) for name in TABLES), _dump()])


def reasons_markdown() -> str:
    """Meaning of each reason of a decision, in the order in which the rules are tried, as Markdown."""
    rows = [(rule.reason, rule.says, ", ".join(rule.evidence)) for rule in selection_rules.RULES]
    rows += [(name, says, "survivor, jaccard, link, link_jaccard") for name, says in election.DUPLICATES.items()]
    return _rows(("reason", "meaning", "evidence"), ((f"`{a}`", b, c) for a, b, c in rows))


def keys_markdown(config: ModuleType = config) -> str:
    """Every key of a configuration with its type, default and meaning, a table a section, as Markdown.

    Read from the source of `config` (a build's, unless another is given): a section is a field of `Config`, in order,
    and its meaning the class's docstring.

    Raises:
        ValueError: a section or a key has no docstring.
    """
    classes = {node.name: node for node in ast.parse(inspect.getsource(config)).body if isinstance(node, ast.ClassDef)}
    own, ranges = classes["Config"], config.RANGES
    # Keys outside of all sections; `own` holds the sections of plug-ins, which are documented where they are written.
    named = {field[0]: field[1].removeprefix("Mapping[str, ").removesuffix("]") for field in _fields(own, classes)}
    whole = [field for field in _fields(own, classes) if named[field[0]] not in classes and field[0] != "own"]
    parts = [f"### Above all sections\n\n{_keys(whole, ranges)}"] if whole else []
    for name, annotation, _, _ in _fields(own, classes):
        kind = named[name]
        if kind not in classes:
            continue
        keys = list(_fields(classes[kind], classes))
        head = name if kind == annotation else f'{name}."NAME"'
        parts.append(f"### [{head}]\n\n{_meaning(classes[kind])}\n\n{_keys(keys, ranges, name)}")
        for key, listed, _, _ in keys:
            table = _listed(listed)
            if table in classes:
                rows = list(_fields(classes[table], classes))
                parts.append(f"### [[{name}.{key}]]\n\n{_meaning(classes[table])}\n\n{_keys(rows, ranges)}")
    return "\n\n".join(parts)


def _keys(fields: Sequence[tuple[str, str, Any, str]], ranges: toml_config.Ranges, section: str = "") -> str:
    rows = (
        (f"`{key}`", _words(kind), _range(ranges.get(f"{section}.{key}")), _toml(value), text)
        for key, kind, value, text in fields
    )
    return _rows(("key", "type", "range", "default", "meaning"), rows)


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]} to {'2^63 - 1' if ends[1] == toml_config.MOST else ends[1]}"


def _meaning(section: ast.ClassDef) -> str:
    says = ast.get_docstring(section)
    if not says:
        raise ValueError(f"config.{section.name} has no docstring")
    return " ".join(says.split())


def presets_markdown() -> str:
    """Settings of each preset, as Markdown."""
    rows = []
    for name, sections in config.PRESETS.items():
        keys = [
            f"`{part}.{key} = {json.dumps(value)}`" for part, some in sections.items() for key, value in some.items()
        ]
        rows.append((f"`{name}`", ", ".join(keys) or "nothing: the defaults below"))
    return _rows(("preset", "sets"), rows)


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "corpus.md": {"tables": schema_markdown, "reasons": reasons_markdown},
    "configuration.md": {"presets": presets_markdown, "keys": keys_markdown},
}
"""Page -> the parts of it that are generated."""


def update(page: str, name: str = "corpus.md") -> str:
    """A page with its generated parts regenerated; each lies between `<!-- NAME -->` and `<!-- end of NAME -->`.

    Args:
        page: the page's text.
        name: which page of `PARTS` it is.

    Raises:
        ValueError: the page lacks one of the parts.
    """
    for part, make in PARTS[name].items():
        lines = re.compile(rf"(?<=<!-- {part} -->\n).*?(?=<!-- end of {part} -->)", re.DOTALL)
        match = lines.search(page)
        if match is None:
            raise ValueError(f"the page has no part <!-- {part} --> … <!-- end of {part} -->")
        page = f"{page[: match.start()]}\n{make()}\n\n{page[match.end() :]}"
    return page


def _fields(section: ast.ClassDef, classes: Collection[str]) -> Iterable[tuple[str, str, Any, str]]:
    """Name, annotation, default and docstring of each field of a dataclass, in order; a field that is a section of its
    own, one of `classes`, has no docstring."""
    for field, after in zip(section.body, [*section.body[1:], None], strict=True):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        name, annotation, says = field.target.id, ast.unparse(field.annotation), ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            says = " ".join(after.value.value.split())
        elif annotation.removeprefix("Mapping[str, ").removesuffix("]") not in classes:
            raise ValueError(f"config.{section.name}.{name} has no docstring")
        plain = field.value is not None and not isinstance(field.value, ast.Call)
        yield name, annotation, ast.literal_eval(field.value) if plain and field.value else _REQUIRED, says


_REQUIRED = object()
"""Default of a key that has to be given."""


def _listed(annotation: str) -> str:
    """The type of a list's items, as it is written; empty where it is no list."""
    inner = re.fullmatch(r"tuple\[(\w+), \.\.\.\]", annotation.removesuffix(" | None"))
    return inner[1] if inner else ""


def _words(annotation: str) -> str:
    plain = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}
    item = _listed(annotation)
    return f"list of {plain.get(item, 'tables')}" if item else plain[annotation.removesuffix(" | None")]


def _toml(value: Any) -> str:
    if value is _REQUIRED:
        return "required"
    return "not set" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def _table(name: str) -> str:
    place, says, columns, meanings = TABLES[name]
    rows = ((f"`{f.name}`", _type(f.type), "" if f.nullable else "no", meanings[f.name]) for f in columns)
    return f"### {name}\n\n`{place}`. {says}\n\n" + _rows(("column", "type", "null", "meaning"), rows)


def _dump() -> str:
    head = ["### Tables of the dump", "`tables/TABLE/SITE/….parquet`: `site`, then the dump's attributes, typed."]
    rows = (
        (f"`{table}`", ", ".join(f"`{a.column}` {_type(a.type)}" for a in attributes))
        for table, attributes in schema.DUMP.items()
    )
    return "\n\n".join([*head, _rows(("table", "columns"), rows)])


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "struct"
    if pa.types.is_timestamp(kind):
        return "time (ms, UTC)"
    return {"float": "float32", "fixed_size_binary[16]": "16 bytes"}.get(str(kind), str(kind))


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def main(arguments: Sequence[str]) -> None:
    """Bring the pages that are named up to date."""
    for path in map(Path, arguments):
        path.write_text(update(path.read_text("utf-8"), path.name), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
