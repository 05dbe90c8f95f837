"""The texts of a published folder: card, licences, datasheet, citation; all filled from the manifest and from what was
written, none from anything else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from socorpus.corpus import toml_config
from socorpus.corpus.config import SelectionRule
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.selection import election
from socorpus.labeling.analysis import report_sections
from socorpus.labeling.publishing import croissant, file_formats
from socorpus.labeling.publishing.file_formats import JSONL, MEGATRON, PARQUET, ZST
from socorpus.labeling.publishing.published_tables import LABELS, PublishedTable

LICENSES = {
    f"CC BY-SA {number}": f"https://creativecommons.org/licenses/by-sa/{number}/" for number in ("2.5", "3.0", "4.0")
}
RECALL = (0.833, 0.93)
"""Shares of the personal data and secrets of made-up lines that were found before anybody had looked at these lines:
of a set written to be hard, and of the last of five others (docs/stages.md#privacy)."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))
_TASKS = {
    "documents": ("text-generation", "fill-mask"),
    "instructions": ("question-answering",),
    "retrieval": ("sentence-similarity",),
}


@dataclass(frozen=True)
class Contents:
    """What a published folder has: of each table with rows the rows by split; and what was counted on the way.

    Attributes:
        form: of its files.
        title: of the data set.
        address: of the data set, or of the first site that it is from.
        rows: table -> split -> rows.
        placeholders: kind -> placeholders in the texts of `documents`.
        left_out: table with labels -> reason -> labels of posts that the corpus dropped for it.
        licenses: licence -> rows under it of `documents` ("posts"), and comments in their texts ("comments").
        place: what `load_dataset` is given: the data set on the hub, or what stands for the folder.
        tokens: split -> tokens, of megatron's files.
        end: the token that ends a document in these.
    """

    form: str
    title: str
    address: str
    tables: Mapping[str, PublishedTable]
    rows: Mapping[str, Mapping[str, int]]
    placeholders: Mapping[str, int]
    left_out: Mapping[str, Mapping[str, int]]
    licenses: Mapping[str, Mapping[str, int]]
    place: str = "path/of/this/folder"
    tokens: Mapping[str, int] = field(default_factory=dict)
    end: str = ""


def title(facts: Mapping[str, Any]) -> str:
    """The title of a corpus's data set."""
    sites = list(facts["sites"])
    named = ", ".join(sites[:3]) + (f" and {len(sites) - 3:,} more sites" if len(sites) > 3 else "")
    return f"Questions and answers of {named}"


def texts(facts: Mapping[str, Any], contents: Contents) -> dict[str, str]:
    """File name -> content of all texts of a published folder.

    Args:
        facts: the corpus's manifest.
    """
    return {
        "README.md": card(facts, contents),
        "LICENSES.md": licences(contents),
        "DATASHEET.md": datasheet(facts, contents),
        "CITATION.cff": citation(facts, contents),
        croissant.NAME: file_formats.json_text(
            croissant.document(
                contents.title,
                _about(facts),
                contents.address,
                [LICENSES[name] for name in contents.licenses if name in LICENSES],
                f"{contents.title}. Made by socorpus {version('socorpus')} from a data dump. {contents.address}",
                [f"the users of {site}" for site in facts["sites"]],
                "1.0.0",
                contents.tables,
                contents.form,
            )
        ),
    }


def _about(facts: Mapping[str, Any]) -> str:
    sites = ", ".join(facts["sites"])
    return (
        f"Questions, answers and comments of {sites}, from a data dump of theirs, as clean text: without duplicates, "
        "personal data and secrets that were found replaced by placeholders, each row with address, licence and author."
    )


def card(facts: Mapping[str, Any], contents: Contents) -> str:
    """README.md: the header that the hub and `datasets` read, and what it is for people."""
    rows = sum(contents.rows.get("documents", {}).values())
    tables = "\n".join(_summary(contents, name) for name in contents.tables)
    sections = "\n\n".join(described(table) for table in contents.tables.values())
    return f"""---
{_header(facts, contents, rows)}---

# {contents.title}

{_about(facts)}

Made by socorpus {version("socorpus")}. [DATASHEET.md](DATASHEET.md) says what was left
out and why, and what is known of personal data and of the labels; [LICENSES.md](LICENSES.md) what whoever uses it has
to do.

{_reading(contents)}

## Tables

| table | a row is | {" | ".join(SPLITS)} |
| --- | --- |{" ---: |" * len(SPLITS)}
{tables}

Splits are by thread and by time: in each site the newest threads are the test split, those before them validation, and
threads that a duplicate ties together are in one split. {_attributed(contents)}

{sections}

## Licence

{_licence_lines(contents)}

Texts are their authors', under the licence that each row names: name `author` and `url` where you publish them, say
that they were changed (HTML became text, personal data placeholders), and share adaptations alike.
"""


def _attributed(contents: Contents) -> str:
    rows = contents.rows.get("attribution", {})
    if not rows:
        return ""
    return f"`attribution` has {rows.get('posts', 0):,} posts (split `posts`) and {rows.get('comments', 0):,} comments."


def _summary(contents: Contents, name: str) -> str:
    rows = contents.rows[name]
    counts = [f"{rows.get(split, 0):,}" for split in SPLITS]
    if name == "attribution":
        counts = [f"{sum(rows.values()):,}", "", ""]
    return f"| `{name}` | {contents.tables[name].says} | {' | '.join(counts)} |"


def described(table: PublishedTable) -> str:
    """A section of Markdown on a table: its rule and its columns."""
    lines = "\n".join(
        f"| `{column.name}` | {kind_of(column.type)} | {table.meanings[column.name]} |" for column in table.columns
    )
    return f"### {table.name}\n\n{table.rule}\n\n| column | type | what it is |\n| --- | --- | --- |\n{lines}"


def kind_of(kind: pa.DataType) -> str:
    """The type of a column, for people."""
    if pa.types.is_timestamp(kind):
        return "time (UTC)"
    if pa.types.is_list(kind):
        return "list of structs" if pa.types.is_struct(kind.value_type) else f"list of {kind_of(kind.value_type)}"
    return "struct" if pa.types.is_struct(kind) else str(kind)


def _reading(contents: Contents) -> str:
    if contents.form == MEGATRON:
        counts = "\n".join(
            f"| `data/documents-{split}` | {contents.rows['documents'][split]:,} | {tokens:,} |"
            for split, tokens in contents.tokens.items()
        )
        return f"""Tokens for Megatron: `.bin` and `.idx` of megatron-core's `IndexedDataset`, one sequence a document,
by the tokenizer in `tokenizer/`; `{contents.end}` ends each document, and no other special token is added.

| prefix | documents | tokens |
| --- | ---: | ---: |
{counts}

```python
from megatron.core.datasets.indexed_dataset import IndexedDataset

documents = IndexedDataset("path/of/this/folder/data/documents-train")
```"""
    note = {
        PARQUET: "",
        JSONL: "\n\nLines with a `text` are in datatrove's form: `id`, `text`, and the other columns in `metadata`.",
    }
    return f"""```python
from datasets import load_dataset

documents = load_dataset("{contents.place}", "documents")
```{note[PARQUET if contents.form == PARQUET else JSONL]}"""


def _header(facts: Mapping[str, Any], contents: Contents, rows: int) -> str:
    size = next((name for most, name in (*_SIZES, *_LARGER) if rows < most), "n>1B")
    tasks = [task for name, some in _TASKS.items() if name in contents.tables for task in some]
    labelled = [table for name, table in contents.tables.items() if name.startswith(LABELS)]
    tasks += sorted({"token-classification" if "spans" in t.columns.names else "text-classification" for t in labelled})
    lines = [
        f"pretty_name: {json.dumps(contents.title, ensure_ascii=False)}",
        *_hub_license(contents),
        "language:",
        *(f"- {code}" for code in _languages(facts)),
        f"size_categories:\n- {size}",
        "task_categories:",
        *(f"- {task}" for task in tasks),
        "tags:\n- stack-exchange\n- socorpus",
    ]
    if contents.form != MEGATRON:
        lines.append("configs:")
        for name, table in contents.tables.items():
            lines.append(f"- config_name: {name}")
            lines += ["  default: true"] * (name == "documents")
            lines.append("  data_files:")
            for split in contents.rows[name]:
                lines.append(f"  - split: {split}")
                lines.append(f"    path: {table.folder}/{split}-*{file_formats.suffix(contents.form)}")
    if contents.form in (JSONL, ZST):
        lines.append("dataset_info:")
        for name, table in contents.tables.items():
            lines += [f"- config_name: {name}", "  features:", *_features(_line_of(table.columns), "  ")]
    return "\n".join(lines) + "\n"


def _line_of(columns: pa.Schema) -> pa.Schema:
    """The schema of the lines of a table (`file_formats.lines`)."""
    head = pa.field("id", pa.string())
    if "text" not in columns.names or "answers" in columns.names:
        return pa.schema([head, *columns])
    rest = pa.struct([column for column in columns if column.name != "text"])
    return pa.schema([head, columns.field("text"), pa.field("metadata", rest)])


def _features(columns: Sequence[pa.Field] | pa.Schema, indent: str) -> list[str]:
    """Columns as `datasets` writes them in a card."""
    lines = []
    for column in columns:
        kind, more = column.type, indent + "  "
        lines.append(f"{indent}- name: {column.name}")
        if pa.types.is_list(kind) and not pa.types.is_struct(kind.value_type):
            lines.append(f"{more}list: {_dtype(kind.value_type)}")
        elif pa.types.is_list(kind):
            lines += [f"{more}list:", *_features(_parts(kind.value_type), more)]
        elif pa.types.is_struct(kind):
            lines += [f"{more}struct:", *_features(_parts(kind), more)]
        else:
            lines.append(f"{more}dtype: {_dtype(kind)}")
    return lines


def _parts(struct: pa.StructType) -> list[pa.Field]:
    return [struct[number] for number in range(struct.num_fields)]


def _dtype(kind: pa.DataType) -> str:
    if pa.types.is_float32(kind):
        return "float32"
    return "string" if pa.types.is_timestamp(kind) else str(kind)


def _languages(facts: Mapping[str, Any]) -> list[str]:
    """Codes of the languages of a hundredth of the documents or more, the commonest first."""
    counts = {code: count for code, count in facts["signals"].get("language", {}).items() if code != "None"}
    least = sum(counts.values()) / 100
    return [code for code, count in counts.items() if count >= least] or ["en"]


def _hub_license(contents: Contents) -> list[str]:
    """The licence as the hub's header has it: it has names for two of the three licences, and none for a mixture."""
    known = {"CC BY-SA 3.0": "cc-by-sa-3.0", "CC BY-SA 4.0": "cc-by-sa-4.0"}
    if len(contents.licenses) == 1 and (name := known.get(next(iter(contents.licenses)))):
        return [f"license: {name}"]
    return ["license: other", "license_name: cc-by-sa-as-each-row-says", "license_link: LICENSES.md"]


def _licence_lines(contents: Contents) -> str:
    lines = []
    for name, counts in contents.licenses.items():
        shown = f"[{name}]({LICENSES[name]})" if name in LICENSES else name
        counted = " and ".join(f"{count:,} {what}" for what, count in counts.items())
        lines.append(f"- {shown}: {counted}")
    return "\n".join(lines)


def licences(contents: Contents) -> str:
    """LICENSES.md: the licences, and what they ask for."""
    return f"""# Licences

The texts are their authors', under the licence that each row names in the column `license`:

{_licence_lines(contents)}

Whoever passes texts on, changed or not,

- names the author (`author`; where it is null, the address of the post is what is known of it), the address (`url`)
  and the licence; the table `attribution` has these of every post and of every comment whose text is here;
- says that they were changed: HTML became plain text, comments stand behind their post, and personal data and secrets
  that were found were replaced by placeholders such as `[EMAIL_1]`;
- shares adaptations under the same licence.

An attribution can read: "Answer by NAME, ADDRESS, CC BY-SA 4.0, changed". Names are as the dump has them; in a few,
personal data such as e-mail addresses were replaced too, and the author's address tells the rest.

This is an explanation, and no legal advice.
"""


def datasheet(facts: Mapping[str, Any], contents: Contents) -> str:
    """DATASHEET.md, by the questions of Gebru et al. (2021), Datasheets for Datasets."""
    totals = facts["totals"]
    own = facts["config"]["selection"].get("rules", ())
    says = election.meanings(toml_config.section(SelectionRule, rule, "manifest") for rule in own)
    dropped = "".join(
        f"\n| `{reason}` | {says.get(reason, 'a rule of a plug-in')} | {count:,} |"
        for reason, count in sorted(totals["dropped"].items(), key=lambda item: (-item[1], item[0]))
    )
    sites = "\n".join(
        f"| {name} | {site['url']} | {site['released'] or 'not stated'} | {site['documents']:,} | {site['kept']:,} |"
        for name, site in facts["sites"].items()
    )
    taken_out = sum(site.get("forgotten", {}).get("posts", 0) for site in facts["sites"].values())
    removed = f" {taken_out:,} posts were taken out on request." if taken_out else ""
    return f"""# Datasheet

After the questions of Gebru et al. (2021), *Datasheets for Datasets*. All figures are those of the corpus's manifest.

## Composition

| site | address | released | documents | kept |
| --- | --- | --- | ---: | ---: |
{sites}

A document is a question or an answer with its comments. {totals["documents"]:,} documents were made of
{totals["posts"]:,} posts (others are wikis of tags and the like).
{totals["quarantined"]:,} rows of the dump could not be read.{removed}

## What was dropped, and why

{totals["kept"]:,} documents are kept, {sum(totals["dropped"].values()):,} dropped.
The first rule that applies is the reason.

| reason | meaning | documents |
| --- | --- | ---: |{dropped}
| kept | | {totals["kept"]:,} |
| all | | {totals["documents"]:,} |

## Personal data and secrets

They were searched for by rules, and replaced by placeholders (`[EMAIL_1]`): the same value in a text has the same
number. Of made-up lines that nobody had seen before, the rules found {RECALL[0]} (of lines written to be hard) to
{RECALL[1]} of what is in them. That gives a rough estimate of what they missed; it was measured neither on these texts
nor for each kind by itself, and names in prose are not searched for at all. Names of authors stay in their columns,
since the licence asks for them.

{_personal(facts, contents)}

## Labels

{_labels(facts, contents)}

## Collection and processing

The texts come from data dumps that the sites' publisher offers; posts that were deleted since are still in a dump.
HTML became plain text, with segments of prose, code, quotations and comments. Duplicates were found by hashes of
normalised text, and by exact Jaccard similarity of word and code shingles. Scores, views and what was accepted are as
of the dump.

## Uses

Votes say what readers liked, not what is right, and older posts had more time to get them: `preferences` and
`instructions` carry that over. Answers may be out of date. Sites differ in what they take for on topic. People who
wrote here did not write for the training of models; their licence asks to be named.

## Distribution and upkeep

[LICENSES.md](LICENSES.md) says what the licences ask for. Whoever published this folder answers for it: ask there for
a post to be taken out.
"""


def _personal(facts: Mapping[str, Any], contents: Contents) -> str:
    found_by_kind = facts["signals"].get("privacy", {})
    if not found_by_kind:
        return "Nothing was found."
    lines = []
    for kind, count in found_by_kind.items():
        few, many = (round(count / share - count) for share in reversed(RECALL))
        here = contents.placeholders.get(kind)
        lines.append(f"| {kind} | {count:,} | {few:,} to {many:,} | {'' if here is None else f'{here:,}'} |")
    body = "\n".join(lines)
    return f"""| kind | found, in all documents | missed, estimated | placeholders in the texts here |
| --- | ---: | ---: | ---: |
{body}"""


def _labels(facts: Mapping[str, Any], contents: Contents) -> str:
    entries = facts.get("labels", {})
    rows, notes = [], []
    for name in contents.tables:
        task = name.removeprefix(LABELS)
        if not name.startswith(LABELS) or task not in entries:
            continue
        entry, left_out = entries[task], contents.left_out.get(name, {})
        sources = ", ".join(f"{count:,} by {source}" for source, count in entry["sources"].items()) or "none"
        counts = (entry["conflicts"], entry.get("without_vote", 0), sum(left_out.values()))
        cells = [task, f"{sum(entry['examples'].values()):,}", sources, *(f"{count:,}" for count in counts)]
        rows.append(f"| {' | '.join(cells)} |")
        notes.append(f"- {task}: probabilities are {report_sections.basis(entry)}.")
        if left_out:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(left_out.items()))
            notes.append(f"- {task}: left out for the reasons of their posts: {reasons}.")
    if not rows:
        return "There are none here."
    head = "| task | texts in the corpus | labels | votes differ | without a vote | of dropped posts, left out here |"
    body, more = "\n".join(rows), "\n".join(notes)
    return f"""Labels of functions are weak: rules voted on what the dump tells of a post, and they may be wrong.
Labels of people stand above them.

{head}
| --- | ---: | --- | ---: | ---: | ---: |
{body}

{more}"""


def citation(facts: Mapping[str, Any], contents: Contents) -> str:
    """CITATION.cff, of the Citation File Format 1.2."""
    identifiers = {"CC BY-SA 2.5": "CC-BY-SA-2.5", "CC BY-SA 3.0": "CC-BY-SA-3.0", "CC BY-SA 4.0": "CC-BY-SA-4.0"}
    lines = [
        "cff-version: 1.2.0",
        'message: "If you use this data set, please cite it, and name the authors of what you pass on."',
        "type: dataset",
        f"title: {json.dumps(contents.title, ensure_ascii=False)}",
        "authors:",
        *(f"  - name: {json.dumps(f'the users of {site}', ensure_ascii=False)}" for site in facts["sites"]),
        f"url: {json.dumps(contents.address)}",
        "license:",
        *(f"  - {identifiers[name]}" for name in contents.licenses if name in identifiers),
    ]
    return "\n".join(lines) + "\n"
