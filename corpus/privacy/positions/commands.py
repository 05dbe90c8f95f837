"""Passwords in the options and arguments of commands: `mysql -pX`, `curl -u a:X`, `sqlplus a/X@db`, `-u a -p X`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.found import Found
from socorpus.corpus.privacy.positions.judging import secret

_VALUE = r"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\n]{1,200})(?P=quote)|(?P<plain>[^\s\"'`|;&<>()]{1,200}))"
_WORD = r"(?:\"[^\"\n]{1,80}\"|'[^'\n]{1,80}'|[^\s\"'|;&<>\-][^\s\"'|;&<>]{0,79})"

_FORMS = {
    "user:": r"(?<=\s)(?:-[a-zA-Z]{0,4}[uU]|--user|--proxy-user|-a|--auth|-auth|-id|--cert|-E)(?:\s+|=|(?=[\"'])"
    r"|(?<=-u)(?=\w))(?P<open>[\"'])?[^\s:\"'$<>]{0,60}:(?P<plain>(?(open)[^\"'\n]{1,200}|[^\s\"'`|;<>]{1,200}))",
    "user/": r"(?<=[\s/=\"])[A-Za-z]\w{1,30}/(?P<quote>\"?)(?P<plain>[^\s@/\"]{1,80})(?P=quote)(?=@|\s*$|\s*\n| as )",
    "user%": r"(?<=\s)(?:-U|--user)[\s=]*[\"']?[^\s%\"']{1,60}%(?P<plain>[^\s\"']{1,80})",
    "user,": r"(?<=\s)-u\s*[\"']?[^\s,\"']{1,60},(?P<plain>[^\s\"']{1,80})",
    "name:": r"(?<=\s)(?:[\w.\-]{1,40}/)?[\w.\-]{1,40}:(?P<plain>[^\s@\"':/]{4,80})@(?=[\w.])",
    "pass:": r"\bpass:[\"']?(?P<plain>[^\s\"']{1,80})",
    "net": r"\b(?:user|USER)\s+[\w.\\\-]{1,40}\s+(?P<plain>[^\s/\"'*]{4,80})(?=\s|$)"
    r"|/(?:user|USER):\S{1,60}\s+(?P<plain2>[^\s/\"'*]{4,80})(?=\s|$)"
    r"|\b(?:use|USE)\s+(?:\w:\s+)?\\\\\S{1,80}\s+(?P<plain3>[^\s/\"'*]{4,80})(?=\s+/(?:user|USER):)",
    "basic3": r"(?<=\s)http-basic\.\S{1,60}\s+\S{1,40}\s+" + _VALUE,
    "colon": r"(?<=\s)[\w.\-]{3,60}\s+[\w.\-]{1,40}:(?P<plain>[^\s\"':/@]{4,80})(?=\s|$)",
    "store": r"(?<=\s)-(?:\w{0,12}pass(?:wd|word)?)\s+" + _VALUE,
}
"""Forms of options that are more than a letter and a value."""


@dataclass(frozen=True)
class Program:
    """Programs of one kind."""

    names: tuple[str, ...]
    options: tuple[str, ...]
    arguments: tuple[str, ...]
    """Both as the table has them; `_option` makes expressions of those that a text asks for."""
    follows: str
    """What stands right behind the name, in the dialect of Python and google-re2."""


@cache
def _option(form: str) -> re.Pattern[str]:
    """The expression of an entry of the table.

    `-p` stands for a value behind the option, apart or not; `-p+` for one that is glued to it, `-p_` for one apart;
    `/p` for an option of Windows; `=x` for a word and the value behind it; `N` for the argument of that number, from 1,
    behind the options; a name of `_FORMS` for that.
    """
    if form in _FORMS:
        return re.compile(_FORMS[form])
    if form.isdigit():
        before = rf"(?:{_WORD}\s+){{{int(form) - 1}}}"
        return re.compile(rf"\s*(?:-[\w\-]{{1,30}}(?:=\S{{0,60}})?\s+){{0,6}}{before}{_VALUE}")
    if form.startswith("="):
        return re.compile(rf"(?<=\s){re.escape(form[1:])}[\s:=]\s*{_VALUE}")
    if form.startswith("/"):
        return re.compile(rf"(?<=\s)(?i:{form})(?::|\s+){_VALUE}")
    name, tie = re.escape(form.rstrip("+_")), {"+": r"(?=\S)", "_": r"(?:\s+|=)"}.get(form[-1], r"(?:\s+|=)?")
    return re.compile(rf"(?<=\s){name}{tie}{_VALUE}")


_TABLE: tuple[tuple[str, str, str], ...] = (
    # Names, what stands behind them, options. Shells of databases:
    ("mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlsh mysqld_safe mariadb mariadb-dump", " ", "-p+"),
    ("mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat", " ", "-p"),
    ("beeline snowsql cqlsh impala-shell cypher-shell", " ", "-p"),
    ("sqlcmd osql tsql bcp freebcp", " ", "-P"),
    ("isql iisql", " ", "-P 3"),
    ("redis-cli", " ", "-a_"),
    ("sqlplus sqlldr impdp expdp sqlcl", r" [^\n]", "user/"),
    ("rman", " (?:target|catalog|auxiliary)", "user/"),
    ("exp imp", r" (?:\w+/|userid=)", "user/"),
    ("CONNECT connect conn CONN", r" [A-Za-z]\w*/[\w\"]", "user/"),
    ("hdbsql", " ", "-p"),
    ("vsql", " ", "-w"),
    ("nzsql", " ", "-pw_ -W_"),
    ("db2", " (?i:connect|attach|catalog)", "=using =USING"),
    (".logon", " ", "user,,"),
    ("clickhouse-client", " ", "--password"),
    ("rabbitmqctl", " (?:add_user|change_password|authenticate_user)", "3"),
    ("neo4j-admin", " ", "=set-initial-password"),
    ("dsmc", " set password", "3 4"),
    # Remote hosts and transfers
    ("sshpass", " ", "-p"),
    ("ssh-keygen", " ", "-P -N"),
    ("plink pscp psftp putty kitty klink", " ", "-pw_"),
    ("curl curl.exe", " ", "user: -pass_ --pass_"),
    ("http https xh", " (?:-a|--auth)", "user:"),
    ("lftp ncftp", " ", "user, -p"),
    ("ncftpput ncftpget", " ", "-p"),
    ("psexec winexe rdesktop paexec psexec.exe", " ", "-p user%"),
    ("xfreerdp wfreerdp mstsc", " ", "/p"),
    ("smbclient rpcclient smbget smbmap", " ", "user% -p_"),
    ("vncviewer vncpasswd", " ", "-password_"),
    ("ipmitool ipmipower", " ", "-P -p_"),
    ("snmpwalk snmpget snmpset snmpbulkwalk snmpgetnext snmptrap snmptable", " ", "-c_ -A_ -X_"),
    ("impacket-psexec impacket-smbexec impacket-wmiexec psexec.py wmiexec.py secretsdump.py", " ", "name:"),
    ("evil-winrm crackmapexec netexec nxc hydra medusa patator ncrack", " ", "-p_"),
    ("nikto gobuster ffuf wfuzz dirb sqlmap", " ", "user: -P_"),
    # Windows
    ("net net.exe NET", " (?i:user |use )", "net"),
    ("netsh", " wlan", "=key"),
    ("schtasks schtasks.exe at.exe SCHTASKS", " ", "/rp /p"),
    ("netdom NETDOM", " ", "/passwordd /passwordo /passwordm /pd /po"),
    ("certutil", " ", "-p_"),
    ("signtool signtool.exe", " ", "/p"),
    ("nuget nuget.exe", " (?i:setapikey|push|sources)", "=setapikey =setApiKey =SetApiKey =-ApiKey -apikey_"),
    ("add-user.sh add-user.bat", " ", "2"),
    # Archives, keys and certificates
    ("zip unzip zipcloak", " -[^\n]", "-P"),
    ("7z 7za 7zr 7z.exe 7zz", " [aelxdtu] ", "-p+"),
    ("rar unrar", " [axetv]", "-p+ -hp+"),
    ("openssl", " [a-z]", "pass: -k_ -K_ -hmac_ -password_"),
    ("keytool jarsigner apksigner zipalign", " ", "store pass: -new_"),
    ("pdftk", " ", "=owner_pw =user_pw =input_pw"),
    ("security", " (?:unlock|import|set|create|add)", "-p_ -P_ -w_"),
    ("signcode osslsigncode", " ", "-pass_"),
    # Directories and accounts
    ("ldapsearch ldapadd ldapmodify ldapdelete ldappasswd ldapwhoami ldapcompare ldapmodrdn", " ", "-w -s_ -a_"),
    ("slappasswd", " ", "-s"),
    ("htpasswd htdigest", " -[a-zA-Z]*b", "3"),
    ("useradd usermod adduser", " ", "-p_"),
    ("samba-tool", " (?:user|domain)", "4"),
    # Radio
    ("wpa_passphrase", " ", "2"),
    ("iwconfig", r" [^\n]", "=key"),
    ("networksetup", " -setairportnetwork", "3"),
    # Clouds, builds and deliveries
    ("docker podman nerdctl buildah skopeo", " login", "-p"),
    ("az", " (?:login|sql|vm|acr|ad|webapp|mysql|postgres|appservice)", "-p_"),
    ("doctl", " (?:auth|-t)", "-t_"),
    ("cf ibmcloud bx", " (?:login|auth)", "-p_"),
    ("oc", " login", "-p_"),
    ("twine", " upload", "-p_"),
    ("p4", " -", "-P"),
    ("xcrun altool", " ", "-p_"),
    ("grafana-cli", " ", "=reset-admin-password"),
    ("youtube-dl yt-dlp", " ", "-p_"),
    ("sendEmail sendemail swaks", " ", "-xp_ -ap_"),
    ("mosquitto_pub mosquitto_sub mosquitto_passwd", " ", "-P"),
    ("composer", " config", "basic3"),
    ("bundle", " config", "colon"),
    ("NickServ nickserv NICKSERV", " (?i:identify|register)", "=IDENTIFY =identify =REGISTER =register"),
    ("jenkins-cli", " ", "user:"),
)  # fmt: skip
_FORMS["user,,"] = r"\w{1,40}/\w{1,40},(?P<plain>[^\s;\"']{1,80})"


@cache
def _programs() -> dict[str, Program]:
    """The table, by name."""
    programs = {}
    for names, follows, options in _TABLE:
        forms = options.split()
        program = Program(
            tuple(names.split()),
            tuple(form for form in forms if not form.isdigit()),
            tuple(form for form in forms if form.isdigit()),
            follows,
        )
        programs.update(dict.fromkeys(program.names, program))
    return programs


def suspects() -> str:
    """Where `program` has something to look at, in google-re2's dialect."""
    kinds = []
    for names, follows, _ in _TABLE:
        alternatives = "|".join(re.escape(name) for name in names.split())
        kinds.append(f"(?:{alternatives}){follows}")
    return "|".join(kinds)


