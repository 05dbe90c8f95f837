"""Passwords and keys among the arguments of calls: `mysqli_connect("h", "u", X)`, `AES.new(X, …)`, `login("u", X)`."""

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.assignments import literal
from socorpus.corpus.privacy.found import Found, words
from socorpus.corpus.privacy.positions.judging import secret
from socorpus.corpus.privacy.redact import STAND_IN

# Names of functions in lower case, and which of their arguments, from 0, is the secret. Behind `=` are those that take
# nothing else in that place, so that a word is one too.
_TABLE = """
0= signedstring newstore newcookiestore rfc2898derivebytes bcrypt.hashpassword
0= set_password setpassword addpassword encryptpassword hashpassword changepassword withpassword set_pass
0= hash::make bcrypt.hash bcrypt.hashsync bcrypt.hashpw hashpw password_hash passwordencoder.encode
0= bcrypt.generatefromhash bcrypt_hash make_password generate_password_hash argon2.hash
0= ssh.password cookieparser setapikey set_api_key passwordencryptor
0 aes.new des.new des3.new arc4.new blowfish.new fernet secretkeyspec pbekeyspec symmetricsecuritykey
0 hmacsha256 hmacsha1
0 hmacsha512 algorithm.hmac256 algorithm.hmac512 hmac.new keys.hmacshakeyfor setsigningkey crypt.set_key
0= communitydata
0 sendline setkey set_key initwithkey blynk.begin aes.createdecryptor hmac
0 unprotect protect protectsheet decrypt decryptpdf encryptpdf unlock openpyxl.protection setfilepassword extractall
1= networkcredential passwordauthentication usernamepasswordcredentials usernamepasswordauthenticationtoken
1= usernamepasswordtoken httpbasicauth httpdigestauth setbasicauth credentials.basic authtokens.basic auth.basic
1= httpbasicauthenticator basicauthcredentials basicauthentication passwordauthenticationmethod userpassword
1= auth_password authenticatewithpassword defaultauthenticator wifi.begin wifimulti.addap wlan.connect sta_if.connect
1= system.setpassword
1= oci_connect oci_pconnect ocilogon oci_new_connect wifi.sta.config username_pw_set usernamepwset set_credentials
1= signinwithemailandpassword createuserwithemailandpassword emailauthprovider.credential pscredential ntlmauth
1= httpntlmauth setauthentication withauth setcredentials kerberosauth sp_addlogin sp_password imap.login
1= basic addpasswordasync plaintextauthprovider passwordauthenticator
1 login authenticate authenticateasync auth basicauth basic_auth credential credentials credentials.new credentials::new
1 logon signin sign_in
1= jwt.sign jwt.verify jwt.encode jwt.decode jwt::encode jwt::decode signwith jwt_encode createhmac
1 createasync createconnection cx_oracle.connect bind simple_bind simple_bind_s adduser add_user db.adduser
1= aes_encrypt aes_decrypt des_encrypt pgp_sym_encrypt pgp_sym_decrypt aes.encrypt aes.decrypt tripledes.encrypt
1 rc4.encrypt rc4.decrypt rabbit.encrypt createcipher createdecipher createcipheriv createdecipheriv mcrypt_encrypt
1 mcrypt_decrypt hmacsha256 cryptojs.hmacsha1 hmacsha1 encode decode
2= epgsql:connect
2= mysql_connect mysql_pconnect mysqli_connect mysqli mysqli.connect real_connect mysqldb.connect pymysql.connect pdo
2= getconnection dbi->connect mssql_connect mssql_pconnect odbc_connect odbc_pconnect ldap_bind imap_open ftp_login
2= ssh2_auth_password plainauth db2_connect db2_pconnect ibase_connect fbird_connect pymssql.connect transport.connect
2= sshclient net::ftp.open net::ssh.start net::sftp.start directoryentry store.connect sybase_connect ifx_connect
2= createuser create_user create_superuser postgresqlconnection connectwithcredential odbc.open
2 database sequelize r::setup hash_hmac openssl_encrypt openssl_decrypt url conn.open cn.open connection.open
2 client.connect
1 setdefaultapplication
2 provider omniauth
2= mysql.connect blynk.begin keyring.set_password ftp ftplib.ftp
1 smtp
3= mysqli_real_connect mysql_real_connect sftpclient amqpstreamconnection newdialer ua->credentials openrowset
3= principalcontext newplaindialer
3 ssh.connect client.connect sftp.connect net::smtp
4= net::smtp.start mapnetworkdrive sp_addlinkedsrvlogin
"""


@dataclass(frozen=True)
class _Kind:
    places: tuple[int, ...]
    known: bool


