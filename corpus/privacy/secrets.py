"""Passwords, keys and tokens that a name gives away: what the name means, and whether the value is one."""

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.assignments import Assignment, name_at, parse
from socorpus.corpus.privacy.found import Found, whole, words
from socorpus.corpus.privacy.positions.calls import arguments
from socorpus.corpus.privacy.positions.judging import secret

_AFTER = words(
    "root admin user users db database mysql sql smtp mail email ftp sftp ssh http proxy prod production dev "
    "development test testing stage staging "
    "local main master new old current again confirm confirmation repeat plain clear a b c x my for of web app api "
    "login account wifi ssid ap sta "
    "in str s p base env var raw encrypted temp tmp secret word phrase code wd d in2 gmail live remote source "
    "target src dst dest de y"
)
"""What may stand behind the word for a password in the name of one: `PASSWORD_ROOT`, not `passwordField`."""
_PASSES = words(
    "by boarding render high low test first second single multi shadow geometry forward backward season day ski "
    "hall all one two band depth "
    "post pre light proxy fastcgi uwsgi scgi mountain"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z\u00df-\u024f])|[A-Z]?[a-z\u00df-\u024f]+|\d+|[^\W\d_A-Za-z]+")
_PASSWORD = re.compile(
    r"^(?:\w*passw(?:or)?d|\w*passwort|\w*passwrd|passphrase|passcode)s?$|pswd|kennwort|senha|contrase|motdepasse|^passe$|mdp$|wachtwoord|heslo|haslo|hasło|parola$|пароль"
    r"|密码|密碼|パスワード|비밀번호|salasana|lösenord|losenord|adgangskode|sifre|şifre|jelsz"
)
_NO_PASS = re.compile(
    r"(?:by|com|over|under|tres|sur|encom|low|high|band|all|render|multi|sub|first|second|last|one|two|single)pass$"
)
_ABOUT = words(
    "field label input box textbox hint error errors message msg regex regexp pattern type url uri path file "
    "filename column col "
    "length len min max minimum maximum policy policies encoder encoding reset confirmed form id name hash hashed "
    "hasher hashers "
    "placeholder title strength expired expires expiry expiration changed change param parameter attribute attr "
    "selector xpath prompt view "
    "layout controller page link button btn icon visible visibility enabled disabled required provider callback "
    "manager service "
    "format valid validator validators validation rule rules question questions location store digest salted "
    "expire timeout count size prefix suffix header headers endpoint class classname element elem node ref refs "
    "equals equal match matches starts startswith ends endswith contains trim split substring charat toString "
    "verify check "
    "less free protected grant flow entry request response handler listener helper factory generator interceptor "
    "filter "
    "middleware template screen activity fragment cell tag option options mode level state status event index idx list "
    "map table row rows code board bindings binding event press down up stroke frame frames word words pair pairs "
    "address contract site sitekey tip text1 group groups scope scopes issuer audience lifetime ttl bits algorithm "
    "algo alg version cipher"
)
_BEFORE = words(
    "show hide toggle invalid wrong forgot forgotten is has no empty missing check validate verify reset generate "
    "get on before "
    "after without needs require requires incorrect bad no use public pub primary foreign hash checksum digest sha "
    "md5 commit "
    "etag integrity fingerprint cache sort partition registry hot short foreign composite unique index map row "
    "column group "
    "route nav translation i18n locale arrow shift ctrl unexpected csrf xsrf next previous current peek websocket"
)
_KEY_WORDS = words(
    "authorization key keys secret token tokens apikey salt credentials auth appid signature sig seed hapikey "
    "authtoken "
    "accesskey secretkey secrettoken authkey accesstoken clientsecret apitoken apisecret privatekey subscriptionkey"
)
_STRONG = re.compile(
    r"secret|token|api_?key|apikey|^(?:x_)?(?:proxy_)?authorization$|(?:access|private|auth|encryption|encrypt|master|shared|storage|signing|subscription|license|service"
    r"|session|server|client|consumer|write|admin|account|app|application|aws|azure|google|maps?|stripe|twilio|firebase|fernet|jwt|hmac"
    r"|crypto|cipher|aes|des|rsa|validation|decryption|machine|bot|bearer|user|cookie|crypt|hash|nonce|logged_in|master|rest|javascript|dotnet"
    r"|parse|pay|merchant|webhook|channel|device|hub|sas|publish|sub|blowfish|aad|conn|connection)_?(?:\w+_)?(?:key|salt|id|token|secret)"
    r"|salt|credentials|appid|^sig$|signature|authtoken|hapikey|^auth$|_auth$|^x_\w*key|cipher_?seed"
)
_IDS = re.compile(r"(?:^|_)(?:id|ids)$")


