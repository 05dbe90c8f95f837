"""Numbers stand with the right form of their noun."""

from socorpus.cli import view
from socorpus.corpus.dump import gate


def test_one_is_singular() -> None:
    assert view.counted(1, "row", "rows") == "1 row" and view.counted(2000, "row", "rows") == "2,000 rows"
    assert gate.lines("d.com/posts", gate.Tally(0, 1))[0] == "  d.com, table posts: 1 of 1 row (100.0%)"
    assert gate.lines("d.com/posts", gate.Tally(1, 1))[0] == "  d.com, table posts: 1 of 2 rows (50.0%)"
