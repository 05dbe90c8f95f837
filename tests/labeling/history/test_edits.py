"""Changes that edits made to a text."""

from typing import Any

import pytest

from socorpus.labeling.history import edits, revisions
from tests.labeling.bucket import event, question, threads

FIRST = "i have a table in my data base with many row and i want to now how can i count the row that are not null"
OWNER = {"owner_user_id": 1, "owner_display_name": None}


def standing(*bodies: str | tuple[str, int]) -> list[edits.Edit]:
    rows: list[Any] = []
    for number, body in enumerate(bodies):
        text, user = body if isinstance(body, tuple) else (body, 9)
        rows.append(event(number + 1, 1, 5 if number else 2, number, text, user_id=user))
    return edits.standing(revisions.replay(threads([question()], history=rows).history).get(1, []))


def test_a_typo_is_no_rescue_and_a_rewritten_text_is_one() -> None:
    typo = edits.total(standing(FIRST, FIRST.replace("data base", "database")))
    assert (typo.edits, typo.words, typo.rescue) == (1, 3, False)
    rewritten = edits.total(standing(FIRST, "How do I count the rows of a table in which a column is not null?"))
    assert rewritten.rescue and rewritten.share > 0.3


@pytest.mark.parametrize(
    "after",
    [
        FIRST.upper(),
        "\n\n".join([FIRST[:40], FIRST[40:]]).replace("\n\n", " "),
        f"{FIRST} [1]: http://example.com/a-page",
        FIRST + "  ",
    ],
)
def test_case_space_and_links_are_no_change_of_words(after: str) -> None:
    assert edits.total(standing(FIRST, after)).words <= 1


def test_code_that_is_laid_out_rescues_a_text() -> None:
    code = ["for row in rows:", "count += 1", "if count > 9:", "break"]
    plain = FIRST + "\n" + "\n".join(code)
    for laid in ("\n\n" + "\n".join(f"    {line}" for line in code), "\n```\n" + "\n".join(code) + "\n```\n"):
        changes = edits.total(standing(plain, FIRST + laid))
        assert changes.code == 4 and changes.rescue and changes.words == 0


def test_edits_that_were_taken_back_do_not_stand() -> None:
    assert standing("one", "two", "one") == []
    assert [edit.history_id for edit in standing("one", "two", "three", "two", "four")] == [2, 5]
    assert standing("one", "one  ") == []


def test_scripts_without_spaces_are_compared_sign_by_sign() -> None:
    before = "私は昨日このプログラムを書きましたが動きませんでした理由がわかりません"
    changes = edits.total(standing(before, before.replace("昨日", "今日")))
    assert changes.words == 2 and not changes.rescue


def test_others_are_neither_the_owner_nor_the_system() -> None:
    some = standing("one", ("two", 1), ("three", -1), ("four", 9))
    assert [edit.user for edit in edits.by_others(some, OWNER)] == [9]
    gone = [event(1, 1, 2, 0, "one"), event(2, 1, 5, 1, "two", user_id=None, user_display_name="old")]
    some = edits.standing(revisions.replay(threads([question()], history=gone).history)[1])
    assert edits.by_others(some, OWNER) == some
    assert edits.by_others(some, {"owner_user_id": None, "owner_display_name": "old"}) == []
