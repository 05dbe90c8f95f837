"""Labels for other programs, read back as these would."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.corpus.tokenizer import bpe
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.labeling.export import formats
from socorpus.labeling.export import tokens as export_tokens
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.spans import Span
from tests.building import manifest, socorpus
from tests.labeling import label_tables, labelled, syncing
from tests.our_tasks import ENTITIES, QUALITY

TEXT = "I can't load\x85numpy 1.2, and\u2028you cannot.\n\nTry e\u0301cole_x() 😀 in\nWindows 10 now."
SPANS = [
    ("numpy", "Library"),
    ("1.2", "Version"),
    ("e\u0301cole_x", "Function"),
    ("in\nWindows 10", "Operating_System"),
]


def tagged(rows: list[list[str]]) -> tuple[list[tuple[int, int]], list[str]]:
    """Offsets and tags of rows of a CoNLL file."""
    return [(int(row[1]), int(row[2])) for row in rows], [row[3] for row in rows]


def refused(says: str, *arguments: object) -> None:
    """The command ends with wrong usage or input, in one sentence."""
    done = socorpus(*arguments, code=2)
    assert says in " ".join(done.stderr.split()) and len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.fixture(scope="module")
def entities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts 1 to 4 are of the train split, 5 of test; 2 has no entity."""
    root = tmp_path_factory.mktemp("entities")
    label_tables.entities(root, {post: (TEXT, SPANS if post != 2 else []) for post in range(1, 6)})
    return root


