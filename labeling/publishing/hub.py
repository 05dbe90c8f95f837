"""Sending a published folder to the Hugging Face hub, with a token of the environment."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import BuildError, InputError, SocorpusError
from socorpus.corpus.storage import boundary
from socorpus.labeling.publishing import published_folder

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_OF_THE_HUB = {".gitattributes"}
"""Files that the hub itself puts into a new data set."""
_SAID = 300
_AGAIN = (
    "The folder is whole, and the data set on the hub is what it was: the same command goes on, and what the hub has "
    "got of the files is not sent again"
)


def check(name: str) -> str:
    """The token to push with, before anything is written.

    Raises:
        InputError: the name is none of a data set, or no token is in the environment.
        ImportError: huggingface_hub is not installed.
    """
    import huggingface_hub  # noqa: F401

    if not _NAME.fullmatch(name):
        raise InputError(f"--push {name}: not the name of a data set on the hub; it is ORG/NAME")
    token = next((os.environ[key] for key in TOKENS if os.environ.get(key)), None)
    if token is None:
        raise InputError(f"--push {name}: no token in the environment; set {TOKENS[0]} to one that may write there")
    return token


def push(folder: Path, name: str, token: str, paths: Iterable[str]) -> str:
    """Send the files of a published folder, and take away what the hub has of an earlier one; the address.

    The data set is made, private, where there is none. One commit, on top of what was looked at: readers see all of it
    or what was there before. (`upload_folder` makes several where hf_xet is installed.)

    Args:
        paths: the files to send, below the folder; nothing else in it is.

    Raises:
        InputError: the hub refuses the token, or the data set holds files that were not published by us.
        BuildError: the connection failed, the hub has no room, or somebody else changed the data set meanwhile.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api, sent, kind = HfApi(token=token, library_name="socorpus"), sorted(paths), "dataset"
    try:
        address = api.create_repo(name, repo_type=kind, private=True, exist_ok=True)
        head = api.repo_info(name, repo_type=kind).sha
        there = set(api.list_repo_files(name, repo_type=kind, revision=head))
        if published_folder.NAME not in there and (strange := sorted(there - _OF_THE_HUB)):
            raise InputError(
                f"--push {name}: that data set holds files that socorpus publish did not write, such as {strange[0]}; "
                "name a new one, or remove them there"
            )
        earlier = sorted(path for path in there - {*sent} if path.split("/")[0] in published_folder.FOLDERS)
        operations: list[Any] = [CommitOperationAdd(path, folder / path) for path in sent]
        operations += [CommitOperationDelete(path) for path in earlier]
        api.create_commit(name, operations, repo_type=kind, commit_message="socorpus publish", parent_commit=head)
    except SocorpusError:
        raise
    except Exception as error:  # of several libraries, and a RuntimeError around what an upload raised
        known = _explained(name, error)
        if known is None:
            raise
        raise known from error
    return str(address)


def _explained(name: str, error: Exception) -> SocorpusError | None:
    """What failed, by the hub's answer where it gave one, and what to do; None where it is neither it nor the way."""
    answered = next((link for link in _chain(error) if _status(link) is not None), None)
    status = None if answered is None else _status(answered)
    token = f"the token in {' or '.join(TOKENS)}"
    if status == 401:
        return InputError(
            f"--push {name}: the hub does not know {token} (401): it is mistyped, withdrawn, or of another hub; make "
            "one that may write there"
        )
    if status in (403, 404):
        return InputError(
            f"--push {name}: {token} may not write there ({status}): take one with the right to write, of a member of "
            "the organisation, or name another data set"
        )
    if status in (409, 412):
        return BuildError(f"--push {name}: somebody else changed the data set meanwhile ({status}). {_AGAIN}")
    if status is not None:
        words = re.sub(r"\s+", " ", f"{answered}")[:_SAID]
        return BuildError(f"--push {name}: the hub answered {status} ({words}). {_AGAIN}")
    known = boundary.explain_error(error)
    return known if not isinstance(known, BuildError) else BuildError(f"--push {name}: {known}. {_AGAIN}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