@lru_cache(maxsize=4096)
def meaning(name: str) -> tuple[str, bool] | None:
    """What a name's value is, (password, key or token) and whether the name says so clearly; None if none of these."""
    parts = [part.lower() for part in _WORDS.findall(name)]
    while parts and parts[-1] in ("value", "text", "default", "string", "str", "plain", "const", "txt"):
        parts.pop()
    if not parts:
        return None
    if "".join(parts[-2:]) in ("basicauth", "authbasic", "userpwd"):
        return "password", True
    tail = [part for part in parts if not part.isdigit()]
    if not tail:
        return None
    joined = "_".join(tail)
    if joined.endswith(("pre_shared_key", "preshared_key", "wpa_key", "wifi_key")):
        return "password", True
    for index, part in enumerate(tail):
        joint = "".join(tail[index : index + 3])
        own = (
            part in ("pass", "pw", "psw", "pwd", "psk")
            or _PASSWORD.search(part) is not None
            or (part.endswith("pass") and not _NO_PASS.search(part))
            or (part.endswith("pwd") and len(part) > 4)
        )
        own = own or (part == "credentials" and tail[index - 1 : index] == ["security"])
        if own or joint == "motdepasse":
            rest = tail[index + (3 if joint == "motdepasse" and not own else 1) :]
            if set(tail[:index]) & (_BEFORE | (_PASSES if part == "pass" else frozenset())):
                return None
            if all(word in _AFTER for word in rest):
                return "password", True
            break
    if not set(tail) & _KEY_WORDS and not re.search(r"(?:secret|token|key|salt)$|^appid$", tail[-1]):
        return None
    last = tail[-1]
    base = tail[-1] == "base" and "secret" in tail
    if (last in _ABOUT and last not in ("hash",) and not _IDS.search(joined)) or (
        set(tail) & _BEFORE and not joined.startswith("hash_salt")
    ):
        return None
    if _IDS.search(joined) and not re.search(r"(?:client|access_key|consumer|app|application|key)_id$", joined):
        return None
    if (
        last not in _KEY_WORDS
        and not base
        and not re.search(r"(?:secret|token|key|salt|id)$", last)
        and set(tail[-2:]).isdisjoint(_KEY_WORDS)
    ):
        return None
    if re.search(
        r"monkey|donkey|turkey|whiskey|hockey|jockey|keyboard|tokeniz|public|verif|site_?key|web_?socket", joined
    ):
        return None
    return ("token" if "token" in joined else "key"), _STRONG.search(joined) is not None


_CONNECTION = re.compile(
    r"(?:data source|server|host|user ?id|uid|user|username|database|dbname|initial catalog|driver|provider|dsn)\s*=",
    re.I,
)
_SETTER = re.compile(
    r"(?:define|put\w*|set\w*|add\w*|env|getenv|get\w*|append|write|config|buildConfigField|resValue|opt|fetch|insert|store|environ\.get"
    r"|getOrDefault|\w*Param\w*|\w*Header|\w*Property|header|with\w*|push|assign|const|\w*setopt)\s*[(\[]\s*(?:\"String\"\s*,\s*)?(?:[\w$]+\s*,\s*)?\\?[@:\"'`]*$",
    re.I,
)
_COMMAND_LINE = re.compile(r"(?:^|\s)(?:-{1,2}|/)$")
_CONFIGURED = re.compile(
    r"(?:^|\n)[ \t]*(?:requirepass|masterauth|ENV[ \t]+\w*)$|\blogin[ \t]+\S+[ \t]+$|(?:^|\n)[ \t]*(?:ENV|setenv)[ "
    r"\t]+\w*$"
)
_LABELS = re.compile(r"<(?:label|option|span|th|td|p|div|a|h\d|button|legend|li|strong|b|i|em|string)\b", re.I)


