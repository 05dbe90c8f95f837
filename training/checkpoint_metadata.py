"""The `.metadata` of a checkpoint, read without running what it says.

PyTorch's distributed checkpoint keeps names, shapes and places of the tensors as a pickle, and a pickle may call any
function: a run from somebody else could do anything on this machine. Here it is read into plain tuples and lists; of
the names that it may refer to none is a function or a class of another module. What it holds is then checked value by
value, and PyTorch's own classes are made of it.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint import metadata as dcp
from torch.distributed.checkpoint.filesystem import _StorageInfo

from socorpus.corpus.errors import InputError

NAME = ".metadata"
_DATA_FILE = re.compile(r"[\w.-]+\.distcp", re.ASCII)
_METADATA = "torch.distributed.checkpoint.metadata"
_STORAGE = "torch.distributed.checkpoint.filesystem"


class _Record:
    """An instance of a class of the pickle: its fields, as they stand there."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _names() -> dict[tuple[str, str], Any]:
    """What the pickle may refer to: new classes that only hold fields, `tuple`, and constants.

    The classes are new for each file, since a pickle can set attributes of a class that it names.
    """
    records = {
        (_METADATA, "Metadata"),
        (_METADATA, "TensorStorageMetadata"),
        (_METADATA, "TensorProperties"),
        (_METADATA, "ChunkStorageMetadata"),
        (_METADATA, "MetadataIndex"),
        (_METADATA, "StorageMeta"),
        (_STORAGE, "_StorageInfo"),
    }
    kinds = {f"{kind}".removeprefix("torch."): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}
    return {
        **{(module, name): type(name, (_Record,), {}) for module, name in records},
        **{("torch", name): kind for name, kind in kinds.items()},
        # These are calls in the pickle: of a shape, a tensor's layout and memory format, and the folder's path.
        ("torch", "Size"): tuple,
        (_METADATA, "_MEM_FORMAT_ENCODING"): type("Format", (_Ignored,), {}),
        ("torch.serialization", "_get_layout"): type("Layout", (_Ignored,), {}),
        **{("pathlib", name): type("Path", (_Ignored,), {}) for name in ("Path", "PosixPath", "WindowsPath")},
    }


class _Ignored:
    """A value that is not needed: its arguments are dropped."""

    def __init__(self, *_: Any) -> None:
        pass


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self._names = _names()

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name.

        Raises:
            InputError: it is none that a checkpoint's metadata needs.
        """
        if (module, name) not in self._names:
            raise InputError(f"it refers to {module}.{name}, which no checkpoint needs")
        return self._names[module, name]


def read(folder: Path) -> dcp.Metadata:
    """The metadata of a checkpoint's folder: of each tensor its type, its shape, its chunks and their places.

    Raises:
        InputError: it is not what PyTorch writes for tensors, or refers to anything else; nothing of it has run.
        OSError: it can't be read.
    """
    content = (folder / NAME).read_bytes()
    try:
        _check_memory(content)
        return _metadata(_Reader(io.BytesIO(content)).load())
    except InputError as error:
        raise InputError(f"{NAME} is not that of a checkpoint: {error}; nothing in it was run") from None
    # A damaged pickle fails in any way: a missing value, a wrong type, a length out of range.
    except Exception as error:
        raise InputError(f"{NAME} can't be read: {type(error).__name__}: {error}") from None


def _check_memory(content: bytes) -> None:
    """Refuse a number in the unpickler's table of values that is larger than the file: the table would be as long."""
    for operation, argument, _ in pickletools.genops(content):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise InputError(f"it numbers a value {argument}")


def _metadata(record: Any) -> dcp.Metadata:
    fields = _fields(record, "Metadata")
    tensors = {_text(name): _tensor(entry) for name, entry in _dict(fields["state_dict_metadata"]).items()}
    places = {_index(index): _place(entry) for index, entry in _dict(fields["storage_data"]).items()}
    version = fields.get("version")
    return dcp.Metadata(tensors, None, places, dcp.StorageMeta(), None if version is None else _text(version))


def _tensor(record: Any) -> dcp.TensorStorageMetadata:
    # Anything but a tensor (BytesStorageMetadata) is a pickle of its own, which PyTorch would run.
    fields = _fields(record, "TensorStorageMetadata")
    properties = fields["properties"]
    kind = properties.state[0] if type(properties).__name__ == "TensorProperties" else None
    if not isinstance(kind, torch.dtype):
        raise InputError("a tensor has no type")
    chunks = [_fields(chunk, "ChunkStorageMetadata") for chunk in fields["chunks"]]
    return dcp.TensorStorageMetadata(
        dcp.TensorProperties(dtype=kind),
        _shape(fields["size"]),
        [dcp.ChunkStorageMetadata(_shape(chunk["offsets"]), _shape(chunk["sizes"])) for chunk in chunks],
    )


def _index(record: Any) -> dcp.MetadataIndex:
    fields = _fields(record, "MetadataIndex")
    offset, index = fields.get("offset"), fields.get("index")
    return dcp.MetadataIndex(
        _text(fields["fqn"]), None if offset is None else _shape(offset), None if index is None else _count(index)
    )


def _place(record: Any) -> _StorageInfo:
    fields = _fields(record, "_StorageInfo")
    name = _text(fields["relative_path"])
    if not _DATA_FILE.fullmatch(name) or fields.get("transform_descriptors"):
        raise InputError(f"a tensor lies in {name!r}")
    return _StorageInfo(name, _count(fields["offset"]), _count(fields["length"]))


def _fields(record: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(record, _Record) or type(record).__name__ != name:
        raise InputError(f"a {type(record).__name__} stands where a {name} belongs")
    return _dict(record.state)


def _dict(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise InputError(f"a {type(value).__name__} stands where fields belong")
    return value


def _shape(value: Any) -> torch.Size:
    if not isinstance(value, tuple):
        raise InputError(f"a {type(value).__name__} stands where a shape belongs")
    return torch.Size([_count(size) for size in value])


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise InputError(f"a {type(value).__name__} stands where a size belongs")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"a {type(value).__name__} stands where a name belongs")
    return value


class Reader(FileSystemReader):  # type: ignore[misc]
    """Reads the tensors of a checkpoint by its checked metadata; their values are read by torch's own unpickler for
    weights, which runs nothing.

    Raises:
        InputError: and `OSError`, as for `read`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # PyTorch would look for another file, and log a traceback, if this failed later.
        self._metadata = read(folder)

    def read_metadata(self, *_: Any, **__: Any) -> dcp.Metadata:
        """The checked metadata."""
        return self._metadata


class Writer(FileSystemWriter):  # type: ignore[misc]
    """Writes tensors of a checkpoint; the metadata does not name the folder, so that a run may be given away."""

    def storage_meta(self) -> dcp.StorageMeta:
        """Facts of the files: only the identity of this save."""
        return dcp.StorageMeta(save_id=self.save_id)
