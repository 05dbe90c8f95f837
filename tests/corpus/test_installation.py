"""What is asked for is listed once, with the extras that bring it; what is slow is told with what mends it."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from socorpus.corpus import installation
from socorpus.corpus.engine import machine

ASKED = [
    "pyarrow>=1",
    "httpx>=0.2; extra == 'labeling'",
    "httpx>=0.3; extra == 'training'",
    "nowhere-to-be-found>=1; extra == 'labeling'",
    "of-another-python>=1; python_version < '3' and extra == 'training'",
    "of-this-python>=1; python_version >= '3' and extra == 'training'",
    "socorpus[labeling,training]; extra == 'all'",
]


def test_packages_are_listed_once_with_their_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "requires", lambda _: ASKED)
    checked = installation.check_installation()
    assert [(package.name, package.extras) for package in checked.packages] == [
        ("pyarrow", ()),
        ("httpx", ("labeling", "training")),
        ("nowhere-to-be-found", ("labeling",)),
        ("of-this-python", ("training",)),
    ]
    assert checked.packages[1].wanted.split(",") in (["<0.3"], [">=0.2", ">=0.3"], [">=0.3", ">=0.2"])
    assert checked.lacking == ["labeling", "training"]


def test_the_doctor_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from socorpus.cli import main, view

    monkeypatch.setattr(installation, "requires", lambda _: ASKED)
    with view.out.capture() as shown:
        CliRunner().invoke(main.app, ["doctor", "--packages"])
    assert "pip install 'socorpus[labeling]'" in shown.get() and "pip install 'socorpus[training]'" in shown.get()
    assert shown.get().count("httpx") == 1


MOUNTS = r"""22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:25 / /tmp rw - tmpfs tmpfs rw
31 22 0:40 / /mnt/shared\040data rw shared:1 - nfs4 server:/export rw
32 22 0:41 / /mnt/again rw - tmpfs tmpfs rw
33 22 0:42 / /mnt/again rw - xfs /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/tmp", "tmpfs"),
        ("/tmpfiles", "ext4"),
        ("/mnt/shared data/corpus", "nfs4"),
        ("/mnt/again/x", "xfs"),
    ],
)
def test_a_folder_s_file_system_is_that_of_the_nearest_mount(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert machine.file_system(Path(folder), mounts) == kind
    assert machine.file_system(Path(folder), tmp_path / "none") == ""


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="no Linux")
def test_the_kernel_agrees_on_the_file_system(tmp_path: Path) -> None:
    shown = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True).stdout
    kind = machine.file_system(tmp_path)
    assert kind and (shown.strip().startswith(kind[:3]) or (kind == "overlay" and "overlay" in shown))


def test_what_is_slow_is_told_with_what_mends_it() -> None:
    here = installation.Installation("0", "3.11", "Linux", 2, 8 * 10**9, 10**12, "ext4", True, ())
    assert here.advice == []

    def told(**changes: object) -> list[tuple[str, str | None]]:
        return [(advice.sentence, advice.command) for advice in replace(here, **changes).advice]  # type: ignore[arg-type]

    assert told(compiled=False) == [
        ("the first build compiles its kernels, half a minute or so, once", "socorpus doctor --compile")
    ]
    assert "NUMBA_CACHE_DIR" in str(told(compiled=None)[0][1])
    assert "nfs4" in told(file_system="nfs4")[0][0] and "takes memory" in told(file_system="tmpfs")[0][0]
    assert "some 1.5 GB of XML" in told(free=10**9)[0][0]
    assert "starts 5 worker processes and not 64" in told(cores=64)[0][0]


@pytest.mark.slow
def test_kernels_can_be_compiled_before_a_build(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    code = (
        "from socorpus.corpus import check_installation, compile_kernels\n"
        "before = check_installation().compiled\ncompile_kernels()\nprint(before, check_installation().compiled)"
    )
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout == "False True\n"