def _kinds() -> Mapping[str, _Kind]:
    kinds: dict[str, _Kind] = {}
    for line in _TABLE.split("\n"):
        number, *names = line.split() or [""]
        for name in names:
            earlier = kinds[name].places if name in kinds else ()
            kinds[name] = _Kind((*earlier, int(number[0])), number.endswith("="))
    return kinds


_KINDS = _kinds()
_FAMILY = re.compile(r"connect|log_?[io]n|sign_?in|auth|credential|create_?user|add_?user|basic|_bind$|password", re.I)
"""Of functions that take a user and a password, as a rule the password last."""
_NAME = re.compile(r"[\w.>:\-]*\w|(?=\()")
_OPEN = re.compile(r"!?[ \t]?\([ \t\r\n]{0,40}|[ \t]{1,4}(?=[\"':])")
_REST = re.compile(
    r"[^,()\"'\n]{0,60}(?:(?:\([^()\n]{0,60}\)|\[[^\]\n]{0,60}\]|[\"'][^\"'\n]{0,200}[\"'])[^,()\"'\n]{0,60}){0,4}"
)
_CLOSE = re.compile(r"[\"'][\"'`]{0,2}(?:\.\w{1,20}\([^()\n]{0,20}\)|>>|!)?[ \t]{0,4}")
_END = re.compile(r"\s{0,40}(?:[,;](?!\s*\))\s{0,60}|(?P<last>[)\]}]|$|\n))")
_MOST = 8


@dataclass(frozen=True)
class Argument:
    """An argument of a call."""

    start: int
    end: int
    value: str | None
    """None where it is no literal."""


def arguments(text: str, place: int, limit: int) -> Iterator[Argument]:
    """The arguments of a call from right behind its bracket."""
    for _ in range(_MOST):
        quoted = literal(text, place, limit)
        behind = place
        value = None
        if quoted is not None:
            start, end, _ = quoted
            close = _CLOSE.match(text, end, limit)
            if close is not None:
                behind = close.end()
                wrapped = sum(map(text[place:start].count, "([{")) - sum(map(text[place:start].count, ")]}"))
                while wrapped > 0 and text[behind : behind + 1] in (")", "]", "}"):
                    behind, wrapped = behind + 1, wrapped - 1
                value = text[start:end]
        if value is None:
            start = end = place
            rest = _REST.match(text, place, limit)
            behind = rest.end() if rest is not None else place
        tie = _END.match(text, behind, limit)
        if tie is None and value is not None:  # `"a" + b`: no literal after all
            value, rest = None, _REST.match(text, behind, limit)
            tie = _END.match(text, rest.end(), limit) if rest is not None else None
        if tie is None:
            return
        yield Argument(start, end, value)
        if tie["last"] is not None:
            return
        place = tie.end()


_STORE_NAME = re.compile(r"(?:redis|jedis)\w*(?:\.|->|\(\)(?:\.|->))auth$|^client\.auth$|redis\w*->auth$", re.I)
"""A call that takes only a password."""
_JOINT = re.compile(r"[A-Za-z]\w{0,30}/([^\s/@]{4,80})@[\w/]")
_NOT_CALLED = words("sqlite3.connect io.connect signal.connect socket.connect qobject.connect sqlite.connect connect")
_TITLE = re.compile(r"[A-Z][a-z]+\d{0,2}$")


def call(text: str, place: int) -> Iterator[Found]:
    """The literal in the place of the secret among the arguments of the call at a place."""
    name = _callee(text, place) if _CALL.match(text, place) else None
    if name is None:
        return
    callee, after = name
    limit = after + 600
    kind = _kind(callee)
    lower = callee.lower()
    if kind is None and (not _FAMILY.search(lower) or lower in _NOT_CALLED):
        return
    given = list(arguments(text, after, limit))
    if not given or any(argument.value is not None and STAND_IN.search(argument.value) for argument in given):
        return
    joint = _JOINT.match(given[0].value) if given[0].value is not None else None
    if joint is not None and "connect" in lower and values.strong(joint[1]) and not values.placeholder(joint[1]):
        start = given[0].start
        yield "command", start + joint.start(1), start + joint.end(1), "password"
        return
    if len(given) == 1 and _STORE_NAME.search(callee):
        yield from _judged(given[0], known=True, strict=False)
        return
    if len(given) > 1 and _STORE_NAME.search(callee) and given[1].value is None:
        yield from _judged(given[0], known=True, strict=False)
    judging = True
    if kind is not None:
        for index in kind.places:
            if index < len(given) and given[index].value is not None:
                literals = all(argument.value is not None for argument in given[:index])
                judged = list(_judged(given[index], kind.known, strict=not literals))
                yield from judged
                judging = judging and not judged
        if kind.known or not judging or len(given) < 3:
            yield from _behind_address(given) if judging else ()
            return
    judging = judging and not (yield from _behind_address(given))
    literals = len(given) > 2 and all(argument.value is not None for argument in given)
    for argument in given[:0:-1] if judging else ():
        value = argument.value
        if value is not None and "/" not in value and (values.strong(value) or (literals and _mixed(value))):
            yield from _judged(argument, known=False, strict=not literals)
            return


