"""Secrets in the forms of languages and configuration, and the formats of issuers."""

import base64
import hashlib
import random
import re
import string
import zlib

import pytest

from benchmarks import privacy as lines
from socorpus.corpus.config import Privacy
from socorpus.corpus.privacy import detect, issuers, redact
from tests.corpus import making

_PASSWORD, _KEY = "Tr0ub4dor&3x", "f3a9Kd82Lq0ZxPw7Rt5VbN1c"


def _values(*texts: str) -> list[list[str]]:
    rows = detect.find(making.texts(list(texts)), Privacy())["spans"].to_pylist()
    return [[text[s["start"] : s["end"]] for s in row] for text, row in zip(texts, rows, strict=True)]


def _redacted(text: str) -> str:
    table = making.texts([text])
    shown: str = redact.table(table, detect.find(table, Privacy()))["text"][0].as_py()
    return shown


# One line a way to tie a value to a name; {n} is the name, {v} the value.
FORMS = r"""
{n} = "{v}"
{n}: '{v}',
"{n}" => "{v}"
{n} := "{v}"
{n} ?= "{v}"
{n} ||= '{v}'
{n} <- "{v}"
{n} == "{v}"
{n}={v}
export {n}={v}
set {n} "{v}"
SET @{n} = '{v}';
ENV {n} {v}
-e {n}={v}
--{n}="{v}"
#define {n} "{v}"
var {n} string = "{v}"
let {n}: String? = "{v}"
let {n}: &'static str = "{v}";
val {n} by lazy { "{v}" }
(def {n} "{v}")
my ${n} = q{{v}};
$config['{n}'] = '{v}';
NSString *{n} = @"{v}";
string {n} = $"{v}";
char {n}[32] = "{v}";
std::string {n}{"{v}"};
const wchar_t* {n} = L"{v}";
{n} = b"{v}"
{n} = '''{v}'''
{n} = N'{v}'
{n} = [[{v}]]
{n} = %q({v})
{n} = new String("{v}")
{n} = QStringLiteral("{v}")
{n} = os.environ.get("X", "{v}")
{n} = process.env.X || "{v}"
Dim {n} As String = "{v}"
{n} : constant String := "{v}";
{{n}, "{v}"}
set_{n}("{v}")
define("{n}", "{v}");
.setProperty('{n}', '{v}')
buildConfigField("String", "{n}", "\"{v}\"")
f(a, {n}='{v}', x=1)
@{@"{n}": @"{v}"}
[d setObject:@"{v}" forKey:@"{n}"];
<{n}>{v}</{n}>
<{n}><![CDATA[{v}]]></{n}>
<add key="{n}" value="{v}" />
<property name="{n}"><value>{v}</value></property>
<key>{n}</key><string>{v}</string>
<input value="{v}" name="{n}">
- name: {n} # value: {v}
{"name": "{n}", "value": "{v}"}
"{\"{n}\":\"{v}\"}"
&quot;{n}&quot;: &quot;{v}&quot;
?{n}={v}&x=1
Server=a;Database=b;{n}={v};
{n}: !!str {v}
{n}: “{v}”
curl -H "{n}: {v}" https://corp.de
""".strip().splitlines()


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_assign(form: str) -> None:
    """Passwords and keys, under names of several styles; the rest of the line stays as it was."""
    for name, value in (("db_password", _PASSWORD), ("DB_PASS", _PASSWORD), ("apiKey", _KEY), ("client-secret", _KEY)):
        line = form.replace(" # value", "\n  value").replace("{n}", name).replace("{v}", value)
        before, after = line.rsplit(value, 1)
        assert re.fullmatch(re.escape(before) + r"\[(?:PASSWORD|KEY)_1\]" + re.escape(after), _redacted(line)), line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mysql -u root -pS3cr3tPw9 -h db", "S3cr3tPw9"),
        ("curl -s -u 'admin:Zx81 qPlm9' x; curl -u admin:Zx81qPlm9 https://corp.de", "Zx81qPlm9"),
        ("sshpass -p 'k9Lm2qWz7' ssh bob@h", "k9Lm2qWz7"),
        ("$p = ConvertTo-SecureString 'Tr0ub4dor&3' -AsPlainText -Force", "Tr0ub4dor&3"),
        ("echo gr8Wall9 | sudo -S reboot", "gr8Wall9"),
        ("mysqli_connect('localhost', $user, 'gr8Wall9', DB)", "gr8Wall9"),
        ('DriverManager.getConnection("jdbc:mysql://h/x", "sam", "geheimnis")', "geheimnis"),
        ('sql.Open("mysql", "root:gr8Wall9@tcp(127.0.0.1:3306)/x")', "gr8Wall9"),
        ("SECRET_KEY = '8k(3x!q7v$w2@z9^m1&b5*n4+c6=e0)h#j%l_pd-rs'", "8k(3x!q7v$w2@z9^m1&b5*n4+c6=e0)h#j%l_pd-rs"),
        ("machine corp.de login sam password gr8Wall9", "gr8Wall9"),
        ('x = "login?password=gr8Wall9\\nHost: y"', "gr8Wall9"),
        ("Password=gr8Wall9;Database=x", "gr8Wall9"),
        ("the password is Xk9!mm2z.", "Xk9!mm2z"),
    ],
)
def test_by_place(text: str, value: str) -> None:
    assert _values(text) == [[value]]


