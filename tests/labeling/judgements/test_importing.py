"""Judgements from files: they become the same rows as those of the sync, and what does not fit is named."""

import csv
import json
import re
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.labeling import schema
from socorpus.labeling.aggregation import annotators
from socorpus.labeling.datasets import gold, user_tables
from socorpus.labeling.judgements import importing, sheet
from socorpus.labeling.judgements.importing import Imported
from socorpus.labeling.label_studio import pull, state
from socorpus.labeling.label_studio.pull import Pulled
from socorpus.labeling.label_studio.sampling import Sample
from tests import s3_server
from tests.labeling import label_tables, syncing
from tests.our_tasks import ENTITIES, QUALITY

ANN = f"person:{pull.pseudonym('ann@example.com')}"
TEXT = "Flask and pandas, not \U0001f600 numpy."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    label_tables.classified(tmp_path / "corpus", "quality", 20)
    return tmp_path / "corpus"


def take(root: Path, content: str, annotator: str | None = "ann@example.com", **how: Any) -> Imported:
    """Read quality's judgements from a CSV file of this content."""
    path = Path(str(root.parent)) / "judged.csv"
    path.write_text(content, "utf-8")
    return importing.take(root, root, QUALITY, path, annotator, **how)


def said(root: Path, task: str = "quality") -> dict[tuple[int, str], str | None]:
    return {(row["post_id"], row["function"]): row["label"] for row in syncing.people(root, task)}


def test_a_file_twice_changes_nothing_and_a_later_one_what_it_says(root: Path) -> None:
    first = take(root, "post_id,label\n3,HQ\n4,LQ_EDIT\n5,\n")
    assert (first.new, first.posts, first.people, first.empty, first.blind) == (2, 2, 1, 1, 0) and not first.refused
    before = (root / schema.people_path("quality")).stat()
    again = take(root, "post_id,label\n3,HQ\n4,LQ_EDIT\n5,\n")
    assert (again.new, again.changed, again.same) == (0, 0, 2)
    now = (root / schema.people_path("quality")).stat()
    assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    later = take(root, "post_id,label\n4,LQ_CLOSE\n6,HQ\n")
    assert (later.new, later.changed, later.same) == (1, 1, 0)
    assert said(root) == {(3, ANN): "HQ", (4, ANN): "LQ_CLOSE", (6, ANN): "HQ"}
    tried = take(root, "post_id,label\n4,HQ\n", remove=True, dry=True)
    assert tried.removed == 1 and (4, ANN) in said(root)
    assert take(root, "post_id,label\n4,HQ\n9,HQ\n", remove=True).removed == 1
    assert said(root) == {(3, ANN): "HQ", (6, ANN): "HQ"}


def test_rows_are_those_of_the_sync(root: Path) -> None:
    """The same judgement by way of Label Studio differs in where it comes from only."""
    take(root, "post_id,label,annotator,blind,time\n3,HQ,Ann@Example.com ,true,2026-01-02T03:04:05Z\n7,skip,,no,\n")
    by_file, skipped = syncing.people(root)
    annotation = {
        "id": 5,
        "result": [{"from_name": "quality", "value": {"choices": ["HQ"]}}],
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time": None,
        "updated_at": "2026-01-02T03:04:05Z",
        "parent_prediction": None,
        "person": pull.pseudonym("ann@example.com"),
        "post": f"{label_tables.SITE}:3",
        "digest": "0",
        "blind": True,
        "task": 1,
        "ext_id": 1,
    }
    (by_sync,) = pull.votes([annotation], "1@now", QUALITY, Pulled())
    apart = ("evidence", "slice")
    assert {k: v for k, v in by_file.items() if k not in apart} == {k: v for k, v in by_sync.items() if k not in apart}
    assert annotators.blind([by_file]) == {3} and annotators.blind([skipped]) == set()
    assert skipped["label"] is None and skipped["at"] is None and annotators.of_texts([skipped]) == {}


