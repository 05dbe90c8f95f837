"""Gold labels of one's own: what does not fit is described by what is in the file."""

import json
from pathlib import Path

import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import gold, user_tables
from tests.our_tasks import ENTITIES, QUALITY

PUBLIC = "Id,Title,Body,Tags,CreationDate,Y\n"
ROW = "{id},A title,<p>A body</p>,<python>,2016-01-01 00:00:00,{label}\n"


def test_the_public_set_with_its_three_classes(tmp_path: Path) -> None:
    path = tmp_path / "so-60k.csv"
    path.write_text(PUBLIC + ROW.format(id=7, label="HQ") + ROW.format(id=8, label="LQ_EDIT"), "utf-8")
    texts = gold.read(path, QUALITY, ["a.example.com", "stackoverflow.com"]).texts
    assert texts == {"stackoverflow.com:7": "HQ", "stackoverflow.com:8": "LQ_EDIT"}
    path.write_text("Id;Title;Body;Tags;CreationDate;Y\n7.0;A;a, b;c;;HQ\n8.0;A;a, b;c;;LQ_EDIT\n", "utf-8")
    assert gold.read(path, QUALITY, ["a.example.com", "stackoverflow.com"]).texts == texts


def test_classes_that_the_task_does_not_have_are_counted_and_explained(tmp_path: Path) -> None:
    path = tmp_path / "so-60k.csv"
    path.write_text(PUBLIC + "".join(ROW.format(id=7 + n, label="LQ" if n else "HQ") for n in range(4)), "utf-8")
    said = (
        r"so-60k\.csv, line 3: labels that quality does not have: 'LQ' \(3\); it has HQ, LQ_EDIT, LQ_CLOSE; "
        r"'LQ' may be LQ_EDIT or LQ_CLOSE: a file for --gold has to say which; train-score, and evaluate --on quality"
    )
    with pytest.raises(InputError, match=said):
        gold.read(path, QUALITY, ["stackoverflow.com"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "a.csv",
            "Id,Title,Score\n7,A,1\n",
            r"a\.csv: has the columns Id, Title, Score; gold labels need site and",
        ),
        (
            "b.csv",
            "post_id,label\n7,HQ\n",
            r"has the columns post_id, label; gold labels need site and post_id, or k",
        ),
        ("c.csv", "key,verdict\na:7,HQ\n", r"and label, or those of the public set \(Id, Title, Body, Tags, Creation"),
        (
            "d.jsonl",
            json.dumps({"text": "A", "label": "HQ"}),
            r"d\.jsonl, line 1: has the columns text, label; gold",
        ),
        ("e.csv", "", r"e\.csv: has the columns none; gold labels need"),
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError, match=said):
        gold.read(tmp_path / name, QUALITY, ["a.example.com", "b.example.com"])


def test_spans_need_their_places(tmp_path: Path) -> None:
    path = tmp_path / "spans.csv"
    path.write_text("post_id,label\n7,Library\n", "utf-8")
    with pytest.raises(InputError, match=r"has the columns post_id, label; .* and label, with start and end, or spans"):
        gold.read(path, ENTITIES, ["a.example.com"])
    path.write_text("post_id,start,end,label\n7,0,5,Library\n7,6,9,Lib\n8,,,\n", "utf-8")
    with pytest.raises(InputError, match=r"line 3: labels that entities does not have: 'Lib' \(1\); it has Algorithm"):
        gold.read(path, ENTITIES, ["a.example.com"])


def test_a_table_of_words_and_tags_is_no_table_of_posts(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("Question_ID\tO\tQuestion_ID\tO\n", "utf-8")
    (tmp_path / "posts.tsv").write_text("Post ID\tstart\tend\tlabel\n", "utf-8")
    names = ("words.tsv", "posts.tsv", "a.csv", "a.JSONL", "a.parquet", "dev.txt")
    assert [user_tables.is_table(tmp_path / name) for name in names] == [False, True, True, True, True, False]


def test_of_spans_contradictions_are_refused_and_nothing_is_no_spans(tmp_path: Path) -> None:
    path, sites = tmp_path / "spans.csv", ["a.example.com"]

    def read(*lines: str) -> gold.Gold:
        path.write_text("\n".join(["post_id,start,end,label", *lines]), "utf-8")
        return gold.read(path, ENTITIES, sites)

    overlapping = read("7,0,5,Library", "7,0,5,Library", "7,3,9,Application", "8,,,nothing")
    assert overlapping.spans == {
        "a.example.com:7": {(0, 5, "Library"), (3, 9, "Application")},
        "a.example.com:8": set(),
    }
    with pytest.raises(InputError, match=r"line 3: 0 to 5 of .*:7 is Library in .*line 2 and Application here; remove"):
        read("7,0,5,Library", "7,0,5,Application")
    with pytest.raises(InputError, match=r"line 2: 'nothing' with start and end: give the label of the span"):
        read("7,0,5,nothing")
    with pytest.raises(InputError, match=r"line 3: says that .*:7 has no spans, and other rows give it some"):
        read("7,0,5,Library", "7,,,none")


def test_a_sheet_that_is_filled_in_by_half_is_gold(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("site,post_id,label\na,1,HQ\na,2,\na,3,skip\na,4,lq edit\n", "utf-8")
    read = gold.read(path, QUALITY, ["a"])
    assert (dict(read.texts), read.empty) == ({"a:1": "HQ", "a:4": "LQ_EDIT"}, 2)
    path.write_text("site,post_id,label\na,2,\n", "utf-8")
    with pytest.raises(InputError, match=r"none of its 1 rows has a label; give one of HQ"):
        gold.read(path, QUALITY, ["a"])
    sheet = tmp_path / "gold.jsonl"
    marks = '[{"start": 0, "end": 5, "label": "Library"}]'
    lines = [f'{{"key": "a:{post}", "spans": {spans}}}' for post, spans in enumerate((marks, "null", "[]"), 1)]
    sheet.write_text("\n".join(lines), "utf-8")
    read = gold.read(sheet, ENTITIES, ["a"])
    assert {key: len(own) for key, own in read.spans.items()} == {"a:1": 1, "a:3": 0} and read.empty == 1
