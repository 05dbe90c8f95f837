"""The lexicon of English: words that call something out of date, and words that take it back.

A space in a phrase stands for any white space, and " ?" for none as well.
`labeling.tasks.obsolescence.sentences` combines them.
"""

import re

from socorpus.labeling.tasks.obsolescence.lexicons import LEXICONS, Lexicon


def _any(*phrases: str) -> str:
    spaced = (phrase.replace(" ?", r"\s*").replace(" ", r"\s+") for phrase in phrases)
    return "(?:" + "|".join(spaced) + ")"


def _words(phrases: str) -> str:
    return _any(*phrases.split())


def _compile(*phrases: str, begins: str = "") -> re.Pattern[str]:
    return re.compile(begins + _any(*phrases), re.IGNORECASE)


# Cues: the state of a thing, its end, its removal, its failure in what is newer.

STATES = _any(
    *(
        (
            r"depr[eia]cat(?:ed|ion"
            r"|es)"
        ),
        r"out[-\s]?dated",
        r"obs[eo]le?te[ds]?",
        r"out[-\s]of[-\s]date",
        r"supers[ec]+ded",
    ),
    *("discontinued", r"EOL'?e?d"),
)
_ENDED = _any(
    *(r"work(?:s|ing|ed)?", "valid", "available", "supported", "exists?", r"appl(?:y|ies)", "applicable", "true"),
    *("correct", "accurate", "recommended", "maintained", "possible", "relevant", "necessary", "needed", "required"),
    *("accepted", r"function(?:s|al)?", "compiles?", "runs?", "usable", "allowed", "used", "in use", "exported"),
    *("the (?:case|way|right way|best way|preferred way)", "a thing", r"a (?:valid|good) \w+", "an option", "part of"),
    *("supports?", "provides?", "includes?", "has", "ships?", "offers?", "returns?", "offered", "shipped", "included"),
    *("provided", "there", "holds?", "a solution", "the best", "good", "enough", "sufficient", "valid", "in \\w+"),
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
    *("shut down", "phased out", "eliminated", "scrapped", "yanked", "ripped out", "withdrawn", "nuked", "subsumed"),
)
_NOT = r"\b(?:not|never|cannot|(?:do|does|dose|did|was|were|is|are|has|have|had|ca|wo|could|would)n'?t|dos?en'?t)"
_NOT_DO = _any(
    r"(?:do|does|dose|did|is|are|ca|wo)n'?t",
    r"dos?en'?t",
    "(?:do|does|did|will|is|are|can) not",
    "cannot",
    "fails? to",
    "fails?",
)
_WORKS_IN = _any(rf"(?:the )?(?:(?:\S+ ){{0,4}}?{VERSION}(?!s)|(?:\w+ ){{0,2}}?{_NEWER}\b)")
CUE_BEGINS = r"(?:(?<!\w)|(?=n't|['\d]))"
"""No cue begins elsewhere: a look at what stands before is quicker than a try of all of them."""
CUE = _compile(
    rf"\b{STATES}\b",
    rf"\b(?:no[-\s]longer|not any\s?longer) (?:\w+ly )?(?:be(?:en|ing)? )?{_ENDED}\b",
    rf"{_NOT} (?:\w+ ){{0,2}}?(?:be )?{_ENDED}\b[^.,;!?]{{0,25}}?\bany\s?(?:more|longer)\b",
    r"\b(?:stopped|ceased|quit) (?:working|functioning|being supported|to (?:work|exist|function))\b",
    rf"\b{_IS} (?:\w+ly |now |also |since )?{_REMOVED}\b[^.;!?]{{0,40}}?\b{_WHEN}",
    rf"\b{_NOT_DO} (?:seem to |appear to )?(?:work(?:ing)?|compile|run|exist|supported|available|valid|build)\b"
    rf"(?:(?!\bfor me\b|\bhere\b|\bmy\b)[^.;!?]){{0,25}}?\b{_WHEN}",
    r"\b(?:needs?|requires?|could use|is due for|in need of) (?:an? )?(?:updat(?:e|ing)|to be updated|refresh)\b",
    r"(?:\b(?:not|hardly)|n't) (?:\w+ )?up[-\s]to[-\s]date\b",
    r"\b(?:is|are|was|now) (?:\w+ )?(?:defunct|end[-\s]of[-\s]life|EOL|unmaintained|abandoned)\b",
    # Anything that is no longer the case.
    rf"(?:{_NOT}|\b(?:no|nothing))\b(?:[^.,;!?]|(?<=\d)\.(?=\d)){{1,60}}?\bany\s?(?:more|longer)\b"
    r"(?=\s*(?:$|[.,;:!?)(]|(?:in|on|since|with|as|from|because|so|and|but|for|due|after)\b))",
    rf"\bnot (?:valid|applicable|available|supported|possible)\b[^.;!?]{{0,25}}?\b{_WHEN}",
    rf"\b(?:is|are|was|were|has|have) (?:now |long |all |been )?gone\b[^.;!?]{{0,30}}?\b{_WHEN}",
    rf"\bbroken\b[^.;!?]{{0,30}}?\b{_WHEN}",
    rf"\bthere(?:'s| is| are) no (?:\S+ ){{1,4}}?{_WHEN}",
    rf"^\W*(?:removed|dropped|deleted|gone|renamed|replaced) {_WHEN}",
    # With its remover as the subject.
    rf"\b(?:has|have|had) (?:\w+ly |also |now |since )?"
    rf"(?:{_REMOVED}|disabled|closed|(?:switched|turned|shut) (?:off|down))\b",
    rf"{VERSION} (?:has |also |finally )?(?:remove[sd]|drop(?:s|ped)|disable[sd]|kill(?:s|ed)"
    rf"|refuses)\b(?=\s(?!of\b|in\b|per\b)\w)",
    r"\b(?:is|are|was|were|been|got) (?:\w+ly |now )?(?:switched|turned|shut) (?:off|down)\b",
    r"\b(?:was|were|has been|have been) (?:\w+ly |now )?(?:replaced|retired|succeeded) (?:by|with)\b",
    rf"(?-i:\b(?!(?:You|We|They|He|She|It|This|That|Who|One|If|When|Not|Never|None|Nothing|Now|Is|Was|Were|Been"
    rf"|Has)\b)[A-Z]\w+)(?: \d[\d.]*)? (?:(?:has|have|finally|just|recently|devs?|team) ){{0,2}}(?:{_REMOVED}"
    rf"|disabled|deprecated|blocked"
    r"|revoked|sunset|(?:turned|switched|shut|closed) (?:off|down))\b(?=\s(?!in\b|since\b|as\b|by\b|from\b"
    r"|and\b|at\b|on\b|with\b)\w)",
    rf"\b{VERSION} (?:has|have|knows?) no\b|\b{VERSION} (?:do|does)n'?t (?:have|support|include|ship|know|accept)\b",
    r"\b(?:is|are|'s) (?:\w+ly |now |long |all )?(?:gone|dead)\b(?! (?:simple|easy|on|slow))|\bwent away\b"
    r"|\b(?:has|have) vanished\b",
    r"\b(?:has|have|was|were|is|are|been|got) (?:been |now |since |finally )*(?:abandoned|archived"
    r"|sunset(?:ted)?|phased out|retired"
    r"|end-of-lifed|decommissioned|merged into|folded into|renamed (?:to|as)|moved (?:to|into) (?:the )?CODE)",
    r"\b(?:reached|hit|past) (?:its |their )?(?:end[-\s]of[-\s]life|EOL)\b",
    r"\bin maintenance mode\b|\bno longer (?:recommended|actively)\b",
    # Without a version or a time: of what the answer names only (`general`).
    rf"\b(?:{_IS}) (?:\w+ly |now |also |since |long )?{_REMOVED}\b",
    *(rf"(?<={word}\s)(?:been )?{_REMOVED}\b" for word in ("not", "n't", "never")),
    # What it is now.
    r"\b(?:has|have)n'?t been (?:true|correct|valid|accurate|necessary|needed|required|supported|the case)\b",
    r"\b(?:api|apis|syntax|interface|ui|menus?|settings?|options?|signature|behaviou?r|endpoints?|layout"
    r"|command|flags?|defaults?"
    r"|format|policy|rules?|names?|property|method|function) (?:has|have|was|were) (?:since |now |been "
    r"|completely |also |all )*"
    r"(?:changed|moved|renamed|replaced|reworked)\b",
    r"\b(?:is|are|it's|they're) now (?:called|named|located|found|part of|built[-\s]in|unnecessary|redundant"
    r"|useless|legacy|dead)\b",
    rf"\b(?:un(?:necessary|needed)|redundant|built[-\s]in|(?:not|n't) (?:needed|necessary"
    rf"|required)) (?:any ?more|any longer|{_WHEN})",
    rf"\bno (?:more )?need (?:for|to)\b[^.;!?]{{0,30}}?\b(?:any ?more|any longer|{_WHEN})",
    rf"^(?:\W|fyi\b|note that\b|actually\b|just\b|and\b){{0,6}}(?:as of|since|starting (?:with|from|in)"
    rf"|beginning with|from|in|with) "
    rf"(?:\S+ ){{0,3}}?(?:{VERSION}|{_NEWER} (?:versions?|releases?)(?: of \S+)?)(?:\+| and (?:up|later|above"
    rf"|newer)| or (?:later|newer))?,? "
    r"(?:there(?:'s| is| are)|you (?:can|should|must|need|have to|now)|use\b|we can|one can|it(?:'s| is"
    r"| has) (?:now|been|called|enough"
    r"|built)|the (?:correct|right|new|recommended|preferred)|this (?:is|has|can) (?:now|been|be|built))",
    r"\b(?:nowadays|these days)\b[^.;!?]{0,40}?\b(?:use|should|prefer|recommended|replaced|instead|only|better)\b",
    r"\b(?:use|should|prefer|recommended|replaced|instead|only|better)\b[^.;!?]{0,40}?\b(?:nowadays|these days)\b",
    rf"\b(?:breaks?|throws?|raises?|crashes|errors? out|blows up|gives? (?:me "
    rf"|you )?an? \w+)\b[^.;!?]{{0,30}}? (?:since|as of|starting with) "
    rf"(?:\S+ ){{0,3}}?{VERSION}",
    r"\b(?:is|are|it's|they're) now (?:under|at|done|handled|moved|gone|the default|enabled|disabled|blocked"
    r"|forbidden|illegal"
    r"|an error|unsupported|possible|supported|available|paid)\b",
    r"\b(?:was|were|has|have|been|got) (?:been )?(?:moved|rebranded|relocated|relabell?ed) (?:to|under|into"
    r"|from|as)\b|\bnow lives\b",
    rf"\bno such (?:\w+ )?(?:thing|option|menu|button|tab|setting|flag|switch|method|function|item|entry"
    rf"|command)s? (?:any ?more|{_WHEN})",
    r"\b(?:can't|cannot|can not|don't|do not) (?:see|find) (?:this|that|the|such|any) (?:\w+ ){0,2}?(?:option"
    r"|menu|button|tab|setting|link|item|entry)"
    rf"\b[^.;!?]{{0,20}}?(?:any ?more|{_WHEN})",
    r"\bdropp(?:ed|ing) (?:the |all )?support\b|\b(?:is|are) (?:now |officially )?unsupported\b",
    r"\b(?:this|that|it|things|which) (?:has|have) (?:since |now |all )*changed\b",
    r"\b(?:wrong|incorrect|bad|discouraged|insecure|unsafe|not recommended) (?:now|today|nowadays|these days"
    r"|any ?more)\b",
    r"\bi (?:would )?no longer (?:recommend|suggest|advise) (?:this|it|that|doing)\b",
    r"\b(?:valid|works?|worked|true|appl(?:y|ies)|applicable) (?:only )?(?:until|up to|before|prior to)\b",
    r"\b(?:returns?|gives?|throws?|yields?) (?:me |you )?(?:an? )?(?:4\d\d|error"
    r"|exception)\b[^.;!?]{0,20}\b(?:now|nowadays|today|these days)\b",
    # Judgements.
    r"\b(?:answer|post|solution|advice|approach|information|info) is (?:\w+ )?(?:old|ancient|dated|legacy)\b",
    r"\b(?:useless|pointless|moot|stale|irrelevant) (?:now|today|nowadays|these days)\b|\bnow stale\b",
    r"\bhere (?:is|are) stale\b",
    r"\b(?:was|were) (?:\w+ )?(?:true|correct|right|valid|accurate|fine|(?:a )?good (?:advice|answer)"
    r"|the (?:right |best )?way|possible)"
    r" (?:back )?(?:then|in (?:19|20)\d\d|at (?:the|that) time|when (?:it|this|i) (?:was )?(?:wrote|written"
    r"|posted|answered))\b",
    rf"\bno[-\s]longer\b(?! (?:than|\w*ly)\b)(?!\s+{STATES})",
    r"\btimes have changed\b|^\W*R\.?I\.?P\b(?=\W*$)|\bnot functional\b",
    r"\b(?:answer|approach|method|solution|way|code|advice|trick)(?:'s| is| has become)(?: \w+)? "
    r"(?:dead|stale|useless|history|moot)\b",
    r"\baged badly\b|\b(?:kept|left|here) (?:\w+ )?for (?:historical|legacy) (?:reasons|purposes)\b",
    r"\bdo(?:n't| not) (?:use|follow|do) (?:this|it)\b[^.;!?]{0,20}?\b(?:today|any\s?more|any longer|now|nowadays)\b",
    r"\bused to (?:work|be (?:true|correct|possible|valid|the way))\b",
    r"\bold (?:way|method|approach|syntax)\b[^.;!?]{0,40}?\b(?:now|nowadays|today|these days)\b",
    begins=CUE_BEGINS,
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

_NEW = "(?:[0-9x]|new|latest|recent|current|later|modern|last|upcoming)"
_DONE = (
    "(?:removed|dropped|deleted|retired|replaced|renamed|killed|axed|pulled|eliminated|scrapped|yanked|withdrawn|nuked"
    "|subsumed|disabled|blocked|revoked|sunset)"
)
# Alternatives are as narrow as a search without counts and without look-around can be: each that may go on to the end
# of a line multiplies the states of the automaton, and each line that matches is read by the slow expressions.
_COMMONEST = (
    rf"\b{_DONE}",
    (
        r"(?:n'?t|\bnot|\bcannot|\bfails?)\s+(?:to\s+)?(?:(?:seem|appear)\s+to\s+)?"
        r"(?:work(?:ing)?|compile|run|exist|supported|available|valid|build|applicable|possible)\b.*" + _NEW
    ),
    rf"\bthere(?:'s|\s+is|\s+are)\s+no\s.*{_NEW}",
    rf"\b(?:since|as\s+of|starting\s+with)\s.*{_NEW}",
    rf"^(?:\W|fyi\b|note\s+that\b|actually\b|just\b|and\b)*(?:(?:(?:beginning|starting)\s+)?(?:with|from|in))\s.*{_NEW}",
    (
        r"\bworks\s+(?:(?:\w+ly|just|too|fine|great|well|perfectly|ok|okay|like\s+a\s+charm|for\s+me)\s+)*"
        r"(?:in|with|on|since|for|as\s+of|from)\s"
    ),
)
_OTHERS = "(?im)" + "|".join(
    (
        r"depr[eia]cat|out[-\s]?dated|obs[eo]le?t|out[-\s]of[-\s]date|supers[ec]+d|discontinu|\bEOL",
        r"end[-\s]of[-\s]life|no[-\s]+longer|any\s*(?:more|longer)",
        r"(?:stopped|ceased|quit)\s+(?:working|func|being|to\s+(?:work|exist|func))",
        r"\b(?:needs?|requires?|could\s+use|due\s+for|need\s+of)\s+(?:an?\s+)?(?:updat|to\s+be\s+updated|refresh)",
        r"\b(?:taken|ripped)\s+out\b|phased\s+out",
        r"\b(?:removes|drops|disables|kills|refuses|abandoned|archived|decommissioned|merged\s+into|folded\s+into)",
        r"\bmoved\s+(?:to|into|under|from|as)\b|\b(?:turned|switched|shut|closed)\s+(?:off|down)\b",
        r"\b(?:has|have|had)\s+(?:\w+\s+)?closed\b|\b(?:was|were|been)\s+(?:\w+\s+)?succeeded\b",
        r"up[-\s]to[-\s]date|\bdefunct\b|\bunmaintained\b|\bgone\b|\bbroken\b",
        r"\bstale\b|aged\s+badly|for\s+(?:historical|legacy)\s|maintenance\s+mode",
        r"(?:'s|\bis|\bare|\bbecome|\bnow)\s+(?:\w+\s+)?(?:dead|useless|history|moot|old|ancient|dated|legacy)\b",
        r"\bnot\s+functional|times\s+have\s+changed|\bnowadays\b|\bthese\s+days\b|\bused\s+to\s+(?:work|be)\b",
        r"\bold\s+(?:way|method|approach|syntax)\b|\bwent\s+away\b|\bha(?:ve|s)\s+vanished\b|\bRIP\b|\bR\.I\.?P|\bRI\.P",
        (
            r"\b(?:is|are|it's|they're)\s+now\s+(?:under|at|done|handled|moved|gone|the\s+def|enabled|disabled|bl|forb"
            r"|illegal|an\s+err|uns|poss|supp|avail|paid|called|named|located|found|part|built|unn|redundant|useless|legacy)"
        ),
        r"\b(?:has|have|was|were|been|since|now|also|all|completely)\s+(?:changed|reworked|moved)\b|n'?t\s+been\s",
        r"\bdo(?:n't|\s+not)\s+(?:use|follow|do)\s+(?:this|it)\b|\bre(?:branded|located|label+ed)\b|\bnow\s+lives\b",
        r"\bno\s+such\s|\bdropping\s|\bunsupported\b",
        r"\b(?:wrong|incorrect|bad|discouraged|insecure|unsafe|recommended)\s+(?:now|today|these)\b",
        r"(?:can't|cannot|can\s+not|don't|do\s+not)\s+(?:see|find)\s+(?:this|that|the|such|any)\b",
        r"\b(?:valid|works?|worked|true|appl(?:y|ies)|applicable)\s+(?:only\s+)?(?:until|up\s+to|before|prior)\b",
        r"\b(?:returns?|gives?|throws?|yields?)\s+(?:me\s+|you\s+)?(?:an?\s+)?(?:4[0-9][0-9]|error|exception)\b",
        r"\bun(?:necessary|needed)\s|\bredundant\s|\bbuilt[-\s]in\s|(?:n't|\bnot)\s+(?:needed|necessary|required)\b",
        r"\bno\s+(?:more\s+)?need\s|\b(?:useless|pointless|moot|irrelevant)\s+(?:now|today)\b",
        (
            r"\b(?:true|correct|right|valid|accurate|fine|advice|answer|way|possible)\s+(?:back\s+)?(?:then\b|in\s+[12]"
            r"|at\s+(?:the|that)\s+time|when\s+(?:it|this|i)\s)"
        ),
        r"[0-9x]\+?\s+(?:(?:has|have|knows?)\s+no\b|do(?:es)?n'?t\s+(?:have|support|include|ship|know|accept))",
        r"\bstill\s+(?:\w+ly\s+)?(?:work|valid|true|appl|relevant|correct|current|supported|accurate|the\s)",
    )
)
HINT = "|".join((_OTHERS, *_COMMONEST))
"""In google-re2's dialect: a line with a cue, or with words for "still", matches it. It is many times faster."""

# Most lines that match it match one of the commonest only. These would then have to match in full.
_AHEAD = r"(?:in|since|as\s+of|from|after|with|by|on|for|starting|beginning)"
_OF_VERSION = r"\s+(?:\S+\s+){0,6}(?:\S*[0-9]|(?:newe?r?|newest|latest|recent|current|later|modern|last|upcoming)\b)"
_IN_FULL = (
    rf"(?:\b(?:was|were|has|have|had|been|is|are|got|gets|now)|not|never|'s|n't)\s+(?:\S+\s+){{0,4}}{_DONE}",
    rf"^\W*{_DONE}|[0-9x+]\s+(?:\w+\s+)?{_DONE}|\bdropped\s+(?:the\s+|all\s+)?support",
    rf"(?-i:[A-Z])\S*\s+(?:[0-9][0-9.]*\s+)?(?:(?:has|have|finally|just|recently|devs?|team)\s+){{0,2}}{_DONE}",
    (
        r"(?:n'?t|\bnot|\bcannot|\bfails?)\s+(?:to\s+)?(?:(?:seem|appear)\s+to\s+)?"
        r"(?:work(?:ing)?|compile|run|exist|supported|available|valid|build|applicable|possible)\b[^.;!?]*"
        rf"\b{_AHEAD}{_OF_VERSION}"
    ),
    rf"\bthere(?:'s|\s+is|\s+are)\s+no\s+(?:\S+\s+){{1,4}}{_AHEAD}{_OF_VERSION}",
    r"\b(?:breaks?|throws?|raises?|crashes|out|up|gives?)\b[^.;!?]*\s(?:since|as\s+of|starting\s+with)\s.*[0-9]",
    (
        r"^(?:\W|fyi\b|note\s+that\b|actually\b|just\b|and\b)*"
        rf"(?:as\s+of|since|(?:(?:beginning|starting)\s+)?(?:with|from|in)){_OF_VERSION}"
        r".*\s(?:there|you\s|use\b|we\s|one\s|it|the\s|this\s)"
    ),
    (
        r"\bworks\s+(?:(?:\w+ly|just|too|fine|great|well|perfectly|ok|okay|like\s+a\s+charm|for\s+me)\s+)*"
        rf"(?:in|with|on|since|for|as\s+of|from){_OF_VERSION}"
    ),
)
HINTS = (_OTHERS, *(f"(?im){expression}" for expression in _IN_FULL))
"""The same: one of them matches. Only a half of the lines that match `HINT` match one."""

STILL_ASKED = _compile(
    r"\bstill (?:\w+ )?(?:work(?:s|ing)?|valid|true|appl(?:y|ies)|relevant|correct|current|supported|accurate"
    r"|recommend(?:ed)?|"
    r"the (?:\w+ )?(?:way|case)|possible|needed|necessary|available|ships?|hold)\b",
)
"""Words that ask whether it still works."""

_IT = _words("it this that they")
DENIAL = re.compile(
    r"^(?:@\S+\s*[,:]?\s*)?(?:edit\s*:?\s*)?(?:\w+\s*,\s*|[^,.:;]{1,40}:\s+)?"
    + _any(
        # taken back
        r"(?:i )?take (?:it|that|this) back\b|never\s?mind\b|scratch that\b|my (?:bad|mistake)\b|i stand corrected\b",
        r"(?:(?:please|sorry|just|oops|ok|ah|oh)\W+){0,3}(?:ignore|disregard|forget) (?:me|my|that|this|what i"
        r"|the (?:above|last|previous))\b"
        r"|false alarm\b|(?:(?:sorry|oops|ok|ah|oh)\W+){1,3}(?:my|i was|it was (?:me|my)|i had|that was (?:me|my))\b",
        r"(?:i )?can(?:'t|not) (?:confirm|reproduce)\b|you(?:'re| are) (?:mistaken|wrong|confus\w+)\b"
        r"|not (?:true|so|really|correct|at all)\b[.!,:;]?"
        r"|(?:seems? to )?(?:still )?(?:work(?:s|ed|ing)|runs?|compiles?) (?:\w+ )?(?:for me|here|fine"
        r"|perfectly|just fine|ok(?:ay)?|as expected)\b",
        r"(?:down)?vote (?:retracted|removed)\b|QUOTE (?:is|was) (?:simply |just |plain )?(?:false|wrong|nonsense)\b",
        # "no", with or without what is denied
        rf"(?:no|nope|nah|wrong|false|incorrect)\b[,.!]?\s*,?\s*{_IT}\s*(?:'s|is|are|does|do)?\s*"
        r"(?:n't|not|isn't|doesn't|aren't|does|still)?\b",
        r"(?:no|nope|nah|wrong)\b[,.!:]?\s*(?:it |this |that )?(?:still )?(?:works?|working|worked|runs|compiles)\b",
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
HEDGE = _compile(r"\b(?:i think|i guess|i fear|i believe|seems?|afraid|i'm afraid)\b")
SUPPOSED = _compile(
    r"\b(?:if|whether|unless|in case|suppose|supposing|assuming|until|till|once|when(?:ever)?|before|lest)\b",
    r"\b(?:should|might|(?-i:may|MAY)|could|would|will|going to|about to|soon|maybe|perhaps|possibly)\b",
    r"\b(?:not sure|unsure|wonder(?:ing)?|to become|becoming|to be|probably|presumably|plan(?:s|ning"
    r"|ned)? (?:to|on)|slated|scheduled"
    r"|in (?:the )?future|eventually|some ?day|upcoming|rumou?red|discuss(?:ed|ing|ion))\b",
    r"\b\w+'ll\b",
)
CONDITION = _compile(
    r"\b(?:if|unless|in case(?! (?:any|some|you|other|people))|suppose|assuming|whether|when(?:ever)? (?:it"
    r"|they|this|that))\b"
)
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
    r"\b(?:my|our|his|her|their|your|the|a|some|another|one) (?:\w+ ){0,2}?(?:boss|lead|colleagues?|friends?"
    r"|team|teacher|professor|co-?workers?"
    rf"|managers?|client|guys?|blogs?|articles?|tutorials?|books?|comments?|posts?|people|users?|compan(?:y"
    rf"|ies)) (?:\w+ ){{0,2}}?{_SAY}\b",
    rf"\b(?:i(?:'ve| have)?|you|he|she|they|some(?:one|body)?|people|others|many|everyone|(?:\w+ )?who(?:ever)?)"
    rf" (?:\w+ly |also |just |once |had |have |keep |might )?{_SAY}\b",
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
    *(
        "job",
        "project",
        r"code\s?base",
        "news",
        "bookmark",
        "downloads?",
        "thread",
        "domain",
        "video",
        "gist",
        "pdf",
        "paper",
    ),
    *(
        "reference",
        "source",
        "blogpost",
        "guide",
        "screencast",
        "archive",
        "hosting",
        "host",
        "mailing list",
        "forum",
        "wikipedia",
    ),
    *(
        "phones?",
        "devices?",
        "hardware",
        "laptops?",
        "router",
        "card",
        "kernel",
        "distribution",
        "operating system",
        "tutorials?",
    ),
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
    r"\b(?:my|our|his|her|their|the|that|those|these|this|your|an?|all|some|both|first|second|last|original"
    r"|linked|official"
    rf"|\w+'s)(?: \w+){{0,2}}? {_OTHER_THING}\b",
    r"\b(?:other|another|previous|next|second|top|above|below|earlier|older|remaining|most|all|many|some|first)"
    rf" (?:\w+ )?{_ANSWERS}\b",
    rf"\b{_ANSWERS} (?:above|below|by|from|of)\b",
    r"\b(?:new|of|such|more) (?:\w+ )?answers\b",
    rf"@?\w+'s (?:{_ANSWERS}|comment)\b",
    r"\b(?:i|we|you)(?:'m|'re|'ve| am| are| was| were| have| had)? (?:\w+ ){0,2}?"
    r"(?:using|running|on|stuck|have|had|got|use)\b",
    r"\b(?:others?|the rest|most of (?:them|these|those)|everything else|all else|the ones?|those) "
    r"(?:(?:are|were|is|seem|here|above|below|on this page|in this thread) )?(?:\w+ )?$",
    r"\b(?:you|your|he|his|she|op)\b[^.;]{0,40}\b(?:on|using|running|with|run|use|have|got|an?|is|was"
    r"|version)\b[^.;]{0,30}\b(?:which|that|and it|it) (?:is|was|has)\b",
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
    r"(?<![,;:])\b(?!(?:think|note|notice|know|believe|says?|said|seems|see|fear|is|was|and|but|because|as"
    r"|since|so|now|means)\b)"
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

_WORK = _any(
    *(
        "answers?",
        "solutions?",
        "methods?",
        "approach(?:es)?",
        "code",
        "post",
        "way",
        "workaround",
        "trick",
        "technique",
    ),
    *("advice", "suggestions?", "instructions?", "steps?", "snippet", "example", "syntax", "command", "recommendation"),
    *("procedure", "recipe", "hack", "script", "information", "info"),
)
ITSELF = _compile(
    rf"\b(?:this|your|my|these|the above|above|the) (?:\w+ ){{0,2}}?{_WORK}\b",
    r"\b(?:the above|all (?:of )?(?:this|that|the above)|none of (?:this|that|the above)|what's above"
    r"|what is above|(?:everything|what) (?:i|you) (?:wrote|write|suggest(?:ed)?|describe[d]?))\b",
    rf"^\W*(?:accepted |old |good |great |outdated )*{_WORK}\b",
)
PRONOUN = _compile(
    r"^\W*(?:(?:\w+ly|is|are|was|has|have|does|so|and|but|now|fyi|note(?: that)?|also|because|since|as|it seems"
    r"|i think|i'm afraid)\b\W*){0,4}"
    r"(?:(?:this|that|these|those)\b(?! (?:ones?|time|site|question|community|day|year|moment|comment|link)\b)"
    r"|it\b|they\b|its\b|all of (?:this|that|these)\b)",
    r"(?:^|[,;:()]\s*|\b(?:of|in|for|as|and|but|so|with|since|now|today|because|by)\s)(?:this|that|these"
    r"|those) (?!(?:ones?|time|site|question|community|day|year|moment|comment|link)\b)\w+(?: \w+)?\W*$",
    r"\b(?:this|these)(?: \w+ly)?\W*$",
)
OBJECT_BEFORE = _compile(r"\b(?:ma[dk]es?|making|renders?|rendered) (?:this|that|it|these|them|the above) (?:\w+ )?$")
OBJECT_AFTER = _compile(r"^\s*(?:this|that|it|these|them|the above)\b")
ELIDED = _compile(
    r"^(?:\W|\b(?:now|sadly|unfortunately|alas|fyi|note|nb|warning|caution|beware|careful|attention|edit|update"
    r"|also|actually"
    r"|apparently|officially|completely|totally|very|really|quite|seems?|to be|is|has been|been|was|has|answer"
    r"|just|a|heads up"
    r"|since|yes|yep|yeah|indeed|no|nope|\d{4}|\d{1,2}|here|and|but|so|already|long|largely|mostly|kinda|bit"
    r"|little|definitely"
    r"|it's|that's|today|nowadays|currently|please|x{3,})\b){0,8}\W*$"
)
REPLACEMENT = _compile(
    r"\b(?:use|using|instead|try|see|replac(?:ed|ement)|switch(?:ed)? to|prefer|in favou?r of"
    r"|you(?:'ll)? (?:need|should|can|must|have)"
    r"|now (?:it's|you|there|called)|moved to|go to|successor|alternative|equivalent|nowadays|these days)\b"
)
OTHER_ANSWER = _compile(
    rf"\b(?:accepted|selected|other|others|top|older|old|oldest|previous|earlier|above|first|original|existing"
    rf"|most|highest|"
    rf"upvoted|voted|\d{{4}}|many|all|rest of the|\w+'s) (?:\w+[- ]){{0,2}}?{_ANSWERS}\b",
    rf"\b{_ANSWERS} (?:above|below|here|by|from|of|on this page)\b",
)
CONFIRMATION = re.compile(
    r"^(?:@\S+[,:]?\s*)?"
    r"(?:yes|yep|yeah|yup|indeed|correct|right|true|exactly|(?:sadly|unfortunately),? yes|it (?:is|has|does"
    r"|did)|they (?:did|have)"
    r"|(?:for|in|on) [^,.]{1,40}, (?:it (?:has|is|was|does)|they (?:did|have))|afraid so|i'm afraid so|looks like it)\b"
    r"(?:[\s.!]*$|[,.!]?\s+(?:it|this|that|they|since|as of|in|from|has|was|is|sorry|nothing|still|\w+ (?:is"
    r"|was|has))\b)",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"^(?:@\S+[,:]?\s*)?(?:(?:sadly|unfortunately|alas),? )?(?:no|nope|nah|not (?:really|any ?more"
    r"|any longer))\b(?! idea| problem)",
    re.IGNORECASE,
)
CONCESSION = _compile(
    r"^(?:@\S+\s*[,:]?\s*)?(?:(?:ah|oh|ok|okay|hm+|sorry|oops|well|indeed)\b\W*){0,3}"
    r"(?:you(?:'re| are)(?: \w+)? right|i stand corrected|my (?:bad|mistake|fault)|i was wrong|fair enough"
    r"|good point|i see)\b"
)
MENDED = _compile(
    r"\b(?:i(?:'ve| have)?|i just|just|now|has been|have|answer|thanks?|thank you|ok|done|good (?:catch|point)"
    r"|right)\W+(?:\w+\W+){0,4}?"
    r"(?:updated?|fixed|edited|changed|rewritten|rewrote|corrected|amended|revised|replaced|adjusted)\b(?! me\b)",
    r"^\W*(?:@\S+\W+)?(?:updated|fixed|edited|changed|corrected|rewritten|amended|revised|done)\b",
    r"\b(?:see|after) (?:my|the|your) (?:latest |recent |last )?(?:edit|update|revision)\b",
    r"\b(?:works|fine|good|better|correct) (?:now|after the (?:edit|update))\b",
    r"\b(?:down)?vote (?:retracted|removed|reversed)\b",
)
MARKER = re.compile(
    r"^\W*(?:(?:update[ds]?|edit(?:ed)?|upd|addendum|note|n\.?b\.?|important|warning|notice|attention|caution"
    r"|disclaimer|heads[- ]up"
    r"|deprecated|outdated|obsolete|deprecation)\b|(?:(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov"
    r"|dec)\w* )?(?:19|20)\d\d\b(?=\W*[\]):]))",
    re.IGNORECASE,
)
PRAISE = re.compile(
    r"^(?:@\S+[,:]?\s*)?\W*(?:\+\s?1\b|thank(?:s| you)|thx|ty\b|great|good\b|nice|perfect|excellent|upvoted?\b"
    r"|awesome|brilliant|exactly"
    r"|this (?:is|should be) (?:the|now the) (?:right|correct|best|accepted|only|real|up-to-date)|best answer"
    r"|much better|finally|glad"
    r"|(?:this|your) (?:one|answer) (?:works|is (?:the|better|right|correct|good)))",
    re.IGNORECASE,
)
UNWELL = re.compile(r"\b(?:but|however|not|except|unfortunately|sadly|alas|though|although)\b|n't\b|\?", re.IGNORECASE)

ENGLISH = LEXICONS.add(
    "en",
    Lexicon(
        "en",
        cue=CUE,
        hint=HINT,
        hints=HINTS,
        state=re.compile(STATES, re.IGNORECASE),
        removal=_compile(
            rf"\b{_REMOVED}\b", r"\b(?:gone|dead|vanished|went away|exists?|shut|closed|turned off|switched off)\b"
        ),
        failure=_compile(
            r"\bno[-\s]longer\s+\w|\b(?:stopped|ceased|quit|broken|breaks?|fails?|used to|useless|works?|working"
            r"|worked|valid|available|supported"
            r"|appl(?:y|ies)|applicable|true|correct|accurate|maintained|recommended|possible|compiles?|runs?"
            r"|usable|functional"
            r"|functioning|the case)\b",
        ),
        limit=re.compile(
            rf"(?:{_NOT_DO}\b|not (?:valid|applicable|available|supported|possible)\b|there(?:'s| is| are) no\b"
            rf"|{VERSION} )"
            r"(?!.*\b(?:any ?more|longer|exists?)\b)",
            re.IGNORECASE,
        ),
        general=_compile(
            r"^no[-\s]longer$",
            r"\bany\s?(?:more|longer)\b",
            rf"^{_IS} (?:\w+ )?{_REMOVED}$|^(?:been )?{_REMOVED}$",
            r"^(?:is|are|'s) (?:\w+ )?(?:gone|dead)$",
        ),
        still=STILL,
        still_asked=STILL_ASKED,
        denial=DENIAL,
        confirmation=CONFIRMATION,
        refusal=REFUSAL,
        concession=CONCESSION,
        mended=MENDED,
        negation=NEGATION,
        double=DOUBLE,
        not_only=NOT_ONLY,
        supposed=SUPPOSED,
        hedge=HEDGE,
        given=re.compile("if|when|once", re.IGNORECASE),
        condition=CONDITION,
        nowadays=NOWADAYS,
        asked=ASKED,
        told=TOLD,
        reported=REPORTED,
        other_subject=OTHER_SUBJECT,
        accepted=ACCEPTED,
        other_noun=OTHER_NOUN,
        attribute=ATTRIBUTE,
        not_a_noun=NOT_A_NOUN,
        avoids=AVOIDS,
        passing=PASSING,
        relative=RELATIVE,
        uses=USES,
        person=PERSON,
        moderated=MODERATED,
        clause=CLAUSE,
        itself=ITSELF,
        pronoun=PRONOUN,
        object_before=OBJECT_BEFORE,
        object_after=OBJECT_AFTER,
        elided=ELIDED,
        replacement=REPLACEMENT,
        other_answer=OTHER_ANSWER,
        marker=MARKER,
        praise=PRAISE,
        unwell=UNWELL,
        version=2,
    ),
)
