"""The logical hash of a table: of its rows, whatever wrote them.

Two releases of pyarrow write the same rows as different bytes, and two machines want to know that they have the same
corpus. The hash depends on the columns' names, types and values in order, not on files, row groups, compression,
dictionaries, or on what lies under a null. XXH3 (128 bits) of each buffer, at the speed of memory; it finds every
accident, but is no signature: that is the SHA-256 of the file beside it.
"""

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash


class RowsHash:
    """Hash of rows that arrive in any number of pieces; `schema` is that of each piece."""

    def __init__(self, schema: pa.Schema):
        self._schema = schema
        self._columns = [_Column(field.type) for field in schema]
        self._rows = 0

    def update(self, table: pa.Table) -> None:
        """Add the rows of a table."""
        for column, values in zip(self._columns, table.columns, strict=True):
            for chunk in values.chunks:
                column.update(chunk)
        self._rows += table.num_rows

    def hexdigest(self) -> str:
        """32 hexadecimal digits."""
        parts = [[field.name, column.digest()] for field, column in zip(self._schema, self._columns, strict=True)]
        return hashlib.sha256(json.dumps([self._rows, parts]).encode()).hexdigest()[:32]


def of(table: pa.Table) -> str:
    """The hash of a table's rows."""
    hashed = RowsHash(table.schema)
    hashed.update(table)
    return hashed.hexdigest()


class _Column:
    """Hashes of a column: which rows are null, the lengths of its values, its bytes, and its children."""

    def __init__(self, kind: pa.DataType):
        self.kind: pa.DataType = kind.value_type if pa.types.is_dictionary(kind) else kind
        self.rows = 0
        self.nulls, self.lengths, self.values = xxhash.xxh3_128(), xxhash.xxh3_128(), xxhash.xxh3_128()
        self.children: list[_Column] = []
        if _is_list(self.kind):
            self.children = [_Column(self.kind.value_type)]
        elif pa.types.is_struct(self.kind):
            self.children = [_Column(self.kind[number].type) for number in range(self.kind.num_fields)]

    def digest(self) -> list[Any]:
        own = [hashed.hexdigest() for hashed in (self.nulls, self.lengths, self.values)]
        names = [self.kind[number].name for number in range(self.kind.num_fields)] if self._struct else []
        return [_name(self.kind), self.rows, own, names, [child.digest() for child in self.children]]

    def update(self, array: pa.Array) -> None:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if array.null_count:
            empty = np.asarray(array.is_null())
            self.nulls.update(_bytes(np.flatnonzero(empty) + self.rows))
        self.rows += len(array)
        if not len(array) or pa.types.is_null(self.kind):
            return
        if self._struct:
            for child, values in zip(self.children, array.flatten(), strict=True):
                child.update(values)
        elif _is_list(self.kind):
            self._lists(array)
        elif _is_text(self.kind):
            self._texts(array)
        elif pa.types.is_boolean(self.kind):
            self.values.update(np.asarray(pc.fill_null(array, False)).tobytes())
        elif pa.types.is_primitive(self.kind):
            self._numbers(array)
        else:
            self.values.update(json.dumps(array.to_pylist(), default=repr).encode())

    @property
    def _struct(self) -> bool:
        return bool(pa.types.is_struct(self.kind))

    def _numbers(self, array: pa.Array) -> None:
        if array.null_count:
            zero = pa.scalar(0).cast(pa.int64()).cast(self.kind) if pa.types.is_temporal(self.kind) else 0
            array = pc.fill_null(array, zero)
        width = self.kind.bit_width // 8
        buffer = array.buffers()[1]
        self.values.update(memoryview(buffer)[array.offset * width : (array.offset + len(array)) * width])

    def _texts(self, array: pa.Array) -> None:
        if array.null_count:
            array = pc.fill_null(
                array, "" if pa.types.is_string(self.kind) or pa.types.is_large_string(self.kind) else b""
            )
        offsets = _offsets(array)
        self.lengths.update(_bytes(np.diff(offsets)))
        data = array.buffers()[2]
        if data is not None:
            self.values.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])

    def _lists(self, array: pa.Array) -> None:
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0))
        self.lengths.update(_bytes(lengths))
        self.children[0].update(array.flatten())


def _bytes(numbers: npt.NDArray[np.integer]) -> bytes:
    return numbers.astype("<i8").tobytes()


def _offsets(array: pa.Array) -> npt.NDArray[Any]:
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    offsets = np.frombuffer(array.buffers()[1], np.int64 if wide else np.int32)
    return offsets[array.offset : array.offset + len(array) + 1]


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)


def _name(kind: pa.DataType) -> str:
    """The type's name, without what differs between releases or does not matter to values."""
    if _is_list(kind):
        return "list"
    if pa.types.is_struct(kind):
        return "struct"
    return str(kind).removeprefix("large_")
