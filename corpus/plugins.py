"""Plug-ins: signals, labelling functions, tasks, presets and systems of a user's own, in a file or a package.

A plug-in is a Python file (`rules.py`) or an importable module (`company.socorpus`) that the configuration or the
command line names, or a package that declares an entry point in the group `socorpus.plugins`. Running it enters its
definitions in the registries, through the same decorators and classes that define ours. A file's source travels with
the work, so that workers on other machines need no copy of it.

Plug-ins are code: they run with the rights of whoever names them. None is ever taken from a corpus.

The interface is provisional until version 1.0.
"""

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from socorpus.corpus.errors import BuildError, InputError, SocorpusError

GROUP = "socorpus.plugins"
"""Group of the entry points by which an installed package declares its plug-in."""

Definition = TypeVar("Definition")


@dataclass(frozen=True)
class Plugin:
    """A plug-in as it is sent to workers.

    Attributes:
        name: the file's name, or the module's.
        identity: SHA-256 of the file; of a package its name and version.
        path: of the file, where it was read; None of a module.
        source: the file's text; None of a module.
    """

    name: str
    identity: str
    path: str | None = None
    source: str | None = field(default=None, repr=False)

    @property
    def where(self) -> str:
        """The plug-in as messages name it."""
        return self.path or self.name


_entering: ContextVar[Plugin | None] = ContextVar("entering", default=None)
"""The plug-in whose code is being run for its definitions."""
_modules: dict[Plugin, ModuleType] = {}
_active: tuple[Plugin, ...] = ()
_registries: dict[str, "Registry[Any]"] = {}


