"""Secrets in lines whose format gives each place its meaning: routers, accounts, SQL, session cookies."""

import re
from collections.abc import Iterator

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.found import Found
from socorpus.corpus.privacy.positions.judging import secret

_VALUE = r"(?P<quote>[\"']?)(?P<value>[^\s\"';]{3,120})(?P=quote)"

# Routers and switches: words in a row that only such a configuration has, a digit for what follows, and a value.
_ROUTER = (
    r"(?:enable (?:secret|password)|username \S{1,40}(?: privilege \d+| role \S+)?(?: secret| password)"
    r"|neighbor \S{1,40} password|(?:snmp-server|snmp) community|set snmp community"
    r"|(?:tacacs-server|radius-server)(?: host \S+)?[^\n]{0,40}? key|(?:isakmp|ikev1|ikev2)[^\n]{0,24}? key"
    r"|pre-shared-key(?: (?:ascii-text|hexadecimal|address \S+ key|local|remote))?|key-string"
    r"|message-digest-key \d+ md5|ospf authentication-key|(?:ppp|pap|chap)[^\n]{0,16}? password|wpa-psk(?: ascii)?"
    r"|line \w+[^\n]{0,16}\n\s{0,4}password|encrypted-password|simple-password"
    r"|auth (?:sha|md5)|priv (?:aes|des|3des)(?: \d+)?|set passwd|password (?:cipher|simple)"
    r"|wep-key\d?|insecure-password|(?<=\n)masterauth|(?<=\n)requirepass|^masterauth|^requirepass"
    r"|option (?:key|password|sae_password|auth_secret)|rootpw(?: --\w+)?|bindpw)"
)
ROUTER = (
    r"(?:enable (?:secret|password) |username [\w.\-]+ (?:privilege|role|secret|password) "
    r"|neighbor [\w.:]+ password |snmp(?:-server)? community |(?:tacacs|radius)-server |isakmp key "
    r"|ikev[12] |pre-shared-key |key-string |message-digest-key |ospf authentication-key "
    r"|ppp (?:pap|chap) |wpa-psk |line (?:vty|con|aux) |encrypted-password |snmp-server user |wep-key"
    r"|insecure-password |set passwd |password cipher |masterauth |requirepass "
    r"|option (?:key|(?:sae_)?password) |rootpw |bindpw )"
)
"""Where a line of a router's configuration may have a secret, in google-re2's dialect."""
_ROUTER_START = re.compile(ROUTER)
_ROUTER_LINE = re.compile(rf"{_ROUTER}[ \t]+(?:(?:[0-9]|10|15)[ \t]+(?=\S))?{_VALUE}", re.I)
_WORDS = re.compile(
    r"(?:encrypted|hex(?:adecimal)?|ascii(?:-text)?|level|sha\d*|md5|aes|local|remote|address|auth|priv|ro|rw|view|host|any|key|string|level"
    r"|plain-text|v[123]c?|access|timeout|password|secret|in|out|vrf|ipv[46])$",
    re.I,
)


def router(text: str, place: int) -> Iterator[Found]:
    """The secrets of the router's line at a place."""
    if not _ROUTER_START.match(text, place):
        return
    stop = text.find("\n", place, place + 240)
    stop = min(len(text), place + 240) if stop < 0 else stop
    if text.startswith("line ", place) and stop < len(text):
        following = text.find("\n", stop + 1, stop + 80)
        stop = following if following >= 0 else min(len(text), stop + 80)
    for match in _ROUTER_LINE.finditer(text, place, stop):
        value = match["value"]
        hashed = re.match(r"\$\w{1,4}\$|\{\w{3,12}\}[\w+/=]{12,}", value) is not None
        if hashed or (secret(value) and not _WORDS.match(value) and not values.other(value)):
            yield "assigned", *match.span("value"), "password"


