"""A published folder, read back by those for whom it is."""

import hashlib
import json
import math
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from socorpus.corpus.sample.writer import Truth
from socorpus.corpus.storage import manifest_file
from socorpus.labeling.publishing import derived, folder_texts
from tests import fork_server
from tests.building import copy, manifest, socorpus, table, wait_for
from tests.conftest import Once

SPLITS = ("train", "validation", "test")
SOURCES = ("data/*/*.parquet", "data/*/*.jsonl")
Row = dict[str, Any]


def published(corpus: Path, once: Once, form: str) -> Path:
    name = f"published-{form}"
    make = lambda folder: socorpus("publish", corpus, "-o", folder / name, "--format", form, "--workers", 0)  # noqa: E731
    return once(name, make) / name


@pytest.fixture(scope="session")
def folder(built: Path, once: Once) -> Path:
    """The sample's corpus, published as Parquet. Only to be read."""
    return published(built, once, "parquet")


@pytest.fixture(scope="session")
def lines(built: Path, once: Once) -> Path:
    """The same as JSON Lines."""
    return published(built, once, "jsonl")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    datasets.disable_progress_bars()


def facts_of(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "PUBLISHED.json").read_text("utf-8"))
    return facts


def rows_of(folder: Path, name: str) -> pa.Table:
    return read(folder, f"data/{name}/*.parquet")


def by_post(rows: pa.Table) -> dict[tuple[str, int], Row]:
    return {(row["site"], row["post_id"]): row for row in rows.to_pylist()}


def kept(corpus: Path, folder: str) -> pa.Table:
    """Rows of a table of the corpus whose post is kept."""
    decisions, rows = table(corpus, "decisions"), table(corpus, folder)
    return rows.filter(pc.is_in(keys(rows), value_set=keys(decisions.filter(decisions["keep"]))))


