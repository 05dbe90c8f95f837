"""What the environment does becomes a sentence with a name and advice; a bug stays a bug."""

import ast
import errno
import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import Corpus, InputError, explain_error, status
from socorpus.corpus.errors import BuildError, SocorpusError
from socorpus.corpus.storage import boundary, files, parquet


def caught(action: Callable[[], Any]) -> BaseException:
    try:
        action()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def told(action: Callable[[], Any]) -> SocorpusError:
    known = explain_error(caught(action))
    assert known is not None
    return known


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_number_of_the_system_is_a_sentence_that_names_the_file(number: int) -> None:
    known = explain_error(OSError(number, os.strerror(number), "corpus/file"))
    assert isinstance(known, InputError | BuildError)
    assert (str(known).startswith("corpus/file: ") and "; " in str(known)) or "the connection failed" in str(known)
    assert "Errno" not in str(known)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        *((number, InputError) for number in (errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG)),
        *((number, BuildError) for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ECONNREFUSED, errno.EMFILE)),
    ],
)
def test_paths_are_the_users_and_the_rest_is_the_machines(number: int, kind: type[SocorpusError]) -> None:
    assert type(explain_error(OSError(number, os.strerror(number), "file"))) is kind


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    content[-20] ^= 255
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def another(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00 no file of ours" * 10)


@pytest.mark.parametrize("damage", [truncated, flipped, emptied, gone, a_folder, another])
def test_a_damaged_file_of_any_kind_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    table = pa.table({"post_id": pa.array(range(1000), pa.int64()), "text": [f"text {i}" for i in range(1000)]})
    pq.write_table(table, tmp_path / "table.parquet")
    files.write_arrays(tmp_path / "arrays.npz", {"ids": np.arange(1000)})
    files.write_json(tmp_path / "facts.json", {"a": "text " * 30})
    readers: dict[str, Callable[[Path], Any]] = {
        "table.parquet": parquet.read,
        "arrays.npz": files.read_arrays,
        "facts.json": files.read_json,
    }
    for name, read in readers.items():
        damage(tmp_path / name)
        error = None
        try:
            read(tmp_path / name)
        except Exception as raised:
            error = raised
        if error is None:
            assert damage is flipped  # of a text's or a page's own bytes, which only their hash shows
            continue
        known = explain_error(error)
        assert isinstance(known, InputError) and str(known).startswith(f"{tmp_path / name}: "), error


@pytest.mark.parametrize("place", ["corpus", "corpus/.generations/000003"])
def test_of_what_people_said_no_build_is_promised(tmp_path: Path, place: str) -> None:
    path = tmp_path / place / "annotations/closure/people.parquet"
    path.parent.mkdir(parents=True)
    another(path)
    said = str(told(lambda: parquet.read(path)))
    assert "no build makes it again" in said and "socorpus labeling judgements" in said and "verify" not in said
    assert "Take annotations/closure/people.parquet of the corpus from a backup" in said
    assert "its build makes it again" in str(told(lambda: parquet.read(path.rename(path.with_name("table.parquet")))))


def test_arrow_and_numpy_fail_by_a_bug_where_no_file_is_read() -> None:
    for action in (
        lambda: pa.table({"a": [1]}).select(["b"]),
        lambda: pa.array(["a"]).cast(pa.int64()),
        lambda: np.zeros(2) + np.zeros(3),
        lambda: {}["a"],
        lambda: [][0],
        lambda: int("x"),
    ):
        assert explain_error(caught(action)) is None
    with pytest.raises(IndexError), boundary.crossed():
        [][0]


def test_a_note_of_the_file_survives_the_way_from_a_worker(tmp_path: Path) -> None:
    error = caught(lambda: files.read_json(tmp_path / "nowhere.json"))
    assert str(explain_error(pickle.loads(pickle.dumps(error)))).startswith(f"{tmp_path}/nowhere.json: there is no")


def test_json_of_too_many_levels_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 90_000 + "]" * 90_000, "utf-8")
    with pytest.raises(ValueError, match="too many levels"):
        files.read_json(tmp_path / "deep.json")


