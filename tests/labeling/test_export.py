"""Labels for other programs, read back as these would."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from socorpus.labeling import bio
from socorpus.labeling.schema import ENTITIES
from tests.building import socorpus
from tests.labeling import label_tables, syncing

TEXT = "I can't load numpy 1.2, and you cannot.\n\nTry e\u0301cole_x() 😀 in\nWindows 10 now."
SPANS = [
    ("numpy", "Library"),
    ("1.2", "Version"),
    ("e\u0301cole_x", "Function"),
    ("in\nWindows 10", "Operating_System"),
]


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
    for line in path.read_text("utf-8").split("\n"):
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


@pytest.mark.parametrize("task", ["entities", "quality"])
def test_a_hugging_face_folder_is_what_its_card_says(entities: Path, quality: Path, tmp_path: Path, task: str) -> None:
    root = entities if task == "entities" else quality
    syncing.run("export", root, "--task", task, "--format", "huggingface", "-o", tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text("utf-8")
    _, header, body = text.split("---\n", 2)
    card = yaml.safe_load(header)
    assert card["license"] == "cc-by-sa-4.0" and "name `author` and `url`" in body
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
        (["--task", "quality", "--format", "conll"], "CoNLL files hold entities, and quality is of whole texts"),
        (["--task", "quality", "--format", "xml"], "format 'xml' is not known; there are jsonl, conll, huggingface"),
        (["--task", "qualities"], "task 'qualities' is not known; there are quality, closure"),
        (["--task", "closure"], "no labels of closure; run socorpus labeling apply"),
    ],
)
def test_what_cannot_be_exported_is_told(quality: Path, tmp_path: Path, options: list[str], says: str) -> None:
    refused(says, "labeling", "export", quality, *options, "-o", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


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
        (["export", "--task", "quality", "-o", "never"], "no labels of quality"),
        (["sync", "--project", "A title", "--task", "quality", "--dry-run"], "no labels of quality"),
    ],
)
def test_a_corpus_that_is_none_is_told_in_one_sentence(tmp_path: Path, command: list[str], says: str) -> None:
    refused(says, "labeling", command[0], tmp_path / "nothing", *command[1:])
    assert list(tmp_path.iterdir()) == []
