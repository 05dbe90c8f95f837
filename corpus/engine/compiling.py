"""Compiling the kernels before any worker needs them: once after an install, then never again.

numba compiles a kernel when it is first called, and keeps the machine code. Left to the workers, each of them would
compile every kernel, and a first build would stall for half a minute without a message. On the machines of a Dask
cluster one worker compiles for all that are there.
"""

import hashlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Progress, Show
from socorpus.corpus.storage import files

NOTE = "compiles its kernels, once after an install or an update: about half a minute"
NO_CACHE = "no folder for compiled kernels can be written, so each process compiles them anew; set NUMBA_CACHE_DIR"


def compile_everywhere(engine: Engine, stage: str, modules: Sequence[str], call: Callable[[], None]) -> None:
    """Compile the kernels of some modules where work items run: here, or on each machine of a Dask cluster.

    Args:
        call: as of `compile_once`; a function of a module.
    """
    if engine.scheduler is None:
        compile_once(stage, modules, call, engine.show)
        return
    ready = engine.on_each_machine(is_compiled, modules)
    if all(ready):
        return
    started = time.perf_counter()
    engine.show(Progress(stage, 0, len(ready), 0, 0, len(ready), 0, NOTE))
    engine.on_each_machine(_compile, stage, modules, call)
    engine.show(Progress(stage, len(ready), len(ready), 0, 1, 1, time.perf_counter() - started))


def _compile(stage: str, modules: Sequence[str], call: Callable[[], None]) -> None:
    compile_once(stage, modules, call, lambda progress: None)


def is_compiled(modules: Sequence[str]) -> bool:
    """Whether the machine code of all kernels of some modules is there, of this version of them."""
    note = _note(modules)
    return note is not None and _noted(note) == _sources(modules)


def has_cache(modules: Sequence[str]) -> bool:
    """Whether compiled kernels can be kept on this machine."""
    return _note(modules) is not None


def compile_once(stage: str, modules: Sequence[str], call: Callable[[], None], show: Show) -> None:
    """Compile the kernels of some modules, unless their machine code is there.

    Args:
        stage: its name, for `show`.
        modules: full names.
        call: calls each kernel with arguments of the types that it is called with later.
    """
    note = _note(modules)
    if note is None:
        show(Progress(stage, 1, 1, 0, 1, 1, 0, NO_CACHE))
        return
    if is_compiled(modules):
        return
    started = time.perf_counter()
    show(Progress(stage, 0, 1, 0, 0, 1, 0, NOTE))
    call()
    kept = sorted(str(path) for path in _kept(modules))
    files.write_json(note, {"sources": _sources(modules), "kept": kept})
    show(Progress(stage, 1, 1, 0, 1, 1, time.perf_counter() - started))


def kernels(modules: Sequence[str]) -> list[Any]:
    """The kernels that some modules define or call; each has numba's `stats` of its cache."""
    values = [value for module in modules for value in vars(import_module(module)).values()]
    return list(dict.fromkeys(value for value in values if isinstance(value, Dispatcher)))


def _note(modules: Sequence[str]) -> Path | None:
    """Path of the note, beside the first kernel, that all are compiled for this processor; None without a cache."""
    folder = kernels(modules[:1])[0].stats.cache_path
    if folder is None:
        return None
    processor = cpu_target.target_context.codegen().magic_tuple()
    made_by = [platform.python_version(), numba.__version__, version("llvmlite"), *processor]
    name = hashlib.sha256("\n".join([*modules, *made_by]).encode()).hexdigest()[:16]
    return Path(folder) / f"compiled-{name}.json"


def _noted(note: Path) -> dict[str, str] | None:
    """The sources that were compiled; None where there is no note, or the compiled code is gone."""
    try:
        known = files.read_json(note)
        return known["sources"] if all(files.exists(Path(path)) for path in known["kept"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sources(modules: Sequence[str]) -> dict[str, str]:
    names = {*modules, *(kernel.py_func.__module__ for kernel in kernels(modules))}
    return {name: files.sha256(Path(str(import_module(name).__file__))) for name in sorted(names)}


def _kept(modules: Sequence[str]) -> Iterator[Path]:
    for kernel in kernels(modules):
        name = f"{kernel.py_func.__module__.rpartition('.')[2]}.{kernel.py_func.__qualname__}"
        yield from Path(kernel.stats.cache_path).glob(f"{name}-*.nb[ic]")