# Accounts: hashes of /etc/shadow and of web servers, which can be guessed from, and passwords between colons.
_HASH = r"\$(?:apr1|[1567y]|2[abxy]|md5|argon2\w{0,2}|pbkdf2\S{0,10}|P|S)\$"
ACCOUNT = (
    r":\$(?:2[abxy]|P|S|7)\$[\w./]|\$(?:apr1|[156y])\$[\w./=]"
    r"|:\{(?i:plain|clear|cleartext|crypt|s?sha\d{0,3}|s?md5|sha512-crypt)\}[!-~]"
    r"|:(?:\d{4,5}|\*):[\w*.\-]+:[\w*.\-]+:[!-~]|\]:\d{2,5}[ \t][!-~]"
    r"|(?:smtp|mail|relay)\.[a-z0-9\-]+\.[a-z]{2,4}[ \t]+\w|stats auth "
    r"|client_send = \^|chpasswd:\s|static:\w+:[!-~]|(?:pptpd|l2tpd)[ \t]+[!-~]"
    r"|\*[ \t]+[^\s*]+[ \t]+\*|: (?:PSK|XAUTH|EAP) |(?:=>|register =)[ \t]?\w+:[^\s@/]"
)
"""Where a line of accounts may have a password, in google-re2's dialect."""
_ACCOUNTS = (
    re.compile(rf":(?P<value>{_HASH}[\w./$=,+\-]{{8,160}})"),
    re.compile(r"(?P<value>\$(?:apr1|[156y])\$(?:rounds=\d+\$)?[\w./]{1,32}\$[\w./]{20,100})"),
    re.compile(r"client_send = \^[\w.@\-]{1,60}\^(?P<value>[^\s^]{4,80})"),
    re.compile(
        r"chpasswd:\s{1,12}(?:expire: ?\w{1,5}\s{1,12})?list:\s{0,3}\|?\s{0,12}[\w\-]{1,32}:(?P<value>[^\s:]{4,80})"
    ),
    re.compile(r":\{[A-Z\d\-]{3,14}\}(?P<value>[^\s:]{4,160})", re.I),
    re.compile(r":(?:\d{4,5}|\*):[\w*.\-]{1,60}:[\w*.\-]{1,60}:(?P<value>[^\s:@/]{4,100})(?=\s|$)"),
    re.compile(r"\]:\d{2,5}[ \t]+[\w.@+\-]{1,60}:(?P<value>[^\s:]{4,100})(?=\s|$)"),
    re.compile(
        r"(?:smtp|mail|relay)[\w.\-]{0,60}[ \t]+[\w.+\-]{1,60}(?:@[\w.\-]{1,60})?:(?P<value>[^\s:/@]{4,100})(?=\s|$)"
    ),
    re.compile(r"static:[\w.@\-]{1,40}:(?P<value>[^\s:]{4,100})"),
    re.compile(r"stats auth [\w.\-]{1,40}:(?P<value>\S{4,100})"),
    re.compile(
        r"(?:\*|pptpd|l2tpd)[ \t]+(?P<quote>\"?)(?P<value>[^\s\"*]{4,100})(?P=quote)[ \t]+"
        r"(?:\*|\"\*\"|[\d.]+)(?=[ \t]*(?:\n|$))"
    ),
    re.compile(r": (?:PSK|XAUTH|EAP)[ \t]+(?P<quote>[\"']?)(?P<value>[^\s\"']{4,100})(?P=quote)"),
    re.compile(r"(?:=>|register =)[ \t]*\w{1,40}:(?P<value>[^\s@/:]{4,80})@"),
)


def account(text: str, place: int) -> Iterator[Found]:
    """The password, or its hash, of the account at a place."""
    for pattern in _ACCOUNTS:
        match = pattern.match(text, place, place + 400)
        if match is not None:
            value = match["value"]
            before_it = text[place - 1 : place]
            hashed = re.match(_HASH, value) is not None and (
                text[place] == "$" or before_it.isalnum() or before_it in "_-."
            )
            quoted = match.groupdict().get("quote") in ("'", '"')
            if (hashed and len(set(value)) > 12) or (not value.startswith("$") and secret(value, letters=quoted)):
                yield "url_password", *match.span("value"), "password"
            return


