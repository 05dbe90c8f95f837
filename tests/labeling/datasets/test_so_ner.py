"""The reader of the NER corpus: on the real files, and each trap by itself."""

from collections import Counter
from pathlib import Path

import pytest

from socorpus.corpus.errors import InputError
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.tasks.entities.spans import Span

HEAD = "Question_ID\tO\tQuestion_ID\tO\n:\tO\t:\tO\n7\tO\t7\tO\n\t\n"


def read(tmp_path: Path, *lines: str, head: str = HEAD) -> list[so_ner.Document]:
    """Read lines of token, label and, after another space, the markup's label; an empty one ends a sentence."""
    path = tmp_path / "train.txt"
    rows = []
    for line in lines:
        token, label, mark = [*line.split(" "), "O", "O"][:3]
        rows.append(f"{token}\t{label}\t{token}\t{mark}" if line else "\t")
    path.write_text(head + "\n".join(rows) + "\n", "utf-8")
    return so_ner.read(path)


def test_the_real_files(real_data: Path) -> None:
    train, dev = (so_ner.read(real_data / "benchmarks" / "ner" / f"{name}.txt") for name in ("train", "dev"))
    assert len({one.question for one in train}) == 741
    assert len({one.question for one in dev}) == 247
    assert not {one.question for one in train} & {one.question for one in dev}
    for document in train + dev:
        assert not any(
            text in document.text
            for text in ("Question_ID", "Question_URL", "Answer_to_Question_ID", "omitted for annotation")
        )
        assert "".join(document.text.split()) == "".join(
            "".join(document.text[start:end].split()) for start, end in document.tokens
        )
    types = Counter(span.label for one in train for span in one.spans)
    assert len(types) == 24  # the 20, and Error_Name, Keyboard_IP, Output_Block, Licence
    assert not set(types) & set(so_ner.MERGED)
    # In the file: 1123 B-Library_Class, 229 B-Class_Name, and two I- of these that continue nothing.
    assert types["Class"] == 1354
    assert sum(len(one.code) for one in train) > 2000


def test_a_question_and_its_answers_are_documents(tmp_path: Path) -> None:
    answer = ["Answer_to_Question_ID", ":", "7", "", "Question_URL", ":", "https://x.org/7/", "", ""]
    found = read(tmp_path, "Why", "?", "", "Help", "", *answer, "So", ".", "", *answer, "", *answer, "No")
    # The second answer has no text, so there is no such document.
    assert [(one.name, one.text) for one in found] == [("7/0", "Why ?\nHelp"), ("7/1", "So ."), ("7/3", "No")]
    assert found[0].tokens == ((0, 3), (4, 5), (6, 10))
    assert found[0].sentences == ((0, 2), (2, 3))
    assert {one.question for one in found} == {7}


def test_omitted_blocks_go_in_mid_sentence_too(tmp_path: Path) -> None:
    words = (":", "(", "code", "omitted", "for", "annotation", ")")
    omitted = ["CODE_BLOCK B-Code_Block", *(f"{word} I-Code_Block" for word in words)]
    output = ["OP_BLOCK B-Output_Block", *(f"{word} I-Output_Block" for word in words)]
    (found,) = read(tmp_path, "I", "put", *omitted, "there", "", *output, "", "CODE_BLOCK", "is", "a", "word")
    assert found.text == "I put there\nCODE_BLOCK is a word"
    assert found.spans == ()


def test_labels_are_merged_before_spans_are_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "A B-Class_Name", "B I-Library_Class", "C B-Library_Class", "", "W B-Organization")
    assert found.spans == (Span(0, 3, "Class"), Span(4, 5, "Class"), Span(6, 7, "Website"))


def test_an_i_without_b_begins_a_span(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "a", "b I-Value", "c I-Value", "d I-Version", "", "e I-Version")
    assert found.spans == (Span(2, 5, "Value"), Span(6, 7, "Version"), Span(8, 9, "Version"))


def test_five_dashes_within_a_token_are_a_space(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "a-----b B-Value", "-----", "------c", "x")
    assert found.text == "a b ----- ------c x"
    assert found.spans == (Span(0, 3, "Value"),)
    assert found.tokens[1] == (4, 9)


def test_the_markup_column_is_inline_code(tmp_path: Path) -> None:
    marks = ["Use O O", "a O B-Code_Block", "= O I-Code_Block", "b O B-Code_Block", "Enter O B-Keyboard_IP"]
    (found,) = read(tmp_path, *marks)
    assert found.code == ((4, 7), (8, 9))
    kinds = [(one["kind"], found.text[one["start"] : one["end"]]) for one in found.segments]
    assert kinds == [
        ("prose", "Use "),
        ("inline_code", "a ="),
        ("prose", " "),
        ("inline_code", "b"),
        ("prose", " Enter"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "a\tO\ta\n", "line 5: 3 columns"),
        (HEAD + "a\tX\ta\tO\n", "line 5: 'X' is no BIO label"),
        (HEAD.replace("7", "seven"), "line 1: Question_ID : 'seven'"),
        ("a\tO\ta\tO\n", "line 1: text before the first Question_ID"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "train.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        so_ner.read(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        so_ner.read(tmp_path / "none.txt")


LINK = "https://github.com/a/b/issues/4"


def _issue(link: str, *lines: str) -> list[str]:
    heads = ("Repository_Name", ":", "a/b", "", "Repository_Link", ":", "https://github.com/a/b", "")
    return ["Issue_Event_Link", ":", link, "", *heads, *lines, ""]


def test_issues_of_the_github_half_are_documents(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        *_issue(f"{LINK}#event-1", "Crash B-Error_Name", "!"),
        *_issue(f"{LINK}#event-2", "MIT B-Licence", "and", "MNIST B-Data_Set_Name"),
        *_issue("https://github.com/a/b/issues/5", "foo() B-Function_Name"),
        *_issue(LINK, "So", "", "it", "is"),
        head="",
    )
    assert [one.text for one in found] == ["Crash !", "MIT and MNIST", "foo()", "So\nit is"]
    first, other = found[0].question, found[2].question
    assert [one.question for one in found] == [first, first, other, first] and first != other
    assert [one.name for one in found] == [f"{first}/0", f"{first}/1", f"{other}/0", f"{first}/2"]
    assert [[span.label for span in one.spans] for one in found] == [
        ["Error_Name"],
        ["Licence", "Data_Set_Name"],
        ["Function"],
        [],
    ]
    # In another file, beside questions, an issue has the same number.
    again = read(tmp_path, "Why", "", *_issue(LINK, "So"))
    assert [one.question for one in again] == [7, first]