def test_the_syncs_judgements_stay_beside_those_of_files(root: Path) -> None:
    take(root, "post_id,label\n3,HQ\n")
    row = syncing.people(root)[0] | {"function": "person:other", "evidence": json.dumps({"project": "1@now"})}
    pull.write(root / schema.people_path("quality"), "1@now", [row])
    take(root, "post_id,label\n3,LQ_EDIT\n")
    assert said(root) == {(3, ANN): "LQ_EDIT", (3, "person:other"): "HQ"}
    pull.write(root / schema.people_path("quality"), "1@now", [])
    assert said(root) == {(3, ANN): "LQ_EDIT"}


def test_several_people_differ_and_an_adjudicator_decides(root: Path) -> None:
    take(root, "post_id,label,annotator,adjudicated\n3,HQ,ann,\n3,LQ_EDIT,ben,\n3,LQ_CLOSE,ann,yes\n4,HQ,ann,\n")
    found = syncing.people(root)
    assert len(found) == 4 and len(annotators.disputed(found, spans=False)[3]) == 2
    assert {post: verdict.label for post, verdict in annotators.of_texts(found).items()} == {3: "LQ_CLOSE", 4: "HQ"}


def test_what_people_dispute_is_a_sheet_for_an_adjudicator(root: Path) -> None:
    take(root, "post_id,label,annotator\n3,HQ,ann\n3,LQ_EDIT,ben\n4,HQ,ann\n4,HQ,ben\n5,HQ,ann\n")
    out = root.parent / "disputed.csv"
    done = sheet.write(root, QUALITY, out, Sample("class"), 9, 1.0, disputed=importing.disputed(root, QUALITY))
    (row,) = [row for _, row in user_tables.read(out, (), lambda _: None)]
    assert (done.posts, row["post_id"], row["adjudicated"], row["blind"]) == (1, "3", "true", "false")
    ann, ben = (f"person:{pull.pseudonym(name)}" for name in ("ann", "ben"))
    assert sorted(row["said"].split("; ")) == sorted([f"{ann}: HQ", f"{ben}: LQ_EDIT"])
    filled(out, "LQ_CLOSE")
    nobody = root.parent / "none.csv"
    with pytest.raises(InputError, match="no post that people judged differently waits for an adjudicator"):
        sheet.write(root, QUALITY, nobody, Sample("class"), 9, 1.0, disputed={})
    assert not nobody.exists()
    assert importing.take(root, root, QUALITY, out).new == 1 and importing.disputed(root, QUALITY) == {}
    assert annotators.of_texts(syncing.people(root))[3].label == "LQ_CLOSE"


def test_many_rows_of_one_post_are_read_in_time(root: Path) -> None:
    started = time.process_time()
    done = take(root, "post_id,label\n" + "3,HQ\n" * 40_000)
    assert done.new == 1 and time.process_time() - started < 15


def test_what_spreadsheets_make_of_a_table_is_read(root: Path) -> None:
    content = "Post ID;Label ;ANNOTATOR\r\n3.0;hq;ann\r\n 4 ;lq-edit;ann\r\n;;\r\n"
    take(root, content, None)
    expected = {(3, f"person:{pull.pseudonym('ann')}"): "HQ", (4, f"person:{pull.pseudonym('ann')}"): "LQ_EDIT"}
    assert said(root) == expected
    path = root.parent / "judged.txt.csv"
    path.write_bytes("sep=\t\r\npost_id\tlabel\tannotator\r\n3\tHQ\tann\r\n".encode("utf-16"))
    assert importing.take(root, root, QUALITY, path).same == 1
    (root.parent / "judged.json").write_text(json.dumps([{"key": f"{label_tables.SITE}:4", "label": "LQ_EDIT"}]))
    assert importing.take(root, root, QUALITY, root.parent / "judged.json", "ann").same == 1
    table = pa.table({"post_id": [3.0, 4.0], "label": ["HQ", None], "annotator": ["ann", None]})
    pq.write_table(table, root.parent / "judged.parquet")
    by_table = importing.take(root, root, QUALITY, root.parent / "judged.parquet")
    assert (by_table.same, by_table.empty) == (1, 1) and said(root) == expected
    # The table of another corpus is a file like any other.
    label_tables.classified(root.parent / "newer", "quality", 20)
    copied = importing.take(root.parent / "newer", root.parent / "newer", QUALITY, root / schema.people_path("quality"))
    assert copied.new == 2 and said(root.parent / "newer") == expected


