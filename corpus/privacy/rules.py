"""Patterns of personal data and secrets: one expression that stops at suspicious places, and an exact rule for each.

A rule takes a text and the code point of a suspicious place, and yields the value there. The rules prefer the formats
that issuers document (prefix, length, alphabet) and, for values without one, the name they are assigned to.

Not reported, since they identify nobody and open nothing: addresses that are not globally routable (private, loopback,
link-local, netmasks, the documentation ranges of RFC 5737 and RFC 3849) and public resolvers, the reserved domains of
RFC 2606, telephone numbers 555-0100 to 555-0199, placeholders, users of code hosts (`git@`), logins in addresses
(`ssh://me@host`).
"""

import base64
import binascii
import ipaddress
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import pairwise

import re2

from socorpus.corpus.privacy.redact import STAND_IN

Found = tuple[str, int, int, str]
"""Rank, start and end in code points, and the kind."""

RANKS = ("private_key", "url_password", "format", "header", "assigned", "email", "ip_address", "phone", "user")
"""Where two finds overlap, the one whose rank stands earlier wins."""

LONGEST = 1024
"""Most code points from a suspicious place that a rule judges: what is longer is judged by its beginning, so that a run
of signs without an end costs no more than its length."""
_LONGEST_HOST = 254  # of DNS: 253 characters, and one to see that there are more


# --- the prefilter ---------------------------------------------------------------------------------------------------

SUSPECTS = {
    "ip4": r"\d\.\d{1,3}\.\d{1,3}\.\d",
    "ip6": r"[23][0-9a-fA-F]{3}:[0-9a-fA-F]{0,4}:[0-9a-fA-F:]",
    "phone": r"\+\d[\d ().\-]{6}|\d{3}(?:\) ?|[.\-])\d{3}[.\-]\d{4}"
    r"|(?i:phone|mobile|whatsapp|tel|fax|cell)[a-z]{0,4}(?i: number| no| num)?(?: is)?[ :.#=\-]{1,3}\(?\d[\d ().\-]{6}",
    "spelled": r"(?i:[\[({<] ?(?:at|@) ?[\])}>])",
    "password": r"(?i:passw(?:or)?d|passphrase|passwort|passcode|\bpass|[pP]wd)\w{0,100}[\\\"'`\])]{0,3}[ \t]{0,3}"
    r"(?:[:=!]|>|[,(][ \t]*\\?[\"'`]|[ \t]value=)|--pass(?:word|wd)? \S|(?i:identified by [\"'])",
    "assigned": r"(?i:secret\w{0,100}|token\w{0,100}|key(?:_?id|\d)?|appid|[?&]sig)[\\\"'`\])]{0,3}"
    r"[ \t]{0,3}(?:[:=]{1,3}>?|[,(>])[ \t]{0,3}[\\\"'`]{0,2}[\w+/\-]{16}",
    "header": r"(?i:bearer|authorization\W{1,6}(?:basic|token))[ +]{1,2}[\w.~+/\-]{8}",
    "format": r"A(?:KI|SI|BI|CC)A[A-Z0-9]{4}|AIza[\w\-]{4}|gh[pousr]_\w{4}|github_pat_|gl(?:pat|rt|dt|ft|ptt|cbt|soat)-"
    r"|xox[abeoprs]-|(?i:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)|[sr]k_(?:live|test)_|sk-[\w\-]{8}"
    r"|whsec_|npm_\w{8}|pypi-Ag|SG\.[\w\-]{8}|eyJ[\w\-]{8}|Account[kK]ey=|Shared[aA]ccess[kK]ey=|(?:AC|SK)[0-9a-f]{8}"
    r"|\bkey-[0-9a-z]{8}|[0-9a-f]-us\d|do[opr]_v1_|hf_[A-Za-z]{8}|ya29\.|GOCSPX-|EAA[A-Za-z0-9]{8}"
    r"|shp(?:at|ca|pa|ss)_|dapi[0-9a-f]{8}|sq0[a-z]{3}-|oy2[a-z0-9]{8}|:AA[\w\-]{8}",
    "private_key": r"-BEGIN [A-Z0-9 ]*PRIVATE KEY|Private-Lines:",
}
"""Name of a rule of `RULES` -> where it may have something to find, in google-re2's dialect."""


