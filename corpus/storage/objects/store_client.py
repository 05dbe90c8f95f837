"""Requests to an object store through fsspec: tried again with growing pauses, and failures as a sentence.

A missing object stays a `FileNotFoundError`. Everything else that goes wrong becomes a `SocorpusError`, which no
reader takes for a missing file.
"""

import errno
import functools
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from socorpus.corpus.errors import BuildError, InputError

TRIES = 8
"""Attempts of one request; with the pauses between them about a minute."""
_PAUSE, _LONGEST_PAUSE = 0.25, 20.0
"""Seconds before the second attempt, doubled each time, and at most."""
_TOGETHER = 32
"""Requests at a time where many objects are copied, removed or asked for."""
_KEPT = "what is finished is kept, and the same command goes on from there"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
_NOT_OF_STORES = ("http", "https", "file", "local", "ftp", "sftp", "ssh", "zip", "tar", "github", "git", "data")
"""fsspec's protocols that can't hold a corpus: nothing is written there, or not whole, or not under a condition."""
_EXTRAS = {"s3": "s3", "s3a": "s3"}
_PERMANENT = (errno.EINVAL, errno.EPERM, errno.ENAMETOOLONG, errno.ENOSYS, errno.ENOTDIR, errno.EISDIR)

_Value = TypeVar("_Value")
_Item = TypeVar("_Item")


class AlreadyThereError(Exception):
    """An object that was to be created exists."""


def address(place: str) -> str | None:
    """An address of a store in its normal form, `s3://bucket/key`; None for a path of this machine.

    A command line hands on `s3://bucket/key` as a path, with one slash.
    """
    match = re.fullmatch(_ADDRESS, place)
    if match is None:
        return None
    return f"{match[1].lower()}://{match[2].strip('/')}"


def holds_corpora(place: str) -> bool:
    """Whether an address is of a kind of store that can hold a corpus."""
    protocol = place.partition("://")[0]
    return protocol not in _NOT_OF_STORES


@functools.cache
def _filesystem(protocol: str) -> Any:
    import fsspec

    given: Mapping[str, Any] = fsspec.config.conf.get(protocol, {})
    options: dict[str, Any] = {"use_listings_cache": False}
    if protocol in ("s3", "s3a"):
        # Attempts are counted here; two layers below this one have attempts of their own, which would multiply.
        own = {"connect_timeout": 10, "read_timeout": 60, "retries": {"total_max_attempts": 1}}
        options["config_kwargs"] = {**own, "max_pool_connections": 64, **given.get("config_kwargs", {})}
    try:
        filesystem = fsspec.filesystem(protocol, **options)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        how = f"pip install 'socorpus[{extra}]'" if extra else f"install what fsspec names: {error}"
        raise InputError(f"{protocol}://: the package for this kind of store is missing; {how}") from error
    except ValueError as error:
        raise InputError(f"{protocol}://: no kind of store that fsspec knows ({error}); name another") from error
    if hasattr(filesystem, "retries"):
        filesystem.retries = 2
    return filesystem


def forget() -> None:
    """Take what is known of addresses and credentials from the environment anew."""
    import fsspec

    for protocol in ("s3", "s3a"):
        fsspec.get_filesystem_class(protocol).clear_instance_cache()
    _filesystem.cache_clear()


def filesystem(place: str) -> Any:
    """fsspec's file system of an address.

    Raises:
        InputError: its package is missing, or no package has such addresses.
    """
    return _filesystem(place.partition("://")[0])


def key(place: str) -> str:
    """An address as fsspec's file system names it: `bucket/key`."""
    return place.partition("://")[2]


def info(place: str) -> dict[str, Any]:
    """Size, kind (file or directory) and identity of an object.

    Raises:
        FileNotFoundError: there is none.
        SocorpusError: the store can't be asked.
    """
    facts: dict[str, Any] = _asked(place, lambda: filesystem(place).info(key(place)))
    return facts


def stamp(facts: Mapping[str, Any]) -> str:
    """What another content of an object would change: its entity tag and size, or what the store has in its place."""
    tag = next((facts[name] for name in ("ETag", "etag", "md5Hash", "generation") if facts.get(name)), None)
    if tag is None:
        times = [str(facts[name]) for name in ("LastModified", "last_modified", "mtime", "created") if facts.get(name)]
        tag = f"{facts['name']} {' '.join(times)}"
    return f"{str(tag).strip(chr(34))} {facts['size']}"


def listed(place: str, deep: bool = True) -> dict[str, dict[str, Any]]:
    """What lies below an address, by the part of the address behind it: with `deep` all objects, else the first level.

    Raises:
        SocorpusError: the store can't be asked.
    """

    def ask() -> dict[str, dict[str, Any]]:
        if deep:
            below: dict[str, dict[str, Any]] = filesystem(place).find(key(place), detail=True)
            return below
        return {facts["name"]: facts for facts in filesystem(place).ls(key(place), detail=True)}

    start = f"{key(place)}/"
    try:
        facts = _asked(place, ask)
    except FileNotFoundError:
        return {}
    below = {name.lstrip("/"): of for name, of in facts.items()}
    return {name.removeprefix(start).rstrip("/"): of for name, of in sorted(below.items()) if name.startswith(start)}


def read(place: str) -> bytes:
    """The content of an object.

    Raises:
        FileNotFoundError: there is none.
        SocorpusError: it can't be read.
    """
    return bytes(_asked(place, lambda: filesystem(place).cat_file(key(place))))


