"""The rules of personal data and secrets: one expression that stops at suspicious places, and an exact rule for each.

A rule takes a text and the code point of a suspicious place, and yields the value there. Where issuers document a
format (`issuers.toml`: prefix, length, alphabet) it decides; other values are recognised by the name that they are
assigned to (`assignments`, `secrets`) or by their place on a command line or in a call (`commands`).

Not reported, since they identify nobody and open nothing: addresses that are not globally routable (private, loopback,
link-local, netmasks, the documentation ranges of RFC 5737 and RFC 3849) and public resolvers, the reserved domains of
RFC 2606, telephone numbers 555-0100 to 555-0199, placeholders, references to variables, the shell's PWD, users of code
hosts (`git@`), logins in addresses (`ssh://me@host`).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import cache

import re2

from socorpus.corpus.privacy import issuers, network_addresses, phones, secrets, values
from socorpus.corpus.privacy.found import Found, Rule, words
from socorpus.corpus.privacy.positions import calls, commands, lines, replies

# --- headers ---------------------------------------------------------------------------------------------------------

_HEADER = re.compile(
    r"(?:authorization\W{1,6})?(?:(bearer|token|apikey|api-key)[ +]{1,2}([\w.~+/\-]{16,}=*)|(basic)[ "
    r"+]{1,2}([A-Za-z0-9+/]{8,}={0,2}))",
    re.I,
)


def _header(text: str, place: int) -> Iterator[Found]:
    match = _HEADER.match(text, place, place + 2048)
    if match is None:
        return
    group = 2 if match[1] else 4
    value = match[group]
    if match[3]:
        try:
            good = b":" in base64.b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            good = False
    else:
        good = values.random(value.rstrip("="))
    if good and not values.placeholder(value):
        yield "header", match.start(group), match.end(group), "token"


# --- the prefilter ---------------------------------------------------------------------------------------------------

# Repetitions are without a count wherever they can be: counts multiply the states of the automaton.
_QUOTE = r"[@$bBrRuUfFnNLE]*[\"'`\\]"
# Of one number only: a longer run of word characters would be searched again behind each number within.
_REST = r"[A-Za-z_\-]*[0-9]*[A-Za-z_\-]*"
_CLOSED = (
    _REST + r"(?:\.(?:value|Value|text|Text|default|plain))?(?:[\\\"'`\])}*?]|&quot;|&#3[49];|\[[\"']?\w*[\"']?\])*"
)
_TIED = "|".join(
    (
        r"[ \t]*(?:[:=<>{|+]|\?\?|[.!?]=|->|&gt;)",
        rf"[ \t]*[,(][ \t]*(?:{_QUOTE}|[(<]|[A-Z]|with)",
        rf"[ \t]+(?:{_QUOTE}|[aA][sS] |with [\"']|[*&]?[A-Za-z_][\w.\[\]*()]*[ \t]*=|%?[qQ][({{]|by lazy)",
        r"[ \t]+(?:(?:of|for|on|to) [ \w.\-]*? )?(?:is|was):?[ \t]",
        r"\.(?:val|send|type|fill|set|text|equals|contentEquals|compareTo)[A-Za-z_]*[ \t]*[(=]",
        r"\s+[\"']?(?:[A-Za-z]+:)?(?i:value|content|data|default|type|serializeas|connectionstring)",
    )
)
_PASSWORDS = (
    r"(?i:pass|pwd|pswd|kennwort|senha|contrase(?:ñ|n)"
    r"|mot[_ ]?de[_ ]?pa|wachtwoord|heslo|haslo|parola|salasana|losenord"
    r"|adgangskode|psk|sifre|jelsz)"
    r"|(?i:pw|psw|mdp)\b|(?i:basic_?auth|auth_?basic|authBasic)"
    "|пароль|Пароль|hasło|密码|密碼|パスワード|비밀번호|lösenord|şifre"
)
_KEYS = r"(?i:secret|token|key|salt|appid|credentials|authorization|[?&_\"']sig|[_\"' :]auth|seed)"

SUSPECTS: Mapping[str, str] = {
    "ip4": r"\d\.\d{1,3}\.\d{1,3}\.\d",
    "ip6": r"[23fF][0-9a-fA-F]{3}:[0-9a-fA-F]{0,4}:[0-9a-fA-F:]|64:ff9b:",
    "phone": r"\+\d[\d ().\-]{6}|\d{3}(?:\) ?|[.\-])\d{3}[.\-]\d{4}|00[1-9]\d[ \-/.(]{1,2}\d"
    r"|(?i:phone|mobile?|whatsapp|tel|t\xc3\xa9l|fax|cell|handy)[a-z]{0,4}"
    r"(?i: number| no| num)?(?: is)?[ :.#=\-]{1,3}\(?\d[\d ()./\-]{6}",
    "spelled": r"(?i:[\[({<] ?(?:at|@) ?[\])}>])|[\[({<](?:a|\xc3\xa4t)[\])}>][a-z]|[ _\-]AT[ _\-]\w"
    r"| at \w[\w\-]{0,40}(?: \w[\w\-]{0,40})? (?i:dot) \w|@ \w[\w\-]*\.[a-zA-Z]",
    "underscored": r"_at_[a-z0-9\-]+_dot_",
    "encoded": r"(?:%40|\\u0040|\\x40|&#0{0,3}64;|&#[xX]0{0,3}40;|&commat;|\xef\xbc\xa0)[\w\x80-\xff]",
    "references": r"(?:&#[xX]?[0-9a-fA-F]{2,4};){6}",
    "ip_host": r"ec2-\d{1,3}-\d{1,3}-",
    "header": r"(?i:bearer|authorization\W{1,6}(?:basic|token|api-?key))[ +]",
    **issuers.suspects(),
    "private_key": r"-BEGIN [A-Z0-9 ]*PRIVATE KEY|Private-Lines:",
    "assigned": rf"(?:{_PASSWORDS}|{_KEYS}){_CLOSED}(?:{_TIED})|-[A-Za-z\-]*_?(?:{_PASSWORDS}|{_KEYS}){_REST}[ \t]"
    rf"|(?:{_PASSWORDS})\w*[ \t]+[A-Za-z!-/]*[0-9]"
    r"|(?:requirepass|masterauth)[ \t]|login[ \t]+\S+[ \t]+password[ \t]|(?:ENV|setenv)[ \t]+\w+[ \t]|configure "
    r"set[ \t]+\w+[ \t]",
    "before_key": r"for(?:Key|KeyPath|HTTPHeaderField) ?: ?@?[\"'][\w.\-]",
    "call": calls.CALLS,
    "procedure": rf"{calls.SP_CALLS}|{calls.AUTH_PAIR}",
    "encoded_pair": calls.ENCODED,
    "program": commands.suspects(),
    "user_and_password": commands.USER_AND_PASSWORD,
    "list": commands.LIST,
    "prompted": replies.PROMPTED,
    "session": replies.SESSION,
    "router": lines.ROUTER,
    "pair": lines.PAIR,
    "account": lines.ACCOUNT,
    "statement": lines.STATEMENT,
    "cookie": lines.COOKIE,
    "unnamed": r"[(,] ?[\"'][A-Za-z0-9_\-]{32}",
    "characters": r"\.toCharArray",
    "piped": replies.PIPED,
    "secure_string": r"(?i:ConvertTo-SecureString)",
}
"""Name of a rule of `RULES` -> where it may have something to find, in google-re2's dialect."""

