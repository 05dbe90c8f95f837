"""Arrays of Arrow columns as NumPy sees them, and hashes of integers: one definition each."""

import numpy as np
import numpy.typing as npt


def splitmix64(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Hash of ids (splitmix64's finaliser): 64 well-mixed bits a number."""
    x = ids.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