class Registry(Mapping[str, Definition]):
    """Definitions of one kind by name: ours in the order in which they are written, then those of active plug-ins.

    Args:
        kind: for messages, such as "signal".
        ours: full names of the modules whose import enters ours.
    """

    def __init__(self, kind: str, ours: Sequence[str] = ()):
        self.kind = kind
        self._ours = tuple(ours)
        self._entries: dict[Plugin | None, dict[str, Definition]] = {None: {}}
        self._complete = False
        _registries[kind] = self

    def add(self, name: str, definition: Definition) -> Definition:
        """Enter a definition.

        Raises:
            InputError: there is one of this name.
        """
        origin = _defining()
        if origin is not None:
            self._load_ours()
        entries = self._entries.setdefault(origin, {})
        ours = origin is not None and name in self._entries[None]
        if name in entries or ours:
            here = origin.where if origin is not None else "socorpus"
            other = "socorpus" if ours else here
            raise InputError(f"{here}: {self.kind} {name!r} is defined by {other} already; give it another name")
        entries[name] = definition
        return definition

    def origin(self, name: str) -> Plugin | None:
        """The plug-in that defines `name`; None of ours.

        Raises:
            InputError: there is none of this name.
        """
        self.named(name)
        return next((plugin for plugin in _active if name in self._entries.get(plugin, {})), None)

    def version(self, name: str) -> int | str:
        """Version of a definition in receipts: its own, else its plug-in's identity, else 1.

        Raises:
            InputError: there is none of this name.
        """
        own: int | str | None = getattr(self.named(name), "version", None)
        origin = self.origin(name)
        return own if own is not None else 1 if origin is None else origin.identity

    def named(self, name: str) -> Definition:
        """The definition of a name that a user gave.

        Raises:
            InputError: there is none; names the nearest, and all that there are.
        """
        if name in self:
            return self[name]
        lower = {known.lower(): known for known in self}
        near = difflib.get_close_matches(name.lower(), lower, 1)
        meant = f"did you mean {lower[near[0]]}? " if near else ""
        raise InputError(
            f"{self.kind} {name!r} is not known; {meant}known: {', '.join(self) or 'none'}. "
            "What a plug-in defines is known once the plug-in is named (--plugin; in Python, use_plugins)"
        )

    def __getitem__(self, name: str) -> Definition:
        self._load_ours()
        for origin in (None, *_active):
            if name in (entries := self._entries.get(origin, {})):
                return entries[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        self._load_ours()
        return iter([name for origin in (None, *_active) for name in self._entries.get(origin, {})])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def by_plugin(self, plugin: Plugin | None) -> list[str]:
        """Names that a plug-in defines, or that we do."""
        self._load_ours()
        return list(self._entries.get(plugin, {}))

    def remove(self, name: str) -> None:
        """Remove a definition of ours, for tests that add one."""
        del self._entries[None][name]

    def forget(self, plugin: Plugin) -> None:
        """Remove a plug-in's definitions."""
        self._entries.pop(plugin, None)

    def _load_ours(self) -> None:
        if not self._complete:
            self._complete = True  # before the imports, which look things up themselves
            token = _entering.set(None)
            try:
                for module in self._ours:
                    importlib.import_module(module)
            finally:
                _entering.reset(token)


def _defining() -> Plugin | None:
    """The plug-in whose code defines something now.

    It is none of them while a module of ours is imported, which a plug-in may be the first to need: the innermost
    module that is being run says whose code it is.
    """
    plugin, frame = _entering.get(), sys._getframe(1)
    while plugin is not None and frame.f_code.co_name != "<module>" and frame.f_back is not None:
        frame = frame.f_back
    return None if str(frame.f_globals.get("__name__")).startswith("socorpus.") else plugin


SECTIONS: Registry[type] = Registry("configuration section")
"""Sections of the configuration that plug-ins add: frozen dataclasses, every key with a default."""


def find(names: Sequence[str], base: Path | None = None) -> tuple[Plugin, ...]:
    """Plug-ins by their names, those of installed packages first.

    Args:
        names: files (`rules.py`, relative to `base`) and modules (`company.socorpus`).
        base: folder of the configuration file; None: the working directory.

    Raises:
        InputError: there is no such file or module.
    """
    if isinstance(names, str):
        raise InputError(f"plug-ins are named in a list, not as the text {names!r}")
    by_name = {plugin.name: plugin for plugin in _installed()}
    for name in names:
        plugin = _file(name, base) if is_file(name) else _module(name)
        known = by_name.get(plugin.name)
        if known is not None and known != plugin:
            raise InputError(f"{plugin.where}: a plug-in of the name {plugin.name} is loaded from {known.where} too")
        by_name[plugin.name] = plugin
    return tuple(by_name.values())


def activate(plugins: Sequence[Plugin]) -> None:
    """Make these plug-ins the active ones, and no others; run those that were not run before in this process.

    Raises:
        InputError: one can't be run, or two define the same name.
    """
    global _active
    if tuple(plugins) == _active:
        return
    for plugin in plugins:
        if plugin not in _modules:
            with _in_folder():
                _modules[plugin] = _run(plugin)
    for registry in list(_registries.values()):
        seen: dict[str, Plugin] = {}
        for plugin in plugins:
            for name in registry.by_plugin(plugin):
                if name in seen:
                    raise InputError(f"{plugin.where}: {registry.kind} {name!r} is defined by {seen[name].where} too")
                seen[name] = plugin
    _active = tuple(plugins)


def load(names: Sequence[str], base: Path | None = None) -> tuple[Plugin, ...]:
    """Find plug-ins and make them the active ones; arguments and errors as of `find` and `activate`."""
    plugins = find(names, base)
    activate(plugins)
    return plugins


def is_file(name: str) -> bool:
    """Whether a plug-in's name is that of a file, and not of a module."""
    return name.endswith(".py") or "/" in name


def active() -> tuple[Plugin, ...]:
    """The active plug-ins."""
    return _active


@contextmanager
def only(plugins: Sequence[Plugin]) -> Iterator[None]:
    """Make these plug-ins the active ones within the block."""
    before = _active
    activate(plugins)
    try:
        yield
    finally:
        activate(before)


def place(path: Path, name: str, remembered: Callable[[Path], Sequence[str]]) -> str:
    """The place of a plug-in file that the configuration at `path` names.

    Raises:
        InputError: it is not there.
    """
    beside = path.parent / name
    if ".." in Path(name).parts:  # the way that a build wrote, which nobody wants to read
        beside = Path(os.path.realpath(beside.parent), beside.name)
    if beside.exists():
        return str(beside)
    known = [other for other in remembered(path.parent) if Path(other).name == str(Path(name)) and Path(other).exists()]
    if not known:
        raise InputError(
            f"{path}: there is no plug-in file {beside}, which the configuration names; correct plugins = [...], or "
            f"name the place of {beside.name} with --plugin (in Python, load_config(..., more_plugins=[...]))"
        )
    return known[0]


def names_from(folder: Path) -> tuple[str, ...]:
    """The active plug-ins as a configuration file in `folder` names them: modules, and files by their way from there.

    A file that has no folder but the root of the file system in common with `folder` is named without its way, which
    would be a place on one machine.
    """
    # Nothing on this machine is near the address of a store.
    here, names = "/" if "://" in str(folder) else os.path.realpath(folder), []
    for plugin in _active:
        name = plugin.name
        if plugin.path is not None:
            file = Path(os.path.realpath(Path(plugin.path).parent), name)
            near = len(Path(os.path.commonpath([here, file])).parts) > 1
            name = os.path.relpath(file, here) if near else name
            name = name if is_file(name) else f"./{name}"
        names.append(name)
    return tuple(names)


def definitions(plugin: Plugin) -> Iterator[tuple[str, str, int | str | None]]:
    """Kind and name of all that a plug-in defines, with its own version; None: it has the plug-in's."""
    for kind, registry in _registries.items():
        for name in registry.by_plugin(plugin):
            yield kind, name, getattr(registry[name], "version", None)


def described() -> list[tuple[str, str, list[str]]]:
    """The active plug-ins: name and identity of each, and its definitions as `KIND NAME`."""
    return [
        (
            plugin.where,
            plugin.identity,
            [f"{kind} {name}" for kind, name, _ in definitions(plugin)],
        )
        for plugin in _active
    ]


def failure(error: BaseException, plugin: Plugin | None, function: str, key: str | None = None) -> BuildError:
    """An exception of a plug-in's code, as an error that names the file and line, the function, and the row.

    Args:
        function: the definition's name.
        key: `SITE:POST_ID` of the row, where it is known.
    """
    where, line = (plugin.where, "") if plugin is not None else ("socorpus", "")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if plugin is not None and frame.filename == plugin.path]
    if own:
        line = f", line {own[-1].lineno}, in {own[-1].name}"
    row = f", on {key}" if key else ""
    return BuildError(f"{where}{line}: {function}{row}: {type(error).__name__}: {_text(error)}")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a class of the plug-in's own
        return "its text can't be read"


