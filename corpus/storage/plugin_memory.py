"""The plug-ins that a user named for a corpus, so that later commands on it need not name them again.

Kept in the user's own state folder (`$XDG_STATE_HOME/socorpus`, by default `~/.local/state/socorpus`) and not in the
corpus: a corpus that came from somebody else must not decide which code is run.
"""

import json
import os
import stat
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from socorpus.corpus import plugins
from socorpus.corpus.errors import InputError, SocorpusError, SocorpusWarning
from socorpus.corpus.plugins import Plugin
from socorpus.corpus.storage import files
from socorpus.corpus.storage.objects import store_client


def state_folder() -> Path:
    """The user's own state folder of this program."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "socorpus"


def _place() -> Path:
    return state_folder() / "plugins.json"


class _DamagedError(Exception):
    """The memory is there, and is none."""


def _content() -> dict[str, list[str]]:
    """Address of a corpus -> its plug-ins; empty where nothing is remembered, or nothing can be read.

    Raises:
        _DamagedError: it is not what `remember` writes.
    """
    try:
        mode = _place().stat().st_mode
        if not stat.S_ISREG(mode):  # a FIFO would be waited for
            raise _DamagedError("no regular file")
        known = json.loads(_place().read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _DamagedError(error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _DamagedError(f"not valid JSON: {str(error)[:200]}") from error
    if not isinstance(known, dict):
        raise _DamagedError("not an object of corpora and their plug-ins")
    for root, names in known.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _DamagedError(f"{root[:200]!r} has no list of names")
    return known


def _read() -> dict[str, list[str]]:
    """As `_content`; what is damaged is taken for empty.

    Warns:
        SocorpusWarning: it is damaged.
    """
    try:
        return _content()
    except _DamagedError as damage:
        warnings.warn(
            f"{_place()}: the memory of plug-ins is damaged ({damage}), and none is known from it; mend or remove the "
            "file, and name plug-ins again with --plugin",
            SocorpusWarning,
            stacklevel=2,
        )
        return {}


def _exists(place: str) -> bool:
    """Whether a file or folder is there; not so for what can't be one's name."""
    with suppress(OSError, ValueError):
        return Path(place).exists()
    return False


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
            try:
                known = _content()
            except _DamagedError:  # kept for its owner, who was warned
                known = {}
                _place().replace(_place().with_suffix(".damaged.json"))
            known = {
                place: named
                for place, named in known.items()
                if store_client.address(place) is not None or _exists(place)
            }
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
                "path, or the module; in Python, use_plugins)"
            )
    return [active[name] for name in names if name in active]


def load(
    root: Path, named: Sequence[str], facts: Mapping[str, Any], needed: bool = True, without: Collection[str] = ()
) -> tuple[tuple[Plugin, ...], list[str]]:
    """Make the plug-ins of a corpus the active ones.

    What is remembered for a place counts only for a corpus that was made with a plug-in of that name: another corpus
    may lie there since.

    Args:
        named: plug-ins that the user names now; of a name in both these stand for the remembered ones.
        facts: the corpus's manifest; empty where there is none.
        needed: whether all plug-ins that the corpus was made with must be there. If not, those whose file is gone, or
            can't be run, stay inactive.
        without: names of plug-ins that are going to be taken out of the corpus.

    Returns:
        The plug-ins, and a sentence for each remembered one that stays inactive.

    Raises:
        InputError: a plug-in of the corpus that is needed is neither named nor remembered, or its file is gone; one
            can't be run; the corpus has none of a name in `without`.
    """
    made_with = facts.get("plugins", {})
    for name in without:
        if name not in made_with:
            raise InputError(f"{root}: has no plug-in {name}; it has {', '.join(made_with) or 'none'}")
    passed = {*map(_short, named), *without}
    kept = {_short(place): place for place in remembered(root) if _short(place) in made_with}
    kept = {name: place for name, place in kept.items() if name not in passed}
    faults: dict[str, str] = {}
    usable: list[str] = []
    plugins.load(named)
    for name, place in kept.items():
        if plugins.is_file(place) and not _exists(place):
            faults[name] = f"whose file {place} is no longer there"
            continue
        try:
            plugins.load([*named, *usable, place])
            usable.append(place)
        except InputError as error:
            if needed:
                raise
            faults[name] = f"which can't be used ({error})"
    loaded = plugins.load([*named, *usable])
    active = {plugin.name for plugin in loaded}
    if needed:
        for name in made_with:
            if name not in active and name not in without:
                raise InputError(_lacking(root, name, facts, faults.get(name)))
    return loaded, [_lacking(root, name, facts, fault) for name, fault in faults.items()]


def left_out(facts: Mapping[str, Any]) -> list[str]:
    """The plug-ins that a corpus was made with, by its manifest, and that are not active."""
    active = {plugin.name for plugin in plugins.active()}
    return [name for name in facts.get("plugins", {}) if name not in active]


def _short(name: str) -> str:
    """A plug-in's name, from that of its file or module."""
    return Path(name).name if plugins.is_file(name) else name


def _lacking(root: Path, name: str, facts: Mapping[str, Any], fault: str | None) -> str:
    """The sentence on a plug-in of a corpus that can't be had: which, why, and the commands that heal it."""
    elsewhere = next((place for place in _elsewhere(name, facts["plugins"][name])), None)
    place = elsewhere or ("PATH" if plugins.is_file(name) else name)
    if facts["config"].get("plugins") and name in facts["config"]["plugins"]:
        removal = "a socorpus build of the same sources without it takes it out"
    else:
        removal = f"socorpus labeling apply {root} --without-plugin {name} takes it out, or with --plugin replaces it"
    why = fault or "which is not known here"
    hint = " (named for another corpus before)" if elsewhere else ""
    return (
        f"{root}: built with the plug-in {name}, {why}; name it with --plugin {place}{hint}: socorpus labeling apply "
        f"{root} --plugin {place} remembers that, and {removal} (in Python, use_plugins([{place!r}], corpus) names it)"
    )


def _elsewhere(name: str, identity: str | None) -> Iterator[str]:
    """Files that the user named for other corpora and that are, by name and hash, the plug-in of a corpus."""
    for place in dict.fromkeys(place for places in _read().values() for place in places):
        if plugins.is_file(place) and _short(place) == name:
            with suppress(OSError, ValueError):
                if Path(place).is_file() and files.sha256(Path(place)) == identity:
                    yield place