def test_an_error_is_judged_by_what_caused_it() -> None:
    error = RuntimeError("a library failed")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/disk/file")
    assert "no space left on the disk" in str(explain_error(error))
    assert str(explain_error(OSError("IOError: [Errno 28] Error writing bytes to file"))).startswith(
        "standard output, or a file"
    )
    assert "read-only" in str(explain_error(Exception("Error while serializing: Read-only file system (os error 30)")))


def test_missing_packages_are_told_with_the_extra_that_has_them() -> None:
    def importing(name: str) -> str:
        return str(explain_error(ModuleNotFoundError(f"No module named {name!r}", name=name)))

    assert "the package torch is missing; pip install 'socorpus[training]'" in importing("torch")
    assert "scikit-learn is missing; pip install 'socorpus[labeling]'" in importing("sklearn.linear_model")
    assert "label-studio-sdk is missing; pip install 'socorpus[labeling]'" in importing("label_studio_sdk")
    assert "pyarrow is missing; pip install socorpus (" in importing("pyarrow")
    assert "gcsfs is missing; pip install gcsfs" in importing("gcsfs")
    assert explain_error(ImportError("cannot import name 'x'", name="socorpus.corpus")) is None


def test_memory_networks_databases_and_dask(tmp_path: Path) -> None:
    import httpx
    from distributed.comm import CommClosedError

    assert "fewer workers" in str(told(lambda: np.empty(1 << 60, np.uint8)))
    assert "the connection failed (ConnectError" in str(told(lambda: httpx.get("http://127.0.0.1:1", trust_env=False)))
    assert "scheduler or its workers went away" in str(explain_error(CommClosedError("in <TCP>: closed")))
    (tmp_path / "state.sqlite").write_bytes(b"no database at all" * 100)
    database = sqlite3.connect(tmp_path / "state.sqlite")
    assert "file is not a database: damaged" in str(told(lambda: database.execute("select * from a")))
    database.close()
    assert explain_error(sqlite3.ProgrammingError("closed")) is None
    assert isinstance(told(lambda: subprocess.run(["false"], check=True)), BuildError)


@pytest.mark.parametrize(
    "address", ["s3://bucket/out", "file:///tmp/out", "memory://a", "simplecache::s3://a/b", "hf://a/b"]
)
def test_an_address_is_no_folder(address: str) -> None:
    for given in (address, Path(address)):
        with pytest.raises(InputError, match=r"an address, where a folder or a file of this machine is needed"):
            boundary.local(given)
    assert boundary.local("a:b/c") == Path("a:b/c") and boundary.local("/s3:/a") == Path("/s3:/a")


def test_functions_of_the_api_raise_what_they_promise(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="name is too long"):
        status("a" * 300)
    with pytest.raises(InputError, match="an address"):
        status("https://bucket/corpus")
    with pytest.raises(InputError, match=r"no finished corpus|links lead in a circle"):
        Corpus(tmp_path / "loop")


def test_the_traceback_is_shown_on_demand_and_for_bugs(tmp_path: Path) -> None:
    code = (
        "import sys; from socorpus.cli import main\n"
        "def fail(): raise {}\n"
        "main.app.command()(fail); sys.argv = ['socorpus', 'fail']; main.run()"
    )

    def run(error: str, **environment: str) -> tuple[int, str]:
        command = [sys.executable, "-c", code.format(error)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
        return done.returncode, done.stderr

    number, said = run("OSError(5, 'I/O', 'x')")
    assert number == 1 and said.startswith("socorpus: x: the disk or its connection fails") and said.count("\n") == 1
    number, said = run("OSError(5, 'I/O', 'x')", SOCORPUS_TRACEBACK="1")
    assert number == 1 and said.startswith("Traceback") and "socorpus: x: the disk" in said
    number, said = run("IndexError('none')")
    assert number == 1 and said.startswith("Traceback") and "please report it" in said.splitlines()[-1]


@pytest.mark.parametrize("package", ["corpus", "labeling", "training"])
def test_every_function_of_the_api_is_guarded(package: str) -> None:
    tree = ast.parse((Path(__file__).resolve().parents[3] / package / "api.py").read_text("utf-8"))
    exempt = {"studio", "default_folder"}  # a block with the caller's code in it; arithmetic on names
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in exempt:
            decorators = [decorator.id for decorator in node.decorator_list if isinstance(decorator, ast.Name)]
            assert "guarded" in decorators, f"{package}.{node.name}"