REFUSED = {
    "4,best,ann,,\n": r"line 3 \(cooking\.example\.com:4\): 'best' is no label of quality; it has HQ, LQ_EDIT",
    "99,HQ,ann,,\n": r"line 3: cooking\.example\.com:99 is no example of quality in this corpus, whose examples are q",
    "x,HQ,ann,,\n": r"line 3: names no post \(post_id 'x'\)",
    "4,HQ,,,\n": r"line 3 \(cooking\.example\.com:4\): who judged is not said; fill in annotator",
    "4,HQ,ann,maybe,\n": r"line 3 \(cooking\.example\.com:4\): blind is 'maybe'; it is true or false",
    "4,HQ,ann,,31.1.2026\n": r"line 3 \(cooking\.example\.com:4\): the time '31\.1\.2026' can't be read",
    "4,HQ,ann,,,,\n": "line 3: has more cells than the table has columns",
    "4,HQ,ann,,\n4,LQ_EDIT,ann,,\n": r"line 4: .*:4 has HQ in .*line 3 and LQ_EDIT here, by the same person; remove",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_taken_is_left_out_and_named(root: Path, line: str) -> None:
    head = "post_id,label,annotator,blind,time\n"
    done = take(root, f"{head}3,HQ,ann,,\n{line}", None)
    assert list(said(root).values()) == ["HQ"] and done.new == 1
    assert len(done.refused) == 1 and re.search(f"judged.csv, {REFUSED[line]}", done.refused[0]), done.refused
    with pytest.raises(InputError, match=r"judged\.csv, line "):
        take(root, head + line, None)
    assert len(said(root)) == 1


def test_of_several_times_the_last_counts_and_an_older_file_changes_nothing(root: Path) -> None:
    take(root, "post_id,label,time\n3,HQ,2026-02-01\n3,LQ_EDIT,2026-02-02 10:00\n")
    assert list(said(root).values()) == ["LQ_EDIT"]
    older = take(root, "post_id,label,time\n3,LQ_CLOSE,2026-01-01\n")
    assert older.older == 1 and list(said(root).values()) == ["LQ_EDIT"]
    assert take(root, "post_id,label,time\n3,LQ_CLOSE,2026-03-01\n").changed == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("post_id,verdict\n3,HQ\n", "has the columns post_id, verdict; judgements of quality need post_id, or key"),
        ("post_id|label|annotator\n3|HQ|a\n", r"columns post_id\|label.*; columns are separated by commas, semicolons"),
        ("post_id,label\n3,HQ\n", "has the columns post_id, label; who judged is not said: add a column annotator"),
        ("post_id,label,annotator\n3,H\udce4,a\n", r"line 2: can't be read as CSV or JSON Lines in UTF-8: byte 0xe4"),
    ],
)
def test_a_file_that_lacks_something_is_refused_whole(root: Path, content: str, message: str) -> None:
    path = root.parent / "judged.csv"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=message):
        importing.take(root, root, QUALITY, path)
    assert not (root / schema.ANNOTATIONS).exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('post_id,label,note\n3,HQ,a\n4,HQ,"b\n5,HQ,c\n6,HQ,d\n', 3),
        ('sep=;\npost_id;label;note\n3;HQ;"a ""b"" \nc"\n4;HQ;"d\ne";"f\n5;HQ;g\n', 6),
        ('post_id,label,note\n3,HQ,"a\n4,HQ,"b"\n', 2),
        ('post_id,label,note\n3,HQ,"a" b\n', 2),
        ('post_id,"label,note\n3,HQ,a\n', 1),
        ('post_id,label,"note\n3,HQ,a\n', 1),
    ],
)
def test_a_quotation_mark_that_is_not_closed_swallows_no_rows(root: Path, content: str, line: int) -> None:
    with pytest.raises(
        InputError, match=rf"judged\.csv, line {line}: the quotation mark that opens a cell here is not c"
    ):
        take(root, content)
    with pytest.raises(InputError, match=rf"judged\.csv, line {line}: the quotation mark"):
        gold.read(root.parent / "judged.csv", QUALITY, ["a.example.com"])
    assert not (root / schema.ANNOTATIONS).exists()