@cache
def prefilter() -> re2._Regexp:
    """`SUSPECTS` as one expression over UTF-8 bytes: group n + 1 is the n-th of them."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile("|".join(f"({pattern})" for pattern in SUSPECTS.values()).encode(), options)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- addresses -------------------------------------------------------------------------------------------------------

# Every two-letter country code in use, and the generic domains that people have mailboxes in.
_DOMAINS = _words(
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc "
    "cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga "
    "gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp "
    "ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms "
    "mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro "
    "rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt "
    "tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw com net org edu gov mil int info biz "
    "pro aero coop museum jobs mobi travel tel cat asia app dev blog cloud online site store shop tech "
    "xyz club live life email digital agency studio design software solutions systems services network "
    "team work world today space website media news academy company consulting capital finance health care science "
    "global one icu vip"
)
_RESERVED = re.compile(
    r"(?:^|\.)(?:(?:example|domain|(?:your|my|some|other)-?(?:domain|company|site|email))\.[a-z.]+"
    r"|(?:example|test|invalid|localhost))$",
    re.I,
)
_ACCOUNTS = _words(
    "git hg svn cvs bzr gitlab gitea gogs aur anonymous anoncvs ubuntu ec2-user centos vagrant"  # of hosts, nobody's
)
_LOCAL = re.compile(r"[\w.+%\-]+")
_HOST = re.compile(r"[^\W_](?:[^\W_]|-)*(?:\.[^\W_](?:[^\W_]|-)*)+")
_COPY = re.compile(r":(?:[~/]|[\w.\-]+/)")
_AUTHORITY = re.compile(r"[^\s/?#\"'<>`]*")
_WORD = re.compile(r"[\w\-]*")
_SPELLED = re.compile(
    r"\s?[\[({<] ?(?:at|@) ?[\])}>]\s?([\w\-]+(?:(?:\.|\s?[\[({<] ?(?:dot|\.) ?[\])}>]\s?)[\w\-]+)+)", re.I
)
_DOT = re.compile(r"\s?[\[({<] ?(?:dot|\.) ?[\])}>]\s?", re.I)


def _mailbox(domain: str) -> int:
    """Length of the longest part of a dotted name that ends in a known top-level domain and isn't reserved, or 0."""
    labels = domain.split(".")
    while len(labels) > 1:
        if labels[-1].lower() in _DOMAINS:
            name = ".".join(labels)
            return 0 if _RESERVED.search(name) else len(name)
        labels.pop()
    return 0


def at_sign(text: str, place: int) -> Iterator[Found]:
    """The value that the `@` at `place` belongs to: a password in a URL, or an e-mail address."""
    scheme = text.rfind("://", max(0, place - 256), place)
    authority = _AUTHORITY.match(text, scheme + 3, scheme + LONGEST) if scheme > 0 else None
    if authority is not None and authority.end() > place:
        info = authority[0]
        user, colon, password = info[: info.rfind("@")].partition(":")
        if colon and not _placeholder(password):
            start = authority.start() + len(user) + 1
            yield "url_password", start, start + len(password), "password"
        return
    host = _HOST.match(text, place + 1, place + 1 + _LONGEST_HOST)
    if host is None:
        return
    name = _before(_LOCAL, text, place).lstrip(".-%+")
    length = _mailbox(host[0])
    end = place + 1 + length
    if not length or not name or name.lower() in _ACCOUNTS or _COPY.match(text, end) or text[end : end + 1] == "(":
        return
    yield "email", place - len(name), end, "email"


def _before(pattern: re.Pattern[str], text: str, place: int) -> str:
    """The match of `pattern`, a run of one class of characters, right before a place: linear, unlike a search."""
    match = pattern.match(text[max(0, place - 64) : place][::-1])
    return match[0][::-1] if match else ""


