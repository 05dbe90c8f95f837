"""The scans of capitalised terms find what expressions find, in each text of several."""

import re

from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling.tasks.entities.scan import terms
from socorpus.labeling.tasks.entities.scan.name_words import wanted

PIECES = (
    *(
        "Frob",
        "Zork Lite",
        "Node.js",
        "C++",
        "A",
        "The",
        "the",
        "É",
        "_A",
        " ",
        " ",
        " ",
        " ",
        "\n",
        ".",
        "@",
        "/",
        "-",
    ),
    *(
        " is a ",
        " are the ",
        " was one of the ",
        ", a ",
        ", another ",
        ", ",
        "wallet",
        " app",
        " framework",
        " browser",
    ),
    *(" called ", "(like ", " such as ", " including ", " e.g. ", " e.g., ", " named ", "frob", "frob-x", "+", ")"),
)
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=20), max_size=4)
NAME = r"[A-Z][\w+#-]*(?:\.[A-Za-z]\w*)?"
SAYING = {
    terms.IS: re.compile(
        rf"(?<![\w.@/-]){NAME}(?: [A-Z][\w+#-]*)?(?: (?:is|are|was) (?:an?|the|one)\b|, (?:an?|one|another)\b)"
    ),
    terms.HEADED: re.compile(r"\b[Tt]he [A-Z][\w+#-]*(?: [A-Z][\w+#-]*)? (?:app|framework|wallet|browser|programming)"),
    terms.NAMING: re.compile(
        r"(?:(?<=called )|(?<=named )|(?<=such as )|(?<=like )|(?<=including )|(?<=e\.g\. )|(?<=e\.g\., ))[A-Z]"
    ),
}


@given(TEXTS)
def test_no_place_is_missed_at_which_a_sentence_may_say_what_a_term_is(texts: list[str]) -> None:
    places = {(number, start, kind) for number, start, _, kind in terms.said(texts)}
    for number, text in enumerate(texts):
        for kind, pattern in SAYING.items():
            assert {(number, match.start(), kind) for match in pattern.finditer(text)} <= places


@given(TEXTS)
def test_terms_of_one_and_two_words_are_found_text_by_text(texts: list[str]) -> None:
    names, small = {"Frob", "Zork", "Zork Lite", "Node.js", "C++", "Frob Zork"}, {"frob", "frob-x"}
    places = [
        (number, texts[number][start:end], kind)
        for number, start, end, kind in terms.occurring(texts, wanted(names), wanted(small))
    ]
    expected_of_all = []
    for number, text in enumerate(texts):
        expected = []
        matches = list(re.finditer(rf"(?<![\w.@/-]){NAME}", text))
        for match, before in zip(matches, [None, *matches], strict=False):
            spans = [(match.start(), match)]
            if before is not None and text[before.end() : match.start()] == " ":
                spans.append((before.start(), before))
            for start, first in spans:
                ahead = text[max(0, first.start() - 2) : first.start()]
                within = len(ahead) == 2 and ahead[1] == " " and (ahead[0].isalnum() or ahead[0] in ",)")
                expected.append((number, text[start : match.end()], terms.WITHIN if within else terms.TERM))
        expected = [place for place in expected if place[1] in names]
        expected_of_all += [*expected, *((number, word, terms.SMALL) for word in text.split() if word in small)]
    assert sorted(places) == sorted(expected_of_all)