@pytest.mark.parametrize("name", ["label", "annotator", "site", "time"])
def test_half_a_character_is_named_with_its_line(root: Path, name: str) -> None:
    path = root.parent / "judged.jsonl"
    whole = {"site": label_tables.SITE, "post_id": 3, "label": "HQ", "annotator": "Zo\U0001f600"}
    path.write_text("\n".join(json.dumps(row) for row in (whole, {**whole, "post_id": 4, name: "a\ud800"})), "utf-8")
    done = importing.take(root, root, QUALITY, path)
    assert done.new == 1 and len(done.refused) == 1
    assert f"judged.jsonl, line 2: {name} is 'a\\ud800', with half of a character" in done.refused[0]
    if name in ("label", "site"):
        with pytest.raises(InputError, match=rf"judged\.jsonl, line 2: {name} is 'a\\ud800', with half"):
            gold.read(path, QUALITY, [label_tables.SITE])


def test_an_annotators_name_is_text(root: Path) -> None:
    with pytest.raises(InputError, match=r"--annotator: annotator is 'a\\udcff', with half of a character"):
        take(root, "post_id,label\n3,HQ\n", "a\udcff")


# --- spans


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    label_tables.entities(tmp_path / "corpus", {1: (TEXT, [("Flask", "Library")]), 2: (TEXT, []), 3: (TEXT, [])})
    return tmp_path / "corpus"


def marked(root: Path, name: str, lines: list[str]) -> Imported:
    path = root.parent / name
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return importing.take(root, root, ENTITIES, path, "ann@example.com")


def test_spans_by_rows_and_by_lists_are_the_same(texts: Path) -> None:
    numpy = TEXT.index("numpy")
    lines = ["post_id,start,end,label,slice,blind", "1,0,5,Library,Flask,1", f"1,{numpy},{numpy + 5},library,numpy,1"]
    done = marked(texts, "a.csv", [*lines, "2,,,nothing,,1", "3,,,,,1"])
    assert (done.new, done.blind, done.empty) == (2, 2, 1) and not done.refused
    verdicts = annotators.of_spans(syncing.people(texts, "entities"))
    places = {post: {place: verdict.label for place, verdict in own.items()} for post, own in verdicts.items()}
    assert places == {1: {(0, 5): "Library", (numpy, numpy + 5): "Library"}, 2: {}}
    spans = [{"start": 0, "end": 5, "label": "Library"}, {"start": numpy, "end": numpy + 5, "label": "Library"}]
    objects = [{"post_id": post, "spans": own, "blind": True} for post, own in ((1, spans), (2, []), (3, None))]
    assert marked(texts, "a.jsonl", [json.dumps(row) for row in objects]).same == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1,3,500,Library,,",
            r"a\.csv, line 3: the span 3 to 500 ends beyond the text of .*:1, which has 30 characters",
        ),
        ("1,10,16,Library,Flask,", r"the text from 10 to 16 of .*:1 is 'pandas', and not 'Flask'"),
        ("1,10,16,Library,,00ff", r"the text of .*:1 has changed since it was judged"),
        ("1,5,5,Library,,", "start and end of 'Library' are no span: 5 and 5"),
        ("1,10,16,,,", "start and end without a label"),
        ("1,0,5,Language,,", r"0 to 5 of .*:1 is Library in .*line 2 and Language here, by the same person"),
        ("1,,,none,,", r"line 3: says that .*:1 has no spans, or was skipped, and .*line 2 marks some"),
        ("1,10,16,none,,", r"line 3 .*: 'none' with start and end: give the label of the span, or remove these"),
        ("1,,16,skip,,", r"line 3 .*: 'skip' with end: give the label of the span, or remove these"),
        ("1,10,16,Library,pandas,00ff", r"line 3: the text of .*:1 has changed since it was judged"),
    ],
)
def test_with_a_mark_that_is_wrong_its_text_is_left_out(texts: Path, line: str, message: str) -> None:
    """The marks of a text are taken to be all of it: half of them would make its other spans wrong."""
    done = marked(texts, "a.csv", ["post_id,start,end,label,slice,digest", "1,0,5,Library,,", line, "2,0,5,Library,,"])
    assert [row["post_id"] for row in syncing.people(texts, "entities")] == [2]
    assert any(re.search(message, reason) for reason in done.refused), done.refused


