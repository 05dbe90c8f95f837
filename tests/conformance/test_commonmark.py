"""The examples of CommonMark's specification: Markdown of a revision -> HTML -> text and spans.

Comments have no suite: their Markdown is the publisher's own small one, in which `<`, images, headings and emphasis
within words are text.
"""

import re
from pathlib import Path

from socorpus.corpus.documents import html
from socorpus.labeling.history import markdown_html
from tests.conformance.conftest import Tally

_EXAMPLE = re.compile(r"^`{32} example[^\n]*\n(.*?)^\.\n(.*?)^`{32}$", re.DOTALL | re.MULTILINE)


def test_text_and_spans_are_those_of_the_specification(suites: Path, tally: Tally) -> None:
    specification = (suites / "commonmark-spec.txt").read_text("utf-8")
    right, wrong = 0, []
    for markdown, expected in _EXAMPLE.findall(specification.replace("→", "\t")):
        read = html.html(markdown_html.html(markdown, markdown_html.COMMONMARK))
        if read == html.html(expected):
            right += 1
        else:
            wrong.append((markdown, read, expected))
    tally("CommonMark, text and spans", right, right + len(wrong))
    assert not wrong