def keys(rows: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(rows["site"], rows["post_id"].cast(pa.string()), ":").combine_chunks()


def read(folder: Path, pattern: str) -> pa.Table:
    """The rows of all Parquet files that fit a pattern, in the order of their names."""
    return ds.dataset([str(path) for path in sorted(folder.glob(pattern))]).to_table()


def hashes(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_counts_add_up_with_the_manifest(built: Path, folder: Path) -> None:
    facts, tables = manifest(built), facts_of(folder)["tables"]
    assert tables["documents"]["rows"] == {split: facts["shards"][split]["rows"] for split in SPLITS}
    assert (
        sum(tables["documents"]["rows"].values()) == tables["attribution"]["rows"]["posts"] == facts["totals"]["kept"]
    )
    assert tables["attribution"]["rows"]["comments"] == pc.sum(kept(built, "documents")["comments"]).as_py()
    answers = pc.sum(pc.list_value_length(rows_of(folder, "questions_with_answers")["answers"])).as_py()
    kinds = [item["counts"] for name, item in facts_of(folder)["items"].items() if name.startswith("threads/")]
    sums = {name: sum(counts[name] for counts in kinds) for name in kinds[0]}
    assert sums["answers"] == answers and sums["documents"] == facts["totals"]["kept"]
    assert sums["questions"] + sums["answers"] + sums["without_question"] == sums["documents"]
    assert sums["questions"] - sums["without_answer"] == sum(tables["questions_with_answers"]["rows"].values())
    for task, entry in facts["labels"].items():
        rows = rows_of(folder, f"labels-{task}")
        labels = rows.num_rows if "label" in rows.column_names else pc.sum(pc.list_value_length(rows["spans"])).as_py()
        left_out = sum(tables[f"labels-{task}"].get("left_out", {}).values())
        assert labels + left_out == sum(sum(of.values()) for of in entry["labels"].values()) > 0
        assert rows.num_rows == sum(tables[f"labels-{task}"]["rows"].values())
    for path, entry in facts_of(folder)["files"].items():
        content = (folder / path).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        *facts_of(folder)["files"],
        "PUBLISHED.json",
    }


def test_documents_are_the_shards(built: Path, folder: Path) -> None:
    for split in SPLITS:
        shards = read(built, f"shards/{split}/*.parquet")
        documents = read(folder, f"data/documents/{split}-*.parquet")
        for name in documents.column_names:
            assert documents[name].combine_chunks().equals(shards[name].combine_chunks()) or name == "author", name
    assert set(shards.column_names) - set(documents.column_names) == {"split", "input_ids", "code_tokens"}


def test_pairs_are_those_of_the_corpus_that_are_kept(built: Path, folder: Path) -> None:
    order = [(name, "ascending") for name in ("site", "post_id", "block")]
    wanted = kept(built, "pairs").sort_by(order)
    pairs = rows_of(folder, "pairs").sort_by(order)
    assert pairs.num_rows > 100
    for name in wanted.column_names:
        assert pairs[name].combine_chunks().equals(wanted[name].combine_chunks()), name


def threads_of(folder: Path) -> dict[tuple[str, int, str], list[Row]]:
    """Site, thread and split -> its rows, the question first, answers by acceptance, score and age."""
    threads = defaultdict(list)
    for split in SPLITS:
        for row in read(folder, f"data/documents/{split}-*.parquet").to_pylist():
            row["own"] = row["text"][: row["own_end"]]
            threads[row["site"], row["thread_id"], split].append(row)
    for rows in threads.values():
        rows.sort(key=lambda row: (row["kind"] != "question", not row["accepted"], -row["score"], row["post_id"]))
    return threads


def prompt(question: Row) -> str:
    return "\n\n".join(part for part in (question["title"], question["own"]) if part is not None)


def test_threads_instructions_and_preferences_follow_their_rules(folder: Path) -> None:
    threads = {key: rows for key, rows in threads_of(folder).items() if rows[0]["kind"] == "question" and len(rows) > 1}
    asked = {(row["site"], row["thread_id"]): row for row in rows_of(folder, "questions_with_answers").to_pylist()}
    assert set(asked) == {key[:2] for key in threads}
    chosen: dict[tuple[str, int], tuple[Any, ...]] = {}
    preferred = set()
    for (site, thread, _), (question, *answers) in threads.items():
        row = asked[site, thread]
        assert (row["text"], row["title"], row["author"]) == (question["own"], question["title"], question["author"])
        names = [name for name in row["answers"][0] if name != "text"]
        assert [[a[name] for name in names] for a in row["answers"]] == [[a[name] for name in names] for a in answers]
        assert [answer["text"] for answer in row["answers"]] == [answer["own"] for answer in answers]
        best = answers[0]
        if best["accepted"] or best["score"] >= 1:
            chosen[site, thread] = (best["post_id"], prompt(question), best["own"], best["score"], best["accepted"])
        mark = {
            a["post_id"]: (-1 if a["score"] < 0 else round(math.log2(1 + a["score"]))) + a["accepted"] for a in answers
        }
        first = min(answers, key=lambda a: (-mark[a["post_id"]], -a["score"], a["post_id"]))
        for other in answers:
            margin = mark[first["post_id"]] - mark[other["post_id"]]
            if margin > 0:
                preferred.add((site, prompt(question), first["own"], other["own"], margin, first["url"], other["url"]))
    instructions = rows_of(folder, "instructions").to_pylist()
    columns = ("answer_id", "instruction", "response", "answer_score", "accepted")
    assert {(r["site"], r["thread_id"]): tuple(r[c] for c in columns) for r in instructions} == chosen
    assert len(chosen) > 100 and len(preferred) > 100
    names = ("site", "prompt", "chosen", "rejected", "margin", "chosen_url", "rejected_url")
    preferences = rows_of(folder, "preferences").to_pylist()
    assert {tuple(row[name] for name in names) for row in preferences} == preferred
    assert len(preferences) == len({(row["site"], row["chosen_id"], row["rejected_id"]) for row in preferences})


def test_negatives_share_the_rarest_tag_and_are_no_linked_question(built: Path, folder: Path) -> None:
    links = table(built, "tables/links").to_pylist()
    linked = {(row["site"], *sorted((row["post_id"], row["related_post_id"]))) for row in links}
    questions = {
        (site, rows[0]["post_id"]): (split, rows[0])
        for (site, _, split), rows in threads_of(folder).items()
        if rows[0]["kind"] == "question" and rows[0]["title"] is not None and rows[0]["own"]
    }
    tagged: dict[tuple[str, str, str], int] = defaultdict(int)
    for (site, _), (split, row) in questions.items():
        for tag in row["tags"]:
            tagged[split, site, tag] += 1
    some = 0
    rows = rows_of(folder, "retrieval").to_pylist()
    for row in rows:
        site, (split, question) = row["site"], questions[row["site"], row["thread_id"]]
        assert (row["query"], row["positive"]) == (question["title"], question["own"])
        shared = {tag: tagged[split, site, tag] for tag in question["tags"] if tagged[split, site, tag] > 1}
        assert row["tag"] == min(shared, key=lambda tag: (shared[tag], tag.encode()))
        assert 1 <= len(set(row["negative_ids"])) == len(row["negatives"]) <= derived.NEGATIVES
        some += len(row["negatives"]) == derived.NEGATIVES
        for post, text in zip(row["negative_ids"], row["negatives"], strict=True):
            other_split, other = questions[site, post]
            assert other_split == split and row["tag"] in other["tags"] and other["own"] == text
            assert other["title"] != question["title"] and post != question["post_id"]
            assert (site, *sorted((post, question["post_id"]))) not in linked
    assert some > 100


def test_attribution_names_everybody(built: Path, folder: Path) -> None:
    rows = rows_of(folder, "attribution").to_pylist()
    posts = {(row["site"], row["post_id"]): row for row in rows if row["comment_id"] is None}
    documents = by_post(rows_of(folder, "documents"))
    assert set(posts) == set(documents)
    for key, row in posts.items():
        of = documents[key]
        assert all(row[name] == of[name] for name in ("kind", "author", "author_id", "url", "license", "created"))
        if of["author_id"] is not None and of["author_id"] > 0:
            assert row["author_url"] == f"{of['url'].rsplit('/', 2)[0]}/users/{of['author_id']}"
    comments = {(row["site"], row["comment_id"]): row for row in rows if row["comment_id"] is not None}
    inside = {
        (site, part["id"])
        for (site, _), of in documents.items()
        for part in of["segments"]
        if part["start"] >= of["own_end"]
    }
    assert set(comments) == inside and len(comments) > 500
    users = {(row["site"], row["user_id"]): row["display_name"] for row in table(built, "tables/users").to_pylist()}
    for row in table(built, "tables/comments").to_pylist():
        if (shown := comments.get((row["site"], row["comment_id"]))) is not None:
            name = row["user_display_name"] or users.get((row["site"], row["user_id"])) or None
            assert shown["author"] == name and shown["author_id"] == row["user_id"]
            assert shown["license"] == (row["content_license"] or shown["license"])
            assert shown["url"] == documents[shown["site"], shown["post_id"]]["url"]


@pytest.mark.parametrize("form", ["parquet", "jsonl", pytest.param("jsonl.zst", marks=pytest.mark.slow)])
def test_datasets_reads_every_table_with_its_splits(form: str, built: Path, once: Once, tmp_path: Path) -> None:
    folder = published(built, once, form)
    for name, entry in facts_of(folder)["tables"].items():
        loaded = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path))
        assert {split: rows.num_rows for split, rows in loaded.items()} == entry["rows"]
    documents = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))["validation"]  # the default
    assert set(documents["text" if form == "parquet" else "id"])


