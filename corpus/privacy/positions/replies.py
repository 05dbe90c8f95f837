"""Passwords that are answered to a question: piped into a command, sent by a script, or typed by a session."""

import re
from collections.abc import Iterator

from socorpus.corpus.privacy import values
from socorpus.corpus.privacy.found import Found
from socorpus.corpus.privacy.positions.judging import secret

_READERS = (
    r"(?:sudo (?:-[a-zA-Z]+ )?(?:-S|--stdin)|chpasswd|kinit|smbpasswd|pdbedit|vncpasswd|passwd|gpg2? "
    r"|cryptsetup|openconnect|pass insert"
    r"|htpasswd -[a-z]*i|docker login|podman login|helm registry login|su |su$|sshpass|gh auth login|bw unlock|openssl "
    r")"
)
_FILE = re.compile(
    r"<\(\s*(?:echo|printf)\s+(?:-\w+\s+)?(?P<quote>[\"']?)(?:[\w.@\-]{1,60}\\n)?(?P<plain>[^\s\"'|;\\()]{4,80})(?:\\n)?(?P=quote)\s*\)"
)
_TAKES_FILE = re.compile(r"pass|key|auth|secret|cred|pwd|pin", re.I)
PIPED = rf"<\(\s*(?:echo|printf)\s|\|[ \t]*(?:sudo [ \t]*)?{_READERS}|<<<[ \t]?[\"'$\w]"
"""Where a command reads a password from another, or from a string, in google-re2's dialect."""
_READER = re.compile(_READERS)
_PIPED = re.compile(rf"\|[ \t]*(?:sudo [ \t]*)?{_READERS}")
_ECHOED = re.compile(
    r"\b(?:echo|printf|yes)\s+(?:-\w+\s+)?(?:[\"']?%s(?:\\n)?[\"']?\s+)?"
    r"(?P<quote>[\"']?)(?:[\w.\-]{1,40}:(?=[^|\n]{1,80}\|\s*(?:sudo\s+)?chpasswd))?"
    r"(?P<plain>[^\s\"'|;\\()]{4,80})(?:\\n(?P<again>[^\s\"'|;\\()]{4,80}))?(?:\\n)?(?P=quote)(?=\s*[|;)])"
)
_FROM_INPUT = re.compile(r"-pass(?:in|out)?[ =]\"?stdin|passwd[^\n|]{0,40}-stdin")
_GIVEN = re.compile(r"<<<[ \t]?[\"']?(?P<plain>[^\s\"'|;]{4,80})")


def piped(text: str, place: int) -> Iterator[Found]:
    """The password that a command gets by the `|` or the `<<<` at a place."""
    begin = max(text.rfind("\n", max(0, place - 200), place) + 1, place - 200, 0)
    file = _FILE.match(text, place)
    if file is not None:
        if _TAKES_FILE.search(text, max(begin, place - 40), place) and secret(file["plain"], letters=True):
            yield "command", *file.span("plain"), "password"
        return
    given = _GIVEN.match(text, place)
    if given is not None:
        if _READER.search(text, begin, place) and secret(given["plain"], letters=True):
            yield "command", *given.span("plain"), "password"
        return
    reader = _PIPED.match(text, place)
    if reader is None or ("openssl" in reader[0] and not _FROM_INPUT.search(text, place, place + 160)):
        return
    for match in _ECHOED.finditer(text, begin, place + 24):
        for group in ("plain", "again"):
            if match[group] is not None and match.end() <= place and secret(match[group], letters=True):
                yield "command", *match.span(group), "password"


PROMPTED = r"(?i:assword|passphrase|passwort|passwd|passcode)[ \w]{0,12}[:?>]?[ *$]{0,3}[\"'][,)\]} \t\r\n;]"
"""Where a script waits for the question for a password, in google-re2's dialect."""
_SENT = re.compile(
    r"(?:send(?:_?line|_?text|_?command|_?keys)?|sendLine|write(?:_?line)?|exp_send|respond)\b"
    r"[ \t]*[({]?[ \t]*(?:--[ \t]+)?[bru]{0,2}(?P<quote>[\"'])(?P<value>[^\"'\n\s]{4,80}?)(?:\\[rn]){0,2}(?P=quote)",
    re.I,
)
_QUESTION = re.compile(PROMPTED)
_AHEAD = 160


def prompted(text: str, place: int) -> Iterator[Found]:
    """The answer to the question at a place: `expect "assword:"` and, next, `send "…"`."""
    match = _SENT.search(text, place, place + _AHEAD) if _QUESTION.match(text, place) else None
    if match is not None and secret(match["value"], letters=match[0].lower().startswith("send")):
        yield "command", *match.span("value"), "password"


SESSION = r"(?:PASS|AUTH)[ \t]+[!-~]|\n(?:user|USER)[ \t]+[\w.@\-]+[ \t]+[!-~]"
"""Where a line of a session gives a password to FTP, mail or Redis, in google-re2's dialect."""
_SESSION = re.compile(
    r"(?:PASS|AUTH|\n[ \t]*(?:user|USER)[ \t]+[\w.@\-]{1,40})[ \t]+(?:[\w.\-]{1,40}[ \t]+(?=\S+$))?"
    r"(?P<quote>[\"']?)(?P<plain>[^\s\"';(){}<>=]{4,80})(?P=quote)[ \t]*;?(?=\r?\n|$)"
)
_SESSION_START = re.compile(r"(?:^|\n)(?:[\w.:\-]{0,40}>)?[ \t]*(?:quote[ \t]+)?$")


def session(text: str, place: int) -> Iterator[Found]:
    """The password on the line at a place: `user bob X` of ftp, `PASS X` of POP3, `AUTH X` of Redis."""
    match = _SESSION.match(text, place, place + 240)
    if match is None or not (text[place] == "\n" or _SESSION_START.search(text, max(0, place - 64), place)):
        return
    if secret(match["plain"]) and not values.other(match["plain"]):
        yield "command", *match.span("plain"), "password"


_SECURE = re.compile(
    r"ConvertTo-SecureString(?:\s+-(?:AsPlainText|Force|String))*\s+(?P<quote>[\"'])(?P<value>[^\"'\n]{4,200})(?P=quote)",
    re.I,
)
_SECURE_PIPED = re.compile(r"(?P<quote>[\"'])(?P<value>[^\"'\n]{4,200})(?P=quote)\s*\|\s*$")


def secure_string(text: str, place: int) -> Iterator[Found]:
    """The literal that PowerShell makes a secure string of."""
    match = _SECURE.match(text, place) or _SECURE_PIPED.search(text, max(0, place - 208), place)
    if match is not None and secret(match["value"], letters=True):
        yield "command", match.start("value"), match.end("value"), "password"