_LINE_BEGIN = re.compile(r"(?:^|\n)[ \t]{0,24}(?:-[ \t]+)?(?:export[ \t]+|set[ \t]+)?[\"']?(?:[\w.\-]{1,40}\.)?$")
_LINE_END = re.compile(r"[ \t]*(?:[#;][^\n]*)?(?:\r?\n|$)")
_SETTING = re.compile(
    r"[ \t]*(?:-[ \t]+)?(?:export[ \t]+)?[\w.\-]{1,60}[ \t]{0,24}[:=](?:[ \t]*[^\s,;(){}=][^,;(){}]{0,120})?$"
    r"|[ \t]*\[[\w .:\-]{1,40}\][ \t]*$|[ \t]*#|[\w.\- /:]{1,60}\{[ \t]*$"
)
"""A line of a configuration file, which code hasn't: a setting, a section, a remark."""
_HOSTS = re.compile(
    r"host|user|login|adapter|database|\bdb|url|port|driver|datasource|mail|smtp|server|jdbc|mysql|postgres|redis|mongo|ftp"
    r"|root|rabbit|sql|auth|connection|broker",
    re.I,
)
_ENVIRONMENT = re.compile(r"[A-Z][A-Z0-9_]{3,}$")


def _lines_around(text: str, assignment: Assignment) -> tuple[str, str] | None:
    """The lines before and behind that of an assignment which has its line for itself, else None."""
    if not _LINE_BEGIN.search(text, max(0, assignment.start - 72), assignment.start):
        return None
    end = _LINE_END.match(text, assignment.value_end, assignment.value_end + 200)
    if end is None:
        return None
    first = text.rfind("\n", max(0, assignment.start - 72), assignment.start)
    begin = max(text.rfind("\n", max(0, first - 160), max(0, first)) + 1, first - 160, 0)
    stop = text.find("\n", end.end(), end.end() + 160)
    stop = stop if stop >= 0 else min(len(text), end.end() + 160)
    return text[begin : max(0, first)].rstrip("\r"), text[end.end() : stop].rstrip("\r")


def _in_settings(text: str, assignment: Assignment, value: str) -> bool:
    """Whether a value without quotes stands in a configuration file, in which it may be any word."""
    around = _lines_around(text, assignment)
    if around is None or values.path(value) or any(sign in value for sign in "()[]{}"):
        return False
    name, letters = assignment.name, value.isalpha()
    tight = text[assignment.value_start - 1] == "="
    if tight and _ENVIRONMENT.match(name) and not value.isupper():
        return len(value) >= 6 and (not letters or _HOSTS.search(name) is not None or "_" in name)
    near = [line for line in around if line.strip()]
    if any(line.rstrip().endswith((",", "(", ";")) for line in near):
        return False
    settings = any(_SETTING.match(line) for line in near)
    if values.encoded(value):
        return True
    if not tight and assignment.sign == "=" and re.fullmatch(r"[a-z_]+\d{1,2}", value) and len(value) < 8:
        return False
    if letters:
        about = (*near, name) if settings else (name,)
        known = any(_HOSTS.search(line) for line in about) and (settings or (tight and "." in name))
        return known and len(value) >= 6 and value.islower()
    return len(value) >= 6 and (settings or (re.search(r"\w[._\-]\w", name) is not None and len(value) >= 8))


