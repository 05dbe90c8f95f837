"""Where the corpora are that this user has trained on, so that a run can name its corpus without the user's folders.

Kept in the user's own state folder, as the plug-ins are (`plugin_memory`).
"""

from pathlib import Path

from socorpus.corpus.errors import SocorpusError
from socorpus.corpus.storage import boundary, files, plugin_memory


def _place() -> Path:
    return plugin_memory.state_folder() / "corpora.json"


def _read() -> dict[str, str]:
    try:
        known = files.read_json(_place())
    except (OSError, ValueError):
        return {}
    return {str(key): str(place) for key, place in known.items()} if isinstance(known, dict) else {}


def remember(fingerprint: str, root: Path) -> None:
    """Note the place of the corpus whose shards have this fingerprint.

    A user's state folder that can't be written is no reason to fail: the run says where its corpus is, seen from it.
    """
    place = str(root.absolute())
    if _read().get(fingerprint) == place:
        return
    try:
        with files.locked(_place().with_suffix(".lock")):
            known = {key: named for key, named in _read().items() if "://" in named or files.exists(Path(named))}
            files.write_json(_place(), {**known, fingerprint: place})
    except (OSError, SocorpusError):
        return


def find(fingerprint: str) -> Path | None:
    """The place that was noted last, if there is a folder."""
    place = _read().get(fingerprint)
    if place is None:
        return None
    return boundary.corpus_place(place) if "://" in place or files.exists(Path(place)) else None