@pytest.fixture(scope="module")
def quality(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("quality")
    label_tables.classified(root, "quality", 10)
    return root


def blocks(path: Path) -> Iterator[list[list[str]]]:
    """The sentences of a CoNLL file: rows of columns, until an empty line."""
    rows: list[list[str]] = []
    for line in path.read_text("utf-8").splitlines():
        if line:
            rows.append(line.split("\t"))
        elif rows:
            yield rows
            rows = []
    assert not rows


def test_json_lines_hold_texts_and_slices(entities: Path, tmp_path: Path) -> None:
    done = syncing.run("export", entities, "--task", "entities", "-o", tmp_path / "out")
    assert "5 texts, 16 labels" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text("utf-8").splitlines()]
    assert [row["post_id"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        found = [(row["text"][span["start"] : span["end"]], span["label"]) for span in row["spans"]]
        assert found == (SPANS if row["post_id"] != 2 else [])
        assert row["license"] == "CC BY-SA 4.0" and row["url"] and row["author"]
    assert len((tmp_path / "out/test.jsonl").read_text("utf-8").splitlines()) == 1


def test_conll_cuts_words_where_the_corpus_does_and_can_be_turned_back(entities: Path, tmp_path: Path) -> None:
    syncing.run("export", entities, "--task", "entities", "--format", "conll", "-o", tmp_path / "out")
    sentences = list(blocks(tmp_path / "out/train.conll"))
    starts = [number for number, rows in enumerate(sentences) if rows[0][0] == "-DOCSTART-"]
    assert [sentences[number][0][2] for number in starts] == ["1", "2", "3", "4"]
    first = [row for rows in sentences[: starts[1]] for row in rows if row[0] != "-DOCSTART-"]
    words = [row[0] for row in first]
    at = words.index("can")
    assert words[at : at + 3] == ["can", "'", "t"] and words[words.index("cannot") - 1] == "you"
    offsets = [(int(row[1]), int(row[2])) for row in first]
    assert [TEXT[start:end] for start, end in offsets] == words and offsets == bio.words(TEXT)
    back = bio.spans([row[3] for row in first], offsets)
    assert [(TEXT[span.start : span.end], span.label) for span in back] == SPANS
    # An I- never begins a sentence, or a reader would take it for a fault.
    assert all(not rows[0][3].startswith("I-") for rows in sentences if rows[0][0] != "-DOCSTART-")
    second = [row[3] for rows in sentences[starts[1] : starts[2]] for row in rows]
    assert set(second) == {"O"}


@pytest.fixture(scope="module")
def tokenizer(entities: Path) -> bpe.Tokenizer:
    made = bpe.train([TEXT] * 3, 320)
    tokenizer_folder.save(made, entities / "tokenizer")
    return made


@pytest.mark.parametrize("form", ["jsonl", "huggingface"])
@pytest.mark.parametrize("cut", ["words", "corpus"])
def test_entities_are_tagged_by_words_or_by_the_tokens_of_the_corpus(
    entities: Path, tokenizer: bpe.Tokenizer, tmp_path: Path, form: str, cut: str
) -> None:
    options = ["--format", form, "--tokens", cut, "-o", tmp_path / "out"]
    socorpus("labeling", "export", entities, "--task", "entities", *options)
    if form == "jsonl":
        rows = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text("utf-8").splitlines()]
    else:
        rows = pq.read_table(tmp_path / "out/data/train.parquet").to_pylist()
        card = (tmp_path / "out/README.md").read_text("utf-8")
        assert all(f"| `{name}` |" in card for name in rows[0])
    assert len(rows) == 4
    for row in rows:
        offsets = [tuple(one) for one in row["offsets"]]
        back = [(TEXT[one.start : one.end], one.label) for one in bio.spans(row["ner_tags"], offsets)]
        marks = [(row["text"][span["start"] : span["end"]], span["label"]) for span in row["spans"]]
        assert marks == (SPANS if row["post_id"] != 2 else [])
        if cut == "words":
            assert back == marks and row["tokens"] == [TEXT[start:end] for start, end in offsets]
        else:
            # A token takes the space before a word with it.
            assert [(text.strip(), label) for text, label in back] == marks
            assert row["input_ids"] == tokenizer.encode(TEXT, add_special_tokens=False).ids
    assert (tmp_path / "out/tokenizer").exists() == (cut == "corpus")
    if cut == "corpus":
        copied = tokenizer_folder.load(tmp_path / "out/tokenizer")
        assert tokenizer_folder.identity(copied) == tokenizer_folder.identity(tokenizer)


def test_conll_of_the_corpus_s_tokens_has_an_entry_a_line(
    entities: Path, tokenizer: bpe.Tokenizer, tmp_path: Path
) -> None:
    formats.export(entities, ENTITIES, "conll", tmp_path / "out", tokens="corpus")
    rows = [row for sentence in blocks(tmp_path / "out/test.conll") for row in sentence]
    assert rows[0][0] == "-DOCSTART-"
    entries = [row[0] for row in rows[1:]]
    assert entries == tokenizer.encode(TEXT, add_special_tokens=False).tokens
    offsets, tags = tagged(rows[1:])
    assert [(TEXT[one.start : one.end].strip(), one.label) for one in bio.spans(tags, offsets)] == SPANS


@pytest.mark.parametrize("task", ["entities", "quality"])
def test_a_hugging_face_folder_is_what_its_card_says(entities: Path, quality: Path, tmp_path: Path, task: str) -> None:
    root = entities if task == "entities" else quality
    syncing.run("export", root, "--task", task, "--format", "huggingface", "-o", tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text("utf-8")
    _, header, body = text.split("---\n", 2)
    card = yaml.safe_load(header)
    assert card["license"] == "cc-by-sa-4.0" and "name `author` and `url`" in body
    assert "Probabilities of functions' labels are assumed, not measured" in body
    assert card["task_categories"] == ["token-classification" if task == "entities" else "text-classification"]
    (config,) = card["configs"]
    assert [one["split"] for one in config["data_files"]] == ["train", "test"]
    rows = {one["split"]: pq.read_table(tmp_path / "out" / one["path"]) for one in config["data_files"]}
    assert {path.name for path in (tmp_path / "out/data").iterdir()} == {"train.parquet", "test.parquet"}
    assert f"| texts | {rows['train'].num_rows} | {rows['test'].num_rows} |" in body
    for name in rows["train"].column_names:
        assert f"| `{name}` |" in body
    if task == "entities":
        assert rows["train"].num_rows == 4
        assert {span["label"] for span in rows["test"]["spans"].to_pylist()[0]} <= set(ENTITIES.labels)
    else:
        assert set(rows["train"]["label"].to_pylist()) == {"HQ", "LQ_EDIT", "LQ_CLOSE"}
        assert rows["train"]["thread_id"].to_pylist() == rows["train"]["post_id"].to_pylist()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--task", "quality", "--format", "conll"], "CoNLL files hold spans, and quality is of whole texts"),
        (["--task", "qualities"], "task 'qualities' is not known"),
        (["--task", "closure"], "no labels of closure; run socorpus labeling apply"),
        (["--task", "quality", "--tokens", "words"], "and quality is of whole texts; leave --tokens out"),
    ],
)
def test_what_cannot_be_exported_is_told(quality: Path, tmp_path: Path, options: list[str], says: str) -> None:
    refused(says, "labeling", "export", quality, *options, "-o", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_tokens_that_there_are_not_are_told(entities: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    label_tables.entities(root, {1: (TEXT, SPANS)})
    export = ("labeling", "export", root, "--task", "entities", "-o", tmp_path / "out")
    refused("tokenizer.json", *export, "--tokens", "corpus")
    # Of a closed choice the command line names what there is; the API does too.
    for option, choices in (("--tokens", export_tokens.NAMES), ("--format", formats.FORMATS)):
        told = socorpus(*export, option, "bytes", code=2).stderr
        assert option in told and all(name in told for name in choices)
    with pytest.raises(InputError, match="tokens 'bytes' are not known; there are words, corpus"):
        formats.export(root, ENTITIES, "jsonl", tmp_path / "out", tokens="bytes")
    with pytest.raises(InputError, match="format 'xml' is not known; there are jsonl, conll, huggingface"):
        formats.export(root, ENTITIES, "xml", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_folder_with_something_in_it_stays_as_it_is(quality: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    refused(
        "something lies there; name a new folder", "labeling", "export", quality, "--task", "quality", "-o", tmp_path
    )
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["apply"], "no finished corpus"),
        (["analyze"], "no "),
        (["export", "--task", "quality", "-o", "never"], "no finished corpus"),
        (["sync", "--project", "A title", "--task", "quality", "--dry-run"], "no finished corpus"),
    ],
)
def test_a_corpus_that_is_none_is_told_in_one_sentence(tmp_path: Path, command: list[str], says: str) -> None:
    refused(says, "labeling", command[0], tmp_path / "nothing", *command[1:])
    assert list(tmp_path.iterdir()) == []


_NAMES = st.sampled_from(("Library", "Class", "Version"))
_MARKS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6), _NAMES), max_size=6)


