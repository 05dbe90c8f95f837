"""The server that a command uses, and its credentials: a token is never an argument, nor in a project's files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from socorpus.corpus.errors import InputError
from socorpus.labeling.label_studio import server as label_studio_server
from socorpus.labeling.label_studio.server import Say, User

TOKEN = "LABEL_STUDIO_API_KEY"


@contextmanager
def access(
    url: str | None, token: str | None, ask: Callable[[str], str | None], say: Say
) -> Iterator[tuple[str, str | User]]:
    """Address of the server, and a token or the embedded server's user, for the length of a block.

    Without `url` it is the embedded server: the running one, else one that is started on the default folder and ended
    with the block.

    Args:
        token: from the environment, if there is one.
        ask: asks the user for the token of an address, without echo; returns None if there is nobody to ask.

    Raises:
        InputError: there is no such server, or no token for it.
    """
    if url is not None:
        if known := label_studio_server.running(url):
            yield known[0], label_studio_server.user_of(known[1])
            return
        key = (token or "").strip() or (ask(url) or "").strip()
        if not key:
            raise InputError(f"{url}: needs a token; put it into the environment variable {TOKEN}")
        yield url, key
    elif known := label_studio_server.running():
        yield known[0], label_studio_server.user_of(known[1])
    elif (
        label_studio_server.installed()
        and (label_studio_server.default_data() / label_studio_server.USER_FILE).is_file()
    ):
        say("starting Label Studio for as long as this takes")
        with label_studio_server.serving(label_studio_server.default_data()) as server:
            yield server.url, server.user
    else:
        raise InputError(
            "no Label Studio runs here: start one in another window with socorpus labeling studio, or name a server "
            "with --url"
        )