def fetch(place: str, target: Path, size: int) -> None:
    """Copy an object to a file of this machine.

    Raises:
        FileNotFoundError: there is none.
        SocorpusError: it can't be read as a whole.
    """

    def get() -> None:
        filesystem(place).get_file(key(place), str(target))
        if target.stat().st_size != size:
            raise TimeoutError(f"{target.stat().st_size:,} of {size:,} bytes arrived")

    _asked(place, get)


def put(place: str, content: bytes) -> None:
    """Write an object, in one request.

    Raises:
        SocorpusError: it can't be written.
    """
    _written(place, lambda: filesystem(place).pipe_file(key(place), content))


def upload(place: str, source: Path) -> None:
    """Write an object from a file of this machine: it is there as a whole, or not at all.

    Raises:
        SocorpusError: it can't be written.
    """
    _written(place, lambda: filesystem(place).put_file(str(source), key(place)))


def create(place: str, content: bytes) -> None:
    """Write an object that does not exist (HTTP's `If-None-Match: *`).

    Raises:
        AlreadyThereError: it exists with another content. An answer that was lost on its way does not count as one.
        SocorpusError: it can't be written, or the store has no such request.
    """

    def ask() -> bool:
        try:
            filesystem(place).pipe_file(key(place), content, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if _status(error) == 412:
                return False
            raise
        except (TypeError, NotImplementedError, ValueError) as error:
            raise InputError(
                f"{place}: this kind of store takes no write on condition ({error}), which keeps two builds apart; "
                "name a folder, or an address of S3"
            ) from error
        return True

    if not _written(place, ask) and read(place) != content:
        raise AlreadyThereError(place)


def copy(source: str, target: str) -> None:
    """Copy an object within a store, without its bytes coming by.

    Raises:
        FileNotFoundError: there is none.
        SocorpusError: it can't be copied.
    """
    _asked(source, lambda: filesystem(source).cp_file(key(source), key(target)))


def remove(places: Iterable[str]) -> None:
    """Remove objects; those that are not there are no error.

    Raises:
        SocorpusError: they can't be removed.
    """

    def gone(place: str) -> None:
        try:
            _asked(place, lambda: filesystem(place).rm_file(key(place)))
        except FileNotFoundError:
            return

    together(gone, list(places))


def together(function: Callable[[_Item], _Value], items: Iterable[_Item]) -> list[_Value]:
    """A function of each item, many at a time; results in order. An exception is the first item's that has one."""
    given = list(items)
    if len(given) < 2:
        return [function(item) for item in given]
    with ThreadPoolExecutor(min(_TOGETHER, len(given))) as pool:
        return list(pool.map(function, given))


def _written(place: str, ask: Callable[[], _Value]) -> _Value:
    try:
        return _asked(place, ask)
    except FileNotFoundError as error:
        bucket = key(place).partition("/")[0]
        raise InputError(f"{place}: there is no bucket {bucket}; make it, or name another") from error


def _asked(place: str, ask: Callable[[], _Value]) -> _Value:
    """The answer to a request, after as many attempts as it takes."""
    for attempt in range(TRIES):
        try:
            return ask()
        except (FileNotFoundError, InputError):
            raise
        except Exception as error:
            refused = _refusal(place, error)
            if refused is not None:
                raise refused from error
            if not _passing(error):
                raise
            if attempt == TRIES - 1:
                raise BuildError(
                    f"{place}: the store does not answer ({_line(error)}), in {TRIES} attempts; see that the address "
                    f"(AWS_ENDPOINT_URL) and the network are right: {_KEPT}"
                ) from error
        # Many workers that were refused at once shall not come back at once.
        time.sleep(min(_LONGEST_PAUSE, _PAUSE * 2**attempt) * random.uniform(0.5, 1.0))
    raise AssertionError("unreachable")


def _refusal(place: str, error: BaseException) -> InputError | None:
    """The sentence for what no further attempt would change."""
    name, line = type(error).__name__, _line(error)
    if name in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError"):
        return InputError(
            f"{place}: no credentials for the store ({line}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
            "profile (AWS_PROFILE)"
        )
    if isinstance(error, PermissionError):
        return InputError(
            f"{place}: access denied by the store ({line}); see the credentials, and what they may do there"
        )
    if isinstance(error, OSError) and error.errno in _PERMANENT:
        return InputError(f"{place}: refused by the store ({line}); see the address, and what the store takes")
    if name in ("ParamValidationError", "NoRegionError") or (isinstance(error, ValueError) and "endpoint" in line):
        return InputError(f"{place}: {line}; see the address, AWS_ENDPOINT_URL and the store's configuration")
    return None


def _passing(error: BaseException) -> bool:
    """Whether an exception is one of networks and busy servers."""
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError) or bool(packages & _OF_NETWORKS)


_OF_NETWORKS = {
    "aiobotocore",
    "aiohttp",
    "azure",
    "botocore",
    "fsspec",
    "gcsfs",
    "google",
    "requests",
    "ssl",
    "urllib3",
}


def _status(error: BaseException) -> int | None:
    """The status of an answer of HTTP that an exception was made of."""
    link: BaseException | None = error
    while link is not None:
        response = getattr(link, "response", None)
        if isinstance(response, Mapping):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return int(status) if status is not None else None
        link = link.__cause__
    return None


def _line(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).strip()
    return text.splitlines()[0].rstrip(".;:") if text else type(error).__name__
