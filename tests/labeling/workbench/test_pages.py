"""The pages over HTTP: who may have them, what they say of a post, what they write."""

import asyncio
import html
import json
import re
import socket
import time
from pathlib import Path

import httpx
import pytest

from socorpus.corpus import InputError, verify
from socorpus.corpus.config import load
from socorpus.corpus.selection import own_rules
from socorpus.labeling.label_studio import sampling
from socorpus.labeling.workbench import marked_text, pages, post_view, saved_queries
from socorpus.labeling.workbench.admission import HEADERS
from socorpus.labeling.workbench.marked_text import Mark
from socorpus.labeling.workbench.opening import Opened
from socorpus.labeling.workbench.queries import Query
from tests.corpus import small_site
from tests.labeling.workbench.conftest import DIFFERING, HOSTILE, SITE

ADDRESSES = ("/", "/post?key=x", "/nearest", "/saved", "/disagree", "/static/browse.js", "/static/browse.css", "/other")


def words(page: str) -> str:
    """A page's text without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.mark.parametrize("path", ADDRESSES)
def test_without_the_token_nothing_is_answered(served: tuple[str, Path], client: httpx.Client, path: str) -> None:
    base = str(client.base_url)
    wrong = dict.fromkeys(client.cookies, "wrong")
    for address, cookies in ((path, None), (path, wrong), (f"{path}{'&' if '?' in path else '?'}token=wrong", None)):
        with httpx.Client(base_url=base, trust_env=False, cookies=cookies) as stranger:
            answer = stranger.get(address)
        assert answer.status_code == 403 and "token is" in answer.text and SITE not in answer.text
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "set-cookie" not in answer.headers


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_have_not(served: tuple[str, Path]) -> None:
    answer = httpx.get(served[0].replace("/?", "/nearest?x=1&"), trust_env=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "url=/nearest?x=1" in answer.text
    assert "token" not in answer.text
    for elsewhere in ("//example.org/", "/\\example.org/"):
        url = served[0].replace("/?", f"{elsewhere}?", 1)
        assert re.search(r"url=/(?![/\\])", httpx.get(url, trust_env=False).text)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "127.0.0.1@evil.example", ""]
)
def test_another_name_of_this_machine_is_refused(client: httpx.Client, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code in (400, 403) and SITE not in answer.text
    for known in ("localhost:1234", "[::1]:80", "127.0.0.1"):
        assert client.get("/nearest", headers={"Host": known, "Origin": f"http://{known}"}).status_code == 200


def test_it_listens_on_this_machine_alone(served: tuple[str, Path]) -> None:
    port = int(served[0].partition("127.0.0.1:")[2].partition("/")[0])
    hexed = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[1].endswith(hexed) and line.split()[3] == "0A"]
    assert listening == [f"0100007F{hexed}"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_another_page_sends_changes_nothing(
    client: httpx.Client, served: tuple[str, Path], headers: dict[str, str]
) -> None:
    answer = client.post("/save", data={"name": "stolen", "where": "score > 0"}, headers=headers)
    assert answer.status_code == 403 and not (served[1] / "queries/stolen.json").exists()


def test_a_list_says_what_was_asked_wrongly(client: httpx.Client) -> None:
    answer = client.get("/", params={"where": "scor > 1", "text": "<b>"})
    assert answer.status_code == 400 and "did you mean score?" in words(answer.text)
    assert "scor &gt; 1</textarea>" in answer.text and "<b>" not in answer.text.replace(
        'class="brand" href="/"><b>', ""
    )
    for params in ({"after": "[1"}, {"after": '["x", -1]'}, {"after": '{"a": 1}'}, {"near": "x"}, {"task": "mood"}):
        assert client.get("/", params=params).status_code == 400
    assert client.get("/other").status_code == 404 and client.post("/", data={}).status_code == 405
    assert client.get("/static/..%2fapi.py").status_code == 404


def test_a_post_is_shown_as_text_with_its_code(client: httpx.Client) -> None:
    page = client.get("/post", params={"key": f"{SITE}:{HOSTILE}"}).text
    assert re.search(r'aria-label="code, python"><code>print\(&#39;&lt;/code&gt;&lt;/pre&gt;', page)
    assert "<blockquote" in page and "quoted" in page and 'href="https://example.org/a?b=&#39;c&#39;"' in page
    assert 'href="javascript:' not in page and "U+202E</span>" in page and "\u202e" not in page
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts == ['<script src="/static/browse.js" async>'] and not re.search(r"<[^>]*\son\w+\s*=", page)
    assert "few_words" not in page and "toy" in page and "malt" in page
    assert client.get("/post", params={"key": f"{SITE}:999999"}).status_code == 400
    assert "the dump has no post of this number" in words(client.get("/post", params={"key": f"{SITE}:999999"}).text)
    for key in ("", "nowhere:1", "nothing", f"{SITE}:{1 << 70}"):
        assert client.get("/post", params={"key": key}).status_code == 400


def test_a_post_says_why_it_was_dropped_and_shows_its_twins(client: httpx.Client) -> None:
    page = client.get("/post", params={"key": f"{SITE}:{small_site.NEAR}"}).text
    assert (
        "Why it was dropped" in page
        and "near_duplicate" in page
        and f"{SITE}:{small_site.ANSWER} is kept" in words(page)
    )
    assert re.search(r'<div class="beside">.*<mark>sixty</mark>.*<mark>seventy</mark>', page, re.S)
    other = client.get("/post", params={"key": f"{SITE}:{small_site.NEAR}", "twin": f"{SITE}:{small_site.COPY}"}).text
    assert f"<header>{SITE}:{small_site.COPY}</header>" in other
    far = client.get(
        "/post", params={"key": f"{SITE}:{small_site.QUESTION}", "twin": f"{SITE}:{small_site.SHORT}"}
    ).text
    assert f"Beside {SITE}:{small_site.SHORT}" in words(far)
    assert "too_short" in client.get("/post", params={"key": f"{SITE}:{small_site.SHORT}"}).text


def test_personal_data_has_placeholders_until_it_is_asked_for(client: httpx.Client) -> None:
    key = {"key": f"{SITE}:{small_site.PRIVATE}"}
    hidden, shown = client.get("/post", params=key).text, client.get("/post", params={**key, "reveal": "1"}).text
    for secret in (small_site.MAILBOX, small_site.SECRET):
        assert secret not in hidden and secret in shown
    mark = '<mark class="personal" data-label="email" title="personal data: email">{}</mark>'
    assert mark.format("[EMAIL_1]") in hidden and mark.format(small_site.MAILBOX) in shown
    listed = client.get("/", params={"text": "about the shop"}).text
    assert small_site.MAILBOX not in listed and '<mark class="found">about the shop</mark>' in listed


def test_entities_are_marked_where_they_are_also_behind_personal_data(opened: Opened) -> None:
    spans = opened.searching.keys(Query(where="toy_spans.spans > 0"), 100)
    marked = 0
    for key in spans:
        for reveal in (False, True):
            view = post_view.view(opened.root, opened.store, opened.facts, opened.tasks, key, reveal=reveal)
            (task,) = (task for task in view.tasks if task.name == "toy_spans")
            whole = str(view.html) + "".join(str(comment.html) for comment in view.comments)
            for label in task.labels:
                if label["label"] == "Number" and label["slice"].isdigit():
                    marked += 1
                    assert re.search(rf'<mark class="entity" data-label="Number"[^>]*>{label["slice"]}</mark>', whole)
    assert marked > 4


def test_votes_are_shown_with_their_evidence(client: httpx.Client) -> None:
    page = words(client.get("/post", params={"key": f"{SITE}:{DIFFERING}"}).text)
    assert "high_score : good score 50" in page and "code_speaks : bad rule short" in page and "votes differ" in page


def test_disagreements_are_listed_with_a_table_of_their_labels(client: httpx.Client) -> None:
    choose = client.get("/disagree", params={"task": "toy"}).text
    assert "high_score (" in words(choose)
    page = client.get("/disagree", params={"task": "toy", "first": "high_score", "second": "code_speaks"}).text
    assert f"{SITE}:{DIFFERING}" in page and "How often they say what" in page
    (link,) = re.findall(r'href="(/disagree\?[^"]*first_label=good[^"]*)"', page)
    assert f"{SITE}:{DIFFERING}" in client.get(html.unescape(link)).text


def test_a_query_is_saved_beside_the_generations_and_removed(client: httpx.Client, served: tuple[str, Path]) -> None:
    root = served[1]
    before = sorted(path for path in root.rglob("*") if "queries" not in path.parts)
    fields = {"name": "unloved", "where": "score < 0", "kind": "question", "text": "it's", "tag": "malt"}
    answer = client.post("/save", data=fields)
    assert answer.status_code == 303 and answer.headers["location"] == "/saved?name=unloved#unloved"
    assert json.loads((root / "queries/unloved.json").read_text())["query"] == {
        name: value for name, value in fields.items() if name != "name"
    }
    rule = (root / "queries/unloved.toml").read_text()
    page = client.get("/saved").text
    assert html.escape(rule).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert f"socorpus labeling sync {root} --project unloved --task toy --query unloved" in page
    (config := root.parent / "socorpus.toml").write_text(rule, "utf-8")
    (expression,) = own_rules.check(load(config).selection)
    assert set(expression.columns) == {"documents"}
    assert client.post("/save", data={"name": "of_label", "task": "toy", "label": "good"}).status_code == 303
    assert not (root / "queries/of_label.toml").exists() and "Not one: a rule reads" in words(client.get("/saved").text)
    assert verify(root).differences == ()
    assert sorted(path for path in root.rglob("*") if "queries" not in path.parts) == before
    for name in ("unloved", "of_label"):
        assert client.post("/remove", data={"name": name}).status_code == 303
    assert not list((root / "queries").iterdir())


@pytest.mark.parametrize("name", ["", "../out", "A", "a b", "a/b", "x" * 51, "é"])
def test_a_name_is_no_path(client: httpx.Client, served: tuple[str, Path], name: str) -> None:
    for path in ("/save", "/remove"):
        answer = client.post(path, data={"name": name, "where": "score < 0"})
        assert answer.status_code == 400 and "no name of a query" in words(answer.text)
    assert not list((served[1] / "queries").glob("*"))


def test_nothing_is_written_through_links_and_no_strange_form_is_read(
    client: httpx.Client, served: tuple[str, Path], tmp_path: Path
) -> None:
    root = served[1]
    assert client.post("/save", content=b"{}", headers={"Content-Type": "application/json"}).status_code == 400
    assert client.post("/save", data={"name": "big", "where": "x" * 300_000}).status_code == 400
    assert client.post("/save", data={"name": "wrong", "where": "scor > 1"}).status_code == 400
    (tmp_path / "mine").mkdir()
    folder = root / "queries"
    if folder.exists():
        folder.rmdir()
    folder.symlink_to(tmp_path / "mine")
    try:
        assert client.post("/save", data={"name": "out", "where": "score < 0"}).status_code == 400
        assert not list((tmp_path / "mine").iterdir())
    finally:
        folder.unlink()


def test_a_reason_that_is_taken_makes_no_rule(own: Path, opened: Opened) -> None:
    saved = saved_queries.save(own, "too_short", Query(where="score < 0"), opened.store)
    assert saved.rule is None and "there is a rule of this reason already" in (saved.why_not or "")
    assert saved_queries.load(own, "too_short") == Query(where="score < 0")
    (own / "queries/too_short.json").write_text('{"query": 3}')
    with pytest.raises(InputError, match=r"too_short\.json: not a saved query"):
        saved_queries.load(own, "too_short")
    assert saved_queries.described(own, opened.store) == []
    with pytest.raises(InputError, match="no query other is saved there; there are too_short"):
        saved_queries.load(own, "other")


def test_a_saved_query_is_a_sample_for_label_studio(own: Path, opened: Opened) -> None:
    from socorpus.labeling import api

    query = Query(where="score > -100", sort="documents.score", down="1")
    saved_queries.save(own, "loved", query, opened.store)
    sample = api._saved(own, "loved", "toy")
    task = opened.tasks["toy"]
    keys = sampling.choose(opened.store.tree, task, sample, 3)
    assert keys == opened.searching.keys(query, 3, "toy") and keys[0] == f"{SITE}:{DIFFERING}"
    assert sampling.choose(opened.store.tree, task, sample, 2, keys[:1]) == keys[1:3]
    assert [example.key for example in sampling.examples(opened.store.tree, task, keys)] == keys
    with pytest.raises(InputError, match="no query hated is saved there; there are loved"):
        api.sync(own, "Loved", "toy", query="hated", url="http://127.0.0.1:1", token="none")
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:1"):
        api.sync(own, "Loved", "toy", query="loved", url="http://127.0.0.1:1", token="none")


def test_a_browser_that_has_gone_is_not_waited_for(client: httpx.Client) -> None:
    host, port = str(client.base_url).removeprefix("http://").split(":")
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    for _ in range(20):
        with socket.create_connection((host, int(port.strip("/")))) as connection:
            asked = f"GET /?text=skunk&sort=documents.score HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"
            connection.sendall(asked.encode())
    started = time.monotonic()
    assert client.get("/", params={"text": "skunk"}).status_code == 200 and time.monotonic() - started < 30


def test_marks_that_overlap_are_both_shown() -> None:
    text = "ab<cd>ef\u202eg"
    marks = [Mark(1, 5, "personal", "mail"), Mark(3, 7, "entity", "Name", 'says "so"')]
    shown = str(marked_text.marked(text, marks))
    assert words(shown).replace(" ", "") == "ab<cd>efU+202Eg"
    assert shown.count('<mark class="personal"') == 2 and 'title="says &#34;so&#34;"' in shown
    assert shown.count('data-label="mail"') == shown.count('data-label="Name"') == 1


def test_a_long_search_is_sent_as_it_comes(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SECONDS_AT_ONCE", -1)

    async def asked(path: str) -> str:
        transport = httpx.ASGITransport(pages.app(opened, "token"))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            await http.get("/?token=token")
            return (await http.get(path)).text

    for path, first in (("/?text=skunk", "data-row"), ("/?text=skunk&sort=documents.score", "<template data-done")):
        page = asyncio.run(asked(path))
        assert page.index("data-busy") < page.index(first) < page.index("</tbody>") < page.index("data-final")
        assert (
            page.count("<template data-done") >= 1
            and page.count("data-row") == 20
            and page.rstrip().endswith("</html>")
        )
    assert "No post fits" in asyncio.run(asked("/?text=nowhere"))
