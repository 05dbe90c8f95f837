"""A browser in which somebody has signed in."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from socorpus.labeling.label_studio.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator["Page"]:
    """A page of Chromium in which the server's first user has signed in."""
    from tests.labeling.label_studio.browser import CHROMIUM, signed_in_page

    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH to look at the server's pages with")
    with signed_in_page(server) as page:
        yield page
