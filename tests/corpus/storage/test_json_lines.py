"""JSON Lines: as many lines as rows, whatever is in a row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.corpus.storage import json_lines

_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@given(st.lists(st.dictionaries(st.text("k" + _ENDS), st.text(st.sampled_from('aé\\"u2028' + _ENDS)))))
def test_a_value_is_one_line_and_comes_back(rows: list[dict[str, str]]) -> None:
    text = "".join(map(json_lines.line, rows))
    assert [json.loads(line) for line in text.splitlines()] == rows
    assert text.count("\n") == len(rows)


@pytest.mark.parametrize("value", ["é日本", {"a": [1, None, 0.5, True]}, "\x7f"])
def test_other_values_are_written_as_json_does(value: object) -> None:
    assert json_lines.line(value) == json.dumps(value, ensure_ascii=False) + "\n"
