"""A lexicon of patterns: words that call something out of date, and words that take it back.

A space in a phrase stands for any white space. `labeling.tasks.obsolescence.sentences` combines them.
"""

import re


def _any(*phrases: str) -> str:
    return "(?:" + "|".join(phrase.replace(" ", r"\s+") for phrase in phrases) + ")"


def _words(phrases: str) -> str:
    return _any(*phrases.split())


def _compile(*phrases: str) -> re.Pattern[str]:
    return re.compile(_any(*phrases), re.IGNORECASE)


# Cues: the state of a thing, its end, its removal, its failure in what is newer.

STATES = _any(
    *(r"deprecat(?:ed|ion|es)", "out-?dated", "obsoleted?", r"out[-\s]of[-\s]date", "superseded", "discontinued")
)
_ENDED = _any(
    *(r"work(?:s|ing|ed)?", "valid", "available", "supported", "exists?", r"appl(?:y|ies)", "applicable", "true"),
    *("correct", "accurate", "recommended", "maintained", "possible", "relevant", "necessary", "needed", "required"),
    *("accepted", r"function(?:s|al)?", "compiles?", "runs?", "usable", "allowed", "used", "in use", "exported"),
    *("the (?:case|way|right way|best way|preferred way)", "a thing", r"a (?:valid|good) \w+", "an option", "part of"),
    *("supports?", "provides?", "includes?", "has", "ships?", "offers?", "returns?", "offered", "shipped", "included"),
    *("provided", "there", "holds?", "a solution", "maintained"),
)
VERSION = r"(?:\bv(?:ersion|er)?\.?\s*)?\d{1,20}(?:\.(?:\d{1,20}|x)){0,9}\+?(?![\d%])"
_NEWER = _words("newe?r? newest latest recent current later modern last upcoming")
_WHEN = _any(
    r"(?:in|since|as of|from|after|with|by|on|for|(?:starting|beginning) (?:with|from|in)) (?!me\b|us\b)(?:the )?"
    rf"(?:(?:\S+ ){{0,4}}?{VERSION}|(?:\w+ ){{0,2}}?{_NEWER}\b)"
)
_IS = _words("was were has\\s+been have\\s+been had\\s+been been is are got gets")
_REMOVED = _any(
    *("removed", "dropped", "deleted", "retired", "replaced", "renamed", "killed", "axed", "taken out", "pulled"),
    *("shut down", "phased out"),
)
_NOT_DO = _any(
    r"(?:do|does|did|will|is|are|ca)n't",
    r"wo?n't",
    "(?:do|does|did|will|is|are|can) not",
    "cannot",
    "fails? to",
    "fails?",
)
_WORKS_IN = _any(rf"(?:the )?(?:(?:\S+ ){{0,4}}?{VERSION}(?!s)|(?:\w+ ){{0,2}}?{_NEWER}\b)")
CUE = _compile(
    rf"\b{STATES}\b",
    rf"\b(?:no[-\s]longer|not any\s?longer) (?:\w+ly )?(?:be(?:en|ing)? )?{_ENDED}\b",
    rf"(?:\b(?:not|never|cannot)|n't) (?:\w+ ){{0,2}}?(?:be )?{_ENDED}\b[^.,;!?]{{0,25}}?\bany\s?(?:more|longer)\b",
    r"\b(?:stopped|ceased|quit) (?:working|functioning|being supported|to (?:work|exist|function))\b",
    rf"\b{_IS} (?:\w+ly |now |also |since )?{_REMOVED}\b[^.;!?]{{0,40}}?\b{_WHEN}",
    rf"\b{_NOT_DO} (?:seem to |appear to )?(?:work(?:ing)?|compile|run|exist|supported|available|valid|build)\b"
    rf"(?:(?!\bfor me\b|\bhere\b|\bmy\b)[^.;!?]){{0,25}}?\b{_WHEN}",
    r"\b(?:needs?|requires?|could use|is due for|in need of) (?:an? )?(?:updat(?:e|ing)|to be updated|refresh)\b",
    r"(?:\b(?:not|hardly)|n't) (?:\w+ )?up[-\s]to[-\s]date\b",
    r"\b(?:is|are|was|now) (?:\w+ )?(?:defunct|end[-\s]of[-\s]life|EOL|unmaintained|abandoned)\b",
    # Anything that is no longer the case.
    r"(?:\b(?:not|never|no|nothing)|n't)\b[^.,;!?]{1,60}?\bany\s?(?:more|longer)\b"
    r"(?=\s*(?:$|[.,;:!?)(]|(?:in|on|since|with|as|from|because|so|and|but|for|due|after)\b))",
    rf"\bnot (?:valid|applicable|available|supported|possible)\b[^.;!?]{{0,25}}?\b{_WHEN}",
    rf"\b(?:is|are|was|were|has|have) (?:now |long |all |been )?gone\b[^.;!?]{{0,30}}?\b{_WHEN}",
    rf"\bbroken\b[^.;!?]{{0,30}}?\b{_WHEN}",
    rf"\bthere(?:'s| is| are) no (?:\S+ ){{1,4}}?{_WHEN}",
    rf"^\W*(?:removed|dropped|deleted|gone|renamed|replaced) {_WHEN}",
    # With its remover as the subject.
    rf"\b(?:has|have|had) (?:\w+ly |also |now |since )?"
    rf"(?:{_REMOVED}|disabled|closed|(?:switched|turned|shut) (?:off|down))\b",
    rf"{VERSION} (?:has |also |finally )?(?:remove[sd]|drop(?:s|ped)|disable[sd]|kill(?:s|ed)|refuses)\b",
    r"\b(?:is|are|was|were|been|got) (?:\w+ly |now )?(?:switched|turned|shut) (?:off|down)\b",
    r"\b(?:was|were|has been|have been) (?:\w+ly |now )?(?:replaced|retired|succeeded) (?:by|with)\b",
    # Judgements.
    r"\b(?:answer|approach|method|solution|way|code|advice|trick)(?:'s| is| has become)(?: \w+)? "
    r"(?:dead|stale|useless|history|moot)\b",
    r"\baged badly\b|\b(?:kept|left|here) (?:\w+ )?for (?:historical|legacy) (?:reasons|purposes)\b",
    r"\bdo(?:n't| not) (?:use|follow|do) (?:this|it)\b[^.;!?]{0,20}?\b(?:today|any\s?more|any longer|now|nowadays)\b",
    r"\bused to (?:work|be (?:true|correct|possible|valid|the way))\b",
    r"\bold (?:way|method|approach|syntax)\b[^.;!?]{0,40}?\b(?:now|nowadays|today|these days)\b",
)
"""Something is out of date."""

