"""Passwords by position: on command lines (`mysql -pX`, `curl -u a:X`), and in calls that take a user and one."""

import re
from collections.abc import Iterator, Mapping

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.found import Found, words

_VALUE = r"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\n]{1,200})(?P=quote)|(?P<plain>[^\s\"'`|;&<>()]{1,200}))"
_USER = r"(?P<open>[\"'])?[^\s:\"'$<>]{0,60}:(?P<plain>(?(open)[^\"'\n]{1,200}|[^\s\"'`|;<>]{1,200}))"


def _option(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_P_GLUED = _option(r"(?<=\s)-p(?=\S)" + _VALUE)
_P_APART = _option(r"(?<=\s)-p(?:\s+|=)?" + _VALUE)
_BIG_P = _option(r"(?<=\s)-P\s*" + _VALUE)
_BIG_N = _option(r"(?<=\s)-N\s*" + _VALUE)
_A_APART = _option(r"(?<=\s)-a\s+" + _VALUE)
_W_APART = _option(r"(?<=\s)-w\s*" + _VALUE)
_PW = _option(r"(?<=\s)-pw\s+" + _VALUE)
_USER_COLON = _option(
    r"(?<=\s)(?:-[a-zA-Z]{0,4}[uU]|--user|--proxy-user|-a|--auth)(?:\s+|=|(?=[\"'])"
    r"|(?<=-u)(?=\w))" + _USER
)
_USER_SLASH = _option(
    r"(?<=[\s/])[A-Za-z]\w{1,30}/" + r"(?P<quote>\"?)(?P<plain>[^\s@/\"]{1,80})(?P=quote)(?=@|\s*$|\s*\n| as )"
)
_USER_PERCENT = _option(r"(?<=\s)(?:-U|--user)[\s=]*[\"']?[^\s%\"']{1,60}%(?P<plain>[^\s\"']{1,80})")
_USER_COMMA = _option(r"(?<=\s)-u\s*[\"']?[^\s,\"']{1,60},(?P<plain>[^\s\"']{1,80})")
_SLASH_P = _option(r"(?<=\s)/p:" + _VALUE)
_PASS_COLON = _option(r"\bpass:(?P<plain>[^\s\"']{1,80})")
_NET = _option(
    r"\b(?:user|USER)\s+[\w.\\\-]{1,40}\s+(?P<plain>[^\s/\"'*]{4,80})(?=\s|$)|/(?:user|USER):\S{1,60}\s+(?P<plain2>[^\s/\"'*]{4,80})(?=\s|$)"
    r"|\b(?:use|USE)\s+(?:\w:\s+)?\\\\\S{1,80}\s+(?P<plain3>[^\s/\"'*]{4,80})(?=\s+/(?:user|USER):)"
)
_STORE = _option(r"(?<=\s)-(?:\w{0,12}pass(?:wd|word)?)\s+" + _VALUE)

_OPTIONS: Mapping[str, tuple[re.Pattern[str], ...]] = {
    **dict.fromkeys(("mysql", "mariadb"), (_P_GLUED,)),
    "sshpass": (_P_APART,),
    "ssh-keygen": (_BIG_P, _BIG_N),
    **dict.fromkeys(
        ("mongo", "ncftpput", "psexec", "winexe", "rdesktop", "impala", "beeline", "snowsql", "cqlsh"), (_P_APART,)
    ),
    "docker": (_P_APART,),
    **dict.fromkeys(("curl", "http", "https"), (_USER_COLON,)),
    **dict.fromkeys(("sqlcmd", "osql", "isql", "tsql", "bcp", "freebcp"), (_BIG_P,)),
    **dict.fromkeys(("unzip", "zip", "mosquitto_pub", "mosquitto_sub"), (_BIG_P,)),
    "redis-cli": (_A_APART,),
    "ldap": (_W_APART,),
    **dict.fromkeys(("7z", "7za", "rar", "unrar"), (_P_GLUED,)),
    **dict.fromkeys(("plink", "pscp", "psftp", "putty"), (_PW,)),
    **dict.fromkeys(("sqlplus", "impdp", "expdp", "sqlldr"), (_USER_SLASH,)),
    **dict.fromkeys(("smbclient", "rpcclient"), (_USER_PERCENT,)),
    **dict.fromkeys(("lftp", "ncftp"), (_USER_COMMA, _P_APART)),
    **dict.fromkeys(("xfreerdp", "mstsc", "signtool"), (_SLASH_P,)),
    "openssl": (_PASS_COLON,),
    "net": (_NET,),
    **dict.fromkeys(("keytool", "jarsigner", "apksigner"), (_STORE,)),
}
_PROGRAM = re.compile(
    r"(?<![\w./\-=])(?:/?(?:[\w.]+/)*)(?P<name>mysql|mariadb|sshpass|ssh-keygen|mongo|ncftpput|psexec|winexe|rdesktop|beeline|snowsql|cqlsh|docker|podman"
    r"|curl|https?|sqlcmd|osql|isql|tsql|bcp|freebcp|unzip|zip|mosquitto_pub|mosquitto_sub|redis-cli|ldap|7za?|unrar|rar|plink|pscp|psftp"
    r"|putty|sqlplus|impdp|expdp|sqlldr|smbclient|rpcclient|lftp|ncftp|xfreerdp|mstsc|signtool|openssl|net|keytool|jarsigner|apksigner)"
    r"(?P<more>\w*)(?:\.exe)?(?=\s)",
)
_FAMILIES = {"mysql", "mariadb", "mongo", "ldap"}
_LINE = re.compile(r"(?:[^\n\\]|\\(?:\r?\n|.))*")
_LONGEST_LINE = 600


def program(text: str, place: int) -> Iterator[Found]:
    """The password in the options of the program whose name is at a place."""
    match = _PROGRAM.match(text, place)
    if match is None or (match["more"] and match["name"] not in _FAMILIES):
        return
    name = "docker" if match["name"] == "podman" else match["name"]
    line = _LINE.match(text, match.end(), match.end() + _LONGEST_LINE)
    end = line.end() if line is not None else match.end()
    if name == "docker":
        login = re.compile(r"\s+login\b").match(text, match.end(), end)
        if login is None:
            return
    for option in _OPTIONS[name]:
        for value in option.finditer(text, match.end(), end):
            yield from _judged(text, value, plain_ok=name in ("curl", "http", "https", "sshpass"))


def _judged(text: str, match: re.Match[str], plain_ok: bool) -> Iterator[Found]:
    groups = match.groupdict()
    for group in ("quoted", "plain", "plain2", "plain3"):
        value = groups.get(group)
        if value is None:
            continue
        start, end = match.span(group)
        if group == "plain" and value[-1] in ",.`)" and len(value) > 5:
            value, end = value[:-1], end - 1
        if _secret(value, plain_ok):
            yield "command", start, end, "password"


def _secret(value: str, letters: bool = False) -> bool:
    """Whether a value in a password's place is one: no placeholder, no reference, no number, path or option."""
    if (
        values.placeholder(value)
        or values.reference(value)
        or value.startswith(("-", "/", "$", "<", "[", "{", "%", "~"))
    ):
        return False
    if re.search(r"\s", value) or re.match(r"\d{1,5}(?:[:\-/]\d{1,5})*$", value) or "://" in value:
        return False
    return (
        (letters and len(value) >= 6 and not value.isdigit())
        or values.strong(value)
        or re.search(r"\d", value) is not None
    )


_ECHOED = re.compile(
    r"\becho\s+(?:-\w+\s+)?(?P<quote>[\"']?)(?:[\w.\-]{1,40}:(?=[^|\n]{1,80}\|\s*(?:sudo\s+)?chpasswd))?(?P<plain>[^\s\"'|]{4,80})(?P=quote)\s*\|"
)


def echoed(text: str, place: int) -> Iterator[Found]:
    """The password that is piped into the `sudo -S` or `chpasswd` at a place."""
    if not text.startswith(("sudo -S", "chpasswd"), place):
        return
    begin = max(text.rfind("\n", max(0, place - 200), place) + 1, place - 200, 0)
    piped = re.compile(r"\|\s*(?:sudo\s+)?$").search(text, begin, place)
    if piped is None:
        return
    match = _ECHOED.search(text, begin, place)
    if match is not None:
        start, end = match.span("plain")
        if text.startswith("chpasswd", place) and ":" in text[start:end]:
            start = text.index(":", start) + 1
        if _secret(text[start:end], letters=True):
            yield "command", start, end, "password"


_SECURE = re.compile(
    r"ConvertTo-SecureString(?:\s+-(?:AsPlainText|Force|String))*\s+(?P<quote>[\"'])(?P<value>[^\"'\n]{4,200})(?P=quote)",
    re.I,
)


def secure_string(text: str, place: int) -> Iterator[Found]:
    """The literal that PowerShell makes a secure string of."""
    match = _SECURE.match(text, place)
    if match is not None and _secret(match["value"], letters=True):
        yield "command", match.start("value"), match.end("value"), "password"


_IDENTIFIED = re.compile(
    r"identified by (?:(?P<quote>[\"'])(?P<quoted>[^\"'\n]{1,200})(?P=quote)|(?P<plain>[^\s\"';]{4,80}))", re.I
)


def identified(text: str, place: int) -> Iterator[Found]:
    """The password of SQL's `IDENTIFIED BY`."""
    match = _IDENTIFIED.match(text, place)
    if match is None:
        return
    group = "quoted" if match["quote"] else "plain"
    value = match[group]
    good = not values.placeholder(value) and not values.reference(value) and not re.search(r"\s", value)
    if good and (group == "quoted" or values.strong(value)):
        yield "assigned", match.start(group), match.end(group), "password"


# Name of a function, and which of its arguments is the password; those that connect take any word for one.
_CALLS: Mapping[str, tuple[int, bool]] = {
    "mysql_connect": (2, True),
    "mysql_pconnect": (2, True),
    "mysqli_connect": (2, True),
    "mysqli": (2, True),
    "real_connect": (2, True),
    "mysqli_real_connect": (3, True),
    "mysql_real_connect": (3, True),
    "mysqldb.connect": (2, True),
    "pymysql.connect": (2, True),
    "pdo": (2, True),
    "getconnection": (2, True),
    "dbi->connect": (2, True),
    "mssql_connect": (2, True),
    "odbc_connect": (2, True),
    "oci_connect": (1, True),
    "ldap_bind": (2, True),
    "imap_open": (2, True),
    "ftp_login": (2, True),
    "ssh2_auth_password": (2, True),
    "networkcredential": (1, True),
    "passwordauthentication": (1, True),
    "usernamepasswordcredentials": (1, True),
    "usernamepasswordauthenticationtoken": (1, True),
    "httpbasicauth": (1, True),
    "httpdigestauth": (1, True),
    "setbasicauth": (1, True),
    "credentials.basic": (1, True),
    "basicauth": (1, False),
    "basic_auth": (1, False),
    "plainauth": (2, True),
    **dict.fromkeys(("jwt.sign", "jwt.verify", "jwt.encode", "jwt.decode"), (1, False)),
    "wifi.begin": (1, True),
    "httpbasicauthenticator": (1, True),
    "database": (2, False),
    "transport.connect": (2, True),
    "sequelize": (2, True),
    **dict.fromkeys(("ssh.connect", "client.connect", "sftp.connect"), (3, False)),
    "login": (1, False),
    "auth": (1, False),
    "auth=": (1, False),
    "authenticate": (1, False),
    "credential": (1, False),
    "credentials": (1, False),
}
_CALL = re.compile(
    r"(?P<name>mysqli?_p?connect|mysqli_real_connect|mysql_real_connect|real_connect|mysqli|(?:mysqldb|pymysql)\.connect|pdo|getconnection"
    r"|dbi->connect|mssql_connect|odbc_connect|oci_connect|ldap_bind|imap_open|ftp_login|ssh2_auth_password|networkcredential"
    r"|passwordauthentication|usernamepasswordcredentials|usernamepasswordauthenticationtoken|httpbasicauth|httpdigestauth|setbasicauth"
    r"|credentials\.basic|basicauth|basic_auth|plainauth|jwt\.(?:sign|verify|encode|decode)|httpbasicauthenticator|database|wifi\.begin|transport\.connect|sequelize|(?:ssh|client|sftp)\.connect|login|authenticate|credentials?|auth(?:\s?=)?)\s?\(",
    re.I,
)
_ARGUMENT = re.compile(
    r"\s{0,60}(?:[@$bNuUrRL]{0,2}(?P<quote>[\"'])(?P<value>(?:[^\"'\\\n]|\\.){0,200})(?P=quote)"
    r"|[^,()\"'\n]{0,80}(?:\([^()\n]{0,80}\)|\[[^\]\n]{0,60}\])?[^,()\"'\n]{0,40}(?:[\"'][^\"'\n]{0,200}[\"'][^,()\"'\n]{0,60}){0,4})\s{0,60}(?P<end>[,)])"
)


_STORE_NAME = re.compile(r"(?:redis|jedis)\w*(?:\.|->)\w?$", re.I)
"""Before a call that takes a password alone."""


def call(text: str, place: int) -> Iterator[Found]:
    """The literal in the place of the password among the arguments of the call at a place."""
    name = _CALL.match(text, place + (2 if text.startswith("->", place) else text[place] == "."))
    if name is None:
        return
    index, known = _CALLS[re.sub(r"\s", "", name["name"].lower())]
    after = name.end()
    literals = True
    for number in range(index + 1):
        argument = _ARGUMENT.match(text, after, name.end() + 600)
        if argument is None:
            return
        store = number == 0 and argument["end"] == ")" and _STORE_NAME.search(text[max(0, place - 24) : place + 2])
        single = store is not None and store is not False
        if argument["end"] == ")" and number < index and not single:
            return
        if (number == index or single) and argument["value"] is not None:
            value = argument["value"]
            good = _secret(value, letters=known) and not values.other(value) and not values.path(value)
            numbered = literals and len(value) >= 6 and re.search(r"\d", value) is not None
            if good and (known or values.strong(value) or numbered):
                yield "command", *argument.span("value"), "password"
        literals = literals and argument["value"] is not None
        after = argument.end()


_CHARACTERS = re.compile(r"[\"']([^\"'\n]{4,80})[\"']$")


def characters(text: str, place: int) -> Iterator[Found]:
    """The literal that Java takes the characters of, at a place, as it does of passwords."""
    match = _CHARACTERS.search(text[max(0, place - 84) : place]) if text.startswith(".toCharArray", place) else None
    if match is not None and _secret(match[1]) and values.strong(match[1]):
        yield "command", place - 1 - len(match[1]), place - 1, "password"


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


PROGRAMS = (
    r"(?:mysql|mariadb|sshpass|ssh-keygen|mongo|ncftpput|psexec|winexe|rdesktop|beeline|snowsql|cqlsh|docker login"
    r"|podman "
    r"login|curl(?:\.exe)? "
    r"|https? -a |https? --auth |sqlcmd|osql|isql|tsql|bcp |freebcp|unzip -P|zip -|mosquitto_[ps]ub|redis-cli"
    r"|ldap[a-z]|7za? "
    r"[aelx] |unrar |rar "
    r"|plink|pscp|psftp|putty|sqlplus|impdp|expdp|sqlldr|smbclient|rpcclient|lftp|ncftp|xfreerdp|mstsc|signtool"
    r"|openssl [a-z]|net (?:user|use|USER|USE) |keytool|jarsigner|apksigner)"
)
"""Where `program` has something to look at, in google-re2's dialect."""
PROGRAM_BEGINNINGS = words(
    "my ma ss mo nc ps wi rd be sn cq do po cu ht sq os is ts bc fr un zi re ld 7z ra pl pu im ex sm rp lf xf ms si "
    "op ne ke ja ap"
)
"""The first two characters of the programs' names."""
CALL_BEGINNINGS = words(
    "my re py pd ge db ms od oc ld im ft ss ne pa us ht se cr ba pl au jw wi tr da .l .a -> ss cl sf se"
)
"""The first two characters, in lower case, of where a call may begin."""
CALLS = (
    r"(?i:mysqli?_p?(?:real_)?connect|real_connect|mysqli|(?:mysqldb|pymysql)\.connect|pdo|getconnection|dbi->connect|mssql_connect"
    r"|odbc_connect|oci_connect|ldap_bind|imap_open|ftp_login|ssh2_auth_password|networkcredential|passwordauthentication"
    r"|usernamepasswordcredentials|usernamepasswordauthenticationtoken|http(?:basic|digest)auth|setbasicauth|credentials\.basic"
    r"|basic_?auth|plainauth|jwt\.(?:sign|verify|encode|decode)|httpbasicauthenticator|database|wifi\.begin|transport\.connect|sequelize|(?:ssh|client|sftp)\.connect|(?:\.|->)login|authenticate|credentials?|auth="
    r"|\.auth) ?\( "
    r"?[\"'\w$@]"
)
"""Where `call` has something to look at, in google-re2's dialect."""
