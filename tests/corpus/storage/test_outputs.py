"""Outputs lie outside what the builds of a corpus write."""

from pathlib import Path

import pytest

from socorpus.corpus import InputError, load_config
from socorpus.corpus.api import build, verify, write_sample
from socorpus.corpus.storage import boundary, manifest_file
from tests import manifests


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The outline of a finished corpus."""
    root = tmp_path / "corpus"
    (root / ".generations/000001/labels").mkdir(parents=True)
    (root / ".generations/current").symlink_to("000001")
    (root / "labels").symlink_to(".generations/current/labels")
    (root / "runs").mkdir()
    return root


@pytest.mark.parametrize(
    "place",
    ["labels/x", "labels", "shards/x", ".generations", ".generations/000001", ".generations/current/y", ".work"],
)
def test_no_output_lies_in_what_builds_write(corpus: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (corpus.parent / "link").symlink_to(corpus)
    monkeypatch.chdir(corpus / "runs")
    for way in (corpus / place, corpus.parent / "link" / place, Path("..") / place):
        with pytest.raises(InputError, match="only builds of the corpus"):
            boundary.local_output(way)
        with pytest.raises(InputError, match="only builds of the corpus"):
            write_sample(way, threads=2)
    with pytest.raises(InputError, match="only builds of the corpus"):
        build(corpus, corpus / place, workers=0)
    assert not (corpus / "shards").exists() and not list((corpus / "labels").iterdir())


@pytest.mark.parametrize("place", ["", "runs/tiny", "runs/labels/x", "comparison", "annotations/x", "anything-new"])
def test_other_folders_of_a_corpus_are_free(corpus: Path, place: str) -> None:
    assert boundary.local_output(corpus / place) == corpus / place
    assert boundary.local_output(corpus.parent / "labels/x") and boundary.local_output(Path("labels/x"))


def test_all_links_of_a_finished_corpus_are_refused(built: Path) -> None:
    links = [path for path in built.iterdir() if path.is_symlink()]
    assert len(links) > 5
    for path in links:
        with pytest.raises(InputError, match="only builds of the corpus"):
            boundary.local_output(built / path.name / "x")


def test_a_manifests_plugins_are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("open('ran', 'w').close()\n")
    (tmp_path / "elsewhere").mkdir()
    facts = manifests.manifest()
    place = tmp_path / "elsewhere/MANIFEST.json"
    for name in ("mine.py", "./mine.py", str(tmp_path / "mine.py"), "antigravity"):
        manifest_file.save(place.parent, facts | {"config": {"plugins": [name]}})
        with pytest.raises(InputError, match=r"MANIFEST\.json: made with the plug-in .*name it with --plugin"):
            load_config(place)
    assert not (tmp_path / "ran").exists()
    manifest_file.save(place.parent, facts | {"config": {"plugins": ["mine.py"]}})
    assert load_config(place, more_plugins=["mine.py"]).plugins == ("mine.py",) and (tmp_path / "ran").exists()
    assert load_config(place).plugins == ("mine.py",)  # it is active
    manifest_file.save(place.parent, facts | {"config": {"plugins": []}})
    assert load_config(place).plugins == ()


def test_what_is_no_manifest_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_text("[near]\n")
    with pytest.raises(InputError, match=r"seed\.toml: not a corpus's manifest; name a MANIFEST\.json"):
        verify(tmp_path, tmp_path / "seed.toml")