STILL = _compile(
    r"(?:^|[,:] |\b(?:it|this|that|these|they|answer|solution|method|approach|code|trick|way|which|and|but) "
    r"|\b(?:does|do|is|are) |\b(?:it|that)'s )(?:\w+ly )?still (?:\w+ly )?"
    r"(?:works?|working(?! on)|valid|true|applies|relevant|correct|current|supported|accurate|"
    r"the (?:(?:right|best|correct|recommended) )?(?:way|case))\b",
    r"\bworks (?:\w+ly |just |too )?(?:(?:fine|great|well|perfectly|ok(?:ay)?|like a charm|for me|too) )*"
    rf"(?:in|with|on|since|for|as of|from) {_WORKS_IN}",
    r"\bis (?:still )?up[-\s]to[-\s]date\b",
)
"""It still works."""

_IT = _words("it this that they")
DENIAL = re.compile(
    r"^(?:@\S+\s*[,:]?\s*)?(?:edit\s*:?\s*)?(?:\w+\s*,\s*)?"
    + _any(
        # taken back
        r"(?:i )?take (?:it|that|this) back\b|never\s?mind\b|scratch that\b|my (?:bad|mistake)\b|i stand corrected\b",
        r"(?:down)?vote (?:retracted|removed)\b|QUOTE (?:is|was) (?:simply |just |plain )?(?:false|wrong|nonsense)\b",
        # "no", with or without what is denied
        rf"(?:no|nope|nah|wrong|false|incorrect)\b[,.!]?\s*,?\s*{_IT}\s*(?:'s|is|are|does|do)?\s*"
        r"(?:n't|not|isn't|doesn't|aren't|does|still)?\b",
        r"(?:no|nope|nah|wrong|false|incorrect)[.!]*$",
        r"(?:that(?:'s| is)|this is|it(?:'s| is)) (?:simply |just |plain )?"
        r"(?:not (?:true|correct|right|the case)|wrong|false|incorrect|nonsense)\b",
        rf"{_IT} (?:isn't|is not|does|still does|does still|certainly does)\b\s*(?:[.,!]|work|$)",
        rf"(?:{_IT} )?(?:still )?works? (?:fine|great|perfectly|well|for me|here|just fine|ok)\b",
        r"(?:I )?just (?:tried|tested|checked)\b[^.!?]*\bworks?\b",
    ),
    re.IGNORECASE,
)
"""A denial of an earlier comment."""

# Words that take a cue back.

