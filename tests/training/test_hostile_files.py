"""Runs, models, tokenizers and corpora that somebody else made to run code: nothing of it runs, and a sentence says so.

Plug-ins are code by purpose (docs/trust.md); that a corpus can't name any is tested with the plug-ins.
"""

import json
import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.distributed import checkpoint as torch_checkpoint

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, manifest_file
from socorpus.training import checkpoint_metadata, saved_hashes
from socorpus.training.finetuning import predictor, pretrained
from tests import manifests
from tests.building import socorpus
from tests.training import tiny_models

CLOSURE = tiny_models.texts((1, 1, 1)).task


class Hostile:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.folder),)


class Opened:
    """The same by `builtins.eval`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return eval, (f"__import__('os').mkdir({str(self.folder)!r})",)


def _saved(folder: Path, writer: Any = torch_checkpoint.FileSystemWriter) -> dict[str, torch.Tensor]:
    """Tensors that PyTorch has written, without ranks."""
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch_checkpoint.save(dict(tensors), storage_writer=writer(folder), no_dist=True)
    return tensors


@pytest.mark.parametrize("writer", [torch_checkpoint.FileSystemWriter, checkpoint_metadata.Writer])
def test_a_checkpoint_is_read_as_pytorch_reads_it(tmp_path: Path, writer: Any) -> None:
    tensors = _saved(tmp_path, writer)
    plain, ours = torch_checkpoint.FileSystemReader(tmp_path).read_metadata(), checkpoint_metadata.read(tmp_path)
    assert ours.state_dict_metadata == plain.state_dict_metadata and ours.version == plain.version
    assert ours.storage_data == plain.storage_data
    values = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch_checkpoint.load(values, storage_reader=checkpoint_metadata.Reader(tmp_path), no_dist=True)
    assert all(torch.equal(values[name], tensors[name]) for name in tensors)


def test_a_new_checkpoint_names_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "of-the-builder"
    _saved(folder)
    assert b"of-the-builder" in (folder / checkpoint_metadata.NAME).read_bytes()  # as PyTorch writes it
    _saved(folder, checkpoint_metadata.Writer)
    assert not any(b"of-the-builder" in path.read_bytes() for path in folder.iterdir())


def _tensor(place: str = "__0_0.distcp", **more: Any) -> Any:
    from torch.distributed.checkpoint import metadata as dcp
    from torch.distributed.checkpoint.filesystem import _StorageInfo

    size = torch.Size([2])
    entry: Any = dcp.TensorStorageMetadata(dcp.TensorProperties(torch.float32), size, [])
    entry = more.pop("entry", entry)
    return dcp.Metadata({"a": entry}, None, {dcp.MetadataIndex("a"): _StorageInfo(place, 0, 9, **more)})


def _hostile_metadata(folder: Path) -> dict[str, bytes]:
    from torch.distributed.checkpoint import metadata as dcp

    inner = _tensor()
    inner.planner_data = Hostile(folder)
    return {
        "a call": pickle.dumps(Hostile(folder)),
        "a call by eval": pickle.dumps(Opened(folder)),
        "a call in old form": pickle.dumps(Hostile(folder), protocol=0),
        "a call inside": pickle.dumps(inner),
        "a call by a dotted name": b"\x80\x04\x8c\x05torch\x8c\x0dSize.__init__\x93.",
        "a pickle inside, as bytes": pickle.dumps(_tensor(entry=dcp.BytesStorageMetadata())),
        "another file": pickle.dumps(_tensor("../../../etc/passwd")),
        "an absolute file": pickle.dumps(_tensor("/etc/passwd")),
        "a transform": pickle.dumps(_tensor(transform_descriptors=["stream.zstd"])),
        "an attribute of a class": b"\x80\x04\x8c\x05torch\x8c\x04Size\x93N}\x8c\x01xK\x01s\x86b.",
        "a long table": b"\x80\x04Nr\xff\xff\xff\x7f.",
        "no metadata": pickle.dumps({"a": 1}),
        "a wrong type": pickle.dumps(_tensor(entry=3)),
        "a damaged file": pickle.dumps(_tensor())[:-20],
        "no pickle": b"\x00" * 100,
        "an empty file": b"",
    }


def test_metadata_that_is_more_than_tensors_is_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for kind, content in _hostile_metadata(ran).items():
        (tmp_path / checkpoint_metadata.NAME).write_bytes(content)
        with pytest.raises(InputError, match=r"^\.metadata (?:is not that of a checkpoint|can't be read): "):
            print(kind, checkpoint_metadata.read(tmp_path))
        assert not ran.exists(), kind


def test_a_run_from_somebody_else_runs_nothing(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    ran, newest = tmp_path / "ran", max((run / "checkpoints").glob("step-*"))
    for name in ("common.pt", checkpoint_metadata.NAME):
        (newest / name).write_bytes(pickle.dumps(Hostile(ran)))
    (newest / saved_hashes.NAME).unlink()  # who replaces files replaces their hashes too
    done = socorpus("export", run, "-o", tmp_path / "model", code=2)
    assert "refers to posix.mkdir, which no checkpoint needs; nothing in it was run" in done.stderr
    assert done.stderr.count("\n") == 1 and not ran.exists() and not (tmp_path / "model").exists()


_CODE = "import os\nos.mkdir({!r})\nclass Own: ...\n"


def _model(folder: Path, ran: Path, **changes: Any) -> pretrained.Pretrained:
    tiny_models.model(folder)
    (folder / "own.py").write_text(_CODE.format(str(ran)))
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return pretrained.find(str(folder))


_OWN = {"AutoConfig": "own.Own", "AutoModelForSequenceClassification": "own.Own", "AutoModel": "own.Own"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"auto_map": _OWN, "model_type": "own"}, "needs Python code that came with the model, which is never run"),
        ({"attn_implementation": "somebody/kernel"}, "names the kernel 'somebody/kernel', which is code"),
        ({"_attn_implementation": {"": "somebody/kernel"}}, "names the kernel 'somebody/kernel', which is code"),
    ],
)
def test_code_of_a_model_is_never_run(
    tmp_path: Path, changes: dict[str, Any], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "ran"
    model = _model(tmp_path / "model", ran, **changes)
    for name in ("", "scratch:"):
        with pytest.raises(InputError, match=sentence):
            pretrained.head(pretrained.find(f"{name}{model.folder}"), CLOSURE, 0)
    # transformers asks whoever sits at the terminal, unless it is forbidden.
    assert not ran.exists() and "[y/N]" not in "".join(capfd.readouterr())


def test_weights_that_are_a_pickle_run_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    model = _model(tmp_path / "model", ran)
    (model.folder / "model.safetensors").unlink()
    (model.folder / "pytorch_model.bin").write_bytes(pickle.dumps(Hostile(ran), protocol=2))
    with pytest.raises(InputError, match="a pickle that holds more than weights"):
        pretrained.head(model, CLOSURE, 0)
    (model.folder / "pytorch_model.bin").unlink()
    (model.folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(InputError, match=r"can't be loaded: .*header"):
        pretrained.head(model, CLOSURE, 0)
    assert not ran.exists()


def test_a_tokenizer_runs_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    model = _model(tmp_path / "model", ran)
    path = model.folder / "tokenizer_config.json"
    own = {"auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}, "tokenizer_class": "Own"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **own}))
    assert len(pretrained.tokenizer(model)("how do i")["input_ids"]) > 2  # by its tokenizer.json alone
    for wrong in ("[[[", '{"version": "1.0"}', json.dumps({"version": "1.0", "model": {"type": "Own"}})):
        (model.folder / "tokenizer.json").write_text(wrong)
        with pytest.raises(InputError, match="its tokenizer can't be loaded"):
            pretrained.tokenizer(model)
    assert not ran.exists()


def test_a_fine_tuned_model_runs_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    folder = _model(tmp_path / "model", ran, auto_map=_OWN, model_type="own").folder
    facts = {"task": "closure", "labels": ["open", "closed"], "spans": False, "reading": {"length": 64}}
    (folder / "finetune.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="needs Python code that came with the model"):
        predictor.load(folder, "cpu")
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(folder), "auto_mapping": _OWN})
    )
    with pytest.raises(InputError, match="needs Python code that came with the model"):
        predictor.load(folder, "cpu")
    assert not ran.exists()


def test_tables_and_arrays_of_a_corpus_run_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    # What Arrow's own Python types were once written as: a pickle in the schema's metadata.
    evil = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(Hostile(ran))}
    field = pa.field("a", pa.int64(), metadata=evil)
    table = pa.table({"a": [1]}).cast(pa.schema([field], metadata={"pandas": pickle.dumps(Hostile(ran))}))
    pq.write_table(table, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["a"].to_pylist() == [1]
    np.savez(tmp_path / "a.npz", a=np.array([Hostile(ran)], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        files.read_arrays(tmp_path / "a.npz")
    assert not ran.exists()


def test_a_manifest_leads_nowhere_else(tmp_path: Path) -> None:
    file = {"bytes": 1, "sha256": ""}
    for names in (
        {"files": {"../../a.parquet": file}},
        {"files": {"/etc/passwd": file}},
        {"sites": {"a/../../b": manifests.site()}},
    ):
        manifest_file.save(tmp_path, manifests.manifest(**names))
        for command in (("report", tmp_path), ("labeling", "apply", tmp_path)):
            assert "which is not in the corpus" in socorpus(*command, code=2).stderr
