"""A corpus in an object store is browsed as any other."""

from pathlib import Path

import pytest

from socorpus.corpus import build
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.labeling.workbench import opening, post_view, saved_queries
from socorpus.labeling.workbench.queries import Query
from tests import s3_server
from tests.labeling.workbench.conftest import HOSTILE, SITE, dump


@pytest.mark.slow
def test_queries_posts_and_what_is_saved(tmp_path: Path) -> None:
    with s3_server.server():
        address = "s3://corpora/looked/corpus"
        build(dump(tmp_path / "dump"), address, workers=0)
        opened = opening.opened(corpus_place(address))
        query = Query(where="score < 0", text="quoted")
        *_, found = opened.searching.steps(opened.searching.plan(query))
        assert [place.key for place in opened.store.places(found.rows)] == [f"{SITE}:{HOSTILE}"]
        view = post_view.view(opened.root, opened.store, opened.facts, opened.tasks, f"{SITE}:{HOSTILE}")
        assert "quoted" in view.html and view.story.decisions[0].keep and opened.name == "corpus"
        saved_queries.save(opened.root, "unloved", query, opened.store)
        assert saved_queries.names(opened.root) == ["unloved"]
        assert saved_queries.load(opened.root, "unloved") == query
        saved_queries.remove(opened.root, "unloved")
        assert saved_queries.names(opened.root) == []