@pytest.mark.parametrize(
    "text",
    [
        "spring.datasource.password=${DB_PASS}\n    password: ${REDIS_PWD}\npassword: #{db_pass}",
        "PWD=/home/ubuntu/python3.8/app\nOLDPWD=/var/www/html2",
        "password: \"{{ vault_pw1 }}\"\npassword = %(pw1)s\nPASSWORD=$(cat pw1)\npassword='%s' % pw1",
        '<input type="password" name="password" class="form-control2" placeholder="Password1">',
        "passwordField = '#user_input2'; passwordRegex = /^[a-z0-9]{6,20}$/; passwordFile: conf/users2.txt",
        "token = lexer.nextToken1(); tokens = text.split2(); String token = st.nextToken();",
        "boarding_pass = 'gate_B12'; bypass: proxy2; compass = 'north2'; monkey = 'a1b2c3d4e5f6g7h8i9j0'",
        "if (password.length < 8 || password == pass2) { return user.password1; }",
        "mysql -u root -p shop2; mkdir -p a/b2; ssh -p2222 bob@h; curl -u $USER:$PASS1 x",
        "mysqli_connect($host, $user, $pass2); new NetworkCredential(user1, pass2); auth=('user', 'pass')",
        'kToken = @"kTokenKey1"; "PaymentSigningKeyShelley_ed25519" is a key: "PaymentSigningKeyShelley_ed25519"',
        "key = 'order/items/by_date_2'; sort_key: created_at_2019; foreign_key = 'customer_region_id_2'",
        "github: a1b2c3; heroku create my-app-20; datadog/agent:7.32.1; circle(x, y, r)",
        "passport.use(new LocalStrategy2()); fastcgi_pass unix:/run/php7.2-fpm.sock;",
    ],
)
def test_no_secret(text: str) -> None:
    assert _values(text) == [[]]


_DRAWN = dict.fromkeys(issuers.CLASSES, string.ascii_letters + string.digits) | {
    "lownum": string.ascii_lowercase + string.digits,
    "upnum": string.ascii_uppercase + string.digits,
    "letter": string.ascii_letters,
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "anyhex": "0123456789abcdef",
    "slug": string.ascii_lowercase,
    "base32": string.ascii_uppercase + "234567",
}


def _drawn(form: str, draw: random.Random) -> str:
    made = ""
    for part in form.split():
        name, star, count = part.partition("*")
        if part == "uuid":
            made += "-".join("".join(draw.choices("0123456789abcdef", k=k)) for k in (8, 4, 4, 4, 12))
        elif part.startswith(("=*", "tail")) or part == "fm2*1":
            made += "fm2_" if part == "fm2*1" else ""
        elif star and name in _DRAWN:
            least, _, _ = count.partition("-")
            made += "".join(draw.choices(_DRAWN[name], k=int(least)))
        else:
            made += part
    return made


def test_values_of_every_row_of_the_table_are_found() -> None:
    """Each in a sentence and in an assignment; those that need their issuer's name, beside it."""
    draw = random.Random(7)
    texts, expected = [], []
    for row in issuers.formats():
        assert row.source and row.kind in ("key", "token"), row
        if row.check in ("jwt", "snowflake", "macaroon"):
            continue  # made of more than letters: below
        value = (row.prefixes[0] if row.prefix else "") + _drawn(row.form, draw)
        name = row.near.split()[0] if row.near else "x"
        texts.append(f'my {name} key is "{row.after}{value}" now' if row.near else f"see {row.after}{value} there")
        expected.append(value)
    found = _values(*texts)
    missed = [(text, values) for text, value, values in zip(texts, expected, found, strict=True) if value not in values]
    assert len(texts) > 250 and len({row.issuer for row in issuers.formats()}) >= 200
    assert len(missed) <= 0.02 * len(texts), missed  # a drawn value may hold a word, or no digit
    assert all(len(values) <= 1 for values in found)