def beginnings() -> frozenset[str]:
    """The first two characters, in lower case, of the programs' names."""
    return frozenset(name[:2].lower() for name in _programs())


@cache
def _names() -> re.Pattern[str]:
    names = sorted(_programs(), key=len, reverse=True)
    return re.compile(rf"(?<![\w.\-=])(?P<name>{'|'.join(map(re.escape, names))})(?=\s)")


_LINE = re.compile(r"(?:[^\n\\]|\\(?:\r?\n|.))*")
_LONGEST_LINE = 600
_LETTERS = frozenset(("az", "nuget", "openssl", "connect", "conn", "security", "exp", "imp", "certutil", "snmpwalk"))
"""Programs whose options take words for something else too."""


def program(text: str, place: int) -> Iterator[Found]:
    """The password in the options of the program whose name is at a place."""
    match = _names().match(text, place)
    if match is None:
        return
    kind = _programs()[match["name"]]
    line = _LINE.match(text, match.end(), match.end() + _LONGEST_LINE)
    end = line.end() if line is not None else match.end()
    if not re.compile(kind.follows).match(text, match.end(), end):
        return
    for option in kind.options:
        for given in _option(option).finditer(text, match.end(), end):
            yield from _judged(text, given, letters=match["name"] not in _LETTERS)
    for argument in kind.arguments:
        value = _option(argument).match(text, match.end(), end)
        if value is not None:
            yield from _judged(text, value, letters=False)


