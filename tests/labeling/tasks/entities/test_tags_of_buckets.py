"""Facts of a site's tags are the same for any number of its buckets, in which a tag's two texts may lie apart."""

import itertools
from typing import Any

from socorpus.labeling.tasks.entities import tags

EXCERPT, WIKI = "Beep is a library for sounds.", "Beep is an operating system of the seventies."


def part(excerpt: str | None, wiki: str | None) -> dict[str, Any]:
    return {
        "site": "a.example.com",
        "tags": {"beep": [3, excerpt, wiki], "python": [9, None, wiki and "A snake that is kept in a terrarium."]},
        "counts": {"posts": 1, "code": 1},
        "names": {},
    }


def test_the_excerpt_has_the_last_word_in_whichever_bucket_it_lies() -> None:
    whole = tags.merge([part(EXCERPT, WIKI), part(None, None), part(None, None)])
    assert whole["tags"]["a.example.com"] == {"beep": "Library"}
    assert whole["sites"]["a.example.com"]["disputed"] == ["python"]
    for parts in itertools.permutations([part(EXCERPT, None), part(None, WIKI), part(None, None)]):
        assert tags.merge(parts) == whole
    # Without a type in the excerpt the wiki's counts.
    assert tags.merge([part("Questions on beeps.", WIKI)])["tags"]["a.example.com"] == {"beep": "Operating_System"}
