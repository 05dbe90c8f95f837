"""Columns of texts as flat UTF-8, and SplitMix64 in numpy, in numba and by its definition."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from socorpus.corpus import arrays

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=8)


CONFIGURED = """
from socorpus.corpus.dedup import shingle_kernel
import numba
print(numba.config.CACHE_DIR, numba.config.DISABLE_JIT)
"""


def test_settings_of_the_current_folder_reach_no_kernel(tmp_path: Path) -> None:
    """The folder may be that of a dump which somebody else made, and numba unpickles what lies in its cache."""
    (tmp_path / ".numba_config.yaml").write_text("cache_dir: cache\ndisable_jit: 1\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    for kept in ({}, {"NUMBA_CACHE_DIR": str(tmp_path / "own")}):
        command = [sys.executable, "-c", CONFIGURED]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment | kept)
        assert done.stdout == f"{kept.get('NUMBA_CACHE_DIR', '')} 0\n", done.stderr
    assert not (tmp_path / "cache").exists()


def taken_apart(column: pa.Array | pa.ChunkedArray) -> list[str]:
    data, bounds = arrays.utf8(column)
    assert bounds[0] == 0 and bounds[-1] == len(data) and len(bounds) == len(column) + 1
    assert not data.flags.writeable
    return [bytes(data[a:b]).decode() for a, b in itertools.pairwise(bounds)]


@given(TEXTS, TEXTS, st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]))
def test_a_column_is_its_texts_whatever_its_form(
    first: list[str | None], second: list[str | None], kind: pa.DataType
) -> None:
    one, other = pa.array(first, kind), pa.array(second, kind)
    assert taken_apart(one) == [text or "" for text in first]
    assert taken_apart(one[1:]) == [text or "" for text in first[1:]]
    assert taken_apart(pa.chunked_array([one, other], kind)) == [text or "" for text in first + second]
    assert taken_apart(pa.chunked_array([other[:-1]], kind)) == [text or "" for text in second[:-1]]
    assert taken_apart(pa.chunked_array([], kind)) == []


LISTS = st.lists(st.none() | st.lists(st.integers(0, 9), max_size=4), max_size=6)


def rows_of(column: pa.Array | pa.ChunkedArray) -> list[list[int]]:
    values, bounds = arrays.lists(column)
    assert bounds[0] == 0 and bounds[-1] == len(values) and len(bounds) == len(column) + 1
    assert bounds.dtype == np.int64
    return [values[a:b].to_pylist() for a, b in itertools.pairwise(bounds)]


@given(LISTS, LISTS, st.sampled_from([pa.list_(pa.int8()), pa.large_list(pa.int8())]))
def test_a_column_of_lists_is_its_values_whatever_its_form(
    first: list[list[int] | None], second: list[list[int] | None], kind: pa.DataType
) -> None:
    column, other = pa.array(first, kind), pa.array(second, kind)
    assert rows_of(column) == [row or [] for row in first]
    assert rows_of(column[1:]) == [row or [] for row in first[1:]]
    assert rows_of(column[1:-1]) == [row or [] for row in first[1:-1]]
    assert rows_of(pa.chunked_array([column, other], kind)) == [row or [] for row in first + second]
    assert rows_of(pa.chunked_array([other[:-1]], kind)) == [row or [] for row in second[:-1]]
    assert rows_of(pa.chunked_array([], kind)) == []


def test_values_below_a_null_are_not_of_its_list() -> None:
    valid = pa.py_buffer(np.packbits([True, False, True], bitorder="little"))
    offsets = pa.py_buffer(np.array([0, 1, 3, 4], np.int32))
    column = pa.Array.from_buffers(pa.list_(pa.int64()), 3, [valid, offsets], children=[pa.array([1, 2, 3, 4])])
    assert rows_of(column) == [[1], [], [4]]


def test_bytes_below_a_null_are_not_its_text() -> None:
    whole = pa.array(["a", "secret", "b"])
    _, offsets, data = whole.buffers()
    valid = pa.py_buffer(np.packbits([True, False, True], bitorder="little"))
    assert taken_apart(pa.StringArray.from_buffers(3, offsets, data, valid)) == ["a", "", "b"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=8))
def test_strings_is_the_inverse(texts: list[str]) -> None:
    data, bounds = arrays.utf8(pa.array(texts, pa.string()))
    assert arrays.strings(data, bounds[1:]).to_pylist() == texts


@pytest.mark.parametrize("number", [0, 1, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15])
def test_mix64_is_the_finaliser_of_splitmix64(number: int) -> None:
    x = number
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    x ^= x >> 31
    assert int(arrays.mix64(np.array([number], np.uint64))[0]) == x
    assert int(njit(arrays.mix64)(np.uint64(number))) == x


def test_splitmix64_of_the_published_generator() -> None:
    # The first outputs of SplitMix64 seeded with 1234567, as its reference implementation gives them.
    steps = (1234567 + np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    assert arrays.splitmix64(steps.view(np.int64)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