def _spelled(text: str, place: int) -> Iterator[Found]:
    place -= text[max(0, place - 1) : place].isspace()
    match = _SPELLED.match(text, place, place + 2 * _LONGEST_HOST)
    name = _before(_LOCAL, text, place)
    if match is not None and name and _mailbox(_DOT.sub(".", match[1])):
        yield "email", place - len(name), match.end(), "email"


_IP4 = re.compile(
    r"(?<![\w.\-])\d{1,3}(?:\.\d{1,3}){3}(?![\w\-]|\.\d|\.(?:jar|dll|exe|zip|tar|t?gz|so|whl|msi|deb|rpm)\b)"
)
_IP6 = re.compile(r"(?<![\w:.])[23][0-9a-f]{3}:[0-9a-f:]*[0-9a-f:](?![\w:])", re.I)
_VERSION_BEFORE = re.compile(
    r"(?:(?:versions?|\b(?:ver|v|releases?|rel|builds?|rev|revision|firmware|update|patch|sdk|section|sec|chapter"
    r"|clause|oid))(?:\s(?:is|was|number|no))*[\s:.=#\"'>(\-]*|[=<>~^!]=\s*|[~^§]\s*)$",
    re.I,
)
_HOST_BEFORE = re.compile(
    r"(?:\b(?:ip|ipv4|ips|address|addr|hosts?|hostname|servers?|client|ping|dns|gateway|remote|ssh|telnet|curl|route"
    r"|traceroute|inet|listen|bind|proxy|from|connect(?:ing|ed)?)(?:\s(?:is|of|at|for|address|addr|to))*[\s:=\"'(\[,]{1,4}|//|@)$",
    re.I,
)
_PRODUCT_BEFORE = re.compile(r"[A-Z][A-Za-z+#]*\s?$")
_HOST_AFTER = re.compile(r":\d{2,5}\b|/\d{1,2}\b")
_WELL_KNOWN = _words("1.2.3.4 1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9 208.67.222.222 208.67.220.220 4.2.2.2")


def _ip4(text: str, place: int) -> Iterator[Found]:
    match = _IP4.search(text, max(0, place - 2), place + 20)
    if match is None or match.start() > place:
        return
    start, end = match.span()
    before = text[max(0, start - 40) : start]
    in_path = before.endswith("/") and not before.endswith("//") and not text.startswith(":", end)
    if in_path or _VERSION_BEFORE.search(before) or not _public(match[0]) or match[0] in _WELL_KNOWN:
        return
    # A release is written with small or zero parts; of random addresses one in 4,000 has all four below 32.
    octets = [int(part) for part in match[0].split(".")]
    product = max(octets[:2]) < 32 and _PRODUCT_BEFORE.search(before) is not None
    release = product or max(octets) < 32 or octets[1:].count(0) >= 2
    if release and not _HOST_BEFORE.search(before) and not _HOST_AFTER.match(text, end):
        return
    yield "ip_address", start, end, "ip_address"


def _ip6(text: str, place: int) -> Iterator[Found]:
    match = _IP6.search(text, place, place + 48)
    if match is None or match.start() > place:
        return
    groups = [group for group in match[0].split(":") if group]
    if len(groups) >= 3 and max(map(len, groups[1:])) > 2 and _public(match[0]):
        yield "ip_address", match.start(), match.end(), "ip_address"


