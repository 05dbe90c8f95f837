"""Lists of what is to be removed, as people write them."""

from pathlib import Path

import pytest

from socorpus.corpus import InputError
from socorpus.corpus.takedown import lists
from socorpus.corpus.takedown.removals import Name

SITES = {"beer.example.com": "beer.example.com", "beer.example.com-2024": None}
BEER = "beer.example.com"


def read(folder: Path, name: str, text: str) -> list[Name]:
    path = folder / name
    path.write_bytes(text.encode())
    return lists.read(path, SITES)


def test_text_names_posts_authors_comments_and_addresses(tmp_path: Path) -> None:
    lines = [
        "# asked on Monday",
        "",
        f"{BEER}:7",
        f"  {BEER}:user:3 ",
        f"{BEER}:comment:12",
        "beer.example.com-2024:7",
        "https://beer.example.com/questions/14/any-slug",
        "https://beer.example.com/questions/14/any-slug/15#15",
        "https://beer.example.com/questions/14/any-slug/16",
        "https://beer.example.com/a/17/99",
        "https://beer.example.com/q/18",
        "https://beer.example.com/users/4",
        "https://beer.example.com/questions/14/any-slug#comment33_14",
        f"{BEER}:7",
    ]
    names = read(tmp_path, "list.txt", "\ufeff" + "\r\n".join(lines))
    assert [name.key for name in names] == [
        *(f"{BEER}:7", f"{BEER}:author:3", f"{BEER}:comment:12", "beer.example.com-2024:7"),
        *(f"{BEER}:14", f"{BEER}:15", f"{BEER}:16", f"{BEER}:17", f"{BEER}:18"),
        *(f"{BEER}:author:4", f"{BEER}:comment:33"),
    ]


def test_numbers_of_accounts_may_be_negative(tmp_path: Path) -> None:
    assert read(tmp_path, "list.csv", f"site,author_id\n{BEER},-1\n") == [Name(BEER, "author", -1)]


def test_csv_and_json_lines_are_read_by_their_columns(tmp_path: Path) -> None:
    rows = f'Site , post_id,author,note\n{BEER},7,,"two\nlines"\n{BEER},,3,\n'
    expected = [Name(BEER, "post", 7), Name(BEER, "author", 3)]
    assert read(tmp_path, "list.csv", rows) == expected
    assert read(tmp_path, "list.tsv", rows.replace(",", "\t")) == expected
    objects = f'{{"site": "{BEER}", "post": 7}}\n"{BEER}:user:3"\n{{"url": "https://{BEER}/q/7"}}\n'
    assert read(tmp_path, "list.jsonl", objects) == expected


def test_every_row_that_is_wrong_is_named_by_its_line(tmp_path: Path) -> None:
    text = (
        f"{BEER}:7\nbeer:7\n{BEER}:x\nhttps://wine.example.com/q/1\nhttps://{BEER}/tags\n{BEER}:99999999999999999999\n"
    )
    with pytest.raises(InputError) as refused:
        read(tmp_path, "list.txt", text)
    said = str(refused.value)
    assert "5 rows" in said and "nothing was done" in said
    assert all(f"line {line}: " in said for line in (2, 3, 4, 5, 6)) and "line 1:" not in said
    assert "no site beer; it has beer.example.com, beer.example.com-2024" in said


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.csv", "a,b\n1,2\n", "names no column"),
        ("list.csv", f"site,post_id,author_id\n{BEER},1,2\n", "line 2: one of"),
        ("list.csv", "post_id\n7\n", "line 2: of which site"),
        ("list.jsonl", "{broken\n", "line 1: no JSON object"),
        ("list.jsonl", "[1]\n", "line 1: no JSON object"),
        ("list.txt", "# nothing\n", "names nothing"),
        ("list.txt", "", "names nothing"),
    ],
)
def test_a_list_that_says_nothing_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, name, text)


def test_a_list_in_another_encoding_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe7")
    with pytest.raises(InputError, match=r"list\.txt: not UTF-8"):
        lists.read(tmp_path / "list.txt", SITES)
