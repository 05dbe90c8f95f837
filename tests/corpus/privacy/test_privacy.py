"""Personal data and secrets: what is found, what stays, and where everything else goes when it is replaced."""

import base64
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from socorpus.corpus import schema
from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect, display, redact
from tests.corpus import making

# Values are put together at run time, so that no scanner of this repository takes them for real ones.
_MIXED = "q7Rk2ZtXb9LmV4sHc8NwYp3DfJ6gTaK5eUx1oQiS"
_HEX = "3f9a1c7e5b2d8046"
_AWS = "AKI" + "AQ4ZR7TK2MX9WPL3D"
_PEM_BODY = "\n".join((_MIXED * 4)[at : at + 64] for at in range(0, 128, 64))
_PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{_PEM_BODY}\n-----END RSA PRIVATE KEY-----"
_JWT = ".".join(
    [base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("="), "ey" + _MIXED[:30], _MIXED[:27]]
)

FOUND = {
    "write to jane.doe+so@mail.acme.co.uk, please": [("email", "jane.doe+so@mail.acme.co.uk")],
    "Author: Jürgen <jürgen@müller.de>": [("email", "jürgen@müller.de")],
    "mail me: joe [at] acme [dot] com": [("email", "joe [at] acme [dot] com")],
    "ends a sentence with bob@acme.org. Then more": [("email", "bob@acme.org")],
    "joined bob@acme.com.Then more": [("email", "bob@acme.com")],
    "connect to 54.213.17.99:8080 now": [("ip_address", "54.213.17.99")],
    "http://81.2.69.142/index.html": [("ip_address", "81.2.69.142")],
    "the server at 12.7.3.9 is down": [("ip_address", "12.7.3.9")],
    "ping 2a00:1450:4001:81b::200e works": [("ip_address", "2a00:1450:4001:81b::200e")],
    "call +49 170 5839 4471 after six": [("phone", "+49 170 5839 4471")],
    "call (415) 863-2299 or 212-736-5001": [("phone", "(415) 863-2299"), ("phone", "212-736-5001")],
    "WhatsApp: +919845017263": [("phone", "+919845017263")],
    f"key {_AWS} leaked": [("key", _AWS)],
    "export GH=ghp_" + _MIXED[:36]: [("token", "ghp_" + _MIXED[:36])],
    "github_pat_" + _MIXED + _MIXED: [("token", "github_pat_" + _MIXED + _MIXED)],
    "glpat-" + _MIXED[:20]: [("token", "glpat-" + _MIXED[:20])],
    "xoxb-" + "123412341234-567856785678-" + _MIXED[:24]: [("token", "xoxb-123412341234-567856785678-" + _MIXED[:24])],
    "stripe.key = 'sk_live_" + _MIXED[:24] + "'": [("key", "sk_live_" + _MIXED[:24])],
    "&key=AIza" + _MIXED[:35] + "&v=3": [("key", "AIza" + _MIXED[:35])],
    "openai sk-" + _MIXED: [("key", "sk-" + _MIXED)],
    "openai sk-proj-" + _MIXED: [("key", "sk-proj-" + _MIXED)],
    f"jwt: {_JWT}": [("token", _JWT)],
    "//registry/:_authToken=npm_" + _MIXED[:36]: [("token", "npm_" + _MIXED[:36])],
    "pypi-AgEIcHlwaS5vcmc" + _MIXED * 2: [("token", "pypi-AgEIcHlwaS5vcmc" + _MIXED * 2)],
    "SG." + _MIXED[:22] + "." + (_MIXED * 2)[:43]: [("key", "SG." + _MIXED[:22] + "." + (_MIXED * 2)[:43])],
    "twilio SK" + _HEX * 2: [("key", "SK" + _HEX * 2)],
    "AccountName=x;AccountKey=" + (_MIXED * 3)[:86] + "==;": [("key", (_MIXED * 3)[:86] + "==")],
    "Authorization: Bearer " + _MIXED: [("token", _MIXED)],
    "Authorization: Basic am9objpTM2NyZXQhIQ==": [("token", "am9objpTM2NyZXQhIQ==")],
    f'api_key = "{_MIXED[:32]}"': [("key", _MIXED[:32])],
    f"'clientSecret' => '{_HEX * 2}',": [("key", _HEX * 2)],
    f"?access_token={_MIXED}&x=1": [("token", _MIXED)],
    f'"aws_secret_access_key": "{_MIXED}"': [("key", _MIXED)],
    'password = "hunter2"': [("password", "hunter2")],
    "pwd: 'S3cr3t!x'": [("password", "S3cr3t!x")],
    "Server=db;User Id=web;Password=Tr0ub4dor;": [("password", "Tr0ub4dor")],
    "Data Source=db;Initial Catalog=x;User=sam;Pwd=geheimnis;": [("password", "geheimnis")],
    "postgres://sam:pl4yit@db.acme.io:5432/x": [("password", "pl4yit")],
    "https://sam:p@ss4w@db.acme.io/x": [("password", "p@ss4w")],
    "mysql -u sam --password=Gr8tWall": [("password", "Gr8tWall")],
    "<password>Gr8tWall</password>": [("password", "Gr8tWall")],
    "CREATE USER sam IDENTIFIED BY 'Gr8tWall'": [("password", "Gr8tWall")],
    '<add key="Password" value="Gr8tWall"/>': [("password", "Gr8tWall")],
    r"{\"password\":\"Gr8tWall\"}": [("password", "Gr8tWall")],
    f"see\n{_PEM}\nand": [("private_key", _PEM)],
}

