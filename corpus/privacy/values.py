"""Values: which of them are secrets, and which are placeholders, references, names, or parts of code."""

import base64
import math
import re
from collections import Counter
from itertools import pairwise

from socorpus.corpus.privacy.found import words
from socorpus.corpus.privacy.redact import STAND_IN

_REFERENCE = re.compile(
    r"[$#%@]?\{[^{}\n]*\}|\$\(|\{\{|\}\}|<%|%>|<\?|%\(\w+\)|%[sdr@]|^(?:[a-z]*|[\w.:/\-]*[_.:/\-])\$\w*[A-Za-z_]\w{2,}$|^\$\w+$|^%\w+%$|^!\w+$|^[:@*&]\w+$|^@@?[\w.\-]+@@?$|^\?$"
    r"|\"\s*[+.&]|'\s*[+.&]|^\\?\$[A-Za-z_{(]|%[A-Z_]{3,}\d?%|!![A-Za-z]"
)
"""A value that something else fills in: `${X}`, `{{ x }}`, `$(cat x)`, `%s`, `:name`, `<%= x %>`, `" + x + "`."""
_MASKED = re.compile(
    r"[\W_xX]*$|pk_|[^<]*+<.*>|.*(?:example|placeholder|change.?(?:me|it)$|your|insert(?:[_\W]|$)|replace|dummy|\bfoo|\.\.\."
    r"|…|xxxx|\*\*\*|•••|12345678|abcdefgh|here\d*$|\b(?:required|nullable|confirmed|(?:min|max):\d))"
    r"|my[_\-]?(?:super|secret|pass|key|token|api|app|long|random)|\[[^\]]*\]$|\[[A-Za-z_ ]+|<[^>]*$|<[\w /\-]+>",
    re.I | re.S,
)
_PASSWORD_WORD = re.compile(
    r"passw(?:or)?d|passphrase|secret|^(?:abc|xyz|foo|bar|test|asdf|qwerty|admin|root|user|demo|hello|guest|temp)[\d!@#_\-]*$"
    r"|^[a-z]*[_\-. ]?(?:pass|pwd|pw|psw|api_?key|token)(?:_?\d|12|123|1234)?$"
    r"|^(?:pass|pwd|token|api_?key)[\W_]|^p[a4@][s5$]{2}w[o0]rd\d{0,4}!?$",
    re.I,
)
_ORDINARY = words(
    "password passwd passphrase passwort pass pwd pswd contraseña contrasena senha motdepasse kennwort wachtwoord "
    "heslo пароль 密码 secret token key test testing tester admin administrator root user username login guest demo "
    "default none null nil undefined true false yes no string str text hidden required optional empty blank invalid "
    "wrong valid correct confirm confirmed confirmation match value values name email foo bar baz foobar asdf "
    "qwerty hello something whatever abc abcd xyz type input field label min max length integer boolean unset "
    "prompt encrypted hashed plain plaintext basic hash md5 sha1 sha256 bcrypt varchar char nvarchar self this data "
    "sample same new old current request session oracle postgres mysql mssql sa scott tiger system manager pwd1 "
    "pass1 password1 password123 passw0rd p@ssw0rd p@ssword test123 test1234 admin123 abc123 1234 12345 123456 "
    "1234567 123456789 1234567890 anonymous changeit public private unknown localhost somepassword reset forgot "
    "show hide "
    "toggle visible invisible disabled enabled missing incorrect weak strong bearer refresh access object function "
    "number array file prompt stdin env vault keyring keychain rotate expired expires always never on off "
    "submit button checkbox radio number password2 pass2 user1 test1 test12345 qwerty123 letmein tomcat vagrant pi "
    "raspberry android welcome postgresql mongodb redis rabbitmq sqlserver database server client john jane alice bob"
)
_PATH = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.|!\.)[A-Za-z_$][\w$]*)+[!?]?$")
_NOT_BY_ITSELF = re.compile(r"[A-Za-z_]+$|.*[()\[\]]|0[xX][0-9A-Fa-f]+[uUlL]*$")
_VARIABLE = re.compile(r"[A-Za-z_$][A-Za-z_]*\d{0,2}[;,]?$")
_WORD = re.compile(r"[^\W\d_]+(?:[_\- ][^\W\d_]+)*\d{0,2}$")
_LOCATION = re.compile(
    r"~?[/\\]|\.{1,2}[/\\]|[A-Za-z]:[\\/]|https?:|file:|classpath:|jdbc:|urn:|[A-Za-z_.\-]+\d{0,3}(?:/[A-Za-z_.\-]+\d{0,3}){2,}$"
)
_EXPRESSION = re.compile(
    r"\(\?|\\[dwsbD](?![\w])|\[\^?[A-Za-z0-9]-|\{\d+,\d*\}|^\^|^/.*/[gimsuy]*$|=>|&&|\|\||==(?!$)|;$|\)\)|^\w+\(.*\)$"
)
_FILE = re.compile(
    r"[\w.\-]+\.(?:txt|json|xml|ya?ml|php|html?|js|ts|css|py|rb|java|cs|key|pem|crt|cer|jks|p12|pfx|properties|conf|cfg|ini"
    r"|env|log|sql|db|png|jpe?g|gif|svg|exe|dll|so|jar|sh|bat|keystore)$",
    re.I,
)


