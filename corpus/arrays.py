"""Arrays of Arrow columns as NumPy sees them, and hashes of integers: one definition each."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Word = TypeVar("_Word", np.uint64, npt.NDArray[np.uint64])


def mix64(x: _Word) -> _Word:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection of 64 bits in which each bit of the input
    changes about half of those of the output; of uint64, one number or an array.

    Compiled kernels call it as `njit(mix64)`: this module does not import numba, which takes long.
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def splitmix64(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Hash of ids (`mix64`): 64 well-mixed bits a number."""
    return mix64(ids.astype(np.uint64))
