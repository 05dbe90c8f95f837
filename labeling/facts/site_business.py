"""Posts about a site rather than its subject: those of meta sites, announcements, and self-evaluations."""

import re
from collections.abc import Collection

_META_SITE = re.compile(r"(?:^|[.\-_])meta(?:[.\-_]|$)", re.IGNORECASE)
_META_ADDRESS = re.compile(r"\bto\s+(?:https?://)?(?:[\w\-]+\.)?meta\.", re.IGNORECASE)
_ANNOUNCING_TAGS = frozenset(
    {
        *("announcement", "announcements", "featured-announcement", "site-announcement", "election", "elections"),
        *("moderator-election", "moderator-elections", "community-ads", "community-promotion", "site-evaluation"),
        *(
            "self-evaluation",
            "site-self-evaluation",
            "newsletter",
            "contest",
            "contests",
            "photo-contest",
            "topic-challenge",
        ),
        *("community-event", "blog-overflow"),
    }
)
_ANNOUNCING_TITLE = re.compile(
    r"^\W*(?:announc(?:ing|ement)\b|introducing (?:our|your|the new)\b|meet (?:our|your|the) (?:new )?moderators?\b"
    r"|(?:\d{4} )?(?:community )?moderator elections?\b|\d{4} community moderator election\b"
    r"|community promotion ads?\b|(?:\d{4}: )?a year in moderation\b|congratulations,? (?:to )?(?:our|the) )"
    r"|\bmoderator election (?:q\s?&\s?a|results)|\bcommunity (?:promotion )?ads\b|\bwe (?:have|now have) graduated\b"
    r"|\b(?:photo|image|picture) (?:of the (?:week|month)|contest)\b|\btopic (?:challenge|of the week)\b"
    r"|\bnew (?:pro tem(?:pore)?|community) moderators?\b|\bmoderators? pro tem(?:pore)?\b",
    re.IGNORECASE,
)
_EVALUATING = re.compile(r"\bself[- ]evaluation\b|^\W*let'?s get critical\b", re.IGNORECASE)


def meta_site(site: str) -> bool:
    """Whether a site is one about another site: `meta` is a part of its name, as in beer.meta.stackexchange.com."""
    return _META_SITE.search(site) is not None


def moved_to_meta(comment: str) -> bool:
    """Whether the comment of a migration ("to https://meta.example.com/questions/5") names a meta site."""
    return _META_ADDRESS.search(comment) is not None


def announcement(title: str, tags: Collection[str], by_system: bool, meta: bool) -> str | None:
    """The sign that a question is an announcement; None if there is none.

    Only posts of meta sites, and those of the system's own account: elsewhere a contest or an election is a subject. A
    title that asks is none, even if it is about an announcement.

    Args:
        by_system: whether the system's account asked it.
        meta: whether the site is a meta site.
    """
    if by_system:
        return "asked by the system"
    if not meta or title.rstrip().endswith("?"):
        return None
    tag = next((tag for tag in tags if tag.lower() in _ANNOUNCING_TAGS), None)
    if tag is not None:
        return f"tag {tag}"
    match = _ANNOUNCING_TITLE.search(title)
    return f"title: {match[0].strip()}" if match is not None else None


def self_evaluation(title: str, by_system: bool, meta: bool) -> bool:
    """Whether a question calls upon a site's users to evaluate it, as the system's account does some times a year."""
    return (meta or by_system) and _EVALUATING.search(title) is not None
