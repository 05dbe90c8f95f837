"""Signing in at a real server: tokens of both kinds, tokens that run out, and what is said of those that don't fit."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling.label_studio import connection, push
from socorpus.labeling.label_studio import server as label_studio_server
from socorpus.labeling.label_studio.client import Client, Filter
from socorpus.labeling.label_studio.credentials import TOKEN
from socorpus.labeling.label_studio.server import Server, User
from tests.labeling import label_tables, syncing
from tests.labeling.cutting import Wire


def test_a_personal_token_lets_in_and_is_renewed(
    client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = syncing.personal_token(client)
    with Client(server.url, token) as made:
        assert made.user["email"] == server.user.email
        first = made._http._bearer
        made.get("/api/current-user/whoami")
        assert made._http._bearer is first
        # An access token lasts 300 seconds.
        later = connection.time.time() + 280
        monkeypatch.setattr(connection.time, "time", lambda: later)
        made.get("/api/current-user/whoami")
        assert first is not None and made._http._bearer is not None and made._http._bearer != first
        monkeypatch.undo()
        # One that the server no longer takes, although this machine's clock says that it should.
        made._http._bearer = made._http._bearer[0][:-6] + "AAAAAA", made._http._bearer[1]
        assert made.get("/api/current-user/whoami")["email"] == server.user.email


def test_a_legacy_token_lets_in(client: Client, server: Server) -> None:
    settings = client.get("/api/jwt/settings")
    client.post("/api/jwt/settings", settings | {"legacy_api_tokens_enabled": True})
    token = client.get("/api/current-user/token")["token"]
    with Client(server.url, token) as made:
        assert made.user["email"] == server.user.email


def test_a_revoked_token_is_told(client: Client, server: Server) -> None:
    token = syncing.personal_token(client)
    client.post("/api/token/blacklist/", {"refresh": token})
    with pytest.raises(InputError, match=r"personal access token is not accepted.*make a new one"):
        Client(server.url, token)


def test_many_numbers_fit_one_question(client: Client, title: str) -> None:
    project = client.post("/api/projects/", {"title": title})["id"]
    numbers = list(range(1_000_000, 1_000_000 + push.PREDICTIONS))
    assert list(client.tasks(project, [Filter("id", "in_list", "Number", numbers)])) == []


def test_the_sdk_is_imported_for_a_server_alone() -> None:
    modules = "import sys, socorpus.labeling.label_studio.sync, socorpus.labeling.pipeline, socorpus.cli.main"
    code = (
        f"{modules}; print([name for name in sys.modules if name.partition('.')[0] in ('label_studio_sdk', 'httpx')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_missing_sdk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "label_studio_sdk", None)
    with pytest.raises(InputError, match=r"needs label_studio_sdk.*pip install 'socorpus\[labeling\]'"):
        Client("http://127.0.0.1:1", "token")


def test_what_the_sdk_asks_is_refused_in_sentences(client: Client, server: Server, title: str) -> None:
    number = client.create_project({"title": title})
    with Client(server.url, server.user, read_only=True) as reading, pytest.raises(AssertionError, match="must not"):
        reading.create_project({"title": title})
    with pytest.raises(InputError, match=r"has no /api/projects/1000000/; is it a Label Studio server"):
        client.project(1_000_000, "id")
    with pytest.raises(BuildError, match=r"answered 400 to POST /api/projects/: .*abel"):
        client.create_project({"title": f"{title[-40:]} a", "label_config": "<View><Nothing/>"})
    lost = r"the connection was lost during PATCH /api/projects/\d+/ .*same command"
    with (
        Wire(server.url, b"PATCH /api/projects/") as wire,
        Client(wire.url, server.user) as far,
        pytest.raises(BuildError, match=lost),
    ):
        far.show_predictions(number, "any")
    # What is gone counts as deleted.
    client.delete_task(1_000_000)
    client.delete_prediction(1_000_000)


def test_facts_are_as_the_server_writes_them(client: Client, title: str) -> None:
    number = client.create_project({"title": title})
    assert client.projects(title) == [number]
    fields = ("id", "created_at", "task_number", "model_version", "parsed_label_config")
    written = client.get(f"/api/projects/{number}/")
    assert client.project(number, *fields) == {name: written[name] for name in fields}
    assert client.users()[client.user["id"]] == client.user["email"]


@pytest.mark.parametrize("garbled", ["abc", "x" * 40, "a.b.c"])
def test_a_garbled_token_is_told(server: Server, garbled: str) -> None:
    with pytest.raises(InputError, match=r"the token is not accepted.*copy it again"):
        Client(server.url, garbled)


def test_a_wrong_password_is_told(server: Server) -> None:
    with pytest.raises(InputError, match=r"kept password .* is not accepted"):
        Client(server.url, User(server.user.email, "another"))


def test_an_address_where_nobody_answers_is_told() -> None:
    with pytest.raises(InputError, match=r"no server answers"):
        Client(f"http://127.0.0.1:{label_studio_server.free_port()}", "token")
    with pytest.raises(InputError, match=r"not the address of a server"):
        Client("localhost:8080", "token")


def test_the_token_comes_from_the_environment_and_from_nowhere_else(
    tmp_path: Path, client: Client, server: Server, title: str
) -> None:
    label_tables.classified(tmp_path / "corpus", "quality", 4)
    token = syncing.personal_token(client)
    line = ["sync", tmp_path / "corpus", "--project", title, "--task", "quality", "--url", server.url]
    # Another home: the embedded server is then a server like any other.
    elsewhere = {"SOCORPUS_STUDIO": str(tmp_path / "elsewhere")}
    refused = syncing.run(*line, code=2, environment=elsewhere | {TOKEN: ""})
    assert TOKEN in refused.stderr
    assert "4" in syncing.run(*line, environment=elsewhere | {TOKEN: token}).stdout
    for path in (tmp_path / "corpus").rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()
    assert "--token" not in syncing.run("sync", "--help").stdout


def test_the_kept_password_is_its_owners_alone(server: Server) -> None:
    path = server.data / label_studio_server.USER_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(server.user.password) >= 20
    assert label_studio_server.user_of(server.data) == server.user
    assert label_studio_server.running(server.url) == (server.url, server.data)


def test_the_server_listens_on_this_machine_alone_and_talks_to_nobody(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    sockets = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{server.process.pid}/net/{name}").read_text().splitlines()[1:]
    ]
    listening = [one[1] for one in sockets if one[3] == "0A" and int(one[1].rpartition(":")[2], 16) == port]
    assert listening and all(address.startswith("0100007F:") for address in listening)
    own = {
        str(path.readlink())
        for path in Path(f"/proc/{server.process.pid}/fd").iterdir()
        if path.is_symlink() and "socket" in str(path.readlink())
    }
    remote = [one[2] for one in sockets if f"socket:[{one[9]}]" in own and one[3] != "0A"]
    assert all(address.startswith("0100007F:") for address in remote), remote


def test_a_port_that_is_taken_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"port .* is taken"):
        label_studio_server.start(tmp_path / "data", int(server.url.rpartition(":")[2]))
    with pytest.raises(InputError, match=r"a server is already running there"):
        label_studio_server.start(server.data)


def test_the_examples_of_the_api_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of `tests/test_api.py` that need the server's environment."""
    import doctest

    from socorpus import labeling
    from tests.test_api import NEED_A_SERVER

    monkeypatch.chdir(tmp_path)
    for name in NEED_A_SERVER:
        public = name.partition(".")[2]
        space = {each: getattr(labeling, each) for each in labeling.__all__} | {"__name__": "example"}
        (test,) = doctest.DocTestFinder().find(getattr(labeling, public), public, globs=space)
        said: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
        assert test.examples and not said, "".join(said)