_ADDRESS = re.compile(r"[\w.+\-]+@[\w\-]+\.[\w.\-]+$")
_FOR_GOOGLE = re.compile(r"[a-z]{4}(?: [a-z]{4}){3}$")


def _behind_address(given: list[Argument]) -> Generator[Found, None, bool]:
    """The password right behind an address among the arguments of a function that logs in, and whether there is one."""
    for user, password in pairwise(given):
        if user.value is None or password.value is None or not _ADDRESS.match(user.value):
            continue
        if _FOR_GOOGLE.match(password.value):
            yield "command", password.start, password.end, "password"
            return True
        judged = list(_judged(password, known=True, strict=False))
        yield from judged
        return bool(judged)
    return False


def _mixed(value: str) -> bool:
    return len(value) >= 8 and all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", "[0-9]"))


def _judged(argument: Argument, known: bool, strict: bool) -> Iterator[Found]:
    value = argument.value
    if value is None:
        return
    start, end = argument.start, argument.end
    for tail in ("{ENTER}", "~", "\\n", "\\r"):
        if value.endswith(tail):
            value, end = value[: -len(tail)], end - len(tail)
    good = secret(value, letters=known) and not values.other(value) and not values.path(value)
    if known and good and value.isalpha() and (_TITLE.match(value) or values.camel(value)):
        return
    numbered = not strict and len(value) >= 6 and re.search(r"\d", value) is not None
    if good and (known or numbered or (values.strong(value) and not _IDENTIFIER.match(value))):
        yield "command", start, end, "password"


_IDENTIFIER = re.compile(
    r"(?:[A-Z]{2,}\d{2,}|[A-Za-z]+(?:[_\-/. ][A-Za-z]*\d{0,3}[A-Za-z]*)+|\d+[a-z]{1,2}|[A-Z\d/_\-]+)$"
)
"""Names of algorithms, versions and identifiers, rather than passwords."""


def _callee(text: str, place: int) -> tuple[str, int] | None:
    """The name of the call around a place, and where its arguments begin."""
    begin = place
    least = max(0, place - 40)
    while begin > least and (text[begin - 1].isalnum() or text[begin - 1] in "_.:>-$"):
        begin -= 1
    name = _NAME.match(text, place, place + 48)
    if name is None:
        return None
    opening = _OPEN.match(text, name.end())
    if opening is None:
        return None
    return text[begin : name.end()].lstrip(".:>-$"), opening.end()


def _kind(callee: str) -> _Kind | None:
    """The row of the table for a name, by itself or by its last parts: `this.db.adduser` is `db.adduser`."""
    parts = re.split(r"(\.|->|::)", callee.lower())
    for start in range(0, len(parts), 2):
        kind = _KINDS.get("".join(parts[start:]))
        if kind is not None:
            return kind
    return None


_WORDS = (
    "_?p?connect(?:ion)?|log_?[io]n|sign_?in(?:withemailandpassword)?|auth(?:entication)?method|auth(?:enticate|entication|enticateasync|enticatewithpassword|enticator|_password)?"
    "|credentials?(?:::new)?|basic(?:_?auth(?:entication|credentials)?)?|simple_bind_?s?|[dp]_bind|\\.bind|create_?(?:super)?_?user(?:withemailandpassword)?"
    "|add_?user|(?:set|add|user|hash|encrypt|change|with)_?password(?:async|_hash)?|ssh\\.password|hash::make|hashsync|hashpw|encoder\\.encode"
    "|cookieparser|setapikey|aes\\.new|des3?\\.new|arc4\\.new|fernet|keyspec|securitykey|hmac(?:sha)?\\d{0,3}|hmac\\.new|signwith"
    "|jwt(?:\\.|::)\\w{4,6}|(?:en|de)crypt|createhmac|create(?:de)?cipher(?:iv)?|hash_hmac|openssl_\\w{7}|mcrypt_\\w{7}|(?:un)?protect(?:sheet)?"
    "|extractall|sendkeys|typewrite|addap|imap_open|ocilogon|mysqli|pdo|plainauth|directoryentry|store\\.connect|ssh2_auth_password|getconnection"
    "|sshclient|sftpclient|new\\w{0,6}dialer|principalcontext|mapnetworkdrive|openrowset|username_pw_set|createasync|createconnection|database|sequelize"
    "|r::setup|(?:cn|conn|connection)\\.open|wifi\\.begin|ftp|smtp|bcrypt\\.hash|signedstring|newstore|newcookiestore|derivebytes|sendline|communitydata|setdefaultapplication|omniauth|provider|blynk\\.begin|wifi\\.sta\\.config|(?:ssh|sftp)\\.start|ftp\\.open|smtp\\.start|streamconnection"
    "|dbi->connect|postgresqlconnection|pscredential|getconnection|usernamepasswordtoken|aes_(?:en|de)crypt|pgp_sym_\\w{7}|authprovider"
)
CALLS = rf"(?i:{_WORDS}) ?(?:\(\s?[\"'\w$@<&:*(\[{{]| [\"':])"
"""Where `call` has something to look at, in google-re2's dialect."""
_CALL = re.compile(CALLS)
BEGINNINGS = words(
    "_c _p pc co lo si au cr ba d_ p_ .b ad se us ha en ch wi ss de ar fe ke hm jw op mc pr un ex ty im oc my pd pl di "
    "st ge sf ne ma r: cn ft sm db po ps pg da bl ae bc"
)
"""The first two characters, in lower case, of where a call may begin."""

