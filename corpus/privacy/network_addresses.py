"""Addresses: of mailboxes, plain, encoded, spelled out and of any script, passwords in URLs, and IP addresses."""

import hashlib
import html
import ipaddress
import re
from collections.abc import Iterator

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.found import LONGEST, Found, before, words

_LONGEST_HOST = 254  # of DNS: 253 characters, and one to see that there are more

# Every two-letter country code in use, and the generic domains that people have mailboxes in.
_DOMAINS = words(
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
    "global one icu vip "
    # Country codes and generic domains in other scripts.
    "рф укр бел срб мкд мон қаз бг ею ελ ευ հայ გე ישראל қаз онлайн сайт орг ком москва рус дети католик 中国 中國 "
    "香港 台灣 台湾 "
    "澳門 澳门 新加坡 公司 网络 網絡 网址 网站 网店 中文网 在线 移动 集团 公益 政务 机构 组织机构 世界 我爱你 商城 "
    "商店 商标 广告 广东 "
    "佛山 慈善 时尚 游戏 娱乐 信息 企业 健康 招聘 手机 购物 餐厅 酒店 닷컴 닷넷 한국 삼성 みんな コム セール ストア "
    "ファッション クラウド グーグル ポイント "
    "भारत भारोत भारतम् संगठन नेट कॉम ভারত বাংলা ভাৰত ਭਾਰਤ ભારત ଭାରତ இந்தியா இலங்கை சிங்கப்பூர் భారత్ ಭಾರತ ഭാരതം ලංකා ไทย "
    "คอม ລາວ امارات السعودية مصر قطر تونس الجزائر المغرب فلسطين سورية سودان عمان الاردن اليمن عراق ليبيا موريتانيا "
    "البحرين "
    "الکویت ایران بھارت پاکستان مليسيا شبكة موقع كوم همراه بازار عرب"
)
_RESERVED = re.compile(
    r"(?:^|\.)(?:(?:example|domain|(?:your|my|some|other)-?(?:domain|company|site|email))\.[a-z.]+"
    r"|(?:example|test|invalid|localhost))$",
    re.I,
)
_ACCOUNTS = words(
    "git hg svn cvs bzr gitlab gitea gogs aur anonymous anoncvs ubuntu ec2-user centos vagrant"  # of hosts, nobody's
)
_LATIN = "A-Za-z0-9\u00aa\u00b5\u00ba\u00c0-\u024f\u1e00-\u1eff"
# Letters of other scripts with their vowel signs, which `\w` leaves out; no punctuation.
_OTHER = "".join(
    (
        "\u0370-\u037d\u0386-\u052f\u0531-\u0587\u05d0-\u05ea",  # Greek, Cyrillic, Armenian, Hebrew
        "\u0620-\u0669\u066e-\u06d3\u06d5-\u06dc\u06ee-\u06ff\u0750-\u077f",  # Arabic
        "\u0900-\u0963\u0966-\u0df3\u0e01-\u0e5b\u0e81-\u0edf\u10a0-\u10ff\u1780-\u17d3",  # of India to Cambodia
        "\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u3400-\u9fff\uac00-\ud7a3",  # Chinese, Japanese, Korean
    )
)
_LOCAL = re.compile(rf"[{_LATIN}_.+%\-]+")
_LOCAL_OTHER = re.compile(rf"[{_OTHER}0-9_.+\-]+")
_HOST = re.compile(rf"[{_LATIN}][{_LATIN}\-]*(?:\.[{_LATIN}][{_LATIN}\-]*)+")
_HOST_ANY = re.compile(rf"[{_LATIN}{_OTHER}][{_LATIN}{_OTHER}\-]*(?:\.[{_LATIN}{_OTHER}][{_LATIN}{_OTHER}\-]*)+")
_COPY = re.compile(r":(?:[~/]|[\w.\-]+/)")
_AUTHORITY = re.compile(r"[^\s/?#\"'<>`]*")
_DATABASE = re.compile(r"(?:tcp|unix|udp)\(")
_DSN = re.compile(r"(?:^|[\s\"'`=(])[\w.\-]{1,40}:([^\s@\"'`/]{1,80})$")

_PAIR = re.compile(r"(?:^|[\s\"'`=(,])(?!mailto|e?mail|sip|xmpp)[\w.\-]{1,40}:([^\s@\"'`/:]{4,80})$")
_MACHINE = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\b|localhost\b|[\w\-]{1,60}(?:\.[\w\-]{1,60}){0,4}(?::\d{2,5}\b|/\w)")
"""A host that is none of a mailbox: by its address, its port or a path."""
_ORACLE = re.compile(r"jdbc:oracle:(?:thin|oci8?):\w{1,30}/([^\s@\"'/]{1,80})$")


