"""docs/training.md names every key."""

import re
from pathlib import Path

from socorpus.corpus import schema_docs
from socorpus.training import config, presets

PAGE = Path(__file__).resolve().parents[2] / "docs/training.md"


def test_the_page_has_every_key_as_it_is() -> None:
    found = re.search(r"<!-- keys -->\n(.*)<!-- end of keys -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    assert found.group(1).strip() == schema_docs.keys_markdown(config).strip()


def test_the_page_has_every_preset() -> None:
    text = PAGE.read_text("utf-8")
    for name in presets.PRESETS:
        assert f"`{name}`" in text