def test_of_no_spans_and_some_the_right_lines_are_named(texts: Path) -> None:
    done = marked(texts, "a.csv", ["post_id,start,end,label", "1,,,nothing", "1,0,5,Library", "2,0,5,Library"])
    assert len(done.refused) == 1 and done.new == 1
    assert re.search(r"a\.csv, line 2: says that .*:1 has no spans.* and .*line 3 marks some", done.refused[0])


def test_in_lists_of_spans_slices_and_the_digest_are_looked_at(texts: Path) -> None:
    flask = {"start": 0, "end": 5, "label": "Library", "slice": "Flask"}
    pandas = {"start": 10, "end": 16, "label": "Library", "slice": "numpy!"}
    lines = [
        {"post_id": 1, "spans": [flask, pandas]},
        {"post_id": 2, "spans": [], "digest": "00ff"},
        {"post_id": 3, "spans": [flask, {**pandas, "slice": "pandas"}]},
    ]
    done = marked(texts, "a.jsonl", [json.dumps(line) for line in lines])
    assert len(done.refused) == 2 and done.new == 1
    assert re.search(r"line 1: the text from 10 to 16 of .*:1 is 'pandas', and not 'numpy!'", done.refused[0])
    assert re.search(r"line 2: the text of .*:2 has changed since it was judged", done.refused[1])


# --- sheets