def _mailbox(domain: str) -> int:
    """Length of the longest part of a dotted name that ends in a known top-level domain and isn't reserved, or 0."""
    labels = domain.split(".")
    while len(labels) > 1:
        top = labels[-1].lower()
        if top in _DOMAINS or (top.startswith("xn--") and len(top) > 6):
            name = ".".join(labels)
            return 0 if _RESERVED.search(name) else len(name)
        labels.pop()
    return 0


def _host(text: str, place: int) -> int:
    """Length of the mail host at a place, or 0; letters of another script right behind a Latin one are a sentence's."""
    for pattern in (_HOST, _HOST_ANY):
        host = pattern.match(text, place, place + _LONGEST_HOST)
        length = _mailbox(host[0]) if host is not None else 0
        if length:
            return length
    return 0


def _name(text: str, place: int) -> str:
    """The local part before a place: one script, as scripts without blanks run into an address."""
    return before(_LOCAL, text, place) or before(_LOCAL_OTHER, text, place)


def at_sign(text: str, place: int) -> Iterator[Found]:
    """The value that the `@` at `place` belongs to: a password in a URL, or an e-mail address."""
    scheme = text.rfind("://", max(0, place - 256), place)
    authority = _AUTHORITY.match(text, scheme + 3, scheme + LONGEST) if scheme > 0 else None
    if authority is not None and authority.end() > place:
        info = authority[0]
        user, colon, password = info[: info.rfind("@")].partition(":")
        if colon and not values.placeholder(password) and not values.reference(password):
            start = authority.start() + len(user) + 1
            yield "url_password", start, start + len(password), "password"
        return
    if _DATABASE.match(text, place + 1):
        dsn = _DSN.search(text[max(0, place - 128) : place])
        if dsn is not None and not values.placeholder(dsn[1]) and not values.reference(dsn[1]):
            yield "url_password", place - len(dsn[1]), place, "password"
        return
    oracle = _ORACLE.search(text[max(0, place - 128) : place])
    if oracle is not None:
        if not values.placeholder(oracle[1]) and not values.reference(oracle[1]):
            yield "url_password", place - len(oracle[1]), place, "password"
        return
    pair = _PAIR.search(text, max(0, place - 128), place)
    if pair is not None and _MACHINE.match(text, place + 1) and values.strong(pair[1]):
        if not values.placeholder(pair[1]) and not values.reference(pair[1]):
            yield "url_password", pair.start(1), place, "password"
        return
    yield from _address(text, place, place + 1)


def _address(text: str, place: int, after: int) -> Iterator[Found]:
    """The e-mail address whose sign is `text[place:after]`."""
    name = _name(text, place - (text[place - 1 : place] == "\\")).lstrip(".-%+")
    length = _host(text, after) or _defanged(text, after)
    end = after + length
    if not length or not name or name.lower() in _ACCOUNTS or _COPY.match(text, end) or text[end : end + 1] == "(":
        return
    start = place - len(name) - (text[place - 1 : place] == "\\")
    yield "email", start, end, "email"
    yield from _digests(text, start, end, f"{name}@{text[after:end]}")


_DIGEST = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})(?![0-9A-Za-z])")
_AROUND = 400
"""Code points on either side of an address in which its digest is looked for."""
_HASHES = {32: hashlib.md5, 40: hashlib.sha1, 64: hashlib.sha256}


def _digests(text: str, start: int, end: int, address: str) -> Iterator[Found]:
    """Digests of an address near it, as of Gravatar: whoever has the address's hash can try addresses on it."""
    for first, last in ((max(0, start - _AROUND), start), (end, end + _AROUND)):
        for match in _DIGEST.finditer(text, first, min(len(text), last)):
            digest = _HASHES[len(match[0])]
            spellings = {address, address.lower(), address.lower() + "\n"}
            if any(digest(spelling.encode()).hexdigest() == match[0].lower() for spelling in spellings):
                yield "email", match.start(), match.end(), "email"


_SIGN = re.compile(r"%40|\\u0040|\\x40|&#0{0,3}64;|&#[xX]0{0,3}40;|&commat;|＠")