def _public(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast


# --- telephone numbers -----------------------------------------------------------------------------------------------

_CALLED = re.compile(
    r"\b(?:tele)?(?:phone|mobile|whatsapp|tel|fax|cell|call|sms|contact|hotline)[a-z]{0,4}(?:\s(?:number|no|num|me|us|at|on|is"
    r"|line))*[\s:.#=(\-]*$",
    re.I,
)
_INTERNATIONAL = re.compile(
    r"(?<![\w+.\-/*=)])\+(\d{1,3})((?:[ .\-]?\(\d{1,4}\))?(?:[ .\-]?\d+)+)(?![\w%*+/]|[.,\-]\d)"
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.\-/+#=])(?:1[ .\-])?(?:\((\d{3})\) ?|(\d{3})([.\-]))(\d{3})[.\-](\d{4})(?![\w/]|[.\-]\d)", re.ASCII
)
_BARE = re.compile(r"(?<![\w.\-])\(?\d[\d ().\-]{7,18}\d(?![\w%]|[.,\-]\d)")


def _phone(text: str, place: int) -> Iterator[Found]:
    for pattern, rule in ((_INTERNATIONAL, _international), (_NORTH_AMERICAN, _north_american), (_BARE, _bare)):
        match = pattern.search(text, max(0, place - 4), place + 48)
        if match is not None and rule(
            match, _CALLED.search(text[max(0, match.start() - 40) : match.start()]) is not None
        ):
            yield "phone", match.start(), match.end(), "phone"
            return


def _international(match: re.Match[str], called: bool) -> bool:
    digits = re.sub(r"\D", "", match[0])
    groups = re.findall(r"\d+", match[2])
    if not 8 <= len(digits) <= 15 or match[1].startswith("0") or _sequence(digits[-8:]):
        return False
    if digits[0] == "1":
        return len(digits) == 11 and _assigned(digits[1:4], digits[4:7], digits[7:])
    # `+10 000 000` and `+1234567890` may be quantities: a number to call is announced, or written in uneven groups.
    quantity = len(groups) < 2 or all(len(group) == 3 for group in groups)
    return called or not quantity


def _north_american(match: re.Match[str], called: bool) -> bool:
    area = match[1] or match[2]
    return _assigned(area, match[4], match[5]) and (called or match[3] != ".")


def _bare(match: re.Match[str], called: bool) -> bool:
    digits = re.sub(r"\D", "", match[0])
    fictional = len(digits) in (7, 10, 11) and not _assigned("212", digits[-7:-4], digits[-4:])
    return called and 9 <= len(digits) <= 13 and not _sequence(digits[-8:]) and not (len(digits) == 10 and fictional)


def _assigned(area: str, exchange: str, line: str) -> bool:
    """Whether the North American plan can hold the number, and it is none of the fictional ones."""
    plan = area[0] in "23456789" and exchange[0] in "23456789" and area[1:] != "11" and exchange[1:] != "11"
    return plan and area != "555" and not (exchange == "555" and line.startswith("01"))


def _sequence(digits: str) -> bool:
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return len(steps) == 1 and steps <= {0, 1, 9}


# --- mentions --------------------------------------------------------------------------------------------------------

_MENTION = re.compile(r"[^\W_](?:[\w.\-]*[^\W_])?(?:['’](?=[A-Z])\w+)?")
_QUANTITY = re.compile(r"\d+(?:\.\d+)?[a-zA-Z]{0,3}$")
# Annotations, decorators and at-rules that come up in comments; a name that is also one of these stays.
_ANNOTATIONS = _words(
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


# --- secrets ---------------------------------------------------------------------------------------------------------

_FORMATS = {
    "key": r"A(?:KI|SI|BI|CC)A[A-Z0-9]{16}|AIza[\w\-]{35}|[sr]k_(?:live|test)_[0-9a-zA-Z]{16,128}|whsec_[\w+/=]{24,}"
    r"|sk-(?:[a-z]+-)*(?:\w{20,}|[\w\-]{32,})|SG\.[\w\-]{16,32}\.[\w\-]{16,64}|(?:AC|SK)[0-9a-f]{32}|key-[0-9a-z]{32}"
    r"|[0-9a-f]{32}-us\d{1,2}|GOCSPX-[\w\-]{20,}|dapi[0-9a-f]{32}|sq0[a-z]{3}-[\w\-]{22,43}"
    r"|(?<=ccount[kK]ey=)[\w+/]{64,}={0,2}|(?<=ccess[kK]ey=)[\w+/]{40,}={0,2}",
    "token": r"gh[pousr]_\w{36,251}|github_pat_\w{22,}|gl(?:pat|rt|dt|ft|ptt|cbt|soat)-[\w\-]{20,64}"
    r"|xox[abeoprs]-(?:\d+-)*[\w\-]{10,}|(?<=/services/)T\w+/B\w+/\w{16,}|(?<=/webhooks/)\d{16,}/[\w\-]{40,}"
    r"|npm_\w{36}|pypi-Ag[\w\-]{50,}|eyJ[\w\-]{8,}={0,2}\.[\w\-]{4,}(?:\.[\w\-]*)*|do[opr]_v1_[0-9a-f]{64}|hf_[A-Za-z]{30,}"
    r"|ya29\.[\w\-]{20,}|EAA[A-Za-z0-9]{30,}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|oy2[a-z0-9]{43}"
    r"|\d{8,10}:AA[\w\-]{33}",
}
_FORMAT = re.compile(
    r"(?<![A-Za-z0-9])(?:" + "|".join(f"(?P<{kind}>{form})" for kind, form in _FORMATS.items()) + r")(?![A-Za-z0-9])"
)
_MASKED = re.compile(
    r"[\W_xX]*$|pk_|[^<]*+<.*>|.*(?:example|placeholder|change.?me|your|insert|replace|dummy|\bfoo|\.\.\.|…|xxxx|\*\*\*"
    r"|12345678|abcdefgh|here$|\b(?:required|nullable|confirmed|(?:min|max):\d))"
    r"|my[_\-]?(?:super|secret|pass|key|token|api|app)|(?:%|\$|#|@)?\{.*\}|\$[\w(]|%[\w(]|@\w+$|:\w+$|\{\{|<|\[",
    re.I | re.S,
)
_ORDINARY = _words(
    "password passwd passphrase passwort pass pwd pswd contraseña contrasena senha motdepasse kennwort wachtwoord "
    "heslo пароль 密码 secret token key test testing tester admin administrator root user username login guest demo "
    "default none null nil undefined true false yes no string str text hidden required optional empty blank invalid "
    "wrong valid correct confirm confirmed confirmation match value values name email foo bar baz foobar asdf "
    "qwerty hello something whatever abc abcd xyz type input field label min max length integer boolean unset "
    "prompt encrypted hashed plain plaintext basic hash md5 sha1 sha256 bcrypt varchar char nvarchar self this data "
    "sample same new old current request session oracle postgres mysql mssql sa scott tiger system manager pwd1 "
    "pass1 password1 password123 passw0rd test123 test1234 admin123 abc123 1234 12345 123456 1234567 123456789 "
    "1234567890"
)


_PATH = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)+$")


def _placeholder(value: str) -> bool:
    """Whether a value stands for a secret rather than being one."""
    return (
        len(value) < 4
        or value.lower() in _ORDINARY
        or len(set(value)) < 3
        or _MASKED.match(value) is not None
        or STAND_IN.search(value) is not None
        or re.search(r"passw(?:or)?d|passphrase|secret", value, re.I) is not None
    )


def _name(value: str) -> bool:
    """Whether a value that no quotes mark as one is a name, a path of names, a call or an index."""
    return _PATH.match(value) is not None or re.match(r"[A-Za-z_]+$|.*[()\[\]]", value) is not None


def _random(value: str) -> bool:
    """Whether a value has a key's disorder: many changes of class from one character to the next, few repeats."""
    if not re.fullmatch(r"[\w+/=.~\-]{16,}", value, re.ASCII):
        return False
    classes = ["d" if c.isdigit() else "u" if c.isupper() else "l" if c.islower() else "" for c in value]
    changes = sum(a != b and a != "" and b != "" for a, b in pairwise(classes))
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    return entropy >= 3 and changes >= max(3, sum(map(bool, classes)) * (0.2 if "d" in classes else 0.45))


_RUN = re.compile(r"[\w+/=.~\-]*")


def _format(text: str, place: int) -> Iterator[Found]:
    match = _FORMAT.match(text, place, place + LONGEST) or _FORMAT.search(text, max(0, place - 36), place + 160)
    if match is None or match.start() > place + 36 or match.end() <= place:
        return
    value = match[0]
    if len(set(value)) >= 10 and not _placeholder(value) and _credible(value):
        yield "format", match.start(), _whole(text, place, match.end()), str(match.lastgroup)


def _whole(text: str, place: int, end: int) -> int:
    """Where a value ends that was judged up to `end`: further, where only `LONGEST` cut it off there."""
    run = _RUN.match(text, end) if end >= place + LONGEST else None
    return end if run is None else run.end()


def _credible(value: str) -> bool:
    """Whether a value of a known format has digits or disorder, as a long identifier hasn't, or a readable head.

    AWS's key ids are exact in length and alphabet (base 32), so they need neither: one in 28 has no digit.
    """
    if value.startswith("eyJ"):
        head = value.split(".", 1)[0]
        try:
            return b'"' in base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
        except (binascii.Error, ValueError):
            return False
    known = value.startswith(("hf_", "AKIA")) or any(c.isdigit() for c in value[4:])
    return known or _random(re.split("[_-]", value)[-1])


_HEADER = re.compile(r"(bearer|token)[ +]{1,2}([\w.~+/\-]{16,}=*)|(basic)[ +]{1,2}([A-Za-z0-9+/]{8,}={0,2})", re.I)


def _header(text: str, place: int) -> Iterator[Found]:
    match = _HEADER.search(text, place, place + 2048)
    if match is None:
        return
    group = 2 if match[1] else 4
    value = match[group]
    yield from _format(text, match.start(group))  # the suspicious place is the header's: the value's was passed over
    if match[3]:
        try:
            good = b":" in base64.b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            good = False
    else:
        good = _random(value.rstrip("="))
    if good and not _placeholder(value):
        yield "header", match.start(group), match.end(group), "token"


_QUOTED = r"\\?(?P<quote>[\"'`])(?P<quoted>(?:\\[^\n]|(?!(?P=quote))[^\\\n]){0,400}?)\\?(?P=quote)"
_ASSIGNMENT = re.compile(
    r"(?P<name>[\w\-]+)[\\\"'`\])]{0,3}[ \t]{0,3}"
    r"(?P<sign>===?|!==?|:=|=>|:|=|,|\(|>|[ \t]value=|[ \t])[ \t]{0,3}[brufN@$]{0,2}?"
    r"(?:" + _QUOTED + r"|(?P<plain>[^\s\"'`<>;&,]+))",
)
_IDENTIFIED = re.compile(r"identified by (?P<quote>[\"'])(?P<quoted>[^\"'\n]+)", re.I)
_CONNECTION = re.compile(
    r"(?:data source|server|host|user ?id|uid|user|database|dbname|initial catalog|driver)\s*=", re.I
)
_KEY_NAME = re.compile(
    r"(?:api|access|secret|client|consumer|auth|app|application|account|encryption|private|master|shared|storage|signing"
    r"|subscription|license|service|session|server|write|admin|aws|azure|google|maps?|stripe|twilio|firebase)[_\-]?"
    r"(?:\w*[_\-])?(?:key|secret|token|id)|secret|token|appid|\bsig\b",
    re.I,
)
_HARMLESS_NAME = re.compile(
    r"public|pub_?key|primary|foreign|address|hash|checksum|digest|sha|md5|commit|etag|integrity|fingerprint", re.I
)


def _password(text: str, place: int) -> Iterator[Found]:
    match = _IDENTIFIED.match(text, place, place + LONGEST) or _assignment(text, place)
    if match is None:
        return
    quoted, sign = match["quote"] is not None, match.groupdict().get("sign", "=")
    group = "quoted" if quoted else "plain"
    value, (start, end) = match[group], match.span(group)
    if not quoted:
        if sign in (",", "(") or (sign.isspace() and not match["name"].startswith("--")):
            return
        if sign == ">" and not text.startswith("</", end):
            return
        value = value.rstrip(").,:]}\\")
        end = start + len(value)
        if value.startswith(("{", "[", "(")):
            return
    begin = max(0, start - 400)
    line = text[max(begin, text.rfind("\n", begin, start) + 1) : start]
    letters = value.isalpha()
    connection = sign == "=" and _CONNECTION.search(line) is not None
    if _placeholder(value) or re.search(r"\s", value) or (quoted and re.search(r"[:?]$|^[#./]", value)):
        return
    if not quoted and not connection and sign != ">":
        if _name(value) or not re.search(r"\d|[^\w\s.\-/]", value) or (value.isdigit() and len(value) < 6):
            return
    elif _name(value) and not letters:
        return
    if letters and not connection and (sign not in ("=", ":", "=>", ">") or len(value) < 6 or _camel(value)):
        return
    yield "assigned", start, _whole(text, place, end), "password"


def _assigned_key(text: str, place: int) -> Iterator[Found]:
    match = _assignment(text, place)
    if match is None:
        return
    group = "quoted" if match["quote"] is not None else "plain"
    value, name = match[group].rstrip(").,:]}\\"), match["name"]
    yield from _format(text, match.start(group))
    plain_name = _KEY_NAME.search(name) is None
    if group == "plain" and _PATH.match(value):
        return
    if _HARMLESS_NAME.search(name) or _placeholder(value) or not _random(value) or (plain_name and len(value) < 20):
        return
    start = match.start(group)
    end = _whole(text, place, start + len(value))
    yield "assigned", start, end, "token" if "token" in name.lower() else "key"


def _assignment(text: str, place: int) -> re.Match[str] | None:
    """The assignment to the word around a place, unless that word is a placeholder's."""
    start = place - len(_before(_WORD, text, place))
    return None if start and STAND_IN.match(text, start - 1) else _ASSIGNMENT.match(text, start, place + LONGEST)


def _camel(value: str) -> bool:
    return re.fullmatch(r"[a-z]+(?:[A-Z][a-z]+)+", value) is not None


_BEGIN = r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}"
_PEM_BEGIN = re.compile(_BEGIN)
_PEM_END = re.compile(_BEGIN.replace("BEGIN", "END"))
_OPEN_KEY = re.compile(
    rf"{_BEGIN}(?P<open>(?:\s|\\[nr])*(?:[A-Za-z0-9+/=]{{20,}}(?:\s|\\[nr])*)+)"
    r"|Private-Lines: \d+\s+(?P<putty>(?:[A-Za-z0-9+/=]{20,}\s*)+)"
)
_LONGEST_KEY = 20_000