_note: ContextVar[Callable[[str | None], None] | None] = ContextVar("note", default=None)


@contextmanager
def noted(note: Callable[[str | None], None]) -> Iterator[None]:
    """Within the block `note` gets the name of each plug-in's function before `call` calls it, and None afterwards."""
    token = _note.set(note)
    try:
        yield
    finally:
        _note.reset(token)


def call(
    function: Callable[..., Definition],
    *arguments: Any,
    plugin: Plugin | None,
    name: str,
    culprit: Callable[[], str | None] = lambda: None,
) -> Definition:
    """Call a definition's function; `failure` reports exceptions of a plug-in's, those of ours pass unchanged.

    Args:
        culprit: finds the key of the row at fault, after a failure.

    Raises:
        BuildError: the plug-in's function raised something.
    """
    if plugin is None:
        return function(*arguments)
    note = _note.get() or (lambda what: None)
    note(f"{plugin.where}: {name}")
    with _in_folder():
        try:
            return function(*arguments)
        except (SocorpusError, KeyboardInterrupt):
            raise
        except BaseException as error:  # sys.exit too, which would end a worker without a word
            raise failure(error, plugin, name, culprit()) from error
        finally:
            note(None)


@contextmanager
def _in_folder() -> Iterator[None]:
    """Return to the working directory after code of a plug-in, which may change it: paths of the run are relative."""
    try:
        folder = Path.cwd()
    except OSError:  # it is gone
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            os.chdir(folder)


def where(plugin: Plugin | None) -> str:
    """A plug-in, or us, as messages name it."""
    return plugin.where if plugin is not None else "socorpus"