KEPT = [
    "127.0.0.1:80 0.0.0.0 255.255.255.0 255.255.255.255 10.1.2.3 172.20.1.9 192.168.1.77",
    "192.0.2.44 198.51.100.7 203.0.113.5 169.254.1.1 224.0.0.251 8.8.8.8",
    "::1 and 2001:db8::8a2e:370:7334 and fe80::1ff:fe23:4567:890a",
    "std::vector a::b dead::beef 12:30:45 00:1a:2b:3c:4d:5e",
    'version 91.124.3.77, v91.124.3.77, pkg==91.124.3.77, Version=91.124.3.77, AssemblyVersion("91.124.3.77")',
    "Google Chrome 3.0.195.38, Oracle 11.2.0.4 and 12.1.0.2 with foo-91.124.3.77.jar, OID 1.3.6.1.4.1.311",
    "user@example.com me@mail.example.org x@y.test someone@site.invalid a@localhost",
    "git@github.com:user/repo.git and git clone ssh://git@gitlab.com/u/r and sam@host.acme.com:~/file",
    "image@2x.png, pip install git+https://host/r.git@v1.0.2, obj@slot.name, https://medium.com/@jane/post",
    "(555) 555-0123 and 212-555-0147 and 123-456-7890",
    "id 415-863-229, 2012-10-11, 1999-2004, $1,200.50, +10 000 000, 1.5e+10, 0800-0900, +1234567890",
    "c0ffee00-1234-5678-9abc-def012345678 and d41d8cd98f00b204e9800998ecf8427e",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8, sha1: 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089",
    "AKIAIOSFODNN7EXAMPLE api_key='YOUR_API_KEY_GOES_HERE' token=xxxxxxxxxxxxxxxxxxxxxxxx",
    "api_key = config.get_the_key_from_somewhere_else(1234)",
    "token = self.client.get_token_for_user2(user)",
    "password=xxxx password=your_password password='<password>' password=${PASSWORD} password=**** password=\"\"",
    "password = input() ; password = getpass.getpass() ; pwd=os.environ['PWD'] ; password=password",
    "password: String, password = req.body.password; $password = $_POST['password']; password: 'required|min:8'",
    "if (password == null) return; password.length > 0; forgot password? enter password: ",
    "cd $(pwd) && echo pwd: /home; PasswordField(label='Password')",
    "eyJ is how a token starts; Basic information, Bearer of news; https://user@host.acme.com/x",
    "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 is public",
]


_ALL = Privacy()


def _find(table: pa.Table, config: Privacy = _ALL) -> list[list[tuple[str, str, str]]]:
    """Found values of each row: field, kind, text."""
    made = detect.find(table, config)
    schema.check(made.schema, schema.SIGNALS["privacy"], "privacy")
    made.validate(full=True)
    rows = zip(made["spans"].to_pylist(), table["text"].to_pylist(), table["title"].to_pylist(), strict=True)
    return [
        [(s["field"], s["kind"], (text if s["field"] == "text" else title)[s["start"] : s["end"]]) for s in spans]
        for spans, text, title in rows
    ]


@pytest.mark.parametrize(("text", "expected"), FOUND.items(), ids=range(len(FOUND)))
def test_found(text: str, expected: list[tuple[str, str]]) -> None:
    """Each value is found whole, also as a title, between other letters, and next to rows that could run into it."""
    odd = "Ж😀é "
    table = making.documents(
        [{"text": text}, {"text": odd + text + " Ж"}, {"text": "1", "title": text}, {"text": "9.9.9"}, {"text": text}]
    )
    values = [("text", *one) for one in expected]
    assert _find(table) == [values, values, [("title", *one) for one in expected], [], values]


