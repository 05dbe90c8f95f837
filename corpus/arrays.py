"""Arrays of Arrow columns as NumPy sees them, hashes of integers, and compiled kernels: one definition each."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
UInt32 = npt.NDArray[np.uint32]
UInt64 = npt.NDArray[np.uint64]
Float64 = npt.NDArray[np.float64]
_Scalar = TypeVar("_Scalar", bound=np.generic)
_Word = TypeVar("_Word", np.uint64, UInt64)


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` for a compiled kernel; `cache=True` keeps its machine code from one process to the next.

    numba keeps it in NUMBA_CACHE_DIR where that is set, else in `__pycache__` beside the module, else, where that can't
    be written, below the user's cache folder. Where none of them can be written, each process compiles for itself;
    numba would refuse the module.
    """
    import numba  # which takes long: modules without kernels need none of it
    from numba.core import config

    # It takes settings from a file of the current folder, which may be a stranger's, and one of them names the folder
    # of its cache, whose files are pickles. Variables of the environment stay.
    if getattr(config, "_config_fname", None):
        config._config_fname = ""
        config.reload_config()

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(**options)(function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            return numba.njit(**{**options, "cache": False})(function)

    return compiled


def mix64(x: _Word) -> _Word:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection of 64 bits in which each bit of the input
    changes about half of those of the output; of uint64, one number or an array.

    Compiled kernels call it as `njit(cache=True)(mix64)`.
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def splitmix64(ids: Int64) -> UInt64:
    """Hash of ids (`mix64`): 64 well-mixed bits a number."""
    return mix64(ids.astype(np.uint64))


def utf8(texts: pa.Array | pa.ChunkedArray) -> tuple[UInt8, Int64]:
    """The UTF-8 of a column of n texts: text i is `data[bounds[i] : bounds[i + 1]]`.

    Args:
        texts: string or large_string, or what Arrow casts to it; slices and chunks too. A null is an empty text.

    Returns:
        uint8[bytes], read-only, not copied where the column is one chunk; and int64[n + 1], beginning with 0.
    """
    if isinstance(texts, pa.ChunkedArray):
        # More than one chunk may hold more bytes than the offsets of `string` can count.
        texts = texts.chunk(0) if texts.num_chunks == 1 else texts.cast(pa.large_string()).combine_chunks()
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        texts = texts.cast(pa.large_string())
    n = len(texts)
    if not n:
        return readonly(np.zeros(0, np.uint8)), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    width = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    bounds: Int64 = np.frombuffer(offsets, width, n + 1, texts.offset * width.itemsize).astype(np.int64)
    if texts.null_count and np.diff(bounds)[texts.is_null().to_numpy(zero_copy_only=False)].any():
        return utf8(pc.fill_null(texts, ""))  # Arrow leaves it open what lies below a null
    whole = np.frombuffer(data if data is not None else b"", np.uint8)
    return readonly(whole[bounds[0] : bounds[-1]]), bounds - bounds[0]


def strings(data: UInt8, ends: Int64) -> pa.StringArray:
    """Texts that lie one after another in UTF-8, from the byte past the end of each, int64[n]; a copy."""
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data[: offsets[-1]].copy()))


def lists(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, Int64]:
    """The values of a column of n lists, one after another: list i is `values[bounds[i] : bounds[i + 1]]`.

    Args:
        column: list or large_list; slices and chunks too. A null is an empty list.

    Returns:
        The values, not copied where the column is one chunk; and int64[n + 1], beginning with 0.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if column.null_count:  # Arrow leaves it open what lies below a null
        counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        return column.flatten(), np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    bounds: Int64 = column.offsets.to_numpy().astype(np.int64)
    return column.values.slice(bounds[0], bounds[-1] - bounds[0]), bounds - bounds[0]


def whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column in one piece, not copied where it is one (`combine_chunks` copies any)."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def readonly(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """A contiguous read-only view: numba compiles read-only and writable arrays apart, and Arrow's are read-only."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def counted(column: pa.ChunkedArray) -> dict[str, int]:
    """Counts of the values by name; a null is called None."""
    return {str(pair["values"]): pair["counts"] for pair in pc.value_counts(column).to_pylist()}
