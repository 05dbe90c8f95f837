"""Labelling functions for entities that are spelled like code: functions, classes, variables, files, tags, errors."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter

from socorpus.labeling.functions import Threads, votes
from socorpus.labeling.tasks.entities import gazetteers, name_shapes
from socorpus.labeling.tasks.entities.post import EntityPost, Found, known, marked, of_each_post
from socorpus.labeling.tasks.entities.scan import characters, marks
from socorpus.labeling.tasks.entities.scan.name_words import wanted


@votes("entities")
@of_each_post
def code_form(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Inline code, by its form: `name()` is a function, `Name` a class, `snake_case` a variable."""
    for start, end in post.code:
        form = name_shapes.form(post.text[start:end])
        if form is not None:
            yield start, end, form[0], {"rule": form[1]}


_CALL = marked(marks.CALL, r"(?<![\w.$>])[A-Za-z_$][\w$]*(?:(?:\.|::|->)\w+)*\((?:[\w$]+(?:, ?[\w$]+)*)?\)(?!\w)")
_PLURAL = re.compile(r"\w+\((?:s|es|ies)\)")


@votes("entities")
@of_each_post
def calls(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A name followed by parentheses in prose: `foo()`, `obj.method(arg)`; not `file(s)` or `O(n)`."""
    for match in post.tried(_CALL):
        if not _PLURAL.fullmatch(match[0]) and not match[0].startswith("O("):
            yield match.start(), match.end(), "Function", {"rule": "call"}


_IDENTIFIER = re.compile(r"(?<![\w.@#$/\\:<-])[$@]?[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)*(?![\w/@(<-])(?!\.\w)")
_CAMEL = re.compile(r"[A-Z]+[a-z\d]+(?:[A-Z]+[a-z\d]*)+|[A-Z]{2,}[a-z]\w*[A-Z]\w*")


def _identifiers(post: EntityPost) -> Iterator[tuple[int, int, str, str]]:
    """Names in prose that are spelled like code and not in a gazetteer: start, end, name, form."""
    taken = {hit.start for hit in post.names}
    for match in post.find(_IDENTIFIER):
        name = match[0]
        if match.start() in taken or (name.isalpha() and (name.islower() or name.isupper() or name[1:].islower())):
            continue
        form = name_shapes.form(name)
        if form is not None:
            yield match.start(), match.end(), name, form[1]


@votes("entities")
@of_each_post
def camel_case(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A name in prose in CamelCase that no gazetteer has is a class; one in camelCase a variable, or a function."""
    for start, end, name, form in post.once(_identifiers):
        if form == "capitalised" and _CAMEL.fullmatch(name) and len(name) > 4:
            yield start, end, "Class", {"rule": "CamelCase"}
        elif form == "camel" and name[0] != "i":
            yield start, end, "Variable", {"rule": "camelCase"}
        elif form == "verb" and "_" not in name and "." not in name:
            yield start, end, "Function", {"rule": "verb"}


@votes("entities")
@of_each_post
def snake_case(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A name in prose with underscores or a sigil is a variable, or a function if it begins with a verb."""
    for start, end, name, form in post.once(_identifiers):
        if form in ("snake", "constant", "sigil") and not name.startswith("@"):
            yield start, end, "Variable", {"rule": form}
        elif form == "verb" and "_" in name and "." not in name:
            yield start, end, "Function", {"rule": "verb"}


@votes("entities")
@of_each_post
def qualified_names(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A name in prose with two or more dots (`java.util.List`): a class. Fewer may be a file or end a sentence."""
    for start, end, name, form in post.once(_identifiers):
        if form == "types" and len(re.split(r"\.|::", name)) > 2:
            yield start, end, "Class", {"rule": "qualified"}


_AFTER = marked(
    marks.NAMED_BY,
    r"\b(class|interface|function|method|variable|parameter|property|attribute|argument|field|annotation|column"
    r"|called|named|library|package|gem|framework|exception) ([A-Za-z_$@][\w$.]*|·+)",
)
_LIKE_CODE = re.compile(r"[A-Z]?[a-z]+[A-Z_\d]\w*|[a-z]\w*_\w+|[$@]\w+|[A-Z]|[A-Z]{2,}_\w+|[xyzijkn]|ids?|ID")
_GENERAL = frozenset(("Class", "Variable", "Function"))


@votes("entities")
@of_each_post
def head_words(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A name beside a word that names its type: "the `foo` method", "class Foo", "the foo.bar property"."""
    heads, prose = gazetteers.heads(), post.prose
    for start, end, word_start, word_end in post.marks.get(marks.HEADED, ()):
        word = prose[word_start:word_end]
        label = heads.get(word.lower())
        if label in _GENERAL and (prose[start] == "·" or _LIKE_CODE.fullmatch(prose, start, end)):
            yield start, end, label, {"rule": "before", "head": word}
    for match in post.tried(_AFTER):
        label = heads.get(match[1].lower())
        if label in _GENERAL and (match[2][0] == "·" or _LIKE_CODE.fullmatch(match[2])):
            yield match.start(2), match.end(2), label, {"rule": "after", "head": match[1]}


@votes("entities")
@of_each_post
def file_names(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """File names and paths, by extension or slashes; no parts of addresses."""
    taken = {hit.start for hit in post.names}
    signs = marks.HAS_DOT | marks.HAS_SLASH
    for start, end in (span for odd in post.odd(signs) for span in name_shapes.file_names(post.prose, *odd)):
        if start not in taken:
            yield start, end, "File_Name", {"rule": "file name"}


_TAG = re.compile(r"</?([A-Za-z][\w:-]*)\s?/?>(?:</[A-Za-z][\w:-]*>)?")
_CLOSED = re.compile(r"</([A-Za-z][\w:-]*)>")
_NAMES_OF_ELEMENTS = (
    "a abbr address area article aside audio b base bdi bdo blockquote body br button canvas caption center cite "
    "code col colgroup data datalist dd del details dfn dialog div dl dt em embed fieldset figcaption figure font "
    "footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label legend li "
    "link main map mark menu meta meter nav noscript object ol optgroup option output p param picture pre progress "
    "q rp rt ruby s samp script section select small source span strike strong style sub summary sup svg table "
    "tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr xml "
)
_ELEMENTS = frozenset(_NAMES_OF_ELEMENTS.split())
_MARKED = re.compile(r" ?-?(?:tags?|elements?|nodes?|blocks?|attributes?)\b", re.I)
_MARKING = re.compile(r"(?:tags?|elements?|nodes?|attributes?|an?|the) (?:<)?$", re.I)
_MARKUP = re.compile(r"\b(?:x?html5?|xml|xsl|svg|css|jsp|jsx|dom|xaml)\b|</\w+>", re.I)


@votes("entities", version=2)
@of_each_post
def markup_tags(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """HTML and XML tags: `<div>`; a bare name, such as `div`, only where markup is spoken of beside it.

    `List<String>`, `<iostream>` and `<username>` are none: an unknown name is one if it is closed too, or called a tag.
    """
    text = post.open
    tags: list[tuple[int, int]] = []
    closed = set(_CLOSED.findall(text)) if "</" in text else set()
    for match in _TAG.finditer(text) if "<" in text else ():
        code = post.in_code(match.start())
        if code is not None and code != match.span():
            continue
        name, start = match[1], match.start()
        # `List<String>`: a type's parameter stands behind a name.
        behind = start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_.") and text[start + 1] != "/"
        known_tag = name.lower() in _ELEMENTS or name in closed or match[0][-2] == "/"
        if (known_tag and not (behind and name.lower() not in _ELEMENTS)) or _MARKED.match(text, match.end()):
            tags.append(match.span())
            yield start, match.end(), "HTML_XML_Tag", {"rule": "tag"}
    hits = list(known(post, "HTML_XML_Tag"))
    spoken = bool(hits) and (bool(tags) or _MARKUP.search(text) is not None)
    for hit in hits:
        start, end = hit[:2]
        index = bisect_right(tags, start, key=itemgetter(0)) - 1
        if index >= 0 and start < tags[index][1]:
            continue
        beside = _MARKING.search(text, max(0, start - 12), start) is not None
        called = _MARKED.match(text, end) is not None
        if post.in_code(start) == (start, end) or (text[start:end].islower() and (called or (beside and spoken))):
            yield hit


_ERROR = re.compile(r"(?<![\w.])(?:[a-z]\w*\.)*[A-Z]\w+(?:Error|Exception)\b(?!\()")
_HUNDREDS = re.compile(r" [45]\d\d\b")
_STATUS = re.compile(r"\b(?:error|status|code|HTTP|response)\s(?:code\s)?(?:of\s)?([45]\d\d)\b", re.I)


@votes("entities")
@of_each_post
def errors(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """Names of errors and exceptions, and HTTP status codes beside the word "error"."""
    for match in post.find(_ERROR, marks.HAS_CAPITAL_E):
        yield match.start(), match.end(), "Error_Name", {"rule": "name"}
    numbered = marks.STATUS in post.marks and _HUNDREDS.search(post.prose) is not None
    for match in _STATUS.finditer(post.prose) if numbered else ():
        yield match.start(1), match.end(1), "Error_Name", {"rule": "status"}
    yield from known(post, "Error_Name")


@votes("entities")
@of_each_post
def repeated_code(post: EntityPost, threads: Threads) -> Iterator[Found]:
    """A name in prose that is inline code elsewhere in the post, and whose form shows its type."""
    types: dict[str, str] = {}
    for start, end in post.code:
        code = post.text[start:end]
        form = name_shapes.form(code)
        if form is not None and form[0] in _GENERAL and re.fullmatch(r"\w{3,}(?:\(\))?", code):
            types[code.removesuffix("()")] = form[0]
    names = wanted(characters.lowered(name) for name in types) if types else None
    for start, end, _ in post.spoken(names) if names is not None else ():
        label = types.get(post.open[start:end])
        if label is not None:
            yield start, end, label, {"rule": "code elsewhere"}
