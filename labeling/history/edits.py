"""Changes that edits made to a post's text: how many words, by whom, and whether they rescue it or mend a typo."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from socorpus.labeling.history.revisions import COMMUNITY, Revision

RESCUE_SHARE, RESCUE_WORDS, RESCUE_CODE = 0.2, 10, 3
"""From these on edits rescue a text: the share of its words that change, and how many; or lines that become code."""

# Scripts without spaces have a word for each sign.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_ADDRESS = re.compile(r"\b(?:https?|ftp)://\S+", re.IGNORECASE)
_LINK_NUMBER = re.compile(r"\]\s?\[\d{1,3}\]|^\s*\[\d{1,3}\]:", re.MULTILINE)
_FENCE = re.compile(r"^\s{0,3}(?:```|~~~)")
_MENDS = re.compile(
    r"\b(?:gramm[ae]|spell|english\b|wording|re-?word|(?:re|para)?phras|clarif|clear|readab|legib|re-?format|format"
    r"|lay-?out|punctuat|capitali[sz]|tid(?:y|ied)|clean|polish|flow\b|indent|code (?:block|fenc|mark|tag)|markdown"
    r"|latex|mathjax|improv\w+ (?:the )?(?:text|question|title|language|structure))",
    re.IGNORECASE,
)
"""Comments of edits that say that the language, the clarity or the layout was mended."""


@dataclass(frozen=True)
class Edit:
    """An edit of a text that stands: no later one took it back."""

    history_id: int
    time: int
    """Milliseconds since 1970, UTC."""
    user: int | None
    name: str | None
    """Display name of a deleted account."""
    words: int
    """Words taken out, and words put in; links, order and case don't count."""
    share: float
    """Those words as a share of the words before and after."""
    code: int
    """Lines that became code."""
    title: bool = False
    """Whether it changed the title too."""
    mends: bool = False
    """Whether its comment says that it mends language, clarity or layout."""


@dataclass(frozen=True)
class Changes:
    """The sum of several edits."""

    edits: int
    words: int
    share: float
    code: int

    @property
    def rescue(self) -> bool:
        """Whether they changed much of the text or laid out its code, rather than mend typos."""
        return (self.share >= RESCUE_SHARE and self.words >= RESCUE_WORDS) or self.code >= RESCUE_CODE

    @property
    def evidence(self) -> dict[str, Any]:
        """The sum as evidence of a vote."""
        kind = "rescue" if self.rescue else "small" if self.edits else "none"
        return {
            "edits": self.edits,
            "kind": kind,
            "words": self.words,
            "share": round(self.share, 3),
            "code": self.code,
        }


def standing(revisions: Sequence[Revision]) -> list[Edit]:
    """Edits of the body that stand, in order; those that a rollback or a later edit took back are left out.

    The time is linear in the length of all revisions.

    Args:
        revisions: of one post, in order of time (`revisions.replay`).
    """
    texts: list[str] = []
    edits: list[Edit] = []  # edits[i] made texts[i + 1]
    places: dict[str, int] = {}
    before: str | None = None
    for revision in revisions:
        title, before = before, revision.title if revision.title is not None else before
        if revision.body is None or (texts and "body" not in revision.changed):
            continue
        text = "\n".join(line.rstrip() for line in revision.body.strip().split("\n"))
        if text in places:  # back to an earlier text, or no change
            for gone in texts[places[text] + 1 :]:
                del places[gone]
            del texts[places[text] + 1 :], edits[places[text] :]
            continue
        if texts:
            edits.append(_edit(revision, texts[-1], text, title))
        places[text] = len(texts)
        texts.append(text)
    return edits


def total(edits: Iterable[Edit]) -> Changes:
    """The sum of some edits."""
    some = list(edits)
    return Changes(
        len(some), sum(edit.words for edit in some), sum(edit.share for edit in some), sum(edit.code for edit in some)
    )


def by_others(edits: Iterable[Edit], owner: Mapping[str, Any]) -> list[Edit]:
    """The edits by others than a post's owner and the system.

    Args:
        owner: a row of posts with `owner_user_id` and `owner_display_name`.
    """
    return [edit for edit in edits if edit.user != COMMUNITY and _another(edit, owner)]


def _another(edit: Edit, owner: Mapping[str, Any]) -> bool:
    """Whether an editor isn't the owner; by the names if an account is gone, and False if nothing is known."""
    if edit.user is not None and owner["owner_user_id"] is not None:
        return bool(edit.user != owner["owner_user_id"])
    if edit.name and owner["owner_display_name"]:
        return bool(edit.name != owner["owner_display_name"])
    return edit.user is not None or owner["owner_user_id"] is not None


def words(text: str) -> list[str]:
    """The words of a text in lower case, without addresses and numbers of links."""
    return _WORD.findall(_ADDRESS.sub(" ", _LINK_NUMBER.sub("] ", text)).lower())


def changed(before: str, after: str) -> tuple[int, float]:
    """Words taken out and put in between two texts, and their share of the words of both."""
    old, new = Counter(words(before)), Counter(words(after))
    count = (old - new).total() + (new - old).total()
    return count, count / max(old.total() + new.total(), 1)


def _edit(revision: Revision, before: str, after: str, title: str | None) -> Edit:
    """The edit that a revision made.

    Args:
        title: that of the revision before it.
    """
    count, share = changed(before, after)
    new = (Counter(words(after)) - Counter(words(before))).total()
    code = max(_code_lines(after) - _code_lines(before), 0) if new < RESCUE_WORDS else 0
    retitled = title is not None and revision.title is not None and revision.title.strip() != title.strip()
    mends = _MENDS.search(revision.comment) is not None
    return Edit(revision.history_id, revision.at, revision.user, revision.name, count, share, code, retitled, mends)


def _code_lines(text: str) -> int:
    """Lines of Markdown that are laid out as code: fenced, or indented by four spaces or a tab."""
    count, fenced = 0, False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        elif line.strip() and (fenced or line.startswith(("    ", "\t"))):
            count += 1
    return count
