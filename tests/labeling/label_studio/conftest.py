"""A real Label Studio: installed once in the user's data folder, started once a session on a database of its own."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from socorpus.labeling.label_studio import server as label_studio_server
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.server import Server, User

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server: all tests that use it are run by one worker of pytest-xdist (tests/conftest.py)."""
    label_studio_server.install(print)
    with label_studio_server.serving(tmp_path_factory.mktemp("studio") / "data") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """The server as its first user sees it."""
    with Client(server.url, server.user) as made:
        yield made


@pytest.fixture(scope="session")
def others(server: Server) -> Iterator[Callable[[int], Client]]:
    """Other users of the server, by number, who have signed up by invitation."""
    made: dict[int, Client] = {}

    def other(number: int) -> Client:
        if number not in made:
            user = User(f"annotator{number}@example.com", f"a password {number}")
            with Client(server.url, server.user) as first:
                invitation = first.get("/api/invite")["invite_url"]
            with httpx.Client(base_url=server.url, trust_env=False) as http:
                form = http.get(invitation).text
                found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
                assert found is not None
                fields = {"email": user.email, "password": user.password, "csrfmiddlewaretoken": found.group(1)}
                answer = http.post(invitation, data=fields, headers={"Referer": f"{server.url}{invitation}"})
                assert answer.status_code == 302, answer.text
            made[number] = Client(server.url, user)
        return made[number]

    yield other
    for client in made.values():
        client.close()


@pytest.fixture
def title(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A project's title that no other test has."""
    named = hashlib.blake2b(request.node.name.encode(), digest_size=4).hexdigest()
    return f"{request.node.name[:24]} {named} {tmp_path.parent.name[-8:]}"


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator["Page"]:
    """A page of Chromium in which the server's first user has signed in."""
    from tests.labeling.label_studio.browser import CHROMIUM, signed_in_page

    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH to look at the server's pages with")
    with signed_in_page(server) as page:
        yield page