def test_polars_duckdb_and_pandas_read_every_table(folder: Path) -> None:
    for name, entry in facts_of(folder)["tables"].items():
        for split, rows in entry["rows"].items():
            pattern = f"data/{name}/{split}-*.parquet"
            assert polars.read_parquet(folder / pattern).height == rows
            assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{folder / pattern}')").fetchall() == [(rows,)]
            assert sum(len(pandas.read_parquet(path)) for path in folder.glob(pattern)) == rows


@pytest.mark.filterwarnings("default")
def test_mlcroissant_finds_no_fault_and_reads_the_tables(folder: Path) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))  # raises where it is not valid
    assert not dataset.metadata.issues.errors
    tables = facts_of(folder)["tables"]
    assert {records.name for records in dataset.metadata.record_sets} == set(tables)
    rows = list(dataset.records("preferences"))
    assert len(rows) == sum(tables["preferences"]["rows"].values())
    assert isinstance(rows[0]["preferences/margin"], int)
    thread = next(iter(dataset.records("questions_with_answers")))
    assert thread["questions_with_answers/answers"]


def test_the_card_the_citation_and_the_datasheet_say_what_the_manifest_says(built: Path, folder: Path) -> None:
    from huggingface_hub import DatasetCard

    facts = manifest(built)
    card = DatasetCard.load(folder / "README.md").data
    assert {config["config_name"] for config in card.to_dict()["configs"]} == set(facts_of(folder)["tables"])
    assert card.license == "other" and card.license_name and (folder / card.to_dict()["license_link"]).is_file()
    citation = yaml.safe_load((folder / "CITATION.cff").read_text("utf-8"))
    assert citation["type"] == "dataset" and len(citation["authors"]) == len(facts["sites"])
    sheet = (folder / "DATASHEET.md").read_text("utf-8")
    for reason, count in facts["totals"]["dropped"].items():
        assert f"| `{reason}` |" in sheet and f"| {count:,} |" in sheet
    for kind, count in facts["signals"]["privacy"].items():
        few, many = (round(count / share - count) for share in reversed(folder_texts.RECALL))
        texts = rows_of(folder, "documents")["text"]
        here = pc.sum(pc.count_substring(texts, f"[{kind.upper()}_")).as_py()
        assert f"| {kind} | {count:,} | {few:,} to {many:,} | {here:,} |" in sheet
    for name in facts["licenses"]:
        assert name in (folder / "LICENSES.md").read_text("utf-8")