NEGATION = _compile(
    r"\b(?:not|never|nothing|none|neither|nor|hardly|scarcely|nowhere|nobody|without|cannot|far from|anything but)\b",
    r"\bno longer\b",
    r"\bno (?:part|one|method|function|answer|bit|reason|sign|indication|evidence|means|way)\b",
    r"n't\b",
    r"\b(?:doubt|disagree|deny|denies|false that|untrue)\b",
)
DOUBLE = re.compile(r"\b(?:doubt|deny|disagree)\b", re.IGNORECASE)
NOT_ONLY = _compile(r"(?:\bnot|n't) (?:only|just|merely|simply)\b")
HEDGE = _compile(r"\b(?:i think|i guess|i fear|i believe|seems?|afraid|probably|i'm afraid)\b")
SUPPOSED = _compile(
    r"\b(?:if|whether|unless|in case|suppose|supposing|assuming|until|till|once|when(?:ever)?|before|lest)\b",
    r"\b(?:should|might|may|could|would|will|going to|about to|soon|maybe|perhaps|possibly)\b",
    r"\b(?:not sure|unsure|wonder(?:ing)?|to become|becoming|to be)\b",
    r"\b\w+'ll\b",
)
CONDITION = _compile(r"\b(?:if|unless|in case|suppose|assuming|whether|when(?:ever)? (?:it|they|this|that))\b")
NOWADAYS = _compile(VERSION, r"\b(?:today|nowadays|20[012]\d)\b", rf"\b{_NEWER}\b")
"""Words that turn a supposition into an assertion: it is about a newer version, or about today."""

_AUXILIARY = _words(
    "is are was were has have had does do did can could should would will won't isn't aren't hasn't doesn't don't why"
    " how when which where what who"
)
_ASKED_OF = _any(
    *("it", "this", "that", "these", "those", "the", "there", "you", "your", "i", "we", "they", "any", "anyone"),
    *("anybody", "someone", "says?", "is", "are", "has", "if"),
    r"`?\w+`? (?:become|became|been|being|deprecated|obsolete|outdated|removed)",
)
ASKED = re.compile(
    r"^(?:@\S+[,:]?\s+)?(?:(?:so|but|and|hey|hi|hello|ok|hm+|sorry|ah|also)\b,?\s*)*"
    rf"(?:{_AUXILIARY}\s+{_ASKED_OF}\b|any(?:one|body)\s+knows?\b|does\s+any)",
    re.IGNORECASE,
)
"""A question by its word order, whatever punctuation ends it."""

_SAY = _any(
    *("read", "heard", r"sa(?:y|ys|id|ying)", r"claim(?:s|ed|ing)?", "wrote", "write", "told", "tell", "thought"),
    *(r"suggest(?:s|ed)?", r"argu(?:es?|ed)", r"assum(?:es?|ed)", r"call(?:s|ed)?", r"mention(?:s|ed)?", "meant?"),
    r"insist(?:s|ed)?",
)
TOLD = _compile(
    rf"\b(?:i(?:'ve| have)?|you|he|she|they|some(?:one|body)?|people|others|many|everyone|(?:\w+ )?who(?:ever)?)"
    rf" (?:\w+ly |also |just |once |had |have |keep |might )?{_SAY}\b"
)
"""Somebody else's statement, which is not an assertion."""
SOURCE = _any(
    *("docs?", "documentation", "manual", "changelog", "release notes?", "compiler", "ide", "xcode", "linter", "api"),
    *("apple", "google", "microsoft", "oracle", "spec", "man page", "javadocs?"),
)
REPORTED = _compile(
    rf"\b(?:the |official )*(?:\w+ )?{SOURCE} (?:now |also )?"
    r"(?:says?|states?|mentions?|marks?|lists?|flags?|notes?|warns?)\b",
    rf"\b(?:according to|as per|per|see|in) (?:the |official )*(?:\w+ ){{0,2}}?{SOURCE}\b",
)
"""An authoritative source: its statements are assertions."""

# Subjects of a cue other than this answer.

