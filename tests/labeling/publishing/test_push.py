"""`--push`, against a server on the loopback that answers the real client as the hub does."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars

from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling import publish
from tests import hub_server
from tests.building import socorpus
from tests.corpus import small_site
from tests.hub_server import Hub

# The client itself, of the way in which it calls httpx.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

TOKEN, NAME = "hf_QxTokenOfATestThatNobodyHas", "org/name"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("push")
    small_site.build(root / "corpus", small_site.dump(root / "dump"))
    return root / "corpus"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> "pytest.Generator[Hub]":
    """A hub that this process knows as the only one: what HF_ENDPOINT and the like set when a process starts."""
    with hub_server.running(TOKEN) as started:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "ENDPOINT", started.address)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        disable_progress_bars()
        yield started


def environment(hub: Hub, folder: Path) -> dict[str, str]:
    own = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "HF_HOME": f"{folder}"}
    return {**own, "HF_TOKEN": TOKEN, "HF_DATASETS_OFFLINE": "0"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def on_the_hub(hub: Hub) -> dict[str, bytes]:
    return {path: data for path, data in hub.repositories[NAME].files.items() if path != ".gitattributes"}


LOAD = """
import datasets, sys
from huggingface_hub import hf_hub_download
for name in sys.argv[3:]:
    loaded = datasets.load_dataset(sys.argv[1], name)
    print(name, {split: rows.num_rows for split, rows in loaded.items()})
print(open(hf_hub_download(sys.argv[1], sys.argv[2], repo_type="dataset"), "rb").read().hex())
"""


@pytest.mark.slow
def test_the_command_sends_the_very_files_and_datasets_loads_them(corpus: Path, hub: Hub, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = environment(hub, tmp_path / "home")
    done = socorpus("publish", corpus, "-o", out, "--push", NAME, "--workers", 0, environment=given)
    assert f"{hub.address}/datasets/{NAME}" in done.stdout.replace("\n", "")
    assert on_the_hub(hub) == contents(out) and hub.repositories[NAME].private
    assert len(hub.repositories[NAME].commits) == 2  # the hub's own, and ours
    assert TOKEN not in done.stdout + done.stderr
    assert not [path for path, data in contents(out).items() if TOKEN.encode() in data]
    tables = ["documents", "questions_with_answers", "attribution"]
    path = next(path for path in contents(out) if path.startswith("data/documents/"))
    read = subprocess.run(
        [sys.executable, "-c", LOAD, NAME, path, *tables],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.returncode == 0, read.stderr
    *said, content = read.stdout.splitlines()
    wanted = publish(corpus, out, workers=0, push=None).rows
    assert bytes.fromhex(content) == (out / path).read_bytes()
    assert said == [f"{name} {dict(wanted[name])}" for name in tables]


def test_what_is_sent_is_what_lies_there_and_nothing_twice(corpus: Path, hub: Hub, tmp_path: Path) -> None:
    first = publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert first.address == f"{hub.address}/datasets/{NAME}"
    assert on_the_hub(hub) == contents(tmp_path / "out") and hub.repositories[NAME].private
    sent = list(hub.uploads)
    assert len(sent) == len(set(sent)) > 3
    publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert hub.uploads == sent and len(hub.repositories[NAME].commits) == 2  # nothing had changed
    # Another format takes the place of this one, in one commit; what people put beside it stays.
    repository = hub.repositories[NAME]
    repository.commit({**repository.files, "images/logo.svg": b"<svg/>"})
    publish(corpus, tmp_path / "out", format="jsonl", push=NAME, workers=0)
    assert on_the_hub(hub) == contents(tmp_path / "out") | {"images/logo.svg": b"<svg/>"}
    assert len(repository.commits) == 4 and not [path for path in repository.files if path.endswith(".parquet")]


def test_a_token_that_the_hub_does_not_know(
    corpus: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(
        InputError, match=r"--push org/name: the hub does not know the token in HF_TOKEN .*\(401\)"
    ) as raised:
        publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert "hf_wrong" not in str(raised.value) and not hub.repositories
    assert not [path for path, data in contents(tmp_path / "out").items() if b"hf_wrong" in data]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert on_the_hub(hub) == contents(tmp_path / "out")


def test_a_token_that_may_only_read(corpus: Path, hub: Hub, tmp_path: Path) -> None:
    hub.read_only = True
    with pytest.raises(InputError, match=r"may not write there \(403\): take one with the right to write"):
        publish(corpus, tmp_path / "out", push=NAME, workers=0)
    hub.made(NAME, private=False)
    with pytest.raises(InputError, match=r"may not write there \(403\)"):
        publish(corpus, tmp_path / "out", push=NAME, workers=0)


def test_a_data_set_of_others_is_left_alone(corpus: Path, hub: Hub, tmp_path: Path) -> None:
    theirs = {"README.md": b"mine", "data/train.csv": b"a,b\n"}
    repository = hub.made(NAME, private=False, files=theirs)
    with pytest.raises(InputError, match=r"holds files that socorpus publish did not write, such as README\.md"):
        publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert on_the_hub(hub) == theirs and len(repository.commits) == 1 and not hub.uploads


def test_an_empty_data_set_keeps_who_may_see_it(corpus: Path, hub: Hub, tmp_path: Path) -> None:
    repository = hub.made(NAME, private=False)
    publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert on_the_hub(hub) == contents(tmp_path / "out") and not repository.private


def test_a_change_meanwhile_is_not_written_over(corpus: Path, hub: Hub, tmp_path: Path) -> None:
    hub.changes_meanwhile = True
    with pytest.raises(BuildError, match=r"somebody else changed the data set meanwhile \(412\)"):
        publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert on_the_hub(hub) == {"notes.txt": b"mine"}


@pytest.mark.slow  # the client tries again for half a minute
def test_a_connection_that_breaks_midway(corpus: Path, hub: Hub, tmp_path: Path) -> None:
    hub.break_uploads_after = 2
    with pytest.raises(
        BuildError, match=r"--push org/name: the connection failed .* the same command goes on"
    ) as raised:
        publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert TOKEN not in str(raised.value) and on_the_hub(hub) == {} and len(hub.uploads) == 2
    hub.break_uploads_after = None
    publish(corpus, tmp_path / "out", push=NAME, workers=0)
    assert on_the_hub(hub) == contents(tmp_path / "out") and len(hub.repositories[NAME].commits) == 2
    assert len(hub.uploads) == len(set(hub.uploads))
    known = {hashlib.sha256(data).hexdigest() for data in contents(tmp_path / "out").values()}
    assert set(hub.uploads) <= known