def rejected(what: str) -> InputError:
    """The error for a definition that is not right, with the plug-in that is being run."""
    return InputError(f"{where(_entering.get())}: {what}")


def enters(module: str, what: str) -> bool:
    """Whether a definition in `module` enters the registries: of ours, and of a plug-in that is being run.

    A package's module that is merely imported enters nothing: it does when it is loaded as a plug-in.

    Raises:
        InputError: it stands in a script or a notebook, whose code no worker could get.
    """
    if _entering.get() is not None or module.startswith("socorpus."):
        return True
    if module == "__main__":
        raise InputError(
            f"{what}: write it into a file, and name that as a plug-in (--plugin; in Python, use_plugins), so that "
            "workers get it too"
        )
    return False


@cache
def _installed() -> tuple[Plugin, ...]:
    declared = []
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.value):
        package = entry.dist
        identity = f"{package.name} {package.version}" if package is not None else entry.value
        declared.append(Plugin(entry.value, identity))
    return tuple(declared)


def _file(name: str, base: Path | None) -> Plugin:
    path = Path(name) if base is None else base / name
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: a plug-in is a regular file, and this is a folder, a pipe or a device")
        content = path.read_bytes()
        source = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such plug-in file; name the place where it lies (--plugin; in Python, use_plugins)"
        ) from None
    except (OSError, ValueError) as error:  # a name with NUL, or bytes that are no UTF-8
        raise InputError(f"{path}: a plug-in file that can't be read: {error}") from None
    return Plugin(path.name, hashlib.sha256(content).hexdigest(), str(path), source)


def _module(name: str) -> Plugin:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    except (Exception, SystemExit) as error:  # of the code of a package above it
        raise InputError(f"plug-in {name!r}: its package fails: {type(error).__name__}: {error}") from error
    if spec is None:
        raise InputError(f"plug-in {name!r}: no such module is installed; a file's name ends in .py")
    top = name.partition(".")[0]
    packages = importlib.metadata.packages_distributions().get(top, [])
    if packages:
        return Plugin(name, f"{packages[0]} {importlib.metadata.version(packages[0])}")
    # A module beside the program, of no package: its file stands for its version.
    content = Path(spec.origin).read_bytes() if spec.origin and Path(spec.origin).is_file() else b""
    return Plugin(name, hashlib.sha256(content).hexdigest())


def _run(plugin: Plugin) -> ModuleType:
    token = _entering.set(plugin)
    try:
        if plugin.source is None:
            _forget_module(plugin)
            return importlib.import_module(plugin.name)
        module = ModuleType(f"socorpus_plugin_{plugin.identity[:16]}")
        module.__file__ = plugin.path
        # So that what is defined there can be pickled, and tracebacks show its lines on other machines too.
        sys.modules[module.__name__] = module
        lines = plugin.source.splitlines(keepends=True)
        linecache.cache[str(plugin.path)] = (len(plugin.source), None, lines, str(plugin.path))
        exec(compile(plugin.source, str(plugin.path), "exec"), module.__dict__)
        return module
    except BaseException as error:
        for registry in _registries.values():
            registry.forget(plugin)
        if isinstance(error, SocorpusError | KeyboardInterrupt):
            raise
        if isinstance(error, SyntaxError):
            raise InputError(f"{plugin.where}, line {error.lineno}: not valid Python: {error.msg}") from error
        if isinstance(error, ModuleNotFoundError) and plugin.source is None and error.name == plugin.name:
            raise InputError(f"plug-in {plugin.name}: not installed here; install {plugin.identity}") from error
        own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == plugin.path]
        line = f", line {own[-1].lineno}" if own else ""
        raise InputError(f"{plugin.where}{line}: {type(error).__name__}: {error}") from error
    finally:
        _entering.reset(token)


def _forget_module(plugin: Plugin) -> None:
    # A module that was imported before entered its definitions for nobody: it has to run again.
    for name in list(sys.modules):
        if name == plugin.name or name.startswith(f"{plugin.name}."):
            del sys.modules[name]