def test_datatrove_reads_the_lines(folder: Path, lines: Path) -> None:
    from datatrove.pipeline.readers import JsonlReader

    documents = by_post(rows_of(folder, "documents"))
    read = list(JsonlReader(str(lines / "data/documents"), glob_pattern="*.jsonl")())
    assert len(read) == len(documents)
    for document in read:
        row = documents[document.metadata["site"], document.metadata["post_id"]]
        assert document.text == row["text"] and document.id == f"{row['site']}:{row['post_id']}"
        metadata = {name: value for name, value in row.items() if name != "text"}
        metadata["created"] = row["created"].isoformat()
        assert {name: document.metadata[name] for name in metadata} == metadata


def test_lines_of_other_tables_have_its_columns_and_an_id_of_their_own(folder: Path, lines: Path) -> None:
    for name in facts_of(lines)["tables"]:
        paths = sorted((lines / "data" / name).iterdir())
        rows = [json.loads(line) for path in paths for line in path.read_text("utf-8").split("\n") if line]
        assert len({row["id"] for row in rows}) == len(rows) == rows_of(folder, name).num_rows
        if name == "pairs":
            assert set(rows[0]) == {"id", *rows_of(folder, name).column_names}


@pytest.mark.filterwarnings("default")
def test_megatron_core_reads_the_tokens_of_the_shards(built: Path, once: Once) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from transformers import AutoTokenizer

    folder = published(built, once, "megatron")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    for split in SPLITS:
        wanted = read(built, f"shards/{split}/*.parquet")
        documents = IndexedDataset(str(folder / f"data/documents-{split}"))
        assert len(documents) == wanted.num_rows == facts_of(folder)["tables"]["documents"]["rows"][split]
        ids = wanted["input_ids"].to_pylist()
        assert all(documents[row].tolist() == [*ids[row], tokenizer.sep_token_id] for row in range(len(documents)))
        assert documents.document_indices.tolist() == list(range(len(documents) + 1))
        assert tokenizer.decode(documents[0][:-1].tolist()) == wanted["text"][0].as_py()
        assert int(documents.sequence_lengths.sum()) == manifest(built)["shards"][split]["tokens"] + len(documents)
    assert "configs:" not in (folder / "README.md").read_text("utf-8")


