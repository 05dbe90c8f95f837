"""The interfaces as a labelling person meets them: Chromium, a mouse, keys, and a real server."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from socorpus.labeling.label_studio import interface
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.server import Server
from socorpus.labeling.schema import TASKS
from tests.labeling import label_tables as labelled
from tests.labeling.label_studio.browser import TEXT, confirm, open_task, submit
from tests.labeling.label_tables import SITE
from tests.labeling.syncing import people, sync, tasks

CHOSEN = ".socorpus label:has(input[type=radio]:checked)"

# Where the first and the last character of a slice are seen; of right-to-left text a slice begins at its right edge.
_PLACES = """(root, slice) => {
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT), found = [];
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
  return [edge(first, false), edge(last, true)];
}"""


@pytest.mark.parametrize("name", ["quality", "closure", "obsolescence"])
def test_a_choice_is_suggested_changed_by_a_key_and_comes_back(
    tmp_path: Path, server: Server, client: Client, title: str, page: Page, name: str
) -> None:
    labelled.classified(tmp_path, name, 4)
    synced = sync(tmp_path, client, title, name)
    task = tasks(client, synced.project)[f"{SITE}:3"]["id"]
    open_task(page, server, synced.project, task)
    labels = TASKS[name].labels
    suggested, chosen = (labels[number % len(labels)] for number in (3, 4))
    expect(page.locator(CHOSEN)).to_contain_text(suggested)
    for part in ("How does 3 <work> & why?", f"{SITE}:3", "python numpy", "Score: 1", "score_says_so", "rule: <top>"):
        expect(page.locator(".socorpus")).to_contain_text(part, use_inner_text=True)
    expect(page.locator(f"a[href='https://{SITE}/q/3']")).to_have_attribute("target", "_blank")
    style = "e => (s => [s.whiteSpace.includes('pre') || s.whiteSpaceCollapse, s.fontFamily])(getComputedStyle(e))"
    text = page.locator(TEXT).first
    for part, monospaced in ((text, False), (text.locator("code"), True)):
        kept, font = part.evaluate(style)
        assert kept in (True, "preserve") and ("monospace" in font) == monospaced
    assert text.text_content() == labelled.text_of(3)
    assert "    indented = 3" in text.locator("code").inner_text()
    # No room is given to panels that have nothing to show.
    task_width, editor_width = (
        page.locator(part).first.evaluate("e => e.getBoundingClientRect().width")
        for part in (".socorpus", ".lsf-editor")
    )
    assert task_width > 0.9 * editor_width
    page.keyboard.press(str(labels.index(chosen) + 1))
    expect(page.locator(CHOSEN)).to_contain_text(chosen)
    submit(page, task)
    sync(tmp_path, client, title, name)
    assert [(row["post_id"], row["label"]) for row in people(tmp_path, name)] == [(3, chosen)]


def test_a_blind_task_shows_no_suggestion(
    tmp_path: Path, server: Server, client: Client, title: str, page: Page
) -> None:
    labelled.classified(tmp_path, "quality", 2)
    synced = sync(tmp_path, client, title, blind=1.0)
    assert interface.is_blind(f"{SITE}:1", 1.0)
    open_task(page, server, synced.project, tasks(client, synced.project)[f"{SITE}:1"]["id"])
    seen = page.locator(".socorpus")
    expect(seen).to_contain_text("No suggestion is shown")
    expect(seen).not_to_contain_text("score_says_so")
    expect(seen.locator("input[type=radio]")).to_have_count(len(TASKS["quality"].labels))
    expect(page.locator(CHOSEN)).to_have_count(0)


def test_a_stream_of_tasks_selects_each_suggestion_and_says_where_a_choice_is_missing(
    tmp_path: Path, server: Server, client: Client, title: str, page: Page
) -> None:
    labelled.classified(tmp_path, "quality", 8)
    shares = [share / 20 for share in range(1, 20)]
    blind = next(share for share in shares if sum(interface.is_blind(f"{SITE}:{n}", share) for n in range(1, 9)) >= 2)
    synced = sync(tmp_path, client, title, blind=blind)
    posts = {entry["id"]: post for post, entry in tasks(client, synced.project).items()}
    labels, submit_button = TASKS["quality"].labels, page.get_by_test_id("bottombar-submit-button")
    page.goto(f"{server.url}/projects/{synced.project}/data?labeling=1")
    page.locator("[class*=modal] [class*=header], [role=dialog]").first.wait_for()  # the instructions
    page.keyboard.press("Escape")
    for task in sorted(posts):
        expect(page.locator(".socorpus")).to_contain_text(posts[task], use_inner_text=True)
        expect(submit_button).to_be_enabled()
        number = int(posts[task].rpartition(":")[2])
        if interface.is_blind(posts[task], blind):
            submit_button.click()
            expect(page.get_by_text("Choose one, or skip the post.")).to_be_visible()
            confirm(page)
            page.keyboard.press("2")
        else:
            expect(page.locator(CHOSEN)).to_contain_text(labels[number % len(labels)])
        submit(page, task)
    sync(tmp_path, client, title, blind=blind)
    said = {row["post_id"]: row["label"] for row in people(tmp_path, "quality")}
    assert said == {
        n: labels[1] if interface.is_blind(f"{SITE}:{n}", blind) else labels[n % len(labels)] for n in range(1, 9)
    }


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_a_mouse_marks_is_the_slice_that_comes_back(
    tmp_path: Path, server: Server, client: Client, title: str, page: Page, newline: str
) -> None:
    text = labelled.NASTY.replace("\n", newline)
    code = text[text.index("\tdef") : text.index("עברית") - 2 * len(newline)]
    suggested = {"numpy": "Library", "two": "Value", "pandas": "Library"}
    labelled.entities(tmp_path, {1: (text, list(suggested.items()))}, {1: code})
    synced = sync(tmp_path, client, title, "entities")
    task = tasks(client, synced.project)[f"{SITE}:1"]["id"]
    open_task(page, server, synced.project, task)
    # The suggestions are seen as coloured spans, prose in one face and code in the other.
    marked = page.locator(f"{TEXT} .htx-highlight")
    expect(marked).to_have_text(list(suggested))
    faces = marked.evaluate_all("all => all.map(e => getComputedStyle(e).fontFamily.includes('monospace'))")
    assert faces == [False, True, False]
    assert page.locator(TEXT).first.text_content() == text.replace("\r\n", "\n")
    marks = {
        "Cafe\u0301": "Website",
        "👩‍👩‍👧 ship": "Application",
        "1.2": "Version",
        f".{newline}{newline}\tdef": "Class",
        "f(x)": "Function",
        "\treturn  x": "Code_Block",
        "עברית": "Language",
        "Flask": "Library",
        "cannot": "Value",
        "e\u0301\u0323": "Variable",
    }
    for slice_, label in marks.items():
        # A label's key stands behind it.
        page.locator("[class*=lsf-label]").filter(has_text=re.compile(rf"^\s*{label}(\s*\S)?\s*$")).first.click()
        before = marked.count()
        start, end = page.locator(TEXT).first.evaluate(_PLACES, slice_.replace("\r\n", "\n"))
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=8)
        page.mouse.up()
        expect(marked).not_to_have_count(before)
    submit(page, task)
    sync(tmp_path, client, title, "entities")
    found = {text[row["start"] : row["end"]]: row["label"] for row in people(tmp_path, "entities")}
    assert found == {**marks, **suggested}
