"""The plug-ins that a user named for a corpus, so that later commands on it need not name them again.

Kept in the user's own state folder (`$XDG_STATE_HOME/socorpus`, by default `~/.local/state/socorpus`) and not in the
corpus: a corpus that came from somebody else must not decide which code is run.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from socorpus.corpus import plugins
from socorpus.corpus.errors import InputError
from socorpus.corpus.plugins import Plugin
from socorpus.corpus.storage import files


def _place() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "socorpus" / "plugins.json"


def _read() -> dict[str, list[str]]:
    try:
        known = json.loads(_place().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        {str(root): [str(name) for name in names] for root, names in known.items()} if isinstance(known, dict) else {}
    )


def remember(root: Path, active: Sequence[Plugin]) -> None:
    """Note the plug-ins of the corpus at `root`; those of installed packages need no note.

    A user's state folder that can't be written is no reason to fail: the plug-ins must then be named each time.
    """
    names = [str(Path(plugin.path).absolute()) if plugin.path else plugin.name for plugin in active]
    key = str(root.absolute())
    if _read().get(key, []) == names:
        return
    try:
        with files.locked(_place().with_suffix(".lock")):
            known = {place: named for place, named in _read().items() if Path(place).exists()}
            files.write_json(_place(), {**known, key: names} if names else {k: v for k, v in known.items() if k != key})
    except (OSError, InputError):
        return


def load(root: Path, named: Sequence[str], built_with: Mapping[str, str]) -> tuple[Plugin, ...]:
    """Make the plug-ins of a finished corpus the active ones.

    Args:
        named: plug-ins that the user names now; of a name in both these stand for the remembered ones.
        built_with: identities by name of the plug-ins that the corpus was built with, by its manifest.

    Raises:
        InputError: a plug-in of the corpus is neither named nor remembered, or one can't be run.
    """
    given = {Path(name).name if plugins.is_file(name) else name for name in named}
    kept = [
        name
        for name in _read().get(str(root.absolute()), [])
        if (Path(name).name if plugins.is_file(name) else name) not in given
    ]
    loaded = plugins.find([*named, *kept])
    lacking = [name for name in built_with if name not in {plugin.name for plugin in loaded}]
    if lacking:
        raise InputError(
            f"{root}: built with the plug-in {lacking[0]}, which is not known here; "
            f"name it with --plugin {lacking[0]} (the file's path, or the module)"
        )
    plugins.activate(loaded)
    return loaded
