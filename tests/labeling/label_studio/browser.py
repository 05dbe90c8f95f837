"""Chromium as a person uses it (mouse and keys), driven by Playwright; it reaches this machine only."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Page, expect, sync_playwright

from socorpus.labeling.label_studio.server import Server

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)
"""Path of the browser; None where none of its names is on PATH."""

_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-proxy-server"),
    # No other machine can be asked for, whatever a page or the browser itself would like.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)

expect.set_options(timeout=30_000)

TEXT = "[class*=richtext__container]"
"""What shows a task's text, before what shows its votes."""

# The editor is drawn with the row of the list first, and anew with the task itself, which is asked for meanwhile. Of
# the second drawing nothing is seen for two frames after the mark of waiting has gone.
_DRAWN = """text => {
  const wanted = ['[class*=label-view__lsf-container]', text, '[aria-label*=ubmit]'];
  const drawn = !document.querySelector('[class*=label-view__waiting]')
    && wanted.every(one => document.querySelector(one)) && document.querySelector(text).textContent.length > 0;
  window.framesDrawn = drawn ? (window.framesDrawn || 0) + 1 : 0;
  return window.framesDrawn > 10;
}"""


@contextmanager
def signed_in_page(server: Server, width: int = 1600, height: int = 1200) -> Iterator[Page]:
    """A page of a headless browser in which the server's first user has signed in.

    Raises:
        AssertionError: at the end, where a page asked for an address of another server.
    """
    requested: list[str] = []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS) as browser,
        browser.new_page(viewport={"width": width, "height": height}, locale="en-US") as page,
    ):
        page.on("request", lambda request: requested.append(request.url))
        page.goto(f"{server.url}/user/login/")
        page.fill("#email", server.user.email)
        page.fill("#password", server.user.password)
        page.press("#password", "Enter")
        page.wait_for_url(lambda url: "login" not in url)
        yield page
    strangers = [url for url in requested if not url.startswith((server.url, "data:", "blob:", "about:"))]
    assert requested and not strangers, f"the pages asked others: {strangers}"


def open_task(page: Page, server: Server, project: int | None, task: int) -> None:
    """Open a task as a person does, by a click on its row in the list of tasks, and wait until it is drawn.

    At a task's own address (`?task=`) Label Studio 1.23 asks for the task and for the list at once, and the rows of the
    list, which have no predictions, replace what it knows of the task: where they come after the task and before the
    editor reads it, as on a busy machine, no suggestion is shown, now or later.
    """
    page.goto(f"{server.url}/projects/{project}/data")
    row = page.get_by_test_id("table-row").filter(has=page.get_by_label(f"Select Task {task}", exact=True))
    # Its first column: the row is wider than the page.
    row.click(position={"x": 150, "y": 10})
    page.wait_for_function(_DRAWN, arg=TEXT, polling="raf")


def confirm(page: Page) -> None:
    """Close the message that is open, as often as it takes: a click that comes while it opens can leave it there."""
    messages = page.locator(".ant-modal-wrap:visible")
    for _ in range(5):
        page.get_by_role("button", name="OK").first.click()
        with suppress(AssertionError):
            return expect(messages).to_have_count(0, timeout=5_000)
    raise AssertionError("the message stays open")


def submit(page: Page, task: int) -> None:
    """Submit the annotation that is open, and wait until the server has it."""
    with page.expect_response(lambda answer: f"/api/tasks/{task}/annotations" in answer.url) as answer:
        page.locator("[aria-label*=ubmit]").first.click()  # a stream has a second one, that also ends it
    assert answer.value.status == 201
