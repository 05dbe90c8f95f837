from collections import defaultdict

import pytest

from socorpus.labeling.tasks.entities import learned, tagger
from socorpus.labeling.tasks.entities.post import EntityPost, joined


def spans(text: str) -> list[tuple[int, int, int, float]]:
    post = EntityPost(1, text, (), (), ())
    tagged = learned.shipped().tagger.spans(tagger.prepare(joined([post]), [[]]), 0.05)
    return [(*span, likely) for span, likely in zip(tagged.spans.tolist(), tagged.likely.tolist(), strict=True)]


@pytest.mark.parametrize("piece", ["$x ", "<div> div ", "C++ Python ", "/a/b "])
def test_the_middle_of_a_long_line_has_the_probabilities_of_a_shorter_one(piece: str) -> None:
    likely = []
    for times in (60, 6000):
        middle = len(piece) * (times // 2)
        within = [row for row in spans(piece * times) if middle <= row[0] and row[1] <= middle + 4 * len(piece)]
        likely.append({(start - middle, end - middle, kind): value for start, end, kind, value in within})
    assert likely[1] == pytest.approx(likely[0], abs=1e-3)


def test_no_token_of_a_long_line_is_likelier_than_certain() -> None:
    covered: dict[int, float] = defaultdict(float)
    for start, end, _, probability in spans("$x C++ <div> div " * 3000):
        for place in range(start, end):
            covered[place] += probability
    assert covered and max(covered.values()) <= 1.001