def test_sums_decide() -> None:
    body = "word" * 7 + "ab"
    number, digits = zlib.crc32(body.encode()), ""
    alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
    while number:
        number, digit = divmod(number, 62)
        digits = alphabet[digit] + digits
    right = "ghp_" + body + digits.rjust(6, "0")
    assert issuers.crc32(right[4:]) and not issuers.crc32(right[4:-1] + "!")
    wrong = "ghp_" + body + "wordxx"
    assert _values(f"x {right} x", f"x {wrong} x") == [[right], []]
    number_of_user = base64.b64encode(b"199830724615073792").decode().rstrip("=")
    token = f"{number_of_user}.GxK2pQ." + "b8vX3nQ7tZ5pWxM2lQa9nB8vC6xZ4yT1rE0wKs"
    name = "QWxsVGhhdElzTm9OdW1iZXJz" + token[len(number_of_user) :]
    assert _values(f"client.run('{token}')", f"client.run('{name}')") == [[token], []]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (r"bob%40corp.co.uk bob\u0040corp.co.uk bob&#64;corp.co.uk", 3),
        ("reach john (dot) doe (at) gmail (dot) com, or ann.k at gmail dot com", 2),
        ("用户@例子.广告 and иван@почта.рф and info@xn--mller-kva.xn--p1ai", 3),
        ("someone%40example.com, user\\u0040example.org, look at line 12 dot com, calc(100%40px)", 0),
        ("fd3a:91c4:7be2:1::10 and 64:ff9b::5136:458e and 2002:5136:458e::1", 3),
        ("2001:db8::1, ::1, fe80::1ff:fe23:4567:890a, fd00::, ff02::1, 2001:4860:4860::8888", 0),
    ],
)
def test_addresses(text: str, values: int) -> None:
    assert len(_values(text)[0]) == values


def test_scripts_without_blanks_end_an_address() -> None:
    assert _values("联系li.wei@corp.com.cn谢谢", "bob@corp.comに連絡") == [["li.wei@corp.com.cn"], ["bob@corp.com"]]


def test_digests_of_an_address_near_it() -> None:
    digest = hashlib.md5(b"bob@acme.org").hexdigest()
    other = hashlib.md5(b"ann@acme.org").hexdigest()
    text = f"gravatar.com/avatar/{digest} is Bob@acme.org's, {other} is not"
    assert _values(text, f"only {digest}") == [[digest, "Bob@acme.org"], []]


def test_directives_are_no_mentions() -> None:
    kept = "@ts-ignore works. The @Query annotation, @RequestHeader, use @MyOwnThing, the @my_decorator, @everyone"
    named = "@JonSkeet is right; use @JonSkeet's answer, thanks @mary_ann"
    for text, names in ((kept, []), (named, ["JonSkeet", "JonSkeet's", "mary_ann"])):
        table = making.documents([{"parts": [("prose", "x"), ("comment", text)]}])
        whole = table["text"][0].as_py()
        spans = detect.find(table, Privacy())["spans"][0].as_py()
        assert [whole[s["start"] : s["end"]] for s in spans] == [name.removesuffix("'s") for name in names]


@pytest.mark.parametrize(
    ("name", "recall", "precision"),
    [
        ("privacy_lines.tsv", 0.98, 0.99),
        ("privacy_apart.tsv", 0.98, 0.98),
        ("privacy_later.tsv", 0.96, 0.94),
        ("privacy_third.tsv", 0.97, 0.99),
        ("privacy_fourth.tsv", 0.94, 0.98),
    ],
)
def test_benchmark_lines(name: str, recall: float, precision: float) -> None:
    """Recall and precision of the sets of benchmarks/privacy.py."""
    rows = lines.lines(name)
    figures = lines.score(rows, lines.ours([row.text for row in rows]))
    assert figures.hits.total() >= recall * figures.secrets.total()
    assert figures.right >= precision * figures.spans
    assert len(figures.damaged) <= 0.04 * len(rows)
