"""The form of a question: how it is written, without regard to its subject.

All features are computed from the text that a reader sees and from its segments, which are the same whether a body came
as HTML or as Markdown; addresses of links, emphasis and lists, which the text no longer shows, are no features. Counts
enter as log(1 + n). The cues are English.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from socorpus.corpus.arrays import Float64
from socorpus.corpus.documents.spans import Segment


@dataclass(frozen=True)
class QuestionText:
    """What the score sees of a question: title, own text, and its segments."""

    title: str
    text: str
    segments: Sequence[Segment]

    def of(self, *kinds: str) -> list[str]:
        """Texts of the segments of some kinds."""
        return [self.text[start:end] for kind, start, end, _ in self.segments if kind in kinds]

    @property
    def prose(self) -> str:
        """Prose, on one line."""
        return " ".join(" ".join(self.of("prose")).split())

    @property
    def whole(self) -> str:
        """Title and text."""
        return f"{self.title}\n{self.text}"


_WORD = re.compile(r"[A-Za-z][A-Za-z']*")
_PER_TEXT = {
    "politeness": re.compile(
        r"\b(?:please|plz|pls|thanks?|thx|help|appreciated?|sorry|hi|hello|hey|guys|newbie|noob|beginner|new to|urgent"
        r"|asap|kindly|in advance|regards|cheers)\b",
        re.I,
    ),
    "small i": re.compile(r"(?<![\w'.])i(?:'m|'ve|'d|'ll|m|ve)?(?![\w'.)])"),
    "chat spelling": re.compile(
        r"\b(?:u|ur|r|dont|doesnt|cant|wont|didnt|isnt|im|ive|wanna|gonna|coz|cuz|bcoz|thats|whats|wat|smth|abt|ppl|bcz"
        r"|alot|aswell|everytime)\b",
        re.I,
    ),
    "no space after a mark": re.compile(r"[a-z]{2}[,.;?!][A-Za-z]{2}"),
    "space before a mark": re.compile(r" [,.;?!](?= |$)"),
    "repeated marks": re.compile(r"[!?.]{2,}"),
    "question marks": re.compile(r"\?"),
    "exclamation marks": re.compile("!"),
    "versions": re.compile(r"\b\d+\.\d+"),
    "brackets": re.compile(r"\("),
    "capitals": re.compile(r"\b[A-Z]{3,}\b"),
    "inner capitals": re.compile(r"[a-z][A-Z]"),
}
"""Name of a count -> its pattern; matched in prose. Every pattern is linear in the text."""
_PER_WORD = {
    "trouble": re.compile(
        r"\b(?:errors?|exceptions?|warnings?|fail\w*|traceback|undefined|null|cannot|crash\w*)\b", re.I
    ),
    "I": re.compile(r"\b(?:i|my|me|mine|i'm|i've|im)\b", re.I),
    "you": re.compile(r"\byour?\b", re.I),
    "research": re.compile(
        r"\b(?:expect\w*|instead|however|but|although|tried|according to|documentation|docs|seems?|possible|recommended"
        r"|proper|correct|idiomatic|equivalent|purpose|recently|upgrad\w+|since|version|following|example|minimal"
        r"|reproduce)\b",
        re.I,
    ),
    "exercise": re.compile(
        r"\b(?:program|assignment|homework|exercise|teacher|professor|class|school|output|input|user|print|loop|array"
        r"|string|numbers?|code)\b",
        re.I,
    ),
    "commas": re.compile(","),
    "full stops": re.compile(r"\."),
    "colons": re.compile(":"),
    "apostrophes": re.compile("'"),
    "quotation marks": re.compile('"'),
}
"""Name of a share -> its pattern; matches per word of prose."""
_FIRST = ("how", "what", "why", "is", "can", "when", "where", "which", "does", "should", "do", "are", "best")
_SMALL_START = re.compile(r"(?:^|[.!?] )[a-z]")
_LARGE_START = re.compile(r"(?:^|[.!?] )[A-Z]")
_SENTENCE_END = re.compile(r"[.!?](?: |$)")
_CODE_IN_TITLE = re.compile(r"[A-Za-z][._(:][A-Za-z_)]|[a-z][A-Z]|[`\"]|'[^' ]+'")


def features(question: QuestionText) -> dict[str, float]:
    """Name -> value, the same names for every question. Time is linear in the text."""
    title, prose = question.title, question.prose
    code, inline = question.of("code"), question.of("inline_code")
    words, title_words = _WORD.findall(prose), [word.lower() for word in _WORD.findall(title)]
    lines = "\n".join(code).split("\n") if code else []
    sentences, count = len(_SENTENCE_END.findall(prose)) + 1, len(words) + 1
    in_code = sum(map(len, code))
    counts = {
        "characters": len(question.text),
        "characters of prose": len(prose),
        "characters of code": in_code,
        "code blocks": len(code),
        "inline code": len(inline),
        "lines of code": len(lines),
        "longest line of code": max(map(len, lines), default=0),
        "comments in code": sum("//" in line or "#" in line or "/*" in line for line in lines),
        "quotes": len(question.of("quote")),
        "paragraphs": question.text.count("\n\n"),
        "characters of the title": len(title),
        "words of the title": len(title_words),
        "words per sentence": count / sentences,
    }
    counts |= {name: len(pattern.findall(prose)) for name, pattern in _PER_TEXT.items()}
    values = {name: float(np.log1p(value)) for name, value in counts.items()}
    values |= {f"{name} per word": len(pattern.findall(prose)) / count for name, pattern in _PER_WORD.items()}
    values |= {f"title begins with {word}": float(title_words[:1] == [word]) for word in _FIRST}
    values |= {
        "share of code": in_code / (len(question.text) + 1),
        "no code block": float(not code),
        "some inline code": float(bool(inline)),
        "indented lines of code": sum(line[:1] in (" ", "\t") for line in lines) / (len(lines) or 1),
        "empty lines of code": sum(not line.strip() for line in lines) / (len(lines) or 1),
        "small letters begin sentences": len(_SMALL_START.findall(prose)) / sentences,
        "capitals begin sentences": len(_LARGE_START.findall(prose)) / sentences,
        "word length": sum(map(len, words)) / count,
        "long words": sum(len(word) > 8 for word in words) / count,
        "different words": len({word.lower() for word in words}) / count**0.7,
        "ends with a question": float(prose.endswith("?")),
        "title begins with how to": float(title_words[:2] == ["how", "to"]),
        "title begins with a capital": float(title[:1].isupper()),
        "title ends with a question mark": float(title.rstrip().endswith("?")),
        "title in small letters": float(title == title.lower()),
        "capitals of the title": sum(letter.isupper() for letter in title) / (len(title) + 1),
        "marks of the title": sum(not letter.isalnum() and letter != " " for letter in title) / (len(title) + 1),
        "code in the title": float(_CODE_IN_TITLE.search(title) is not None),
        "digits in the title": float(any(letter.isdecimal() for letter in title)),
        "trouble in the title": float(_PER_WORD["trouble"].search(title) is not None),
        "politeness in the title": float(_PER_TEXT["politeness"].search(title) is not None),
        "words of the title in the prose": len({*title_words} & {word.lower() for word in words})
        / (len(title_words) + 1),
    }
    return values


def matrix(questions: Sequence[QuestionText]) -> Float64:
    """float64[n, features]."""
    return np.array([list(features(question).values()) for question in questions], np.float64)


NAMES = tuple(features(QuestionText("", "", ())))
"""Names of the features, in the order of the matrix."""
