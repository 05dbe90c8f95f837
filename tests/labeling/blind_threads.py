"""The hand-written threads as buckets, as labelling functions see them, and what the functions make of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from socorpus.labeling.functions import Threads
from tests.labeling.blind_cases import BlindCase
from tests.labeling.bucket import answer, comment, event, every, question, threads

TASK = "obsolescence"
Remark = tuple[str, int]


def remarked(*remarks: str | Remark, body: str = "<p>It is done so.</p>", after: float = 10, **changes: Any) -> Threads:
    """An answer, number 2, with comments a day apart, each of another user unless it says of which."""
    said = [(one, 20 + n) if isinstance(one, str) else one for n, one in enumerate(remarks)]
    comments = [comment(n, 2, text, after + n, user) for n, (text, user) in enumerate(said, start=1)]
    return threads([question(), answer(2, body=body)], comments, **changes)


def bucket_of(case: BlindCase) -> Threads:
    """A thread; its answer is number 2, and all that it has is in the history too."""

    def at(date: str) -> dict[str, datetime]:
        return {"creation_date": datetime.fromisoformat(date).replace(tzinfo=UTC)}

    asked = {"title": case.question.title, "body": case.question.body_html, "tags": list(case.question.tags)}
    posts = [question(1, **asked, **at(case.question.date))]
    posts.append(answer(2, body=case.body_html, score=case.answer.score, **at(case.answer.date)))
    for number, one in enumerate(case.other_answers):
        more = {"body": one.body_html, "score": one.score, "owner_user_id": 20 + number}
        posts.append(answer(3 + number, **more, **at(one.date)))
    users = {"asker": 1, "author": 2, "other1": 5, "other2": 6}
    comments = [
        {**comment(number, 2, one.text, user=users[one.by]), "score": one.score, **at(one.date)}
        for number, one in enumerate(case.comments, start=1)
    ]
    history = [event(1, 2, 2, 0, case.answer.body_html, user_id=2, **at(case.answer.date))]
    for number, edit in enumerate(case.edits, start=2):
        history.append(event(number, 2, 5, 0, edit.body_html, user_id=2, **at(edit.date)))
    return threads(posts, comments, history)


def called_obsolete(bucket: Threads) -> bool:
    """Whether at least as many functions call answer 2 obsolete as current."""
    said = [vote.label for vote in every(TASK, bucket) if vote.post_id == 2]
    return said.count("obsolete") > 0 and said.count("obsolete") >= said.count("current")


def precision_recall(pairs: Sequence[tuple[bool, bool]]) -> tuple[float, float]:
    """Of pairs of what is so and what is called so."""
    right = sum(true and called for true, called in pairs)
    return right / max(sum(called for _, called in pairs), 1), right / max(sum(true for true, _ in pairs), 1)
