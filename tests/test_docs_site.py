"""The documentation as a site: it builds without a warning, asks no other host, and its links lead somewhere."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import lxml.html
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


def pages(nav: Any) -> Iterator[str]:
    """Pages of the navigation."""
    for entry in nav:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from pages(target)


def test_every_page_is_in_the_navigation_once() -> None:
    names = list(pages(CONFIG["nav"]))
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    made = {"command-line.md", "api/corpus.md", "api/labeling.md", "api/training.md", "files/CHANGELOG.md"}
    assert sorted(names) == sorted(written | made)


def test_the_four_parts_are_those_of_the_table_of_contents() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "index.md").read_text("utf-8"), re.M)
    assert headings == [name for entry in CONFIG["nav"] for name in entry if name != "Start"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name in ("mkdocs.yml", ".src"):
        (folder / name).symlink_to(ROOT / name)
    # Without it the theme speaks of MkDocs 2 at every build.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    prepare = [sys.executable, str(ROOT / "docs" / "prepare_site.py"), str(folder / "build" / "pages")]
    subprocess.run(prepare, check=True, env=environment)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(folder / "mkdocs.yml")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "WARNING" not in done.stderr
    return folder / "build" / "site"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_links_and_anchors_lead_somewhere(site: Path) -> None:
    trees = {path: lxml.html.parse(str(path)) for path in site.rglob("*.html")}
    anchors = {path: {str(name) for name in tree.xpath("//@id | //a/@name")} for path, tree in trees.items()}
    checked = 0
    for path, tree in trees.items():
        if path.name == "404.html":
            continue
        for link in map(str, tree.xpath("//a/@href")):
            url, anchor = urldefrag(link)
            if urlsplit(url).scheme or url.startswith("//"):
                continue
            target = (path.parent / unquote(url)).resolve() if url else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path.relative_to(site)}: {link}"
            if anchor and target in anchors:
                assert unquote(anchor) in anchors[target], f"{path.relative_to(site)}: {link}: no such heading"
            checked += 1
    assert checked > 1000


@pytest.mark.slow
def test_no_other_host_is_asked(site: Path) -> None:
    for path in site.rglob("*.html"):
        tree = lxml.html.parse(str(path))
        links = tree.xpath(
            "//script/@src | //img/@src | //link[@rel='stylesheet' or @rel='preconnect' or @rel='icon']/@href"
        )
        for link in map(str, links):
            assert not urlsplit(link).netloc, f"{path.relative_to(site)} asks {link}"


@pytest.mark.slow
def test_names_of_the_api_are_described(site: Path) -> None:
    from socorpus import corpus, labeling, training

    for package in (corpus, labeling, training):
        name = package.__name__.removeprefix("socorpus.")
        text = (site / "api" / name / "index.html").read_text("utf-8")
        for public in package.__all__:
            assert public.startswith("__") or f'id="socorpus.{name}.{public}"' in text, f"{name}.{public}"


@pytest.mark.slow
def test_search_finds_a_page(site: Path) -> None:
    index = next(site.rglob("search*.json")).read_text("utf-8")
    assert "quarantine" in index