_LINE_START = re.compile(r"(?:^|\n)[ \t]{0,7}$")
_CHOICE = re.compile(r"\?[ \t]{0,3}[\"']$")
"""Before a word that is one of two: `hide ? "password" : "text"`."""
_LEAD = re.compile(r"(?:ENV|setenv|configure set|login[ \t]+[^\s]{1,100})[ \t]+|[?&\"' :\[]")
_MOT_DE_PASSE = re.compile(r"mot de passe", re.I)
_FOLLOWING = re.compile(r"[ \t]{1,8}([\w.\-]{2,60})[ \t]{0,8}=")


def named(text: str, place: int) -> Iterator[Found]:
    """The password, key or token that is assigned to the name around a place."""
    lead = _LEAD.match(text, place)
    french = _MOT_DE_PASSE.match(text, place)
    if french is not None:
        named_here: tuple[str, int, int] | None = ("motdepasse", *french.span())
    else:
        named_here = name_at(text, lead.end() if lead is not None else place)
    known = meaning(named_here[0]) if named_here is not None else None
    if named_here is None or known is None:
        return
    if named_here[0].lower() in ("key", "token", "secret") and _QUALIFIED.search(
        text, max(0, named_here[1] - 16), named_here[1]
    ):
        known = (known[0], True)  # `my api key is …`
    if known[0] == "password" and (tuple_found := _of_tuple(text, *named_here)):
        yield tuple_found
        return
    assignment = parse(text, *named_here)
    following = _FOLLOWING.match(text, named_here[2])  # `Token token=…`: the second name hid behind the first
    if following is not None and (assignment is None or assignment.form == "space"):
        yield from named(text, following.start(1))
        return
    if assignment is None:
        return
    name = assignment.name
    start, end = assignment.value_start, assignment.value_end
    if text.startswith("{noop}", start):  # Spring's mark of a password in plain text
        start += 6
    value = text[start:end]
    if _CHOICE.search(text, max(0, assignment.start - 6), assignment.start):
        return
    if known[0] == "password":
        line = _line(text, assignment.start, start)
        if name in ("PWD", "OLDPWD") and not _CONNECTION.search(line) and not (assignment.quoted and "/" not in value):
            return
        if _BRACED.match(value) and _CONNECTION.search(line) and values.strong(value[1:-1]):
            start, end = start + 1, end - 1
            value = text[start:end]
        if _PAIRED.search(name):
            pair = _USER_AND_PASSWORD.match(value)
            if pair is None and "pass" not in name.lower():
                return
            start += pair.end() if pair is not None else 0
            value = text[start:end]
        good = _password(value, assignment, line, text)
    else:
        good = _key(value, assignment, known[1], text)
    if good:
        yield "assigned", start, whole(text, place, end), known[0]


_QUALIFIED = re.compile(
    r"\b(?:api|access|secret|auth|private|licen[cs]e|app|bearer|security|encryption|session)[ \-]$", re.I
)
_PAIRED = re.compile(r"userpwd$|basic_?auth$|auth_?basic$|user_?pass(?:word)?$", re.I)
"""Names of a user and a password with a colon between them."""
_USER_AND_PASSWORD = re.compile(r"[\w.@\-]{1,60}:(?=[^\s:/]+$)")
_BRACED = re.compile(r"\{[^{}$\n]{4,80}\}$")
_BEFORE_IN_TUPLE = re.compile(r"(?:[$@\w.]{1,40}[ \t]*,[ \t]*){1,4}$")
_BEHIND_IN_TUPLE = re.compile(r"[ \t]*\)?[ \t]*:?=[ \t]*[(\[]?[ \t]*(?=[bru]?[\"'])")


def _of_tuple(text: str, _name: str, start: int, end: int) -> Found | None:
    """The password of an assignment to several names: `user, password = "bob", "X"`."""
    names = _BEFORE_IN_TUPLE.search(text, max(0, start - 80), start - (text[start - 1 : start] == "$"))
    tie = _BEHIND_IN_TUPLE.match(text, end, end + 40)
    if names is None or tie is None:
        return None
    index = names[0].count(",")
    values_given = list(islice(arguments(text, tie.end(), tie.end() + 400), index + 1))
    if len(values_given) <= index:
        return None
    argument = values_given[index]
    if argument.value is None or not secret(argument.value):
        return None
    return "assigned", argument.start, argument.end, "password"


