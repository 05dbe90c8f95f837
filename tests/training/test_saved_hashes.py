"""Weights that are damaged, cut off or gone are found before they are used; folders without hashes are read."""

import os
from pathlib import Path

import pytest

from socorpus.corpus.errors import InputError
from socorpus.training import saved_hashes
from socorpus.training.finetuning import pretrained
from socorpus.training.loading import loading
from tests.training import tiny_models


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file; size and time stay."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder of a checkpoint's names, with hashes."""
    for name in ("__0_0.distcp", ".metadata", "state.json", "metadata.json"):
        (tmp_path / name).write_bytes(f"{name} has some content".encode())
    saved_hashes.write(tmp_path)
    return tmp_path


def test_what_was_saved_passes(saved: Path) -> None:
    saved_hashes.check(saved)
    (saved / "metadata.json").write_text("whatever")  # no weights
    (saved / "README.md").write_text("mine")
    saved_hashes.check(saved)


@pytest.mark.parametrize("name", ["__0_0.distcp", ".metadata", "state.json"])
def test_damage_is_named(saved: Path, name: str) -> None:
    saved_hashes.check(saved)
    flip(saved / name)
    with pytest.raises(InputError, match=rf"{name}: not what was saved \(other bytes\)"):
        saved_hashes.check(saved)
    (saved / name).write_bytes(b"half")
    with pytest.raises(InputError, match=rf"{name}: not what was saved \(4 bytes of \d+\)"):
        saved_hashes.check(saved)
    (saved / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: is missing"):
        saved_hashes.check(saved)


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 1}', '{"a": {}}', '{"../state.json": {"bytes": 1, "xxh3": ""}}'])
def test_damaged_hashes_are_an_error(saved: Path, content: str) -> None:
    (saved / saved_hashes.NAME).write_text(content)
    with pytest.raises(InputError):
        saved_hashes.check(saved)


def test_an_earlier_release_wrote_none(saved: Path) -> None:
    (saved / saved_hashes.NAME).unlink()
    flip(saved / "state.json")
    saved_hashes.check(saved)


def test_a_model_with_a_flipped_bit_is_not_loaded(tmp_path: Path) -> None:
    folder = tiny_models.model(tmp_path / "model")
    task = tiny_models.texts((1, 1, 1)).task
    saved_hashes.write(folder)
    pretrained.head(pretrained.find(str(folder)), task, 0)
    flip(folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: not what was saved"):
        pretrained.head(pretrained.find(str(folder)), task, 0)
    with pytest.raises(InputError, match=r"delete hashes\.json"), loading(folder, "it"):
        pass
    (folder / saved_hashes.NAME).unlink()
    pretrained.head(pretrained.find(str(folder)), task, 0)
