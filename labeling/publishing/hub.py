"""Sending a published folder to the Hugging Face hub, with a token of the environment."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from socorpus.corpus.errors import InputError
from socorpus.corpus.storage.boundary import reading

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


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

    The data set is made, private, where there is none. One commit: readers see all of it or what was there before.

    Args:
        paths: the files to send, below the folder; nothing else in it is.

    Raises:
        OSError, and exceptions of the connection: the hub refuses, or can't be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token, library_name="socorpus")
    with reading(f"--push {name}"):
        address = api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=sorted(paths),
            delete_patterns=["data/**", "tokenizer/**"],
            commit_message="socorpus publish",
        )
    return str(address)