_KEY_ARGUMENT = re.compile(r"\w+ ?: ?@?[\"']")


def before_key(text: str, place: int) -> Iterator[Found]:
    """The value before the `forKey:` or the like at a place, by the name behind that."""
    name = _KEY_ARGUMENT.match(text, place)
    if name is not None:
        yield from named(text, name.end())


def _line(text: str, start: int, value: int) -> str:
    begin = max(0, start - 400)
    return text[max(begin, text.rfind("\n", begin, start) + 1) : value]


_SPACED = re.compile(r"[a-z]{4}(?: [a-z]{4}){3}$|(?=.*\d)(?=.*\w[#@$%^&*!+]\w)\S{1,20}(?: \S{1,20}){1,2}$")
"""A password with blanks: one of Google's for an application, or few words of letters, digits and signs."""


def _password(value: str, assignment: Assignment, line: str, text: str) -> bool:
    if values.placeholder(value) or values.reference(value) or re.search(r"://|^(?:env|file|fd|pass|ext):", value):
        return False
    if re.search(r"\s", value):
        return assignment.quoted and assignment.form == "operator" and _SPACED.match(value) is not None
    if assignment.quoted:
        return _quoted_password(value, assignment, line, text)
    letters = value.isalpha()
    connection = assignment.sign == "=" and _CONNECTION.search(line) is not None
    if value[0] in "{[(<$*|>-" or re.match(r"[^\W\d_]+[?.:]$", value):
        return False
    if (value[0] in "/~." and "/" in value[1:]) or re.match(r"[A-Za-z]:\\", value):
        return False
    if assignment.form in ("element", "pair"):
        if letters and assignment.form == "element" and not _LABELS.match(text, text.rfind("<", 0, assignment.start)):
            return len(value) >= 6 and not values.camel(value)
        return _mixed(value) and not values.path(value)
    if assignment.form == "prose":
        return len(value) >= 7 and values.strong(value) and any(map(str.isdigit, value)) and not values.code(value)
    if assignment.form == "space":
        classes = sum(re.search(kind, value) is not None for kind in ("[a-z]", "[A-Z]", "[0-9]"))
        if (
            classes == 3
            and len(value) >= 8
            and values.strong(value)
            and not values.code(value)
            and not values.other(value)
        ):
            return True
        if "." in assignment.name and _LINE_START.search(text, max(0, assignment.start - 8), assignment.start):
            return _mixed(value) and not values.code(value) and not values.other(value)
        if not (
            _COMMAND_LINE.search(text, max(0, assignment.start - 3), assignment.start) or text[assignment.start] == "-"
        ):
            beginning = text[max(0, assignment.start - 80) : assignment.start]
            if not _CONFIGURED.search(beginning) and not re.search(
                r"(?:^|\s)requirepass$|(?:^|\s)masterauth$", beginning + assignment.name
            ):
                return False
        return _mixed(value) and not values.code(value) and not value.startswith("-")
    if assignment.form != "operator" or assignment.sign in ("->", "=>", "||", "??", "<-"):
        return False
    if connection:
        return not values.reference(value)
    if assignment.sign == "::":  # LDIF's sign of Base64
        return values.encoded(value)
    if assignment.sign in ("=", ":") and _in_settings(text, assignment, value):
        return True
    if values.code(value) or not re.search(r"\d|[^\w\s.\-/]", value) or (value.isdigit() and len(value) < 6):
        return False
    # Where literals need quotes, words with a number are variables; a line of a configuration has no blanks there.
    tight = text[assignment.value_start - 1] in "=:" and (len(value) > 6 or not value.islower())
    return tight or not values.variable(value)


def _mixed(value: str) -> bool:
    return re.search(r"\d|[^\w\s.\-/]", value) is not None and not (value.isdigit() and len(value) < 6)


