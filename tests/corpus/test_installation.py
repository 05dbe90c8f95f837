"""What is asked for is listed once, with the extras that bring it."""

import pytest

from socorpus.corpus import installation

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
        CliRunner().invoke(main.app, ["doctor"])
    assert "pip install 'socorpus[labeling]'" in shown.get() and "pip install 'socorpus[training]'" in shown.get()
    assert shown.get().count("httpx") == 1