def strings(value: Any) -> Iterator[str]:
    """All texts in a value of a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings([*value, *value.values()])
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def text_of(folder: Path) -> str:
    """Every distinct line of all texts and files; tables repeat each other's."""
    distinct: set[str] = set()
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            distinct.update(str(file.metadata.metadata).splitlines())
            for text in strings(file.read().to_pylist()):
                distinct.update(text.splitlines())
        elif path.is_file():
            distinct.update(path.read_bytes().decode("utf-8", "replace").splitlines())
    return "\n".join(distinct)


def test_nothing_unscrubbed_no_local_path_and_no_token_is_in_it(
    sample: Truth, built: Path, folder: Path, lines: Path
) -> None:
    secrets = {max(record["value"].splitlines(), key=len) for record in sample.planted("secret")}
    documents = "\n".join(
        {line for text in table(built, "documents")["text"].to_pylist() for line in text.splitlines()}
    )
    assert sum(secret in documents for secret in secrets) > 0.9 * len(secrets) > 100
    text = text_of(folder)
    assert not [secret for secret in secrets if secret in text]
    places = {str(Path.home()), str(built.parent), str(folder.parent), str(Path.cwd())}
    for place in (text, text_of(lines)):
        assert not [name for name in places if name in place]


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes_and_what_is_there_is_left(
    built: Path, folder: Path, tmp_path: Path
) -> None:
    done = socorpus("publish", built, "-o", tmp_path / "out", "--workers", 2)
    assert "published: " in done.stdout and "nothing had changed" not in done.stdout
    assert hashes(tmp_path / "out") == hashes(folder)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert "nothing had changed" in socorpus("publish", built, "-o", tmp_path / "out").stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