@pytest.mark.parametrize("text", KEPT)
def test_kept(text: str) -> None:
    assert _find(making.texts([text, "é " + text])) == [[], []]


def test_mentions() -> None:
    comments = [
        ("@jane.doe: see above; thanks @Zoë-K, and (@user1234567).", ["jane.doe", "Zoë-K", "user1234567"]),
        ("Use @Override or @media, a@b, `@inline code` and @angular/core, @Component(x), @x = 5, @2x", []),
        ("me@acme.com", []),
    ]
    for text, names in comments:
        found = _find(making.documents([{"parts": [("prose", "ask @someone else"), ("comment", text)]}]))
        assert [value for _, kind, value in found[0] if kind == "user"] == names


def test_code_has_no_mentions_or_numbers_to_call() -> None:
    parts = [("code", "x = '(415) 863-2299'"), ("inline_code", "212-736-5001"), ("prose", "ring 212-736-5001")]
    assert _find(making.documents([{"parts": parts}]))[0] == [("text", "phone", "212-736-5001")]


def test_kinds_that_are_not_wanted_stay_but_still_hide_what_is_part_of_them() -> None:
    table = making.texts(["https://sam:pl4yit@acme.com and bob@acme.com and 54.213.17.99"])
    assert _find(table, Privacy(kinds=("email",))) == [[("text", "email", "bob@acme.com")]]


def test_chunks_slices_and_empty_tables() -> None:
    table = making.texts([text for text in FOUND for _ in range(2)])
    whole = detect.find(table, _ALL)
    assert detect.find(table.slice(7, 20), _ALL)["spans"].to_pylist() == whole["spans"].to_pylist()[7:27]
    pieces = pa.concat_tables([table.slice(0, 5), table.slice(5, 0), table.slice(5)])
    assert detect.find(pieces, _ALL).to_pylist() == whole.to_pylist()
    assert detect.find(table.slice(0, 0), _ALL).num_rows == 0
    assert detect.find(making.texts(["", "", ""]), _ALL)["spans"].to_pylist() == [[], [], []]


def test_what_follows_a_row_hides_nothing_in_it() -> None:
    """`password_… =` is one suspicious place over two rows; the key in the first is still looked at."""
    text = "password_AKIAABCD_" + "x" * 40 + "_AKIAIOSFODNN7REALKEY"
    for following in ("5", "= 5"):
        assert _find(making.texts([text, following])) == [[("text", "key", text[-20:])], []]


def test_placeholders_are_stable_within_a_text() -> None:
    text = "a@acme.com, b@acme.com, A@acme.com at 54.213.17.99"
    spans = [(s["start"], s["end"], s["kind"]) for s in detect.find(making.texts([text]), _ALL)["spans"][0].as_py()]
    assert [new for *_, new in redact.placeholders(text, spans)] == [
        "[EMAIL_1]",
        "[EMAIL_2]",
        "[EMAIL_1]",
        "[IP_ADDRESS_1]",
    ]
    assert redact.replace(text, redact.placeholders(text, spans)) == "[EMAIL_1], [EMAIL_2], [EMAIL_1] at [IP_ADDRESS_1]"
    mention = making.documents([{"parts": [("prose", "x"), ("comment", "thanks @jane!")]}])
    assert redact.table(mention, detect.find(mention, _ALL))["text"].to_pylist() == ["x\nthanks @[USER_1]!"]


