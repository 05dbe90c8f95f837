"""Assignments in code and configuration of any language: the name, and the literal that it gets.

A small parser rather than one expression: a name (`password`, `DB_PASS`, `spring.datasource.password`), what closes it
(quotes, brackets), one of the ways in which some twenty languages and formats tie a value to it, and a literal with the
prefixes and quotes of these languages. Every step is one match at one place, of bounded length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from socorpus.corpus.privacy.found import LONGEST, before
from socorpus.corpus.privacy.redact import STAND_IN


@dataclass(frozen=True, slots=True)
class Assignment:
    """A name and its literal."""

    name: str
    start: int
    """Code point at which the name begins."""
    form: str
    """How they are tied: operator, typed, call, argument, space, element, attribute or pair."""
    sign: str
    """The operator, where there is one."""
    value_start: int
    value_end: int
    quoted: bool


_LEFT = re.compile(r"[\w.\-]*")
_RIGHT = re.compile(r"[\w\-]{0,60}(?:\.(?:value|Value|text|Text|default|plain)\b)?")
_CLOSE = re.compile(
    r"(?:\\{0,3}[\"'`]|&quot;|&#3[49];|[\])}*]|[?!](?=[ \t]?[:=])"
    r"|\[[ \t]?[\"']?[\w.\-]{0,24}[\"']?[ \t]?\]){0,5}"
)

_OPERATOR = re.compile(
    r"[ \t]{0,24}(?P<sign>\?\?=|\|\|=|::=|:=|===?|!==?|=>|->|<<?-|[?+.]=|=|::(?=[ \t]{0,4}[A-Z][\w ]{0,30}=|[ \t])"
    r"|:(?![:/]|\\(?!\\{0,2}[\"']))|\|\||\?\?)[ \t]{0,24}(?:\r?\n[ \t]{0,24}"
    r"(?=[@$bBrRuUfFLN]{0,2}[\"'`]))?"
)
_TYPE = re.compile(r"(?:constant[ \t]+)?[\w.&'*$\\][\w.&'*\[\]<>|,?!$\\: \t]{0,48}?(?<![:=!<>?])=[ \t]{0,24}")
_ADA = re.compile(r"(?:constant[ \t]+)?[A-Za-z_]\w{0,30}(?:\([\d. ]+\))?[ \t]{0,8}:=[ \t]{0,24}")
_TYPE_BEHIND = re.compile(r"[ \t]{1,8}(?:\*|&)?[A-Za-z_][\w.\[\]*()]{0,30}[ \t]{0,8}=(?!=)[ \t]{0,24}")
_AS_TYPE = re.compile(
    r"(?:\(\))?[ \t]{1,8}As[ \t]+(?:New[ \t]+)?[\w.]{1,40}(?:[ \t]*\*[ \t]*\d+)?[ \t]{0,8}=[ \t]{0,24}", re.I
)
_YAML_TAG = re.compile(r"!!\w{1,12}[ \t]+|[|>][+\-]?[ \t]{0,8}\r?\n[ \t]{1,24}")
_PROSE = re.compile(r"[ \t]{1,4}(?:(?:of|for|on|to)[ \w.\-]{1,40}?[ \t])?(?:is|was):?[ \t]{1,4}")
_CALL = re.compile(r"[ \t]?[({][ \t]{0,8}")
_ARGUMENT = re.compile(
    r"[ \t]{1,4}with[ \t]{1,4}(?=[\"'])"
    r"|[ \t]{0,8},[ \t]{0,24}(?:(?:with|value|text|String):?[ \t]{1,4})?"
)
_CHAIN = re.compile(
    r"\.(?:val|send_keys|sendKeys|type|fill|set|setValue|set_value|setText|text|value|Value|Text|equals|contentEquals|equalsIgnoreCase|compareTo)"
    r"(?:[ \t]{0,4}\(|[ \t]{0,4}=(?!=))[ \t]{0,8}"
)
"""What is done with a field that the name finds: `$("#password").val("…")`."""
_SPACE = re.compile(r"[ \t]{1,24}")
_ATTRIBUTE = re.compile(
    r"[ \t\r\n]{1,40}(?:[\w:\-]{1,40}=(?:\"[^\"<>\n]{0,80}\"|'[^'<>\n]{0,80}')[ \t\r\n]{1,40}){0,3}?"
    r"(?:[\w]{1,12}:)?(?i:value|content|data|connectionString)[ \t]?=[ \t]?"
)
_ELEMENT = re.compile(r"(?:[ \t]{1,8}[^<>\n]{0,100})?(?:>|&gt;)\s{0,40}(?:<!\[CDATA\[)?")
_NEXT_ELEMENT = re.compile(
    r"(?:[ \t]{1,8}[^<>\n]{0,100})?(?:>\s{0,8})?(?:</[\w:\-]{1,40}>\s{0,40})?"
    r"<(?:string|value|[\w:\-]{0,20}value|data|val)\b[^<>\n]{0,40}>\s{0,40}",
    re.I,
)
_PAIR = re.compile(
    r"(?:[ \t]{0,8},?\s{0,40}|[ \t]{1,8}\{\s{0,40}(?:type[ \t]*=[ \t]*\w+\s{1,40})?)[\"']?(?:value|default)[\"']?[ "
    r"\t]{0,8}[:=][ \t]{0,8}",
    re.I,
)
_ELEMENT_VALUE = re.compile(r"[^<>&\s](?:[^<>\n]{0,398}[^<>\s])?(?=\s{0,40}(?:<|\]\]>|&lt;))")
_ENTITY_VALUE = re.compile(r"[^<>&\s]{1,398}(?=&lt;)")

_WRAPPERS = re.compile(
    r"(?:(?:new[ \t]+)?(?:java\.lang\.)?(?:String(?:\.valueOf)?|str|bytes|bytearray|b|Buffer\.from|String::from"
    r"|(?:std::)?w?string(?:_view)?"
    r"|QString(?:Literal|::from\w{1,10})?|QByteArray|QLatin1String|_T|TEXT|_TEXT|Some|Just|Secret|SecretStr|MD5|SHA1|SHA2|PASSWORD"
    r"|OLD_PASSWORD|md5|sha1|password_hash|bcrypt|Hash::make|Crypt::encrypt|generate_password_hash|make_password|NSString"
    r"|std::env::var|by lazy|Guid|Uint8Array\.from|Encoding\.\w{1,8}\.GetBytes|T|L|u8|raw|r|c)[ \t]?[({][ \t]?"
    r"|\[\](?:byte|rune|string)[({]"
    r"|\[[ \t]?NSString stringWith(?:String|Format):[ \t]?|\(?ConvertTo-SecureString(?:[ \t]+-\w+(?![\w "
    r"]*\$)){0,3}[ \t]+"
    r"|by lazy[ \t]?\{[ \t]?|new[ \t]+SecureString[ \t]?\(|\((?:const )?(?:unsigned )?(?:char|BYTE|LPSTR|LPCTSTR"
    r"|void|string|std::string)[ \t]?\*?\)[ \t]?"
    r"|<<|[(\[{][ \t]?){1,3}"
)
_ALTERNATIVE = re.compile(
    r"(?:[\w.$>\-]{1,60}(?:\[[\"']?\w{1,40}[\"']?\]|\([^()\n]{0,60}\))?[ \t]{0,4}(?:\|\||\?\?|\?:|or(?=[ "
    r"\t])|\?(?!\.))[ \t]{0,4}"
    r"|(?:[\w:]{1,30}\.)?(?:environ\.get|getenv|env|get\w{0,20}|fetch)\([\"'][\w.\-]{1,60}[\"'][ \t]{0,4},[ \t]{0,4})"
)
"""The other choice before a literal: `process.env.X || "…"`, `os.environ.get("X", "…")`."""
_OPEN = re.compile(
    r"(?P<prefix>\$@|@\$|[@$]|u8R?|LR?|[bBrRuUfFnNEqQ]{1,2})?(?P<hash>\#{0,3})(?P<quote>\\{0,3}\"(?:\"\")?|\\{0,3}'(?:'')?|`"
    r"|[“”„«‘]|&quot;|&\#3[49];)"
    r"|(?P<bracket>\[\[|%?[qQ]{1,2}[({\[<|!]|%[({\[])"
)
_CLOSING = {"“": "”", "”": "”", "„": "“”", "«": "»", "‘": "’"}
_BRACKETS = {"(": ")", "{": "}", "[": "]", "<": ">", "|": "|", "!": "!"}
_MOST = 400
"""Most code points of a literal."""


def name_at(text: str, place: int) -> tuple[str, int, int] | None:
    """The name around a place, where it begins and where it ends; None within a placeholder."""
    start = place - len(before(_LEFT, text, place))
    if start and text[start - 1] == "[" and STAND_IN.match(text, start - 1):
        return None
    right = _RIGHT.match(text, place)
    end = right.end() if right else place
    return text[start:end].strip(".-"), start, end


def parse(text: str, name: str, start: int, end: int) -> Assignment | None:
    """The assignment to the name that begins and ends at two places, if there is one."""
    limit = min(len(text), end + LONGEST)
    for form, sign, (first, last, quoted) in _values(text, start, end, limit):
        if STAND_IN.search(text, end, first) is None:
            return Assignment(name, start, form, sign, first, last, quoted)
    return None


_Value = tuple[int, int, bool]
_NESTED = re.compile(
    r"\{\s{0,24}[\"']?(?:value|default|defaultValue|plaintext|stringValue|S)[\"']?\s{0,8}[:=]\s{0,8}", re.I
)
"""A table around a value: `"password": { "value": "…" }`."""
_SEVERAL = re.compile(r"pass(?:word|wd)s$", re.I)
_ENTRY = re.compile(r"\{\s{0,24}[\"'][^\"'\n]{1,60}[\"']\s{0,4}:\s{0,4}")
"""The first entry of a table of values: `passwords = {"host": "…"}`."""
_KEY_BEHIND = re.compile(r"[\"']\s{0,8}(?::|=>)")


def _values(text: str, start: int, end: int, limit: int) -> Iterator[tuple[str, str, _Value]]:
    close = _CLOSE.match(text, end, limit)
    place = close.end() if close else end
    closed = place > end
    in_tag = _in_tag(text, start)
    in_attribute = closed and text[start - 1 : start] in ("'", '"') and _NAMES.search(text, max(0, start - 24), start)
    if in_attribute:
        match = _ATTRIBUTE.match(text, place, limit)
        if match is not None and (value := literal(text, match.end(), limit)):
            yield "attribute", "=", value
        reverse = _VALUE_BEFORE.search(text, max(0, start - 240), start)
        if reverse is not None:
            yield "attribute", "=", (*reverse.span(1), True)
    if in_attribute or in_tag or text.startswith("</", place):
        match = _NEXT_ELEMENT.match(text, place, limit)
        if match is None and (in_attribute or in_tag):
            match = _ELEMENT.match(text, place, limit)
        if match is not None and (element := _ELEMENT_VALUE.match(text, match.end(), limit)):
            yield "element", ">", (*element.span(), False)
        if in_tag and not closed and text.startswith("&gt;", place):
            entity = _ENTITY_VALUE.match(text, place + 4, limit)
            if entity is not None:
                yield "element", ">", (*entity.span(), False)
    pair = (
        _PAIR.match(text, place, limit) if closed or text[max(0, start - 12) : start].rstrip().endswith(_KEYS) else None
    )
    if pair is not None and (value := literal(text, pair.end(), limit) or unquoted(text, pair.end(), limit, start)):
        yield "pair", ":", value
    behind = _before_key(text, start)
    if behind is not None:
        yield "argument", ",", behind
    chain = _CHAIN.match(text, place, limit)
    if chain is not None and (value := literal(text, chain.end(), limit)):
        yield "call", "", value
        return
    operator = _OPERATOR.match(text, place, limit)
    if operator is not None:
        sign = operator["sign"]
        after = operator.end()
        value = literal(text, after, limit)
        plural = _SEVERAL.search(text, max(0, end - 9), end)
        nested = _NESTED.match(text, after, limit) or (plural and _ENTRY.match(text, after, limit))
        if nested is not None:
            value = literal(text, nested.end(), limit)
        elif value is not None and "{" in text[after : value[0]] and _KEY_BEHIND.match(text, value[1], limit):
            return  # the value is a table, and the literal the name of its first entry
        if value is None:
            choice = _ALTERNATIVE.match(text, after, limit)
            value = literal(text, choice.end(), limit) if choice is not None else None
        if value is not None:
            yield "operator", sign, value
        elif sign in (":", "::"):
            typed = _ADA.match(text, after, limit) or _TYPE.match(text, after, limit)
            if typed is not None and (value := literal(text, typed.end(), limit)):
                yield "typed", "=", value
        if value is None:
            tag = _YAML_TAG.match(text, after, limit)
            value = unquoted(text, tag.end() if tag else after, limit, start)
            if value is not None:
                yield "operator", sign, value
        return
    for pattern in (_AS_TYPE, _TYPE_BEHIND) if not closed else ():
        typed = pattern.match(text, place, limit)
        if typed is not None and (value := literal(text, typed.end(), limit)):
            yield "typed", "=", value
            return
    prose = _PROSE.match(text, place, limit)
    if prose is not None:
        value = literal(text, prose.end(), limit) or unquoted(text, prose.end(), limit, start)
        if value is not None:
            yield "prose", "", value
        return
    for form, pattern in (("call", _CALL), ("argument", _ARGUMENT), ("space", _SPACE)):
        tie = pattern.match(text, place, limit)
        if tie is not None:
            value = literal(text, tie.end(), limit)
            if value is None and form == "space" and not closed:
                value = unquoted(text, tie.end(), limit, start)
            if value is not None:
                yield form, "", value
            return


_VALUE_BEFORE = re.compile(r"<[^<>\n]{0,120}\bvalue=[\"']([^<>\"'\n]{1,120})[\"'][^<>\n]{0,80}$")
_NAMES = re.compile(
    r"(?:^|[\s:<])(?:name|key|id|property|param|setting|android:name|itemprop)[ \t]?=[ \t]?[\"']$", re.I
)
_KEYS = ("name:", "key:", "Key:", "Name:")
_TAG = re.compile(r"(?:<|&lt;)[\w:.\-]*$")


def _in_tag(text: str, start: int) -> bool:
    """Whether a name is that of an XML element: `<password`, `<db:password`."""
    return text[start - 1 : start] == "<" or (start > 1 and _TAG.search(text, max(0, start - 24), start) is not None)


_FOR_KEY = re.compile(r"[\"'`]\]?[ \t,]{1,4}for(?:Key|HTTPHeaderField|KeyPath)[ \t]?:[ \t]?@?[\"']$")


def _before_key(text: str, start: int) -> _Value | None:
    """The literal before a key of Objective-C and Swift: `setObject:@"…" forKey:@"password"`."""
    tie = _FOR_KEY.search(text, max(0, start - 40), start)
    if tie is None:
        return None
    first = text.rfind(text[tie.start()], max(0, tie.start() - _MOST), tie.start())
    value = text[first + 1 : tie.start()]
    return (first + 1, tie.start(), True) if first >= 0 and value and "\n" not in value else None


def literal(text: str, place: int, limit: int) -> _Value | None:
    """Start, end and True of the quoted literal at a place, behind the calls and casts that wrap it."""
    match = _OPEN.match(text, place, limit)
    if match is None:
        wrap = _WRAPPERS.match(text, place, limit)
        match = _OPEN.match(text, wrap.end(), limit) if wrap is not None else None
    if match is None:
        return None
    start = match.end()
    stop = min(limit, start + _MOST)
    if match["bracket"] is not None:
        closing = "]]" if match["bracket"] == "[[" else _BRACKETS[match["bracket"][-1]]
        end = text.find(closing, start, stop)
        return (start, end, True) if end > start and "\n" not in text[start:end] else None
    quote = match["quote"]
    inner = _INNER.match(text, start, stop) if quote in ("'", '"') else None
    if inner is not None:
        return (*inner.span(2), True)
    if quote in _CLOSING:
        end = min((place for mark in _CLOSING[quote] if (place := text.find(mark, start, stop)) >= 0), default=-1)
    elif len(quote) > 1 or ("@" in (match["prefix"] or "") and "\\" not in quote):
        end = text.find(quote, start, stop)
    else:
        end = _closed(text, quote, start, stop)
    return (start, end, True) if end > start and "\n" not in text[start:end] else None


_INNER = re.compile(r"(\\\\?[\"']|[\"'](?=[^\"']))([^\"'\\\\\n]{1,200})\1[\"']")
"""A quoted literal that is all of another: `"\\"x\\""`."""
_UNTIL = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\[^\n])*+(?={quote})") for quote in ('"', "'", "`")}


def _closed(text: str, quote: str, start: int, stop: int) -> int:
    match = _UNTIL[quote].match(text, start, stop)
    return match.end() if match is not None else -1


# An escaped line's end, or an encoded `&`, is the end of a value in a string or an address.
_ENDLESS = r"\\(?![nrt\"'\\])|%(?!26|0[aAdD]|2[27]|3[bB])"
_PLAIN = re.compile(r"(?:[^\s\"'`<>;,&\\%]|&(?!&|amp;|lt;|gt;|quot;|#|[\w.\-\[\]%]{1,60}=|\s|$)|" + _ENDLESS + ")+")
_LINE = re.compile(
    r"(?:[^\s\"'`<>;,&\\%]|&(?!&|[\w.\-\[\]%]{1,60}=)|;(?![\w \-]{1,30}=|\s|$)|,(?![\w \-]{1,30}[:=]|\s|$)|"
    + _ENDLESS
    + ")+"
)
_LINE_NAME = re.compile(r"(?:^|\n)[ \t\-]{0,12}(?:export[ \t]+|set[ \t]+|ENV[ \t]+|SET[ \t]+|- )?$")


def unquoted(text: str, place: int, limit: int, start: int) -> _Value | None:
    """Start, end and False of a value without quotes; `start` is where its name begins."""
    # A line of a configuration file may have any sign in its value, a value within a line or an address may not.
    whole = _LINE_NAME.search(text, max(0, start - 24), start) is not None
    match = (_LINE if whole else _PLAIN).match(text, place, limit)
    if match is None:
        return None
    end = match.end()
    if text[match.start() : match.start() + 1] not in "{[(<$#%*!|>@":
        end = _trimmed(text, match.start(), end)
    return (match.start(), end, False) if end > match.start() else None


_PAIRS = {")": "(", "]": "[", "}": "{"}


def _trimmed(text: str, start: int, end: int) -> int:
    """The end of a value without the signs that belong to what is around it."""
    while end > start and text[end - 1] in ").,:;]}\\":
        opening = _PAIRS.get(text[end - 1])
        if opening is not None and text.count(opening, start, end) >= text.count(text[end - 1], start, end):
            break
        end -= 1
    return end