SP_CALLS = r"(?i:sp_add(?:linkedsrv)?login|sp_password)[ \t]+[N'@\w]"
"""Where SQL Server's procedures get a password, in google-re2's dialect."""
_SP = re.compile(r"(?P<name>sp_\w+)[ \t]+", re.I)
ENCODED = r"(?i:btoa|base64_?encode|b64encode|Buffer\.from|toBase64|GetBytes)\( ?[b@]?[\"'][\w.@\-]+:[^\s/]"
"""Where a user and a password are encoded for a header, in google-re2's dialect."""
_ENCODED = re.compile(r"[\w.]{4,14}\( ?[b@]?(?P<quote>[\"'])[\w.@\-]{1,60}:(?P<value>[^\s\"'/:]{4,80})(?P=quote)")


def encoded(text: str, place: int) -> Iterator[Found]:
    """The password of a user and one that are encoded at a place, as of HTTP's basic authentication."""
    match = _ENCODED.match(text, place)
    if match is not None and secret(match["value"]):
        yield "command", *match.span("value"), "password"


AUTH_PAIR = r"(?:auth|AUTH) ?= ?\( ?[\"']"
"""Where a user and a password are assigned as a pair, in google-re2's dialect."""
_PAIR = re.compile(r"auth ?= ?\( ?", re.I)


def procedure(text: str, place: int) -> Iterator[Found]:
    """The password among the arguments of a stored procedure, or of a pair of a user and one, at a place."""
    match = _SP.match(text, place) or _PAIR.match(text, place)
    if match is None:
        return
    name = match.groupdict().get("name") or "httpbasicauth"
    given = list(arguments(text, match.end(), match.end() + 600))
    kind = _KINDS.get(name.lower())
    index = kind.places[0] if kind is not None else 1
    if index < len(given):
        yield from _judged(given[index], known=True, strict=False)


_CHARACTERS = re.compile(r"[\"']([^\"'\n]{4,80})[\"']$")
_TAKES_CHARACTERS = re.compile(r"load|store|init|pass|pwd|pbe|credential|getkey|secret|pin|protection", re.I)


def characters(text: str, place: int) -> Iterator[Found]:
    """The literal that Java takes the characters of, at a place, as it does of passwords."""
    if not text.startswith(".toCharArray", place):
        return
    match = _CHARACTERS.search(text[max(0, place - 84) : place])
    if match is not None and secret(match[1]) and values.strong(match[1]):
        start = place - 1 - len(match[1])
        if _TAKES_CHARACTERS.search(text, max(0, start - 60), start):
            yield "command", start, place - 1, "password"


_LITERAL = re.compile(r"[(,] ?([\"'])([A-Za-z0-9_\-]{32,80})\1\s{0,4}[,)]")
_CALLEE = re.compile(r"([\w.:>$\-@]{2,60})\s?\([^()\n]{0,100}$")
_TAKES_KEYS = re.compile(
    r"client|init|api|auth|bot\b|key|token|connect|configure|setup|sdk|service|parse|secret"
    r"|value|run|login",
    re.I,
)


def unnamed(text: str, place: int) -> Iterator[Found]:
    """The key at a place among the arguments of a call that may take one: letters of both cases and digits."""
    match = _LITERAL.match(text, place)
    if match is None or not values.random(match[2]) or values.placeholder(match[2]):
        return
    callee = _CALLEE.search(text[max(0, place - 160) : place + 1])
    drawn = all(re.search(kind, match[2]) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    if drawn and callee is not None and _TAKES_KEYS.search(callee[1]):
        yield "named", match.start(2), match.end(2), "key"