_OTHER_THING = _any(
    *("links?", "urls?", "page", "site", "website", "blog", "article", "tutorial", "books?", "docs?", "documentation"),
    *("wiki", "manual", "readme", "comments?", "question", "title", "tags?", "screenshots?", "browser", "compiler"),
    *("driver", "ide", "machine", "server", "laptop", "phone", "computer", r"install(?:ation|ed)?", "setup", "mirror"),
    *("environment", "copy", "version of", "os", "distro", "gems?", r"repo(?:sitory)?", "image", "picture", "demo"),
    *("fiddle", "jsfiddle", r"dependenc(?:y|ies)", "firmware", "bios", "cache", "certificate", "account", "email"),
    *("job", "project", r"code\s?base", "news", "bookmark"),
)
OTHER_NOUN = re.compile(rf"\s*(?:\w+\s+)?(?:versions?|releases?|{_OTHER_THING})\b", re.IGNORECASE)
"""The noun that a cue modifies: "an outdated version"."""
ATTRIBUTE = re.compile(
    r"\b(?:the|an?|any|some|all|long|trying|these|those|old|of|with|this|that|on|using|same) (?:\w+ly |now |long )?$",
    re.IGNORECASE,
)
NOT_A_NOUN = re.compile(
    r"\s+(?:since|in|as|and|or|but|by|for|with|now|any\w*|because|when|if|so|on|from|after|due|according|to|at|here"
    r"|answers?|approach|solution|method|way|advice|technique|post|code|info\w*|stuff|one)\b|\s*[^\w\s]|\s*$",
    re.IGNORECASE,
)
"""Words after a predicative state, as opposed to one before its noun: "the deprecated call"."""
_ANSWERS = _any("answers?", "solutions?", "suggestions?", "responses?")
OTHER_SUBJECT = _compile(
    r"\b(?:my|our|his|her|their|the|that|those|these|this|your|an?|all|some|both|first|second|last|original|linked|official"
    rf"|\w+'s)(?: \w+){{0,2}}? {_OTHER_THING}\b",
    r"\b(?:other|another|previous|next|second|top|above|below|earlier|older|remaining|most|all|many|some|first)"
    rf" (?:\w+ )?{_ANSWERS}\b",
    rf"\b{_ANSWERS} (?:above|below|by|from|of)\b",
    r"\b(?:new|of|such|more) (?:\w+ )?answers\b",
    rf"@?\w+'s (?:{_ANSWERS}|comment)\b",
    r"\b(?:i|we|you)(?:'m|'re|'ve| am| are| was| were| have| had)? (?:\w+ ){0,2}?"
    r"(?:using|running|on|stuck|have|had|got|use)\b",
    r"\byour (?:\w+ )?(?:version|python|java|node|php|ruby|xcode|windows|ubuntu|chrome|\w*sdk|jdk)\b",
    r"\bthe (?:op|asker)\b",
    r"^(?:\W*fyi\W*)?(?:the )?(?:links?|urls?|pdf|image|demo|fiddle)\b",
)
ACCEPTED = _compile(rf"\b(?:accepted|selected) (?:\w+ )?{_ANSWERS}\b")
AVOIDS = re.compile(
    r"\b"
    + _any(
        *(r"avoid(?:s|ed|ing)?", r"replac(?:es|ed|ing)", "replacement for", r"get(?:s|ting)? rid of"),
        *(r"remov(?:es|ed|ing)", "instead of", "rather than", "unlike", "without", "free of", "over", "beats"),
        *("isn't using", r"not us(?:e|ing)", "better than", "alternative to", "formerly", "used to be"),
    )
    + r"\b[^.;]{0,30}$",
    re.IGNORECASE,
)
"""Words before a deprecated thing that this answer doesn't use."""
PASSING = re.compile(
    r"\b(?:"
    r"goes?|going|gets?|getting|(?<!has )(?<!have )(?<!'s )(?<!'ve )becomes?"
    r"|(?:to|should|can|could|please|me|we|i) (?:re)?(?:mark|flag|tag|label)(?: \w+){0,4} as"
    r"|(?:marking|flagging) (?:\w+ ){0,4}as"
    r")\s+(?:\w+ly\s+)?$",
    re.IGNORECASE,
)
"""Things that go out of date in general, or requests to mark them as such."""
RELATIVE = re.compile(
    r"(?<![,;:])\b(?!(?:think|note|notice|know|believe|says?|said|seems|see|fear|is|was|and|but|because|as|since|so|now|means)\b)"
    r"\w+\s+(?:that|which|who)(?:\s+(?:is|are|was|were|has been|have been))?\s+(?:\w+\s+)?$",
    re.IGNORECASE,
)
"""A clause about a thing, such as "a method that is deprecated"."""
USES = _compile(r"\b(?:uses?|using|used|rel(?:y|ies)|calls?|needs?|based on|this is|here is|it is)\b")
"""Words that make "a method that is deprecated" a statement about this answer."""
PERSON = re.compile(
    r"(?:^|\b)(?:i|you|we|he|she)(?:'m|'re|'ve|'s| am| are| is| have| has)?\s+(?:\w+ly\s+)?$", re.IGNORECASE
)
"""A person as the subject of "no longer"."""
MODERATED = re.compile(
    r"\b(?:question|post|comment|answer|it|this|he|she|user|account) (?:was|were|has been|got|is) "
    r"(?:deleted|removed|closed|merged|edited|changed)\b(?!.*\b(?:api|version|function|method)\b)",
    re.IGNORECASE,
)
"""The removal of a post, rather than of its subject."""
CLAUSE = re.compile(
    r"[;:—–]\s*|\s-+\s|,?\s+(?:but|however|yet|although|though|whereas|while)\b,?\s*"
    r"|,\s+(?:and|so|because|as|since)\b\s*|,\s+",
    re.IGNORECASE,
)
"""Ends of clauses."""