def _judged(text: str, match: re.Match[str], letters: bool) -> Iterator[Found]:
    groups = match.groupdict()
    for group in ("quoted", "plain", "plain2", "plain3"):
        value = groups.get(group)
        if value is None:
            continue
        start, end = match.span(group)
        if group == "plain" and value[-1] in ",.`)" and len(value) > 5:
            value, end = value[:-1], end - 1
        if group == "plain" and value.startswith("s:"):  # of iwconfig
            value, start = value[2:], start + 2
        if secret(value, letters) and not values.path(value) and not values.other(value):
            yield "command", start, end, "password"


USER_AND_PASSWORD = r"-[uU][ \t]+[^\s\-]\S*[ \t]+-[pPw][ \t]?[^\s\-]"
"""Where any program gets a user and a password next to each other, in google-re2's dialect."""
_USER_AND_PASSWORD = re.compile(
    r"(?<=\s)-[uU][ \t]+[^\s\-]\S{0,80}[ \t]+-[pPw](?P<apart>\s?)"
    r"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\n]{1,200})(?P=quote)"
    r"|(?P<plain>[^\s\"'`|;&<>()]{1,200}))"
)
_PROMPTS = re.compile(r"\b(?:mysql|maria|mycli|docker[^\n]{0,20} (?:run|exec|create))[^\n]*$")
"""Commands whose `-p`, apart, is a question or a port."""