_FORMATS = (
    *("header", "format", "anchor", "named"),
    *("call", "procedure", "encoded_pair", "program", "prompted", "piped", "list", "underscored"),
)
SCANS: tuple[tuple[str, ...], ...] = (tuple(name for name in SUSPECTS if name not in _FORMATS), _FORMATS)
"""The rules that look for suspicious places together: one expression of both would have too many states."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_FIRST: Mapping[str, frozenset[str]] = {
    "ip4": frozenset("0123456789"),
    "ip6": frozenset("236f"),
    "phone": frozenset("+0123456789") | words("ph mo wh te t\xe3 fa ce ha"),
    "spelled": frozenset("[({< _-@"),
    "underscored": frozenset("_"),
    "references": frozenset(["&#"]),
    "ip_host": frozenset(["ec"]),
    "pair": frozenset(["lo", "cr", "si"]),
    "encoded": frozenset(["%4", "\\u", "\\x", "&#", "&c", "\xef\xbc"]),
    "header": frozenset(["be", "au"]),
    "format": issuers.beginnings("format"),
    "anchor": issuers.beginnings("anchor"),
    "named": issuers.beginnings("named"),
    "private_key": frozenset(["-b", "pr"]),
    "before_key": frozenset(["fo"]),
    "call": calls.BEGINNINGS,
    "procedure": frozenset(["sp", "au"]),
    "encoded_pair": words("bt ba b6 bu to ge"),
    "program": commands.beginnings(),
    "user_and_password": frozenset("-"),
    "list": frozenset("\"'"),
    "prompted": frozenset(["as", "pa"]),
    "session": frozenset(["pa", "au", "\n"]),
    "router": words("en us ne sn ta ra is ik pr ke me os pp wp li we in se pa ma re op ro bi"),
    "account": frozenset(":*]=$") | words("sm ma re st pp l2 cl ch"),
    "statement": frozenset(["id", "se", "cr"]),
    "cookie": frozenset("&?") | words("se co _s as re x- si"),
    "unnamed": frozenset("(,"),
    "characters": frozenset([".t"]),
    "piped": frozenset("|<"),
    "secure_string": frozenset(["co"]),
    "assigned": frozenset(_LETTERS + "?&_\"' :-") | frozenset(map(chr, range(128, 256))),
}
"""The first one or two bytes of the suspicious places of a rule, in lower case."""


class Scan:
    """A search for the suspicious places of some rules."""

    def __init__(self, names: tuple[str, ...]) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = 64 << 20
        self.names = names
        # Without groups, which would cost more than the search.
        self.expression = re2.compile("|".join(f"(?:{SUSPECTS[name]})" for name in names).encode(), options)
        self._rules: dict[bytes, tuple[str, ...]] = {}

    def rules(self, beginning: bytes) -> tuple[str, ...]:
        """The rules that may have something to find at a place that begins with these two bytes."""
        if beginning not in self._rules:
            two = beginning.decode("latin-1").lower()
            self._rules[beginning] = tuple(
                name for name in self.names if two[:1] in _FIRST[name] or two in _FIRST[name]
            )
        return self._rules[beginning]


@cache
def scans() -> tuple[Scan, ...]:
    """`SUSPECTS` as expressions over UTF-8 bytes."""
    return tuple(map(Scan, SCANS))


RULES: Mapping[str, Rule] = {
    "ip4": network_addresses.ip4,
    "ip6": network_addresses.ip6,
    "phone": phones.phone,
    "spelled": network_addresses.spelled,
    "underscored": network_addresses.spelled,
    "encoded": network_addresses.encoded,
    "references": network_addresses.references,
    "ip_host": network_addresses.ip_host,
    "header": _header,
    "format": issuers.opening,
    "anchor": issuers.anchored,
    "named": issuers.named,
    "assigned": secrets.named,
    "before_key": secrets.before_key,
    "program": commands.program,
    "user_and_password": commands.user_and_password,
    "list": commands.in_list,
    "call": calls.call,
    "procedure": calls.procedure,
    "encoded_pair": calls.encoded,
    "characters": calls.characters,
    "unnamed": calls.unnamed,
    "piped": replies.piped,
    "prompted": replies.prompted,
    "session": replies.session,
    "secure_string": replies.secure_string,
    "router": lines.router,
    "pair": lines.pair,
    "account": lines.account,
    "statement": lines.statement,
    "cookie": lines.cookie,
}
"""The rules of `SUSPECTS`, by name, but `private_keys.PrivateKeys`; those of `@` are `network_addresses.at_sign` and
`mentions.mention`."""
