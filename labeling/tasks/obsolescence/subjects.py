"""The subject of a statement: whether what is called out of date is the answer's own.

An answer owns the identifiers of its code, the names that it writes with a capital, a digit or a sign, the versions
behind them, and its question's tags. "`mcrypt` is deprecated" is about an answer that calls `mcrypt`; "I don't
participate much anymore" and "the time gap has closed" are about no answer's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_IDENTIFIER = re.compile(r"[A-Za-z_$@#-]?[A-Za-z_]\w{0,80}(?:(?:[.:/-]|::|->)[A-Za-z_]\w{0,80}){0,12}")
_PART = re.compile(r"[.:/>-]+")
_WORD = re.compile(r"[A-Za-z][\w+#]{0,80}(?:[.'/-]\w{1,80}){0,8}[+#]{0,2}|\d{1,4}(?:\.\d{1,4}){1,4}")
_CAPITALS = re.compile(r"\b[A-Z]\w{1,40}(?: (?:[A-Z]\w{1,40})){1,5}\b")
_PLAIN = re.compile(r"[a-z]+")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a about above access action add after again all also an and another any api app application args array "
        "as at auto back base be before begin below big block body bool boot bottom box break build but button by "
        "byte call can case cat catch char check class clear click client close code color column command comment "
        "config connect const content context copy count create current data database date day debug def default "
        "delete desc dir display do document does done down download each edit element else email empty enable "
        "end entry enum env error event every example exec exit export extends false field file files filter "
        "final find first fixed float folder for form format found from full function get global go good got "
        "group had handle has have head header height hello help her here hidden hide high his home host how html "
        "http https i id if image import in index info init inline input insert install int into is it item its "
        "job join json just key keys kill know label language last left length let level lib line link list load "
        "local log long loop made main make map mark match max me menu message method min mode model module more "
        "most move my name new next no node none not note now null number object of off old on one only open "
        "option options or order org other our out output over own package page param parent part pass password "
        "path people place plugin point port position post print private process project property public put "
        "query question read real record ref remove rename replace report request require res reset response rest "
        "result return right root row run same save script search section see select self send server service set "
        "setting settings setup show simple site size so some sort source sql src start state static status step "
        "stop store str string style sub sudo sum support switch system tab table tag target task test text than "
        "that the their them then there they this time title to token too tool top total true try type under "
        "undefined unique up update url use used user username users using val value values var version view "
        "visible void wait want was way we web were what when where which while who why width will window with "
        "within without word work works world would write www xml yes you your zero com net org ",
    )
)
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n(\"“]\s*|[-*•]\s+)$")
_PERSON = re.compile(
    r"\b(?:i|you|we|they|he|she|people|someone|somebody|everyone|users?|my|our|his|her|their)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Terms:
    """What an answer owns, in lower case."""

    code: frozenset[str] = frozenset()
    """Identifiers of its code, whole and by parts."""
    names: frozenset[str] = frozenset()
    """Names in its prose: with a capital within a sentence, a digit, or a sign."""
    topics: frozenset[str] = frozenset()
    """Names of its question's tags and title."""
    words: frozenset[str] = frozenset()
    """All words of its prose."""

    def without(self, later: "Terms") -> frozenset[str]:
        """Identifiers and names that a later text of the answer no longer has."""
        return (self.code | self.names) - later.code - later.names - later.words


def of_text(code: Iterable[str], prose: str, title: str | None = None, tags: Sequence[str] = ()) -> Terms:
    """Terms of an answer's code and prose, and its question's title and tags."""
    identifiers = set[str]()
    for piece in code:
        identifiers |= _identifiers(piece)
    named = _names(prose)
    topics = {part for tag in tags for part in (tag.lower(), *re.split(r"[-.\d]+", tag.lower())) if len(part) > 1}
    topics |= _names(title or "")
    words = frozenset(match[0].lower() for match in _WORD.finditer(prose))
    return Terms(frozenset(identifiers), frozenset(named - _COMMON), frozenset(topics - _COMMON), words)


def of_document(row: Mapping[str, Any], title: str | None, tags: Sequence[str]) -> Terms:
    """Terms of a document: a row with `text`, `own_end` and `segments`."""
    text, code, prose, end = row["text"][: row["own_end"]], [], [], 0
    for segment in row["segments"]:
        if segment["kind"] in ("code", "inline_code") and segment["end"] <= len(text):
            code.append(text[segment["start"] : segment["end"]])
            prose.append(text[end : segment["start"]])
            end = segment["end"]
    prose.append(text[end:])
    return of_text(code, " ".join(prose), title, tags)


def paragraphs(row: Mapping[str, Any]) -> Iterator[str]:
    """Paragraphs of a document's prose, its inline code in backticks, without blocks of code."""
    text, pieces, end = row["text"][: row["own_end"]], list[str](), 0
    for segment in row["segments"]:
        if segment["kind"] in ("code", "inline_code") and segment["end"] <= len(text):
            code = text[segment["start"] : segment["end"]]
            pieces.append(text[end : segment["start"]])
            if segment["kind"] == "inline_code" and "`" not in code and "\n" not in code:
                pieces.append(f"`{code}`")
            end = segment["end"]
    yield from "".join([*pieces, text[end:]]).split("\n\n")