def placeholder(value: str) -> bool:
    """Whether a value stands for a secret rather than being one."""
    lower = value.lower()
    return (
        len(value) < 4
        or lower in _ORDINARY
        or len(set(value)) < 3
        or _MASKED.match(value) is not None
        or STAND_IN.search(value) is not None
        or (_PASSWORD_WORD.search(value) is not None and not _beyond_words(value))
    )


_WORD_FOR_ONE = re.compile(r"passw(?:or)?d|passphrase|secret", re.I)


def _beyond_words(value: str) -> bool:
    """Whether a value with the word for one in it has more than one adds to such a word: `Secret#2021!`."""
    rest, words_in_it = _WORD_FOR_ONE.subn("", value)
    drawn = re.search(r"\d.*\d", rest) is not None and re.search(r"[!@#$%^&*?]", rest) is not None
    return words_in_it > 0 and len(rest) >= 5 and drawn


def reference(value: str) -> bool:
    """Whether something else fills a value in: a variable, a template, a command, a parameter."""
    return _REFERENCE.search(value) is not None


def code(value: str) -> bool:
    """Whether a value that no quotes mark as one is a name, a path of names, a call or an index."""
    return _PATH.match(value) is not None or _NOT_BY_ITSELF.match(value) is not None


def path(value: str) -> bool:
    """Whether a value is names with dots or arrows between them: `config.password2`; none has a digit within a word."""
    return _PATH.match(value) is not None and _DIGIT_WITHIN.search(value) is None


_DIGIT_WITHIN = re.compile(r"(?<![^\W\d_])[^\W\d_]{1,3}\d[^\W\d_]{2}")


def variable(value: str) -> bool:
    """Whether a value may be a variable with a number: `input2`."""
    return _VARIABLE.match(value) is not None


def word(value: str) -> bool:
    """Whether a value is words with a number of at most two digits behind them."""
    return _WORD.match(value) is not None


def other(value: str) -> bool:
    """Whether a value is a path, an address, a file, a regular expression or a piece of code."""
    return any(pattern.search(value) if pattern is _EXPRESSION else pattern.match(value) for pattern in _OTHER)


_OTHER = (_LOCATION, _EXPRESSION, _FILE)


def camel(value: str) -> bool:
    """Whether a value is words without anything between them but capitals: `someName`."""
    return re.fullmatch(r"[a-z]+(?:[A-Z][a-z]+)+", value) is not None


_SYLLABLES = re.compile(r"(?:[aeiouy]{1,2}[b-df-hj-np-tv-xz]{1,2}){2,}[aeiouy]?")
_CAMEL = re.compile(r"[A-Z]?(?=[a-z]*[aeiou])(?![a-z]*[b-df-hj-np-tv-xz]{5})[a-z]{3,}")


def _spoken(value: str) -> bool:
    """Whether a value is mostly words: of drawn letters and digits, a tenth lies in such runs."""
    mixed = any(map(str.isupper, value)) and any(map(str.islower, value))
    runs = (_CAMEL if mixed else _SYLLABLES).findall(value)
    return sum(map(len, runs)) > (0.6 if mixed else 0.5) * len(value)


def random(value: str) -> bool:
    """Whether a value has a key's disorder: many changes of class from one character to the next, few repeats."""
    if not re.fullmatch(r"[!-~]{16,}", value) or len(re.sub(r"[\w+/=.~\-]", "", value)) > len(value) // 8:
        return False
    if _spoken(value):
        return False
    classes = ["d" if c.isdigit() else "u" if c.isupper() else "l" if c.islower() else "" for c in value]
    changes = sum(a != b and a != "" and b != "" for a, b in pairwise(classes))
    share = 0.45 if "d" not in classes else 0.1 if re.fullmatch(r"[0-9a-f]{32,}", value) else 0.2
    return _entropy(value) >= 3 and changes >= max(3, sum(map(bool, classes)) * share)


def encoded(value: str) -> bool:
    """Whether a value is Base64 of printable characters, which eight letters by chance are not."""
    if len(value) < 8 or len(value) % 4 or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", value):
        return False
    plain = base64.b64decode(value)
    return not re.fullmatch(r"[a-z]+|[A-Z]+|\d+", value) and all(32 <= byte < 127 for byte in plain)


def signs(value: str, spaces: bool = False) -> bool:
    """Whether a value has the disorder of generators that draw from all of a keyboard's signs.

    Args:
        spaces: whether spaces may be among them.
    """
    if not 20 <= len(value) <= 160 or (not spaces and re.search(r"\s", value)) or not value.isascii():
        return False
    marks = sum(not c.isalnum() for c in value)
    longest = max((len(run) for run in re.findall(r"[a-z]+", value)), default=0)
    return _entropy(value) >= 3.8 and 0.1 <= marks / len(value) <= 0.7 and longest <= 9 and any(map(str.isdigit, value))


def strong(value: str) -> bool:
    """Whether a short value mixes letters with digits or signs as a password does, and is no word with a number."""
    letters = any(map(str.isalpha, value))
    return letters and any(not c.isalpha() and c not in "_-. " for c in value) and not word(value)


def _entropy(value: str) -> float:
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
