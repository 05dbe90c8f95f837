"""Words: the rules of UAX #29, code, scripts without spaces; the compiled cutter against the one in Python."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socorpus.corpus.words import kernel, tables, words

RULES = {
    "WB3": "\r\n|\n|\r",
    "WB3a, WB3b": "a|\r|a|\n|\u0301|\u2028",
    "WB3c": "\U0001f469\u200d\U0001f467|\U0001f469|\u2615",
    "WB3d": "a|  \u3000 |\t|b| \u0301| ",
    "WB4": "e\u0301\u00ad\u0301a\u200db|,\u0301|,",
    "WB5": "Stra\u00dfe|,|\u0928\u092e\u0938\u094d\u0924\u0947",
    "WB6, WB7": "can't|.| |l\u2019\u00e9t\u00e9| |e.g|.| |a:b|:|:|c| |x|'\u0301| |a.\u0301b",
    "WB7a": "\u05d0'| |a|'",
    "WB7b, WB7c": '\u05d0"\u05d1|"',
    "WB8, WB9, WB10": "10px| |x1y2| |2nd",
    "WB11, WB12": "3.14| |1,000.5| |1'2| |1|.|x| |1|,|,|2| |v1.2.3",
    "WB13": "\u30ab\u30bf\u30ab\u30ca|\u3072|\u3089",
    "WB13a, WB13b": "foo_bar| |__init__| |_\u30ab_1| |1_000",
    "WB15, WB16": "\U0001f1e9\U0001f1ea|\U0001f1eb\U0001f1f7|\U0001f1e9",
    "WB999": "C|+|+| |C|#| |.|NET| |-|p| |<|=|>| |a|/|b|?",
    "Thai": "ก|ำ|ติ| |中|文",
}
"""Texts of which segments are parted by bars."""


@pytest.mark.parametrize("rule", RULES)
def test_boundaries_are_those_of_the_rules(rule: str) -> None:
    segments = RULES[rule].split("|")
    text = "".join(segments)
    assert [text[start:end] for start, end, _ in kernel.boundaries(text)] == segments


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C, C++, C# and .NET", ["C", "C", "C", "and", "NET"]),
        ("foo_bar(os.path.join) + 3.14", ["foo_bar", "os.path.join", "3.14"]),
        ("It doesn't, does it? It doesn\u2019t.", ["It", "doesn't", "does", "it", "It", "doesn\u2019t"]),
        ("std::vector<int> a[10]", ["std", "vector", "int", "a", "10"]),
        ("-10px __init__ _ $x x\u00b2", ["10px", "__init__", "x", "x", "\u00b2"]),
        ("... !? ___ \U0001f600", []),
        ("中文 Pythonです", ["中", "文", "Python", "で", "す"]),
    ],
)
def test_words_of_prose_and_code(text: str, found: list[str]) -> None:
    assert words.words(text) == found
    assert [text[start:end] for start, end in words.spans(text)] == found
    assert [text[start:end] for start, end, kind in kernel.boundaries(text) if kind >= kernel.WORD] == found


def test_tokens_keep_signs() -> None:
    assert words.tokens("if (a === -b) C++;") == ["if", "(", "a", "=", "=", "=", "-", "b", ")", "C", "+", "+", ";"]
    assert words.tokens(" \n\t\u200b") == []


def test_pieces_cut_within_words() -> None:
    text = "can't os.path 3.14 foo_bar2 中文 हिन्दी カタ"
    pieces = [text[start:end] for start, end in words.pieces(text)]
    assert pieces[:9] == ["can", "'", "t", "os", ".", "path", "3", ".", "14"]
    assert pieces[9:] == ["foo_bar2", "中", "文", "हिन्दी", "カタ"]


SAME = {
    "en": "Please save the file with one encoding and then compile the whole project again.",
    "ja": "ファイルを同じ文字コードで保存してから、プロジェクト全体を再コンパイルしてください。",
    "zh": "请把文件保存为统一编码，然后重新编译整个项目。",
    "ko": "파일을 하나의 인코딩으로 저장한 다음 전체 프로젝트를 다시 컴파일하세요.",
    "th": "กรุณาบันทึกไฟล์ด้วยรหัสเดียวแล้วคอมไพล์โปรเจกต์ใหม่",
    "hi": "कृपया फ़ाइल को एक एन्कोडिंग में सहेजें और परियोजना को फिर से कंपाइल करें।",
}
"""One sentence in several languages."""


@pytest.mark.parametrize("language", SAME)
def test_a_count_means_the_same_in_any_script(language: str) -> None:
    english = words.count(SAME["en"])
    assert english == 14
    assert 0.6 * english <= words.count(SAME[language]) <= 1.6 * english
    assert kernel.counts(pa.array([SAME[language]]), np.array([1000])).tolist() == [words.count(SAME[language])]


def test_runs_of_letters_are_counted_by_twos_and_threes() -> None:
    for text, expected in (
        ("中", 1),
        ("中文", 1),
        ("中文字", 2),
        ("中ひ", 2),
        ("中 文", 2),
        ("中-文", 2),
        ("กขค", 1),
        ("กขคง", 2),
    ):
        assert words.count(text) == expected, text


# What a cutter gets wrong first. No joiner: the pictures that it joins are no words.
HARD = "aA_0.\n ,'\":+-\u00e9\u0130Σ\u0301\u00b2٣中ひカー한กำ\u00a0\u200bא’\U0001f1e9x1"


@settings(deadline=None, max_examples=300)
@given(st.text(HARD, max_size=30) | st.text(max_size=30) | st.text("aA_0 .,:;'\"-\n+", max_size=20), st.integers(0, 40))
def test_both_cutters_agree(text: str, end: int) -> None:
    text = "".join(sign for sign in text if sign not in "\u200d\ufeff" and unicodedata.category(sign) != "Cs")
    cut = [(start, stop) for start, stop, kind in kernel.boundaries(text) if kind >= kernel.WORD]
    assert words.spans(text) == cut
    kept = [text[start:stop] for start, stop, kind in kernel.boundaries(text) if kind != kernel.BLANK]
    assert words.tokens(text) == kept
    assert kernel.counts(pa.array([text]), np.array([end])).tolist() == [words.count(text[:end])]


def test_the_tables_name_their_source() -> None:
    assert tables.data()["unicode"] in tables.data()["source"]
    fold = tables.folding()
    for capital, small in zip("AZ\u00c9\u03a3\u0416\u2019\U00010400", "az\u00e9\u03c3\u0436'\U00010428", strict=True):
        assert fold[ord(capital)] == ord(small)
    assert fold[ord("a")] == ord("a") and fold[0x10FFFF] == 0x10FFFF