@pytest.mark.slow
def test_what_was_stopped_goes_on(built: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = fork_server.start(["publish", str(built), "-o", str(out), "--workers", "0"])
    wait_for(lambda: len(list((out / ".publishing/receipts/documents").glob("*.json"))) > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (out / "PUBLISHED.json").exists() and not (out / "data").exists()
    first = {path.name: path.stat().st_mtime_ns for path in (out / ".publishing/receipts/documents").iterdir()}
    process = fork_server.start(["publish", str(built), "-o", str(out), "--workers", "0"])
    wait_for(lambda: (out / ".publishing/receipts/labels").exists() or (out / "PUBLISHED.json").exists())
    second = {path.name: path.stat().st_mtime_ns for path in (out / ".publishing/receipts/documents").glob("*")}
    assert not second or {name: second[name] for name in first} == first
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    socorpus("publish", built, "-o", out, "--workers", 0)
    assert hashes(out) == hashes(folder) and not (out / ".publishing").exists()


def test_only_what_changed_is_made_again(built: Path, folder: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "out"))
    path = next((out / "data/labels-closure").glob("train-*.parquet"))
    path.write_bytes(b"damaged")
    said = socorpus("publish", built, "-o", out, "--workers", 0).stderr
    assert "labels-closure" in said and {line.split()[0] for line in said.splitlines()} == {"socorpus:", "labels"}
    assert hashes(out) == hashes(folder)
    # Another format takes the place of this one.
    socorpus("publish", built, "-o", out, "--workers", 0, "--format", "megatron")
    assert not list(out.rglob("*.parquet")) and (out / "tokenizer/tokenizer.json").exists()
    socorpus("publish", built, "-o", out, "--workers", 0)
    assert hashes(out) == hashes(folder)


def refused(says: str, *arguments: object, environment: dict[str, str] | None = None) -> None:
    """The command ends with wrong usage or input, in one sentence."""
    done = socorpus("publish", *arguments, code=2, environment=environment)
    assert says in " ".join(done.stderr.split()), done.stderr


def test_it_refuses_a_folder_that_is_not_its_own(built: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    refused("not empty, and not a folder that socorpus publish wrote", built, "-o", tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    (tmp_path / "mine/PUBLISHED.json").write_text('{"kind": "other"}')
    refused("not what socorpus publish wrote", built, "-o", tmp_path / "mine")
    refused("a file lies there", built, "-o", tmp_path / "mine/notes.txt")
    (tmp_path / "linked/.publishing").mkdir(parents=True)
    (tmp_path / "linked/data").symlink_to(tmp_path / "mine")
    refused("a link, and nothing is written through it", built, "-o", tmp_path / "linked")


def test_a_name_that_leads_out_of_the_folder_is_refused(built: Path, folder: Path, tmp_path: Path) -> None:
    facts = facts_of(folder)
    facts["files"]["../outside"] = {"rows": 0, "bytes": 0, "sha256": ""}
    (tmp_path / "out").mkdir()
    (tmp_path / "out/PUBLISHED.json").write_text(json.dumps(facts))
    refused("which is not in the folder", built, "-o", tmp_path / "out")


def test_two_at_a_time_do_not_meet(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = fork_server.start(["publish", str(built), "-o", str(out), "--workers", "0"])
    wait_for(lambda: (out / ".publishing/receipts").exists())
    done = socorpus("publish", built, "-o", out, code=1)
    assert "another process publishes there" in done.stderr
    process.communicate(timeout=120)
    assert process.returncode == 0 and facts_of(out)


def test_a_corpus_without_addresses_is_refused_with_what_to_do(built: Path, tmp_path: Path) -> None:
    corpus = copy(built, tmp_path)
    change(corpus, lambda facts: facts["sites"]["modern.example.com"].update(url=None, host=None))
    refused(
        'give it in the configuration ([sites."modern.example.com"] url = "https://…")', corpus, "-o", tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()


def change(corpus: Path, how: Callable[[dict[str, Any]], object]) -> None:
    tree = (corpus / "MANIFEST.json").resolve().parent
    facts = manifest_file.finished(tree)
    how(facts)
    manifest_file.save(tree, facts)


def test_shards_without_the_column_accepted_are_refused_with_what_to_do(built: Path, tmp_path: Path) -> None:
    corpus = copy(built, tmp_path)
    entries = {}
    for path in sorted((corpus / "shards").rglob("*.parquet")):
        pq.write_table(pq.read_table(path).drop_columns(["accepted", "author_id"]), path.resolve())
        content = path.read_bytes()
        entries[str(path.relative_to(corpus))] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change(corpus, lambda facts: facts["files"].update(entries))
    refused(
        "column accepted is missing; column author_id is missing: of another release", corpus, "-o", tmp_path / "out"
    )


def test_pushing_needs_a_name_a_token_and_a_hub(built: Path, folder: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "out"))
    without = {"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": ""}
    refused("not the name of a data set", built, "-o", out, "--push", "nothing", environment=without)
    refused("no token in the environment; set HF_TOKEN", built, "-o", out, "--push", "org/name", environment=without)
    nowhere = {"HF_TOKEN": "hf_of_nobody", "HF_ENDPOINT": "http://127.0.0.1:1"}
    done = socorpus("publish", built, "-o", out, "--push", "org/name", code=1, environment=nowhere)
    assert "--push org/name: the connection failed" in done.stderr, done.stderr
    assert facts_of(out) and "hf_of_nobody" not in text_of(out)
    assert os.environ.get("HF_TOKEN") != "hf_of_nobody"
