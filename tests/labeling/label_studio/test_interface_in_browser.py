"""The interfaces as a labelling person meets them: Chromium, a mouse, keys, and a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from socorpus.labeling.label_studio import interface
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.server import Server
from socorpus.labeling.schema import TASKS
from tests.labeling import label_tables as labelled
from tests.labeling.label_studio.browser import CHROMIUM, Browser
from tests.labeling.label_tables import SITE
from tests.labeling.syncing import people, sync, tasks

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH to look at the interfaces with")

_SEEN = "document.querySelector('.socorpus').innerText"
_CHECKED = """Array.from(document.querySelectorAll('.socorpus input[type=radio]:checked'))
  .map(e => e.closest('label').innerText).join()"""
_TEXT = "document.querySelector('[class*=richtext__container]')"

# Where the first and the last character of a slice are seen; of right-to-left text a slice begins at its right edge.
_PLACES = """((slice) => {
  const root = %s, walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT), found = [];
  while (walk.nextNode()) {
    const node = walk.currentNode;
    if (node.nodeType === Node.TEXT_NODE) for (let i = 0; i < node.length; i++) found.push([node, i, node.data[i]]);
    else if (node.tagName === 'BR') found.push([node, 0, '\\n']);
  }
  const at = found.map(one => one[2]).join('').indexOf(slice);
  if (at < 0) return null;
  const edge = ([node, i, text], last) => {
    const range = document.createRange(), lead = /[\\udc00-\\udfff]/.test(text) ? 1 : 0;
    const more = /[\\ud800-\\udbff]/.test(text) ? 1 : 0;
    range.setStart(node, i - lead); range.setEnd(node, i + 1 + more);
    const r = range.getBoundingClientRect(), back = /[\\u0590-\\u08ff]/.test(text);
    return [last !== back ? r.right - 0.4 : r.left + 0.4, r.top + r.height / 2];
  };
  const first = found[at], last = found[at + slice.length - 1];
  root.scrollIntoView({block: 'nearest'});
  return [edge(first, false), edge(last, true)];
})"""


@pytest.fixture(scope="module")
def signed_in(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser in which the server's first user has signed in."""
    browser = Browser(tmp_path_factory.mktemp("browser"))
    try:
        browser.open(f"{server.url}/user/login/")
        for field, value in (("#email", server.user.email), ("#password", server.user.password)):
            browser.wait(f"document.querySelector('{field}')")
            browser.run(f"document.querySelector('{field}').focus()")
            browser.type(value)
        browser.press("Enter")
        browser.wait("!location.pathname.includes('login') && document.readyState === 'complete'")
        yield browser
        strangers = [url for url in browser.requested if not url.startswith((server.url, "data:", "blob:", "about:"))]
        assert not strangers, f"the pages asked others: {strangers}"
    finally:
        browser.close()


def _open(browser: Browser, server: Server, project: int | None, task: int) -> None:
    browser.open("about:blank")
    browser.wait("location.href === 'about:blank'")
    browser.open(f"{server.url}/projects/{project}/data?task={task}")
    browser.wait(f"{_TEXT} && {_TEXT}.textContent.length > 0 && document.querySelector('[aria-label*=ubmit]')")
    # The page draws a task twice: what is marked or chosen in the first drawing is lost.
    _settled(browser, _TEXT)


def _settled(browser: Browser, script: str) -> None:
    """Wait until an expression stays the same for thirty looks, while nothing comes from the server."""
    browser.run("window.looks = 0, window.last = [], null")
    # The page may load anew in between: then the looks begin anew, too.
    same = "now[0] && (window.last || []).length === 2 && now.every((one, at) => one === last[at])"
    browser.wait(
        f"(now => (window.looks = {same} ? looks + 1 : 0, window.last = now, looks > 30))"
        f"([{script}, performance.getEntriesByType('resource').length])"
    )


def _submit(browser: Browser, client: Client, task: int) -> None:
    sent = f"fetch('/api/tasks/{task}/').then(r => r.json()).then(t => t.annotations.length)"
    for last in (False, False, True):
        # A page that is still being laid out moves the button from under the mouse.
        browser.click("document.querySelector('[aria-label*=ubmit]')")
        try:
            browser.wait(sent, 30 if last else 5)
            return
        except AssertionError:
            if last:
                raise