def user_and_password(text: str, place: int) -> Iterator[Found]:
    """The password behind `-u USER -p` at a place, whatever the program."""
    match = _USER_AND_PASSWORD.match(text, place)
    if match is None or (match["apart"] and _PROMPTS.search(text[max(0, place - 160) : place])):
        return
    value = match["quoted"] or match["plain"]
    if values.strong(value) and not re.fullmatch(r"[0-9a-f]+", value):
        yield from _judged(text, match, letters=False)


LIST = r"[\"']-(?:p|P|a|w|pw|pass)[\"'], ?[\"'][^\"' ]|[\"']-p[^\"'\s\-]"
"""Where a list of a command's words has an option for a password, in google-re2's dialect."""
_LIST = re.compile(
    r"[\"'](?:-(?:p|P|a|w|pw|pass)[\"'], ?(?P<quote>[\"'])(?P<quoted>[^\"'\n]{4,80})(?P=quote)"
    r"|-p(?P<glued>[^\"'\s]{4,80})[\"'])"
)
_LIST_OF_MYSQL = re.compile(r"[\"'](?:/[\w/]*/)?(?:mysql\w{0,8}|mariadb|7z|sshpass)[\"'],[^\n\])]{0,120}$")


def in_list(text: str, place: int) -> Iterator[Found]:
    """The password in a command as a list of words: `["sshpass", "-p", "X"]`."""
    match = _LIST.match(text, place)
    if match is None:
        return
    group = "quoted" if match["quoted"] is not None else "glued"
    if group == "glued" and not _LIST_OF_MYSQL.search(text, max(0, place - 140), place):
        return
    if secret(match[group]) and values.strong(match[group]) and not values.other(match[group]):
        yield "command", *match.span(group), "password"