@pytest.mark.filterwarnings("ignore:.*without any span:socorpus.corpus.errors.SocorpusWarning")
@settings(max_examples=40)
@given(st.text("aB1_ can'tno\n\t.#\u00e9\u0301\u2028\x85😀", min_size=1, max_size=30), _MARKS)
def test_any_text_comes_back_from_conll_with_marks_widened_to_words(
    tmp_path_factory: pytest.TempPathFactory, text: str, marks: list[tuple[int, int, str]]
) -> None:
    root = tmp_path_factory.mktemp("any")
    last, spans = 0, []
    for start, length, name in sorted(marks):
        if last <= start and start + length <= len(text):
            spans.append(Span(start, start + length, name))
            last = start + length
    labels = [label_tables.label("entities", 1, one.label, 0.9, (one.start, one.end)) for one in spans]
    label_tables.write(root, "entities", [label_tables.example(1, text)], labels)
    formats.export(root, ENTITIES, "conll", root / "out")
    rows = [row for sentence in blocks(root / "out/train.conll") for row in sentence][1:]
    offsets, tags = tagged(rows)
    assert [row[0] for row in rows] == [text[start:end] for start, end in offsets]
    assert offsets == bio.words(text)
    back = bio.spans(tags, offsets)
    starts, ends = {start for start, _ in offsets}, {end for _, end in offsets}
    assert all(one.start in starts and one.end in ends for one in back)
    # Whoever begins and ends with words, and shares none with another, is as it was; others are wider, or gave way.
    words = [set(range(*bio.touched(offsets, one.start, one.end))) for one in spans]
    for at, one in enumerate(spans):
        alone = words[at] and not any(words[at] & other for n, other in enumerate(words) if n != at)
        if alone:
            (wide,) = [other for other in back if other.start <= offsets[min(words[at])][0] < other.end]
            assert (wide.start, wide.end) == (offsets[min(words[at])][0], offsets[max(words[at])][1])
            assert wide.label == one.label


def test_labels_below_the_least_probability_are_left_out(quality: Path, entities: Path, tmp_path: Path) -> None:
    every = formats.export(quality, QUALITY, "jsonl", tmp_path / "every")
    done = socorpus("labeling", "export", quality, "--task", "quality", "--least", 0.6, "-o", tmp_path / "sure")
    rows = [json.loads(line) for path in (tmp_path / "sure").iterdir() for line in path.read_text("utf-8").splitlines()]
    # Probabilities grow by 0.05 from 0.45 with the post's number.
    assert sorted(row["post_id"] for row in rows) == [4, 5, 6, 7, 8, 9, 10] and every.examples == 10
    assert "7 texts, 7 labels" in done.stdout
    # A text whose entities are all too unsure is a text without any.
    with pytest.warns(SocorpusWarning, match=r"entities, 5 in all, .* its 16 labels have probabilities below 0\.95"):
        none = formats.export(entities, ENTITIES, "huggingface", tmp_path / "none", 0.95)
    assert (none.examples, none.labels) == (5, 0)
    assert "Labels below 0.95 are left out." in (tmp_path / "none/README.md").read_text("utf-8")