@pytest.mark.parametrize("name", ["quality", "closure", "obsolescence"])
def test_a_choice_is_suggested_changed_by_a_key_and_comes_back(
    tmp_path: Path, server: Server, client: Client, title: str, signed_in: Browser, name: str
) -> None:
    labelled.classified(tmp_path, name, 4)
    synced = sync(tmp_path, client, title, name)
    task = tasks(client, synced.project)[f"{SITE}:3"]["id"]
    _open(signed_in, server, synced.project, task)
    labels = TASKS[name].labels
    suggested, chosen = (labels[number % len(labels)] for number in (3, 4))
    assert suggested in signed_in.wait(_CHECKED)
    for part in ("How does 3 <work> & why?", f"{SITE}:3", "python numpy", "Score: 1", "score_says_so", "rule: <top>"):
        signed_in.wait(f"{_SEEN}.includes({part!r})")
    assert signed_in.wait(f"document.querySelector('a[href=\"https://{SITE}/q/3\"]').target") == "_blank"
    style = f"(s => [s.whiteSpace.includes('pre') || s.whiteSpaceCollapse, s.fontFamily])(getComputedStyle({_TEXT}))"
    kept, font = signed_in.wait(style)
    assert kept in (True, "preserve") and "monospace" in font
    signed_in.wait(f"{_TEXT}.innerText.includes('    indented = 3')")
    signed_in.press(str(labels.index(chosen) + 1))
    signed_in.wait(f"({_CHECKED}).includes({chosen!r})")
    _settled(signed_in, _CHECKED)
    assert chosen in signed_in.run(_CHECKED)
    _submit(signed_in, client, task)
    sync(tmp_path, client, title, name)
    assert [(row["post_id"], row["label"]) for row in people(tmp_path, name)] == [(3, chosen)]


def test_a_blind_task_shows_no_suggestion(
    tmp_path: Path, server: Server, client: Client, title: str, signed_in: Browser
) -> None:
    labelled.classified(tmp_path, "quality", 2)
    synced = sync(tmp_path, client, title, blind=1.0)
    assert interface.is_blind(f"{SITE}:1", 1.0)
    _open(signed_in, server, synced.project, tasks(client, synced.project)[f"{SITE}:1"]["id"])
    none = f"{_SEEN}.includes('No suggestion is shown') && !{_SEEN}.includes('score_says_so')"
    signed_in.wait(f"{none} && document.querySelector('.socorpus input[type=radio]') && !{_CHECKED}")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_a_mouse_marks_is_the_slice_that_comes_back(
    tmp_path: Path, server: Server, client: Client, title: str, signed_in: Browser, newline: str
) -> None:
    text = labelled.NASTY.replace("\n", newline)
    labelled.entities(tmp_path, {1: (text, [("numpy", "Library")])})
    synced = sync(tmp_path, client, title, "entities")
    task = tasks(client, synced.project)[f"{SITE}:1"]["id"]
    _open(signed_in, server, synced.project, task)
    # The suggestion is seen as a coloured span.
    assert signed_in.wait(f"{_TEXT}.querySelector('.htx-highlight')?.textContent") == "numpy"
    marks = {
        "Cafe\u0301": "Website",
        "👩‍👩‍👧 ship": "Application",
        "1.2": "Version",
        "f(x)": "Function",
        "\treturn  x": "Code_Block",
        "עברית": "Language",
        "Flask": "Library",
        "cannot": "Value",
        "e\u0301\u0323": "Variable",
    }
    for slice_, label in marks.items():
        signed_in.click(
            f"Array.from(document.querySelectorAll('[class*=lsf-label]')).find(e => e.innerText.split('\\n')[0].trim()"
            f".replace(/\\s.$/, '') === {label!r})"
        )
        before = signed_in.run(f"{_TEXT}.querySelectorAll('.htx-highlight').length")
        start, end = signed_in.wait(f"{_PLACES % _TEXT}({slice_!r})")
        signed_in.drag(start, end)
        signed_in.wait(f"{_TEXT}.querySelectorAll('.htx-highlight').length > {before}")
    _submit(signed_in, client, task)
    sync(tmp_path, client, title, "entities")
    found = {text[row["start"] : row["end"]]: row["label"] for row in people(tmp_path, "entities")}
    assert found == {**marks, "numpy": "Library"}
