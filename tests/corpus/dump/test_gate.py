"""How much of a dump may be unreadable."""

import pytest

from socorpus.corpus.dump import gate
from socorpus.corpus.dump.xml_rows import FORBIDDEN, NOT_UTF8
from socorpus.corpus.errors import InputError

BAD_DATE = "CreationDate='2015-03-04 10:11:{:02} UTC' is not of type timestamp[ms, tz=UTC]"


def tally(read: int, reasons: list[str]) -> gate.Tally:
    counted = gate.Tally(read, len(reasons))
    counted.add({"reason": reason, "file": "Posts.xml", "offset": 100 + i} for i, reason in enumerate(reasons))
    return counted


@pytest.mark.parametrize(
    ("read", "unreadable", "accepted", "refused"),
    [
        (2079, 21, 0.01, False),  # exactly 1%
        (2078, 21, 0.01, True),
        (20, 20, 0.01, False),  # single rows, whatever their share
        (20, 21, 0.5, True),
        (21, 21, 0.5, False),
        (10_000, 1, 0.0, True),
        (10_000, 0, 0.0, False),
        (1, 1000, 1.0, False),
    ],
)
def test_a_share_of_a_table_may_be_unreadable(read: int, unreadable: int, accepted: float, refused: bool) -> None:
    tables = {"s/posts": tally(10, []), "s/comments": tally(read, ["not well-formed"] * unreadable)}
    if not refused:
        gate.check(tables, accepted)
        return
    with pytest.raises(InputError, match=r"s, table comments: .* rows") as error:
        gate.check(tables, accepted)
    assert "--accept-unreadable" in str(error.value)


def test_the_commonest_reasons_are_named_with_counts_and_the_first_example() -> None:
    reasons = ["the attribute Text is missing or empty"] * 3 + [BAD_DATE.format(i) for i in range(40)]
    reasons += ["not well-formed: a", "the entity reference &foo; isn't one of XML's own", "the row is no row"]
    with pytest.raises(InputError) as error:
        gate.check({"a/posts": tally(5, []), "b.org/comments": tally(9, reasons)}, 0.01)
    lines = str(error.value).splitlines()
    assert lines[1] == "  b.org, table comments: 46 of 55 rows (83.6%)"
    assert lines[2] == f"    40: first in Posts.xml at byte 103: {BAD_DATE.format(0)}"
    assert lines[3] == "    3: first in Posts.xml at byte 100: the attribute Text is missing or empty"
    assert lines[5] == "    2: other reasons"


def test_a_corpus_needs_a_post_but_not_each_of_its_sites_does() -> None:
    gate.check({"a/posts": tally(1, []), "b/posts": tally(0, []), "c/comments": tally(5, [])}, 0.01)
    for tables in ({"b/posts": tally(0, [])}, {"b/posts": tally(0, ["the attribute Id is missing or empty"])}):
        with pytest.raises(InputError, match="no post of the sources could be read"):
            gate.check(tables, 0.5)
        gate.check(tables, 1.0)


def test_parts_of_a_table_are_added_up() -> None:
    part = {"read": 2, "quarantined": 1, "absent": {"body": 1}, "reasons": [["k", 1, "f", 7, "k"]], "repairs": []}
    later = {**part, "reasons": [["k", 5, "f", 900, "k"]], "quarantined": 5}
    (place, counted), *_ = gate.tallies([{"s/posts": part}, {"s/posts": later}]).items()
    assert (place, counted.read, counted.unreadable, counted.absent) == ("s/posts", 4, 6, {"body": 2})
    assert counted.reasons["k"] == gate.Reason("k", 6, "f", 7, "k")


def damaged(read: int, rows: int, kind: str) -> gate.Tally:
    counted = gate.Tally(read)
    counted.add_repairs({"reason": kind, "file": "Posts.xml", "offset": 100 + i} for i in range(rows))
    return counted


@pytest.mark.parametrize(
    ("rows", "accepted", "refused"),
    [(20, 0.01, False), (21, 0.01, True), (21, 0.3, False), (1, 0.0, True), (99, 1.0, False)],
)
def test_a_table_in_another_encoding_is_refused(rows: int, accepted: float, refused: bool) -> None:
    tables = {"s/posts": damaged(100, rows, NOT_UTF8), "s/comments": damaged(100, 90, FORBIDDEN)}
    if not refused:
        gate.check(tables, accepted)
        return
    with pytest.raises(InputError, match=r"iconv.*--accept-unreadable") as error:
        gate.check(tables, accepted)
    assert f"s, table posts: {rows} of 100 rows had bytes that are not UTF-8" in str(error.value)
    assert "first in Posts.xml at byte 100" in str(error.value) and "comments" not in str(error.value)


def test_very_many_reasons_are_counted_in_bounded_memory() -> None:
    counted = tally(0, [f"not well-formed: {chr(0x4E00 + i)}" for i in range(5000)])
    assert len(counted.reasons) < 100
    assert sum(reason.rows for reason in counted.reasons.values()) == 5000