_PIECES = st.lists(
    st.one_of(
        st.sampled_from(list(FOUND)),
        st.sampled_from(KEPT),
        st.sampled_from(
            [" ", "\n", "@", ":", '"', "=", "/", ".", "password=", "version ", "+", "1", "é😀", "ip ", "["]
        ),
        st.text(max_size=6),
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(_PIECES, _PIECES)
def test_redaction_leaves_nothing_and_moves_offsets(own: list[str], comment: list[str]) -> None:
    own_text, comment_text = "".join(own), "".join(comment)
    table = making.documents([{"parts": [("prose", own_text), ("comment", comment_text)]}])
    text, own_end = table["text"][0].as_py(), table["own_end"][0].as_py()
    spans = [(s["start"], s["end"], s["kind"]) for s in detect.find(table, _ALL)["spans"][0].as_py()]
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    # Between two rows that are as long, so that none takes another's spans for its own.
    around = making.documents([{"parts": [("prose", "a@acme.com " * 9)]}])
    rows = pa.concat_tables([around, table, around])
    redacted = redact.redact(rows, detect.find(rows, _ALL)["spans"])
    clean = redacted.columns["text"][1].as_py()

    def moved_to(*offsets: int) -> NDArray[np.int32]:
        return redacted.moves(np.ones(len(offsets), np.int64), np.array(offsets, np.int64))

    moved = moved_to(*range(len(text) + 1))
    assert np.all(np.diff(moved) >= 0)
    assert (moved[0], moved[-1]) == (0, len(clean))
    bounds = [0, *(edge for start, stop, _ in spans for edge in (start, stop)), len(text)]
    for start, stop in zip(bounds[::2], bounds[1::2], strict=True):
        assert clean[slice(*moved_to(start, stop))] == text[start:stop]
    for start, stop, kind in spans:
        assert np.all(moved_to(*range(start, stop)) == moved_to(start))
        assert re.fullmatch(rf"\[{kind.upper()}_\d+\]", clean[slice(*moved_to(start, stop))])

    (moved_end,) = moved_to(own_end).tolist()
    assert redacted.columns["own_end"][1].as_py() == moved_end
    again = making.documents([{"parts": [("prose", clean[:moved_end]), ("comment", clean[moved_end:].lstrip("\n"))]}])
    assert _find(again) == [[]], clean

    row = {name: table[name][0].as_py() for name in redact.COLUMNS}
    (shown,) = display.documents([row], [detect.find(table, _ALL)["spans"][0].as_py()])
    assert (shown.text, shown.own_end) == (clean, moved_end)
    assert shown.spans == tuple((kind, *moved_to(start, stop).tolist()) for start, stop, kind in spans)


def test_raw_texts_are_shown_without_secrets() -> None:
    raw = "mail a@acme.com, ask @jane"
    assert display.text(raw) == "mail [EMAIL_1], ask @jane"
    assert display.texts([raw, ""], _ALL, comments=True) == ["mail [EMAIL_1], ask @[USER_1]", ""]
    assert display.texts([], _ALL) == []


def test_what_reference_detectors_know_is_found() -> None:
    """Formats of detect-secrets' plugins: whatever they find in a line of ours that is in a known format, we find."""
    plugins = pytest.importorskip("detect_secrets.plugins")
    assert plugins is not None
    from detect_secrets.plugins import aws, github_token, gitlab_token, jwt, openai, pypi_token, sendgrid, slack, stripe

    detectors = [
        *(aws.AWSKeyDetector(), github_token.GitHubTokenDetector(), gitlab_token.GitLabTokenDetector()),
        *(jwt.JwtTokenDetector(), openai.OpenAIDetector(), pypi_token.PypiTokenDetector()),
        *(sendgrid.SendGridDetector(), slack.SlackDetector(), stripe.StripeDetector()),
    ]
    lines = list(FOUND)
    found = _find(making.texts(lines))
    known = [
        (line, secret, [value for *_, value in values])
        for line, values in zip(lines, found, strict=True)
        for detector in detectors
        for secret in detector.analyze_string(line)
    ]
    assert len(known) >= 7
    for line, secret, values in known:
        assert any(secret in value for value in values), line


def test_real_sites_hold_few(real_data: Path) -> None:
    """A real site is nearly all harmless: mentions apart, hits are rare, and each is of its kind's form."""
    forms = {
        "email": r"[\w.+%-]+@[\w.-]+\.[a-z]+",
        "ip_address": r"[\d.]+|[\da-fA-F:]+",
        "phone": r"[\d+() .-]+",
        "user": r"[^\s@]{2,}",
        "key": r"\S{16,}",
        "token": r"\S{16,}",
        "password": r"\S{4,}",
        "private_key": r"-.*-",
    }
    for folder in making.sites(real_data)[:4]:
        table = making.real(folder)
        found = [one for row in _find(table) for one in row]
        assert all(re.fullmatch(forms[kind], value, re.S) for _, kind, value in found)
        assert len([one for one in found if one[1] != "user"]) < 0.05 * table.num_rows


def test_values_that_are_put_into_real_posts_are_found(real_data: Path) -> None:
    table = making.real(making.sites(real_data)[-1], limit=len(FOUND) * 3)
    texts = table["text"].to_pylist()
    assert len(texts) >= len(FOUND)
    for (value, expected), text in zip(FOUND.items(), texts, strict=False):
        found = _find(making.texts([text + "\n\n" + value]))[0]
        assert [one[1:] for one in found[-len(expected) :]] == expected