def encoded(text: str, place: int) -> Iterator[Found]:
    """An address whose sign is encoded: for URLs, in strings, as a character reference, or of full width."""
    sign = _SIGN.match(text, place)
    if sign is None:
        return
    scheme = text.rfind("://", max(0, place - 256), place)
    authority = _AUTHORITY.match(text, scheme + 3, scheme + LONGEST) if scheme > 0 else None
    if authority is not None and authority.end() > place and "@" in authority[0]:
        return  # in a URL's user name or password
    name = before(_ENCODED_LOCAL, text, place) or before(_LOCAL_OTHER, text, place)
    name = re.split(r"%(?:3[ADFadf]|2[026CFcf]|5[BDbd])|\\u003[ce]|\\[nrt](?=\w)", name)[-1].lstrip(".-%+")
    length = _host(text, sign.end()) or _defanged(text, sign.end())
    if name and length and name.lower() not in _ACCOUNTS:
        end = sign.end() + length
        yield "email", place - len(name), end, "email"
        yield from _digests(text, place - len(name), end, f"{name}@{text[sign.end() : end]}")


_ENCODED_LOCAL = re.compile(rf"[{_LATIN}_.+%\\\-]+")
_AT = r"(?:\s{0,2}[\[({<]{1,2} ?(?:at|@|a|ät) ?[\])}>]{1,2}\s{0,2}|[ _\-]AT[ _\-]| at | @ )"
_DOT_SIGN = r"(?:\s{0,2}[\[({<]{1,2} ?(?:dot|\.) ?[\])}>]{1,2}\s{0,2}|[ _\-](?:DOT|dot|Dot)[ _\-])"
# A name of a host holds no spelled dot: nothing is tried twice, however many of them follow each other.
_NAME_OF_HOST = rf"(?:(?!{_DOT_SIGN})[\w\-])++"
_SPELLED = re.compile(rf"{_AT}({_NAME_OF_HOST}(?:(?:\.|{_DOT_SIGN}){_NAME_OF_HOST})++)(?![\w\-])")
_SPELLED_I = re.compile(_SPELLED.pattern, re.I)
_DOT = re.compile(_DOT_SIGN, re.I)
_SPELLED_LOCAL = re.compile(rf"[{_LATIN}_+%\-]+(?:(?:\.|{_DOT_SIGN})[{_LATIN}_+%\-]+){{0,4}}$", re.I)
_PROVIDERS = words(
    "gmail googlemail yahoo ymail hotmail outlook live msn aol icloud me mac gmx web mail proton protonmail yandex "
    "qq 163 126 rediffmail "
    "zoho fastmail posteo tutanota free orange laposte libero"
)
_ANNOUNCED = re.compile(
    r"(?:mail|email|e-mail|contact|reach|write|me|address|id)\b[\s:=(<]*(?:me|us|to|is|at|on)?[\s:=(<]*$", re.I
)


_DEFANGED = re.compile(rf"{_NAME_OF_HOST}(?:(?:\.|{_DOT_SIGN}|&#46;|&period;|%2[eE]){_NAME_OF_HOST}){{1,4}}+")
_DOTS = re.compile(rf"{_DOT_SIGN}|&#46;|&period;|%2[eE]")


def _defanged(text: str, place: int) -> int:
    """Length of the mail host at a place some of whose dots are spelled or encoded, or 0."""
    match = _DEFANGED.match(text, place, place + _LONGEST_HOST)
    if match is None:
        return 0
    host = _DOTS.sub(".", match[0])
    return len(match[0]) if host != match[0] and _mailbox(host) == len(host) else 0


_REFERENCES = re.compile(r"(?:&#(?:\d{2,5}|[xX][0-9a-fA-F]{2,4});){6,120}")
_WHOLE = re.compile(rf"[{_LATIN}_.+%\-]+@({_HOST.pattern})")


def references(text: str, place: int) -> Iterator[Found]:
    """An address each of whose letters is a character reference, as pages write them against collectors."""
    match = _REFERENCES.match(text, place)
    if match is None:
        return
    parts = match[0].split(";")[:-1]
    address = _WHOLE.search(html.unescape("".join(f"{part};" for part in parts)))
    if address is not None and _mailbox(address[1]):
        lengths = [len(part) + 1 for part in parts]
        yield "email", place + sum(lengths[: address.start()]), place + sum(lengths[: address.end()]), "email"


_IP_HOST = re.compile(r"ec2-(\d{1,3}(?:-\d{1,3}){3})(?=\.)")


