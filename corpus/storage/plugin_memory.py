"""The plug-ins that a user named for a corpus, so that later commands on it need not name them again.

Kept in the user's own state folder (`$XDG_STATE_HOME/socorpus`, by default `~/.local/state/socorpus`) and not in the
corpus: a corpus that came from somebody else must not decide which code is run.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from socorpus.corpus import plugins
from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.plugins import Plugin
from socorpus.corpus.storage import files
from socorpus.corpus.storage.objects import store_client


def state_folder() -> Path:
    """The user's own state folder of this program."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "socorpus"


def _place() -> Path:
    return state_folder() / "plugins.json"


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
    if remembered(root) == names:
        return
    try:
        with files.locked(_place().with_suffix(".lock")):
            there = {place: store_client.address(place) is not None or Path(place).exists() for place in _read()}
            known = {place: named for place, named in _read().items() if there[place]}

            files.write_json(_place(), {**known, key: names} if names else {k: v for k, v in known.items() if k != key})
    except (OSError, SocorpusError):
        return


def remembered(root: Path) -> list[str]:
    """The plug-ins that the user named for the corpus at `root`: absolute paths of files, and modules."""
    return _read().get(str(root.absolute()), [])


def changed(root: Path, facts: Mapping[str, Any], loaded: Sequence[Plugin], reads: Collection[str]) -> Iterator[str]:
    """A line for each plug-in that is another than the one that tables of the corpus at `root` were made with.

    Args:
        facts: the corpus's manifest.
        loaded: the plug-ins as they are now.
        reads: the tables that matter: `signals`, `labels`, or both.
    """
    labels = facts.get("labels", {})
    for plugin in loaded:
        signals, labelled = [], dict[str, None]()
        for kind, name, version in plugins.definitions(plugin):
            of, _, function = name.partition(".")
            if kind == "signal" and name in facts.get("signals", {}) and version is None:
                signals += [name] if facts.get("plugins", {}).get(plugin.name) not in (None, plugin.identity) else []
            elif kind in ("task", "labelling function") and of in labels:
                before: Any = labels[of].get("plugins", {}).get(plugin.name)
                now: Any = plugin.identity
                if version is not None:
                    now, before = version, labels[of]["functions"].get(function, {}).get("version")
                if before not in (None, now):
                    labelled[of] = None
        parts = []
        if signals and "signals" in reads:
            parts.append(f"signals ({', '.join(signals)}) are of its earlier version until socorpus build runs again")
        if labelled and "labels" in reads:
            parts.append(
                f"labels ({', '.join(labelled)}) are of its earlier version until socorpus labeling apply runs"
            )
        if parts:
            yield f"plug-in {plugin.where} has changed since {root} was made: {'; '.join(parts)}"


def of_manifest(
    path: Path, given: Mapping[str, Any], overrides: Mapping[str, Any], more_plugins: Sequence[str]
) -> list[str]:
    """The active plug-ins that the configuration of a manifest names, by their places; none is looked for.

    Args:
        path: of the manifest, for messages.
        given: its configuration.
        overrides: of the configuration; plug-ins in them are named by the user.
        more_plugins: others that the user names.

    Raises:
        InputError: a plug-in is neither active nor named, nor of an installed package; or one that is named is missing.
    """
    names = given.get("plugins", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: plugins must be a list of files and modules, not {names!r}")
    overriding = overrides.get("plugins", ())
    named = [*(overriding if isinstance(overriding, list | tuple) else ()), *more_plugins]
    known = {plugin.name for plugin in plugins.find(named)}
    active = {plugin.name: plugin.where for plugin in plugins.active() if plugin.name not in known}
    for name in names:
        if name not in known and name not in active:
            raise InputError(
                f"{path}: made with the plug-in {name}, which a manifest only names; name it with --plugin (the file's "
                "path, or the module)"
            )
    return [active[name] for name in names if name in active]


def load(root: Path, named: Sequence[str], built_with: Mapping[str, str]) -> tuple[Plugin, ...]:
    """Make the plug-ins of a finished corpus the active ones.

    Args:
        named: plug-ins that the user names now; of a name in both these stand for the remembered ones.
        built_with: identities by name of the plug-ins that the corpus was built with, by its manifest.

    Raises:
        InputError: a plug-in of the corpus is neither named nor remembered, or one can't be run.
    """
    given = {Path(name).name if plugins.is_file(name) else name for name in named}
    kept = [name for name in remembered(root) if (Path(name).name if plugins.is_file(name) else name) not in given]
    loaded = plugins.find([*named, *kept])
    lacking = [name for name in built_with if name not in {plugin.name for plugin in loaded}]
    if lacking:
        raise InputError(
            f"{root}: built with the plug-in {lacking[0]}, which is not known here; "
            f"name it with --plugin {lacking[0]} (the file's path, or the module)"
        )
    plugins.activate(loaded)
    return loaded
