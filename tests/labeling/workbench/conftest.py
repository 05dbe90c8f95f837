"""A small labelled corpus with posts of strangers who wish us ill, and the workbench over it, as a user starts it."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import httpx
import pytest

from socorpus.labeling.workbench import opening
from socorpus.labeling.workbench.opening import Opened
from tests.building import copy
from tests.conftest import Once
from tests.corpus import small_site
from tests.labeling import labelled

if TYPE_CHECKING:
    from playwright.sync_api import Page

SITE = small_site.SITE
HOSTILE, DIFFERING = 200, 202
"""A question, and an answer on which two functions of the toy task disagree."""
EVIL = "\"><script>window.hacked = 1</script>' onmouseover='window.hacked=1' \u202eevil & <b>bold</b>"
_BODY = (
    '<p>Is there &lt;img src=x onerror=window.hacked=1&gt; in this? <a href="javascript:window.hacked=1">here</a> '
    'or <a href="https://example.org/a?b=\'c\'">there</a>.</p><pre><code class="lang-py">print('
    "'&lt;/code&gt;&lt;/pre&gt;"
    "&lt;script&gt;window.hacked=1&lt;/script&gt;')\n</code></pre><blockquote><p>quoted</p></blockquote>"
)


def _row(**attributes: object) -> str:
    return f"  <row {' '.join(f'{name}={quoteattr(str(value))}' for name, value in attributes.items())} />\n"


def dump(folder: Path) -> Path:
    """The small site with hostile posts, and comments."""
    place = small_site.dump(folder)
    usual = {"CreationDate": "2021-05-01T10:00:00.000", "OwnerUserId": 3, "OwnerDisplayName": EVIL}
    posts = (place / "Posts.xml").read_text("utf-8")
    rows = _row(Id=HOSTILE, PostTypeId=1, Score=-3, Title=EVIL, Tags="<malt><hops>", Body=_BODY, **usual)
    short = "<p>Short and <code>loved</code> by all who ever brewed it.</p>"
    rows += _row(Id=DIFFERING, PostTypeId=2, ParentId=HOSTILE, Score=50, Body=short, **usual)
    (place / "Posts.xml").write_text(posts.replace("</posts>", f"{rows}</posts>"), "utf-8")
    comments = (place / "Comments.xml").read_text("utf-8")
    row = _row(Id=9, PostId=HOSTILE, Score=2, Text=f"Who? {EVIL}", CreationDate=usual["CreationDate"], UserId=4)
    (place / "Comments.xml").write_text(comments.replace("</comments>", f"{row}</comments>"), "utf-8")
    return place


@pytest.fixture(scope="session")
def corpus(once: Once) -> Path:
    """The corpus, with labels of the toy tasks. Only to be read."""

    def build(folder: Path) -> None:
        rule = {"reason": "few_words", "drop_if": "words < 9 AND score < 0"}
        small_site.build(folder / "corpus", dump(folder / "dump"), selection={"min_words": 3, "rules": [rule]})
        labelled.apply(folder / "corpus")

    return once("browsed", build) / "corpus"


@pytest.fixture
def own(corpus: Path, tmp_path: Path) -> Path:
    """A copy of the corpus, to be written to."""
    return copy(corpus, tmp_path)


@pytest.fixture(scope="module")
def opened(corpus: Path) -> Opened:
    """The corpus, open."""
    return opening.opened(corpus)


@pytest.fixture(scope="module")
def served(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the workbench with its token, as the command prints it, and the corpus, a copy."""
    own = copy(corpus, tmp_path_factory.mktemp("served"))
    command = [sys.executable, "-m", "socorpus.cli.main", "browse", str(own), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if (address := re.search(r"http://\S+", line)) is not None:
            break
    else:
        pytest.fail("".join(lines))
    yield address[0], own
    process.send_signal(signal.SIGTERM)
    with process.stderr:
        said = process.stderr.read()
    assert process.wait(20) == 0 and "has stopped" in said and "Traceback" not in said, said


@pytest.fixture(scope="module")
def client(served: tuple[str, Path]) -> Iterator[httpx.Client]:
    """A client with the token's cookie."""
    address, _ = served
    base = address.partition("/?")[0]
    with httpx.Client(base_url=base, trust_env=False, headers={"Origin": base}, timeout=60) as http:
        assert http.get(address).status_code == 200
        yield http


@pytest.fixture(scope="module")
def pages(served: tuple[str, Path]) -> Iterator[Callable[..., "Page"]]:
    """Opens pages in Chromium with the token; no page may say anything on the console, or ask another host."""
    from playwright.sync_api import sync_playwright

    from tests.labeling.label_studio.browser import CHROMIUM

    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH to look at the pages with")
    address, base = served[0], served[0].partition("/?")[0]
    said: list[str] = []
    flags = ["--no-sandbox", "--disable-gpu", "--no-proxy-server"]
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=flags) as browser:

        def page(path: str, width: int = 1280, height: int = 900, dark: bool = False) -> "Page":
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            opened = context.new_page()
            opened.set_default_timeout(30_000)
            # Of a page whose expression is wrong the browser says its status.
            opened.on("console", lambda message: None if "400" in message.text else said.append(message.text))
            opened.on("pageerror", lambda error: said.append(str(error)))
            opened.on(
                "request",
                lambda asked: (
                    said.append(asked.url) if not asked.url.startswith(("http://127.0.0.1:", "data:")) else None
                ),
            )
            opened.goto(address)
            opened.wait_for_selector(".posts")
            opened.goto(base + path)
            return opened

        yield page
    assert said == []