def ip_host(text: str, place: int) -> Iterator[Found]:
    """The IPv4 address in the name of a host of Amazon's at a place."""
    match = _IP_HOST.match(text, place)
    if match is not None and _public(match[1].replace("-", ".")):
        yield "ip_address", *match.span(1), "ip_address"


def spelled(text: str, place: int) -> Iterator[Found]:
    """An address whose sign or dots are spelled out: `joe [at] acme [dot] com`, `ann.k at gmail dot com`."""
    # The suspicious place is a bracket, or the blank before a word.
    while place and text[place - 1].isspace() and text[place] in "[({<":
        place -= 1
    place -= text[place] == "@"
    match = _SPELLED_I.match(text, place, place + 2 * _LONGEST_HOST)
    if match is None:
        return
    sign = text[match.start() : match.start(1)]
    host = _DOT.sub(".", match[1])
    length = _mailbox(host)
    if length != len(host):
        return
    local = _SPELLED_LOCAL.search(text, max(0, place - 80), place)
    if local is None:
        return
    if sign.strip("[({<])}>").lower() == "a" and not match[1].islower():
        return
    plain = not re.search(r"[\[({<]", sign)
    start = local.start()
    if plain:
        dotted = _DOT.search(match[1]) is not None
        announced = (
            "AT" in sign
            or sign == "_at_"
            or (sign == " @ " and {text[start - 1 : start], text[match.end() : match.end() + 1]} <= {"", "\n"})
            or host.split(".")[0].lower() in _PROVIDERS
            or "." in local[0]
            or _ANNOUNCED.search(text[max(0, start - 32) : start])
        )
        if not (dotted or sign == " @ ") or not announced:
            return
    yield "email", start, match.end(), "email"


_IP4 = re.compile(
    r"(?<![\w.\-])\d{1,3}(?:\.\d{1,3}){3}(?![\w\-]|\.\d|\.(?:jar|dll|exe|zip|tar|t?gz|so|whl|msi|deb|rpm)\b)"
)
_IP6 = re.compile(
    r"(?<![\w:.])(?:[23f][0-9a-f]{3}|0?64):[0-9a-f:]*[0-9a-f:](?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])", re.I
)
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
_WELL_KNOWN = words("1.2.3.4 1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9 208.67.222.222 208.67.220.220 4.2.2.2")
_WELL_KNOWN_6 = words(
    "2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111 2606:4700:4700::1001 2620:fe::fe 2620:fe::9"
)


def ip4(text: str, place: int) -> Iterator[Found]:
    """The public IPv4 address at a place; none in a version's place."""
    match = _IP4.search(text, max(0, place - 2), place + 20)
    if match is None or match.start() > place:
        return
    start, end = match.span()
    before_it = text[max(0, start - 40) : start]
    in_path = before_it.endswith("/") and not before_it.endswith("//") and not text.startswith(":", end)
    if in_path or _VERSION_BEFORE.search(before_it) or not _public(match[0]) or match[0] in _WELL_KNOWN:
        return
    # A release is written with small or zero parts; of random addresses one in 4,000 has all four below 32.
    octets = [int(part) for part in match[0].split(".")]
    product = max(octets[:2]) < 32 and _PRODUCT_BEFORE.search(before_it) is not None
    release = product or max(octets) < 32 or octets[1:].count(0) >= 2
    if release and not _HOST_BEFORE.search(before_it) and not _HOST_AFTER.match(text, end):
        return
    yield "ip_address", start, end, "ip_address"


def ip6(text: str, place: int) -> Iterator[Found]:
    """The IPv6 address at a place that leads to a host or a site: global, unique local, or around a public IPv4 one."""
    match = _IP6.search(text, place, place + 64)
    if match is None or match.start() > place:
        return
    groups = [group for group in match[0].split(":") if group]
    if len(groups) < 3 or match[0] in _WELL_KNOWN_6:
        return
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:
        return
    inner = _inner(address)
    if inner is not None:
        good = inner.is_global and not inner.is_multicast
    elif address in _UNIQUE_LOCAL:
        # Its 40 random bits name one site, unless they were typed by hand.
        drawn = "".join(match[0].lower().split(":")[:3])[2:]
        good = len(set(drawn)) >= 4 and drawn not in "0123456789abcdef0"
    else:
        good = max(map(len, groups[1:])) > 2 and address.is_global and not address.is_multicast
    if good:
        yield "ip_address", match.start(), match.end(), "ip_address"


_UNIQUE_LOCAL = ipaddress.IPv6Network("fd00::/8")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address within one of IPv6 (RFC 3056, 4380, 6052)."""
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _public(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast
