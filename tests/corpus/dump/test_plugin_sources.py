"""Sources of plug-ins, beside workers, kills and plug-ins that are wrong; the example's rows are in tests/examples."""

import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from socorpus.corpus import load_config, pipeline
from socorpus.corpus.config import Config
from socorpus.corpus.dump import sources
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Progress
from socorpus.corpus.errors import BuildError, InputError
from tests import clusters, fork_server
from tests.building import hashes, socorpus, wait_for

EXAMPLE = Path(__file__).parents[3] / "examples/source.py"
SITE = "forum.example.com"
FOLDERS = ("tables", "documents", "decisions", "shards", "pairs", "signals", "tokenizer", "quarantine")


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Topics of a forum, enough for several parts of a megabyte."""
    folder = tmp_path_factory.mktemp("forum") / "topics"
    for number in range(90):
        write(folder / f"{number // 30}/{number}.json", number, words=4000)
    return folder


def write(path: Path, number: int, words: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    first = 100 * number + 1

    def post(place: int, **more: Any) -> dict[str, Any]:
        text = " ".join(f"word{(number * 31 + place * 7 + i * i) % 997}" for i in range(words))
        made = {"id": first + place - 1, "post_number": place, "username": f"ann{number}", "user_id": 7 + number}
        return made | {"created_at": f"2024-05-0{place}T10:00:00.000Z", "cooked": f"<p>{text}</p>", **more}

    posts = [post(1), post(2), post(3, reply_to_post_number=2), post(4)]
    topic = {"post_stream": {"posts": posts}, "title": f"How do I do {number}?", "tags": ["help"], "views": 9}
    path.write_text(json.dumps(topic), "utf-8")


def config_of(plugin: Path) -> Config:
    return load_config(more_plugins=[str(plugin)], overrides={"read": {"part_mb": 1}})


def build(
    root: Path, source: str, plugin: Path, workers: int = 0, scheduler: str | None = None, said: list[str] | None = None
) -> dict[str, Any]:
    def show(progress: Progress) -> None:
        if said is not None:
            said.append(progress.note)

    config = config_of(plugin)
    with Engine(root, None if scheduler else workers, scheduler, show) as engine:
        return pipeline.build(root, sources.discover([source], SITE), config, engine)


@pytest.fixture(scope="module")
def alone(topics: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus that one process builds of them."""
    root = tmp_path_factory.mktemp("alone") / "corpus"
    facts = build(root, f"discourse:{topics}", EXAMPLE)
    assert facts["sites"][SITE]["rows"] == {"comments": 90, "history": 0, "posts": 270}
    assert len(list((root / "receipts/read").rglob("*.json"))) > 3
    return root


def same(one: Path, other: Path) -> None:
    for folder in FOLDERS:
        assert hashes(one, folder) == hashes(other, folder), folder


@pytest.mark.slow
def test_worker_processes_give_the_same_bytes(topics: Path, alone: Path, tmp_path: Path) -> None:
    build(tmp_path / "corpus", f"discourse:{topics}", EXAMPLE, workers=2)
    same(tmp_path / "corpus", alone)


@pytest.mark.slow
def test_a_cluster_of_processes_gives_the_same_bytes(topics: Path, alone: Path, tmp_path: Path) -> None:
    """Its workers have never seen the plug-in's file, and start in another folder."""
    plugin = tmp_path / "source.py"
    plugin.write_bytes(EXAMPLE.read_bytes())
    with clusters.elsewhere(tmp_path / "elsewhere", workers=2) as address:
        build(tmp_path / "corpus", f"discourse:{topics}", plugin, scheduler=address)
    same(tmp_path / "corpus", alone)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_killed_goes_on(topics: Path, alone: Path, tmp_path: Path, workers: int) -> None:
    root = tmp_path / "corpus"
    settings = tmp_path / "socorpus.toml"
    settings.write_text("[read]\npart_mb = 1\n", "utf-8")
    command = ["build", f"discourse:{topics}", "-o", root, "--site", SITE, "--plugin", EXAMPLE, "--no-labels"]
    command += ["--config", settings, "--workers", workers]

    def read() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in root.rglob("receipts/read/**/*.json")}

    process = fork_server.start(command)
    wait_for(lambda: len(read()) > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    before = read()
    assert before and not (root / "MANIFEST.json").exists()
    socorpus(*command)
    after = {path.name: path.stat().st_mtime_ns for path in root.rglob("receipts/read/**/*.json")}
    assert {name: after[name] for name in before} == before  # what was read is not read again
    same(root, alone)


# --- plug-ins that are wrong


HEAD = """
from socorpus.corpus import source


def rows(*numbers, **more):
    size = len(numbers)
    text = "<p>A text of some words, long enough for anybody, with the number {}.</p>"
    posts = {"Id": list(numbers), "PostTypeId": [1] * size, "CreationDate": ["2024-05-01"] * size}
    return posts | {"Title": ["Why?"] * size, "Body": [text.format(number) for number in numbers]} | more


@source(["posts", "comments"], files="*.txt")
def mine(path):
    first = int(path.stem) * 100
"""


def plugin(folder: Path, body: str) -> Path:
    path = folder / "mine.py"
    path.write_text(HEAD + "".join(f"    {line}\n" for line in body.splitlines()), "utf-8")
    return path


def files(folder: Path, count: int = 3) -> str:
    (folder / "files").mkdir()
    for number in range(count):
        (folder / f"files/{number}.txt").write_text("x", "utf-8")
    return f"mine:{folder / 'files'}"


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_one_that_raises_midway_names_its_line_and_the_file(tmp_path: Path, workers: int) -> None:
    path = plugin(
        tmp_path,
        'yield "posts", rows(first + 1)\nif first == 200:\n    {}["no such key"]\nyield "posts", rows(first + 2)',
    )
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "no such key" in text)
    source = files(tmp_path)
    says = rf"mine\.py, line {line}, in mine: source mine, on 2\.txt: KeyError: 'no such key'"
    with pytest.raises(BuildError, match=says):
        build(tmp_path / "corpus", source, path, workers)
    assert not (tmp_path / "corpus/MANIFEST.json").exists()
    path = plugin(tmp_path, 'yield "posts", rows(first + 1)\nyield "posts", rows(first + 2)')
    assert build(tmp_path / "corpus", source, path, workers)["sites"][SITE]["rows"] == {"comments": 0, "posts": 6}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("yield rows(first)", "on 0.txt: gives dict, not a pair of a table's name and its columns"),
        ('yield "posts", [1]', "on 0.txt: gives tuple, not a pair"),
        ('yield "votes", rows(first)', "on 0.txt: gives rows of 'votes', which it does not declare"),
        ('yield "posts", rows(first) | {"Score": [1, 2]}', "on 0.txt: columns of posts have different lengths"),
        ("return 7", "on 0.txt: TypeError"),
        ('yield "posts", rows(first) | {"post_id": [1]}', "0.txt: its columns 'Id' and 'post_id' are both post_id"),
        ('yield "posts", rows(first) | {"Id": 7}', "on 0.txt: the column Id of posts is of int, not a list"),
        ('yield "posts", rows(first) | {"Body": "x"}', "on 0.txt: the column Body of posts is of str, not a list"),
    ],
)
def test_one_that_gives_what_is_no_batch_names_the_file(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises((BuildError, InputError)) as raised:
        build(tmp_path / "corpus", files(tmp_path, 1), plugin(tmp_path, body))
    assert says in str(raised.value) and "mine" in str(raised.value)


def test_values_of_wrong_types_are_quarantined_with_file_and_row(tmp_path: Path) -> None:
    body = 'yield "posts", rows(*range(first, first + 30))\nif first == 100:\n'
    body += (
        '    yield "posts", rows(150, 151, 152) | {"Id": [150, "x", 152], "CreationDate": ["2024-05-01", None, object]}'
    )
    facts = build(tmp_path / "corpus", files(tmp_path), plugin(tmp_path, body))["sites"][SITE]
    assert facts["rows"] == {"comments": 0, "posts": 91} and facts["quarantined_by_table"] == {"posts": 2}
    kept = pq.read_table(tmp_path / f"corpus/quarantine/{SITE}.parquet").to_pylist()
    assert [(row["file"], row["offset"]) for row in kept] == [("plug-in mine: 1.txt", 31), ("plug-in mine: 1.txt", 32)]
    assert "Id='x' is not of type int64" in kept[0]["reason"] and "CreationDate=" in kept[1]["reason"]
    many = 'yield "posts", rows(*range(first, first + 30)) | {"Id": ["x"] * 30}'
    with pytest.raises(InputError, match=r"(?s)30 of 30 rows.*plug-in mine: 0\.txt at row 0: Id='x' is not of type"):
        (tmp_path / "b").mkdir()
        build(tmp_path / "b/corpus", files(tmp_path / "b", 1), plugin(tmp_path / "b", many))


def test_identifiers_that_each_file_begins_anew_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    source = files(tmp_path)
    facts = build(tmp_path / "corpus", source, plugin(tmp_path, 'yield "posts", rows(*range(1, 41))'), said=said)
    assert facts["sites"][SITE]["repeated"] == {"posts": 80} and facts["sites"][SITE]["documents"] == 40
    told = [line for line in said if "identifier" in line]
    assert len(told) == 1 and told[0].startswith(f"{SITE}, table posts: 80 of 120 rows have the identifier of another")


def test_the_same_rows_by_whatever_names_and_kinds(tmp_path: Path) -> None:
    """Arrow tables, record batches and lists, the dump's names and ours."""
    body = """import pyarrow as pa
import datetime
some = rows(first + 1)
yield "posts", pa.table(some)
some = rows(first + 2)
yield "posts", pa.RecordBatch.from_pydict({"post_id": some.pop("Id"), **some})
some = rows(first + 3)
some["CreationDate"] = [datetime.datetime(2024, 5, 1)]
yield "posts", {name.lower(): tuple(values) for name, values in some.items()}"""
    build(tmp_path / "corpus", files(tmp_path, 1), plugin(tmp_path, body))
    rows: Iterator[Mapping[str, Any]] = iter(pq.read_table(tmp_path / f"corpus/tables/posts/{SITE}").to_pylist())
    read = [{name: row[name] for name in ("post_id", "creation_date", "title")} for row in rows]
    assert [row.pop("post_id") for row in read] == [1, 2, 3] and read[0] == read[1] == read[2]