def _quoted_password(value: str, assignment: Assignment, line: str, text: str) -> bool:
    if re.search(r"[:?]$|^[#./~]", value) or values.other(value):
        return False
    connection = assignment.sign == "=" and _CONNECTION.search(line) is not None
    letters = value.isalpha()
    if values.path(value) or (not letters and re.fullmatch(r"[A-Za-z_]+|[a-z]+(?:[_\-][a-z]+)+", value)):
        return False
    if assignment.form in ("argument", "space", "call", "prose"):
        if assignment.form == "argument" and _SETTER.search(text, max(0, assignment.start - 60), assignment.start):
            return values.strong(value) or (any(map(str.isdigit, value)) and len(value) >= 6)
        if assignment.form in ("space", "call", "prose") and len(value) >= 6 and re.search(r"\d", value):
            return True
        if assignment.form == "argument" and text[assignment.start : assignment.start + 1] == "-":
            return _mixed(value)  # of a command as a list
        if letters and assignment.form == "call" and text[assignment.start] == ".":
            return len(value) >= 6 and value.islower() and value.isascii()  # of a builder: `.password("…")`
        return values.strong(value) and len(value) >= 5
    if letters and not connection:
        return (
            assignment.sign in ("=", ":", "=>", ":=")
            and len(value) >= 6
            and not values.camel(value)
            and value.isascii()
        )
    return True


_CHOSEN = re.compile(
    r"secret(?:_?(?:or_?)?key)?$|(?:jwt|signing|encrypt(?:ion)?|decryption|hmac|crypto|cipher|aes|des|session|cookie|shared|auth|priv(?:acy)?)"
    r"_?(?:secret_?)?(?:key|salt|token)$",
    re.I,
)
"""Names of secrets that people think up themselves."""
_BASIC = re.compile(r"(?:[A-Za-z0-9+/]{4}){3,}(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$")


def _key(value: str, assignment: Assignment, clear: bool, text: str) -> bool:
    if re.search(r"(?:auth|nonce|logged_in)_(?:key|salt)$", assignment.name, re.I) and len(value) >= 48:
        return values.signs(value, spaces=True)
    if len(value) >= 40 and re.search(r"secret_?key|salt", assignment.name, re.I) and not re.search(r"\{|\$\(", value):
        return values.signs(value, assignment.quoted) or values.random(value)
    if values.reference(value) or values.placeholder(value) or "://" in value:
        return False
    if not assignment.quoted and (values.code(value) or value[0] in "{[(<$*|>"):
        return False
    name = assignment.name
    if re.search(r"salt|secret", name, re.I) and values.signs(value, assignment.quoted):
        return True
    if re.search(r"\s", value):
        return False
    if re.search(r"(?:^|[_\W])auth$", name, re.I) and _BASIC.match(value):
        return ":" in base64.b64decode(value + "=" * (-len(value) % 4)).decode("latin-1")
    if re.match(r"base64:[\w+/]{40,}={0,2}$", value):
        return True
    if values.other(value):
        return clear and re.search(r"secret", name, re.I) is not None and values.signs(value)
    if assignment.form in ("space", "prose") and not assignment.quoted and not (clear and len(value) >= 20):
        return False
    if values.random(value) and (clear or len(value) >= 20):
        uuid = re.fullmatch(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None
        if not clear and re.fullmatch(r"[0-9a-f]{24}", value):
            return False  # an object's number in MongoDB
        return not (uuid and (not clear or _IDS.search(name.lower())))
    # A secret of one's own choice, as short as a password.
    chosen = _CHOSEN.search(name) is not None and assignment.form in ("operator", "typed")
    good = chosen and len(value) >= 8 and any(map(str.isdigit, value))
    if assignment.quoted:
        plain = re.match(r"[A-Za-z]+\d+$", value) is not None and not name.lower().startswith("k")
        return good and (values.strong(value) or plain)
    separated = re.match(r"[a-z\d]+(?:[_\-.][a-z\d]+)+$", value) is not None
    return good and values.strong(value) and not separated and _lines_around(text, assignment) is not None