STATEMENT = r"(?i:identified +(?:with [\w'\"`.]+ )?(?:by|as) |set password for |crypt\(N?')"
"""Where a statement of SQL may have a password, in google-re2's dialect."""
_LITERAL = r"N?(?:(?P<quote>[\"'])(?P<quoted>[^\"'\n]{1,200})(?P=quote)|(?P<plain>[^\s\"';()]{4,80}))"
_STATEMENTS = (
    re.compile(
        rf"identified\s+(?:with\s+[\w\"'`.]{{1,40}}\s+)?(?:by|as)\s+(?:values\s+|password\s+|random\s+)?{_LITERAL}"
        r"(?:\s+replace\s+(?P<second>[\"']?[^\s\"';]{4,80}))?",
        re.I,
    ),
    re.compile(rf"set\s+password\s+for\s+[^=;\n]{{1,80}}=\s*(?:(?:old_)?password\s*\(\s*)?{_LITERAL}", re.I),
    re.compile(rf"crypt\({_LITERAL}\s*,\s*gen_salt", re.I),
)


def statement(text: str, place: int) -> Iterator[Found]:
    """The password in the statement of SQL at a place."""
    for pattern in _STATEMENTS:
        match = pattern.match(text, place, place + 400)
        if match is None:
            continue
        for group in ("quoted", "plain", "second"):
            value = match.groupdict().get(group)
            if value is None:
                continue
            start, end = match.span(group)
            if group == "second":
                start, value = start + (value[0] in "\"'"), value.strip("\"'")
            good = not values.placeholder(value) and not values.reference(value) and not re.search(r"\s", value)
            user = re.search(r"\b(?:create|alter|grant|link)\b", text[max(0, place - 80) : place], re.I) is not None
            if good and (group == "quoted" or values.strong(value) or (user and re.search(r"\d", value))):
                yield "assigned", start, end, "password"
        return


COOKIE = (
    r"(?i:sess(?:ion)?_?id|connect\.sid|aspxauth|remember_(?:me|token)|rememberme|sess(?:ion)?"
    r"|sid|x-amz-signature|x-goog-signature|[&?]signature|x-amz-security-token)=|_session="
)
"""Where a cookie or an address has a session or a signature, in google-re2's dialect."""
_COOKIE = re.compile(r"[&?]?[\w.\-]{2,40}=(?P<value>(?:s%3A|s:)?[\w.%\-~+/|:]{16,600}={0,2})", re.I)
_NAME = re.compile(COOKIE)
_SHORT = re.compile(r"sid|sess(?:ion)?=", re.I)
"""Names that are ends of words too."""


def cookie(text: str, place: int) -> Iterator[Found]:
    """The session or signature that the name at a place has."""
    match = _COOKIE.match(text, place, place + 700) if _NAME.match(text, place) else None
    if match is None or (_SHORT.match(text, place) and text[place - 1 : place].isalnum()):
        return
    value = match["value"]
    plain = re.sub(r"^s(?:%3A|:)|%[0-9A-F]{2}", "", value)
    drawn = values.random(plain) or (len(plain) > 100 and sum(map(str.isdigit, plain)) > 4)
    if drawn and not values.placeholder(value) and not values.reference(value):
        yield "header", *match.span("value"), "token"


PAIR = r"(?i:log[ -]?in|log in|sign in|credentials?)(?: (?:with|using|as|are|is|data))?:? [\w.@\-]+ ?/ ?[!-~]"
"""Where prose has a user and a password, in google-re2's dialect."""
_PAIR = re.compile(
    r"(?:log[ -]?in|sign in|credentials?)(?: (?:with|using|as|are|is|data))?:? [\w.@\-]{1,40} ?/ ?"
    r"(?P<value>[!-~]{5,60})",
    re.I,
)


def pair(text: str, place: int) -> Iterator[Found]:
    """The password behind a user's name in prose at a place: `log in with bob / X`."""
    match = _PAIR.match(text, place, place + 200)
    if match is None:
        return
    value = match["value"].rstrip(".,;:)")
    if secret(value) and values.strong(value) and "/" not in value and not values.other(value):
        yield "assigned", match.start("value"), match.start("value") + len(value), "password"
