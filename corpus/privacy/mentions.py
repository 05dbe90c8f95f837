"""Mentions of users in comments."""

import re
from collections.abc import Iterator

from socorpus.corpus.privacy.found import Found, words

_MENTION = re.compile(r"[^\W_](?:[\w.\-]*[^\W_])?(?:['’](?=[A-Z])\w+)?")
_QUANTITY = re.compile(r"\d+(?:\.\d+)?[a-zA-Z]{0,3}$")
# Annotations, decorators and at-rules that come up in comments; a name that is also one of these stays.
_ANNOTATIONS = words(
    "override deprecated autowired test before after beforeeach aftereach beforeclass afterclass entity table "
    "column id component service repository controller restcontroller requestmapping getmapping postmapping "
    "requestbody requestparam pathvariable responsebody bean configuration transactional inject named qualifier "
    "value data getter setter builder suppresswarnings functionalinterface nullable notnull nonnull safevarargs "
    "webservlet ejb jsonproperty jsonignore xmlelement onetomany manytoone manytomany onetoone joincolumn "
    "generatedvalue mock injectmocks springbootapplication springboottest input output viewchild hostlistener "
    "ngmodule injectable property staticmethod classmethod abstractmethod dataclass lru_cache contextmanager wraps "
    "pytest app param return returns throws see since author todo link code inheritdoc media import charset "
    "supports keyframes font-face include mixin extend page model html url viewbag section using functions layout "
    "if foreach for while switch interface implementation protocol synthesize selector class end try catch finally "
    "autoreleasepool available objc ibaction iboutlet main state binding published observedobject environmentobject "
    "escaping discardableresult echo set declare rowcount identity"
)


class Ticks:
    """Whether a place of a text's comments is in Markdown's code: after an odd number of backticks on its line.

    It is asked from left to right, and reads the text once.
    """

    def __init__(self, text: str, own_end: int) -> None:
        self.text, self.reached, self.odd = text, own_end, False

    def before(self, place: int) -> bool:
        """Whether the backticks from the line's start, or from that of the comments, to `place` are an odd number."""
        newline = self.text.rfind("\n", self.reached, place)
        if newline >= 0:
            self.reached, self.odd = newline, False
        self.odd ^= self.text.count("`", self.reached, place) % 2 == 1
        self.reached = max(self.reached, place)
        return self.odd


def mention(text: str, place: int, ticks: Ticks) -> Iterator[Found]:
    """The user whose name follows the `@` at `place`, in a text's comments."""
    match = _MENTION.match(text, place + 1)
    if match is None:
        return
    start, end = match.span()
    name, after = match[0].lower(), text[end : end + 2]
    if end - start < 2 or name.endswith((".com", ".org", ".net")) or (name[0].isdigit() and _QUANTITY.match(name)):
        return
    if (
        name in _ANNOTATIONS
        or after[:1] in ("(", "{", "=", "[")
        or ("." in name and name.split(".")[0] in _ANNOTATIONS)
    ):
        return
    if ticks.before(place):
        return
    if after == " =" or (after[:1] == "/" and after[1:].isalnum()):  # a variable, a scope of packages
        return
    yield "user", start, end, "user"