_CODE = re.compile(r"<pre>.*?</pre>|<code>.*?</code>|`[^`\n]+`|^(?: {4}|\t)[^\n]*$", re.DOTALL | re.MULTILINE)
_TAG = re.compile(r"</?\w[^<>]{0,300}>")


def shown(body: str) -> str:
    """A revision's body without its tags."""
    return _TAG.sub(" ", body)


def of_markdown(body: str, title: str | None, tags: Sequence[str]) -> Terms:
    """Terms of a revision's body."""
    last = max(body.rfind("</pre>"), body.rfind("</code>")) + 1
    # What no tag closes is hidden, as each would be looked for up to the end.
    hidden = body[:last] + body[last:].replace("<pre>", " ").replace("<code>", " ")
    code = [_TAG.sub(" ", match[0]) for match in _CODE.finditer(hidden)]
    return of_text(code, _TAG.sub(" ", _CODE.sub(" ", hidden)), title, tags)


def _identifiers(code: str) -> set[str]:
    identifiers = set[str]()
    for match in _IDENTIFIER.finditer(code):
        whole = match[0].lower().lstrip("$@#-")
        parts = _PART.split(whole)
        identifiers.add(whole)
        identifiers.update(part for part in parts if len(part) > 2 or part[-1:].isdigit())
        for cut in range(2, min(len(parts), 4)):
            identifiers.add(".".join(parts[:cut]))
    return identifiers


def names(prose: str) -> set[str]:
    """Names in a piece of prose, in lower case: with a capital within a sentence, a digit, or a sign."""
    return _names(f"x {prose}") - _COMMON


def _names(prose: str) -> set[str]:
    named = set[str]()
    for match in _WORD.finditer(prose):
        word = match[0]
        if not word[0].isalpha():
            continue
        inner = not _PLAIN.fullmatch(word[1:]) and any(
            sign.isupper() or sign.isdigit() or sign in "_+#." for sign in word[1:]
        )
        capital = word[0].isupper() and not _SENTENCE_START.search(prose[max(0, match.start() - 4) : match.start()])
        if inner or (capital and len(word) > 2):
            named.add(word.lower().removesuffix("'s"))
    for run in _CAPITALS.finditer(prose):
        initials = "".join(word[0] for word in run[0].split())
        if len(initials) > 2:
            named.add(initials.lower())
    return named


@dataclass(frozen=True)
class Subject:
    """What of an answer's own a clause and its sentence speak of."""

    clause: frozenset[str] = frozenset()
    """Terms of the answer in the cue's clause: before the cue, or in it."""
    sentence: frozenset[str] = frozenset()
    """Terms of the answer anywhere in the sentence."""
    topics: frozenset[str] = frozenset()
    """Terms of the question in the sentence."""
    person: bool = False
    """Whether a person is spoken of in the clause."""
    named: frozenset[str] = field(default=frozenset())
    """All names and identifiers that the clause speaks of, the answer's or not."""


def together(some: Iterable[Terms]) -> Terms:
    """Terms of several texts of one answer."""
    every = list(some)
    return Terms(*(frozenset().union(*(getattr(terms, name) for terms in every)) for name in _FIELDS))


_FIELDS = ("code", "names", "topics", "words")


def subject(
    clause: str, sentence: str, clause_codes: Sequence[str], sentence_codes: Sequence[str], terms: Terms
) -> Subject:
    """The subject of a cue.

    Args:
        clause: the words before the cue in its clause, and the cue, with code as it stands.
        sentence: all of the sentence, likewise.
        clause_codes: pieces of code in the clause; `sentence_codes`, in the sentence.
    """
    coded = spoken_of("", sentence_codes)
    in_clause = spoken_of(clause, clause_codes)
    own, topical = set[str](), set[str]()
    for match in _WORD.finditer(sentence):
        word = match[0].lower().removesuffix("'s")
        forms = {word, *(part for part in _PART.split(word) if len(part) > 2)} - _COMMON
        # A plain word of the code, such as `legend`, is a subject only where it stands as one.
        plain = _PLAIN.fullmatch(match[0]) is not None and word not in in_clause
        own |= {form for form in forms if form in terms.names or (form in terms.code and not plain)}
        topical |= forms & terms.topics
    own |= (coded - _COMMON) & (terms.code | terms.names | terms.topics)
    head = _HEAD.match(clause)
    if head is not None and head[1].lower() in terms.code:
        # Even a common word, where it is all of the subject: "request has been deprecated".
        own.add(head[1].lower())
        in_clause.add(head[1].lower())
    named = spoken_of("", clause_codes) | names(clause)
    return Subject(
        frozenset(own & in_clause),
        frozenset(own),
        frozenset(topical),
        _PERSON.search(clause) is not None,
        frozenset(named),
    )


_HEAD = re.compile(
    r"^\W*(?:the |that )?([A-Za-z_][\w.]{2,80})\W+(?:is|are|was|were|has|have|had|isn|aren|wasn|does|doesn|do"
    r"|don|no|not|got|will|can)\b"
)


def spoken_of(words: str, codes: Iterable[str]) -> set[str]:
    """All words and identifiers of a piece of text and of its code, whole and by parts, in lower case."""
    forms = {match[0].lower().removesuffix("'s") for match in _WORD.finditer(words)}
    forms |= {part for word in forms for part in _PART.split(word) if len(part) > 2}
    for code in codes:
        forms |= _identifiers(code)
    return forms - _COMMON
