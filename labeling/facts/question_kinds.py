"""Kinds of questions that get votes though they are poor models of a question: polls, recommendations, many at once.

The phrases are those by which sites of the publisher tell opinions, lists, resources and shopping from questions that
have an answer ("Good Subjective, Bad Subjective", 2010; the help centre's "What types of questions should I avoid
asking?"). They are English: in other languages nothing is recognised.
"""

import re

# In a title, or a sentence that asks.
_ASKS_FOR_OPINION = re.compile(
    r"\b(?:favou?rites?|funniest|coolest|recommend(?:s|ed|ations?)?|opinions?|insights"
    r"|(?:suggestions|advice) (?:for|on|about)"
    r"|do you (?:all |guys |people )?(?:think|prefer|like|use|consider|recommend)|your (?:thoughts|experiences?|views?)"
    r"|should (?:i|we) (?:use|buy|choose|pick|learn|read|take|get)|should (?:i|we) (?:\w+ ){0,3}or"
    r"|worth (?:it|the|\w+ing)|looking for (?:an?|some)|any(?:one|body) else"
    r"|where (?:can|could|do|should|to) (?:i |we |one |you )?(?:find|buy|get|purchase|learn|read)"
    r"|wh(?:at|ich)(?:'s|(?: \w+){0,2} (?:is|are|was|were)|) (?:the |an? |some |other )?(?:\w+ )?"
    r"(?:best|good|better|greatest|worst)"
    r"|wh(?:at|ich) (?:\w+ )?(?:is|are|was|were) your|how (?:do|should) i (?:choose|pick|decide|get started)"
    r"|(?:best|good) (?:practices?|way|approach|sources?|resources?|books?|tutorials?|place|choice|option)"
    r"|tutorials?|resources|(?:what|which) (?:are|is) (?:some|other)|(?:any|other|some|more|good) examples"
    r"|(?:ideas|tips|strategies|steps) (?:for|to|on)|what (?:strategies|steps|options|ideas|tips)"
    r"|(?:is|are) there (?:an?|any|some) (?:\w+ ){0,2}(?:tools?|librar(?:y|ies)|apis?|api's|apps?|applications?"
    r"|software|plug-?ins?|services?|web ?sites?|books?|programs?|products?|devices?|packages?|frameworks?))\b",
    re.IGNORECASE,
)
# Anywhere in a text.
_WANTS_OPINION = re.compile(
    r"\b(?:your (?:\w+ )?(?:favou?rites?|opinions?|thoughts|experiences?|insights?|preferences?|recommendations?)"
    r"|(?:any|some|your|for) (?:\w+ )?(?:recommendations|opinions|thoughts|insights)"
    r"|(?:please|pls) (?:\w+ )?(?:recommend|suggest)|opinion (?:part|question|poll)|opinions? (?:on|about|of)"
    r"|looking for (?:\w+ ){0,2}(?:best|good|recommendations|suggestions|advice|opinions|ideas|sources|resources|tips)"
    r"|(?:i'm|i am|we're|we are) looking for (?:an?|some|any) (?!\w* ?(?:way|method|means|solution|explanation)\b)"
    r"|(?:hear|know|share|get) (?:your|people's|other|some) (?:opinions?|thoughts|experiences?|views?|insights?)"
    r"|what (?:you|people|others) (?:all |guys )?(?:think|recommend|suggest|prefer))\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\uff1f\u061f]+[.!?\uff1f\u061f]*")
_ASKS = re.compile(r"[?\uff1f\u061f]")
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")


def invites_opinions(title: str, prose: str) -> str | None:
    """The phrase by which a question asks for opinions, recommendations, resources or a list; None if it has none.

    Args:
        prose: its text without quotations and code.
    """
    places = [(_ASKS_FOR_OPINION, title), *((_ASKS_FOR_OPINION, sentence) for sentence in _asking(prose))]
    for pattern, place in (*places, (_WANTS_OPINION, prose)):
        match = pattern.search(place)
        if match is not None:
            return match[0]
    return None


def questions(prose: str) -> int:
    """Number of sentences that ask."""
    return len(_asking(prose))


def _asking(prose: str) -> list[str]:
    return [sentence for line in prose.split("\n") for sentence in _SENTENCE.findall(line) if _ASKS.search(sentence)]


def prose(markdown: str) -> str:
    """A text in Markdown without its quotations and code."""
    lines: list[str] = []
    fenced = False
    for line in markdown.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and not line.startswith((">", "    ", "\t")):
            lines.append(line)
    return "\n".join(lines)
