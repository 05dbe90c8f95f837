"""The names of a site's users, for the documents of its buckets.

authors  a site  -> `.work/authors/SITE.arrow`
"""

from pathlib import Path

import pyarrow as pa

from socorpus.corpus.documents import author_names
from socorpus.corpus.engine.work import Outcome

FOLDER = ".work/authors"


def build(root: Path, site: str, parts: int) -> Outcome:
    """Write the names of a site's users in order of their ids.

    Args:
        parts: number of the parts of its table of users, in which each id is there once.
    """
    path = path_of(site)
    users = [root / f"tables/users/{site}/{part:05d}.parquet" for part in range(parts)]
    return Outcome({path: author_names.write(users, root / path)})


def names_of(root: Path, site: str, users: pa.ChunkedArray) -> pa.Table:
    """Those of some users that there are, as `author_names.AUTHORS`, each once."""
    return author_names.of(root / path_of(site), users)


def path_of(site: str) -> str:
    """Path of the names of a site's users."""
    return f"{FOLDER}/{site}.arrow"