def filled(path: Path, label: str) -> int:
    """Fill in a sheet as a spreadsheet would save it; the number of rows."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        table = list(csv.DictReader(lines))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(row | {"label": label, "annotator": "ann@example.com"} for row in table)
    return len(table)


def test_a_sheet_comes_back_filled_in(root: Path) -> None:
    out = root.parent / "sheet.csv"
    done = sheet.write(root, QUALITY, out, Sample("class"), 8, 0.5)
    assert done.posts == 8 and 0 < done.blind < 8
    with out.open(encoding="utf-8-sig", newline="") as lines:
        table = list(csv.DictReader(lines))
    assert tuple(table[0]) == sheet.COLUMNS and not any(row["label"] or row["annotator"] for row in table)
    for row in table:
        assert (row["blind"] == "true") == (not row["suggestion"]) == (not row["votes"])
        assert row["text"] == label_tables.text_of(int(row["post_id"]))
    with pytest.raises(InputError, match="is there already, and people may have filled it in"):
        sheet.write(root, QUALITY, out, Sample("class"), 8, 0.5)
    assert importing.take(root, root, QUALITY, out, "ann").empty == 8
    assert filled(out, "HQ") == 8
    read = importing.take(root, root, QUALITY, out)
    assert (read.new, read.blind, read.other_text) == (8, done.blind, 0) and not read.refused
    # The next sheet has others.
    judged = importing.judged_posts(root, QUALITY)
    sheet.write(root, QUALITY, root.parent / "next.csv", Sample("class"), 20, 1.0, judged)
    others = [row for _, row in user_tables.read(root.parent / "next.csv", (), lambda _: None)]
    keys = {f"{row['site']}:{row['post_id']}" for row in others}
    assert len(keys) == 12 and keys.isdisjoint(judged)


def test_a_strangers_text_is_no_formula_and_fits_a_cell(tmp_path: Path) -> None:
    examples = [
        label_tables.example(1, '=HYPERLINK("http://x","y")\r\nmore', title="@sum"),
        label_tables.example(2, "word " * 20_000),
    ]
    label_tables.write(tmp_path, "quality", examples, [label_tables.label("quality", post, "HQ") for post in (1, 2)])
    done = sheet.write(tmp_path, QUALITY, tmp_path / "s.csv", Sample("random"), 5, 1.0)
    with (tmp_path / "s.csv").open(encoding="utf-8-sig", newline="") as lines:
        table = {row["post_id"]: row for row in csv.DictReader(lines)}
    assert table["1"]["text"] == '\'=HYPERLINK("http://x","y")\nmore' and table["1"]["title"] == "'@sum"
    assert len(table["2"]["text"]) < 32_767 and done.cut == [f"{label_tables.SITE}:2"]
    sheet.write(tmp_path, QUALITY, tmp_path / "s.jsonl", Sample("random"), 5, 1.0)
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text("utf-8").splitlines()]
    assert {row["post_id"]: row["text"] for row in lines} == {row["post_id"]: row["text"] for row in examples}


def test_a_sheet_of_spans_is_filled_in_by_a_program(texts: Path) -> None:
    out = texts.parent / "texts.jsonl"
    with pytest.raises(InputError, match=r"spans have no place in a row of CSV .* ends in \.jsonl"):
        sheet.write(texts, ENTITIES, texts.parent / "texts.csv", Sample("random"), 5, 0.0)
    sheet.write(texts, ENTITIES, out, Sample("random"), 5, 0.0)
    objects = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(objects) == 3 and all(row["spans"] is None for row in objects)
    for row in objects:
        row["spans"] = [{**mark, "label": "Language"} for mark in row["suggestions"]]
    assert marked(texts, "back.jsonl", [json.dumps(row) for row in objects]).new == 3
    (mark,) = [row for row in syncing.people(texts, "entities") if row["label"] is not None]
    assert (mark["post_id"], mark["start"], mark["end"], mark["label"]) == (1, 0, 5, "Language")


def test_one_at_a_time_and_in_an_object_store(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "judged.csv"
    path.write_text("post_id,label\n2,HQ\n", "utf-8")
    with state.one_writer(root), pytest.raises(BuildError, match="another command is writing what people s"):
        importing.take(root, root, QUALITY, path, "ann")
    place = ObjectPath("s3://corpora/judged")
    with s3_server.server(), s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path / "scratch")):
        label_tables.classified(place, "quality", 4)
        assert sheet.write(place, QUALITY, tmp_path / "sheet.csv", Sample("class"), 3, 1.0).posts == 3
        assert importing.take(place, place, QUALITY, path, "ann").new == 1
        assert importing.take(place, place, QUALITY, path, "ann").same == 1
        assert importing.judged_posts(place, QUALITY) == {f"{label_tables.SITE}:2"}


def test_rows_that_are_left_out_are_named_as_a_spreadsheet_counts_them_in_order_and_counted(root: Path) -> None:
    rows = ['3,HQ,"a\n\nb"', '4,best,"c\nd"', "5,HQ,", "5,LQ_EDIT,", "99,HQ,", ",,", "6,worst,"]
    done = take(root, "post_id,label,text\n" + "\n".join(rows) + "\n")
    places = [re.search(r"judged\.csv, (row \d+, line \d+).*?(\d+)", why) for why in done.refused]
    assert [place and place[1] for place in places] == [
        *("row 3, line 5", "row 5, line 8", "row 6, line 9", "row 8, line 11")
    ]
    assert "(cooking.example.com:4)" in done.refused[0] and "cooking.example.com:5 has" in done.refused[1]
    assert (len(done.refused), done.left_out, done.new, done.empty) == (4, 5, 1, 0)


def test_verdicts_of_an_adjudicator_where_nobody_else_judged_are_counted(root: Path) -> None:
    content = "post_id,label,annotator,adjudicated\n3,HQ,ann,\n3,HQ,chief,TRUE\n4,HQ,chief,TRUE\n"
    assert take(root, content, None).undisputed == 1
    assert take(root, content.replace("3,HQ,ann,\n", ""), None, dry=True).undisputed == 1