@pytest.mark.parametrize("form", ["jsonl", "conll", "huggingface"])
def test_texts_without_any_span_are_read_back(entities: Path, tmp_path: Path, form: str) -> None:
    with pytest.warns(SocorpusWarning, match="without any span"):
        formats.export(entities, ENTITIES, form, tmp_path / "out", 0.95)
    if form == "conll":
        assert {row[3] for path in (tmp_path / "out").iterdir() for rows in blocks(path) for row in rows} == {"O"}
        return
    files = {"data_files": {name: str(tmp_path / f"out/{name}.jsonl") for name in ("train", "test")}}
    given = (str(tmp_path / "out"), {}) if form == "huggingface" else ("json", files)
    back = datasets.load_dataset(given[0], cache_dir=str(tmp_path / "cache"), **given[1])
    assert {name: rows.num_rows for name, rows in back.items()} == {"train": 4, "test": 1}
    assert not any(spans for rows in back.values() for spans in rows["spans"])
    if form == "huggingface":
        assert "label" in str(back["train"].features["spans"])


@pytest.mark.parametrize("form", ["jsonl", "huggingface"])
def test_without_a_label_to_write_nothing_is_left(quality: Path, tmp_path: Path, form: str) -> None:
    arguments = ("labeling", "export", quality, "--task", "quality", "--format", form, "-o", tmp_path / "out")
    each = "LQ_EDIT 4 at 0.450 to 0.900, HQ 3 at 0.550 to 0.850, LQ_CLOSE 3 at 0.500 to 0.800"
    refused(f"its 10 labels have probabilities below 0.99 ({each}); lower --least", *arguments, "--least", 0.99)
    label_tables.write(tmp_path / "bare", "quality", [label_tables.example(post, "a text") for post in (1, 2)], [])
    said = "nothing of quality to export: none of its 2 examples has a label"
    with pytest.raises(InputError, match=said):
        formats.export(tmp_path / "bare", QUALITY, form, tmp_path / "out")
    label_tables.write(tmp_path / "empty", "entities", [], [])
    with pytest.raises(InputError, match="the corpus has no example of it"):
        formats.export(tmp_path / "empty", ENTITIES, form, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "header"),
    [
        (["CC BY-SA 4.0"], {"license": "cc-by-sa-4.0"}),
        (["CC BY-SA 3.0"], {"license": "cc-by-sa-3.0"}),
        (["CC BY-SA 2.5"], {"license": "other", "license_name": "cc-by-sa-as-each-row-says"}),
        (["CC BY-SA 3.0", "CC BY-SA 4.0"], {"license": "other", "license_name": "cc-by-sa-as-each-row-says"}),
    ],
)
def test_the_card_names_the_licences_that_the_rows_have(
    tmp_path: Path, names: list[str], header: dict[str, str]
) -> None:
    examples = [label_tables.example(post, "a text", license=names[post % len(names)]) for post in range(1, 5)]
    label_tables.write(tmp_path, "quality", examples, [label_tables.label("quality", p, "HQ") for p in range(1, 5)])
    formats.export(tmp_path, QUALITY, "huggingface", tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text("utf-8")
    card = yaml.safe_load(text.split("---\n")[1])
    assert {name: card[name] for name in header} == header and ("license_link" in card) == (len(header) == 2)
    for name in names:
        assert f"- {name}: {4 // len(names)} texts" in text


@pytest.mark.parametrize("task", ["quality", "closure", "obsolescence", "entities"])
def test_a_built_corpus_exports_what_its_manifest_counts(built: Path, tmp_path: Path, task: str) -> None:
    done = socorpus("labeling", "export", built, "--task", task, "--format", "huggingface", "-o", tmp_path / "out")
    counted = manifest(built)["labels"][task]["labels"]
    assert f"{sum(sum(of.values()) for of in counted.values()):,} labels" in done.stdout
    texts = {(row["site"], row["post_id"]): row["text"] for row in labelled.rows(built, task, "examples")}
    for path in (tmp_path / "out/data").iterdir():
        rows = pq.read_table(path).to_pylist()
        labels = [one for row in rows for one in (row["spans"] if task == "entities" else [row])]
        assert {name: sum(one["label"] == name for one in labels) for name in counted[path.stem]} == counted[path.stem]
        for row in rows:
            assert row["license"].startswith("CC BY-SA ") and row["url"].startswith("https://")
            assert row["text"] == texts[row["site"], row["post_id"]]
        if task == "entities":
            assert all(0 <= one["start"] < one["end"] <= len(row["text"]) for row in rows for one in row["spans"])


def test_the_current_folder_is_filled_if_it_is_empty(quality: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    socorpus("labeling", "export", quality, "--task", "quality", "-o", ".")
    assert sorted(path.name for path in Path().iterdir()) == ["test.jsonl", "train.jsonl"]


@pytest.mark.parametrize("where", ["file/out", "file/deep/out", "/proc/nothing/out"])
def test_a_folder_that_cannot_be_written_is_told(quality: Path, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("mine")
    refused("can't be written: ", "labeling", "export", quality, "--task", "quality", "-o", tmp_path / where)
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"


def test_nothing_is_left_where_an_export_fails(quality: Path, tmp_path: Path) -> None:
    """Folders above the new one that were made for it go too."""
    root = tmp_path / "corpus"
    label_tables.classified(root, "quality", 3)
    (path,) = (root / "labels/quality/labels").rglob("*.parquet")
    path.write_bytes(b"PAR1 broken PAR1")
    (tmp_path / "there").mkdir()
    for out in (tmp_path / "new/deep/out", tmp_path / "there"):
        with pytest.raises(Exception, match="arquet"):
            formats.export(root, QUALITY, "jsonl", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "there"]
    assert list((tmp_path / "there").iterdir()) == []


def test_a_label_that_is_left_out_altogether_is_named(quality: Path, tmp_path: Path) -> None:
    with pytest.warns(SocorpusWarning, match=r"nothing of LQ_CLOSE is exported, .* below 0\.82 \(LQ_CLOSE 3 at 0\.5"):
        done = formats.export(quality, QUALITY, "jsonl", tmp_path / "out", 0.82)
    assert {label for _, label in done.labelled} == {"HQ", "LQ_EDIT"}


@pytest.mark.parametrize("form", ["jsonl", "huggingface"])
def test_probabilities_and_votes_are_written_if_asked_for(
    quality: Path, entities: Path, tmp_path: Path, form: str
) -> None:
    def read(root: Path, task: Task, *more: str) -> list[dict[str, Any]]:
        out = tmp_path / f"{task.name}-{len(more)}"
        formats.export(root, task, form, out, more=more)
        if form == "huggingface":
            assert all(f"`{name}`" in (out / "README.md").read_text("utf-8") for name in more if not task.spans)
            return pq.read_table(out / "data/train.parquet").to_pylist()
        return [json.loads(line) for line in (out / "train.jsonl").read_text("utf-8").splitlines()]

    for row in read(quality, QUALITY, "probabilities", "votes"):
        assert list(row["probabilities"]) == list(QUALITY.labels)
        assert row["probabilities"][row["label"]] == row["probability"]
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert row["votes"][0]["function"] == "score_says_so" and row["votes"][0]["label"] == row["label"]
        assert json.loads(row["votes"][0]["evidence"])["score"] == row["post_id"]
        assert (len(row["votes"]) > 1) == row["conflict"]
    assert "votes" not in read(quality, QUALITY, "probabilities")[0]
    spans = [span for row in read(entities, ENTITIES, "votes") for span in row["spans"]]
    assert spans and all(span["votes"] and "probabilities" not in span for span in spans)


def test_columns_that_can_not_be_had_are_refused(quality: Path, entities: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="CoNLL files have no place for votes"):
        formats.export(entities, ENTITIES, "conll", tmp_path / "out", more=["votes"])
    with pytest.raises(InputError, match="column 'scores' is not known; there are probabilities, votes"):
        formats.export(quality, QUALITY, "jsonl", tmp_path / "out", more=["scores"])
    with pytest.raises(InputError, match="the least probability is of 0 to 1, and not nan"):
        formats.export(quality, QUALITY, "jsonl", tmp_path / "out", float("nan"))