class PrivateKeys:
    """The blocks of private keys in a text; they are asked for from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.judged = text, -1

    @cached_property
    def _ends(self) -> list[tuple[int, int]]:
        return [match.span() for match in _PEM_END.finditer(self.text)]

    def __call__(self, place: int) -> Iterator[Found]:
        """The key whose block begins at the suspicious `place`."""
        for start in (max(0, place - 4), max(0, place - 3), place):  # four or five dashes, or none
            begin = _PEM_BEGIN.match(self.text, start)
            if begin is not None:
                number = bisect_left(self._ends, (begin.end(),))
                if number < len(self._ends) and self._ends[number][0] - begin.end() <= _LONGEST_KEY:
                    # Blocks that begin within another and end with it are part of it, or no better.
                    if number > self.judged:
                        self.judged = number
                        last, end = self._ends[number]
                        yield from _key_block(self.text[begin.end() : last], start, end)
                    return
            match = _OPEN_KEY.match(self.text, start)
            if match is not None:
                yield from _key_block(match[str(match.lastgroup)], start, start + len(match[0].rstrip()))
                return


def _key_block(body: str, start: int, end: int) -> Iterator[Found]:
    if re.search(r"[A-Za-z0-9+/]{20}", body) and len(set(body)) > 16:
        yield "private_key", start, end, "private_key"


RULES: dict[str, Callable[[str, int], Iterator[Found]]] = {
    "ip4": _ip4,
    "ip6": _ip6,
    "phone": _phone,
    "spelled": _spelled,
    "password": _password,
    "assigned": _assigned_key,
    "header": _header,
    "format": _format,
}
"""The rules of `SUSPECTS`, by name, but `PrivateKeys`; those of `@` are `at_sign` and `mention`."""
