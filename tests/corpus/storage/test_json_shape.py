import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.engine import receipts
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, generations, json_shape, manifest_file

ROW = {"name": str, "count": int, "share?": (float, None)}


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"name": "a", "count": 1}, None),
        ({"name": "a", "count": 1, "share": 1, "more": []}, None),
        ({"name": "a", "count": 1, "share": None}, None),
        ({"name": "a"}, "count: missing"),
        ({"name": 1, "count": 1}, "name: not a text"),
        ({"name": "a", "count": True}, "count: not a whole number"),
        ({"name": "a", "count": 10**400}, "count: not a whole number"),
        ({"name": "a", "count": 1, "share": float("inf")}, "share: another kind of value than was written"),
        ([], "the whole: not an object"),
        (None, "the whole: not an object"),
    ],
)
def test_what_differs_is_named(value: Any, wrong: str | None) -> None:
    assert json_shape.misfit(value, ROW) == wrong


def test_lists_and_names_of_any_kind() -> None:
    assert json_shape.misfit({"a": [1], "b": []}, {str: [int]}) is None
    assert json_shape.misfit({"a": [1, "2"]}, {str: [int]}) == "a[1]: not a whole number"
    assert json_shape.misfit({"a": 1}, {str: [int]}) == "a: not a list"


def first(facts: dict[str, Any]) -> str:
    return next(iter(facts["files"]))


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "bytes as text": lambda m: m["files"][first(m)].update(bytes="12"),
    "no bytes": lambda m: m["files"][first(m)].pop("bytes"),
    "too many bytes": lambda m: m["files"][first(m)].update(bytes=10**400),
    "no number": lambda m: m["files"][first(m)].update(bytes=float("nan")),
    "no name": lambda m: m["files"].update({"": {"bytes": 1, "sha256": "0"}}),
    "null in a name": lambda m: m["files"].update({"shards/a\0b": {"bytes": 1, "sha256": "0"}}),
    "long name": lambda m: m["files"].update({"shards/" + "x" * 5000: {"bytes": 1, "sha256": "0"}}),
    "out of the corpus": lambda m: m["files"].update({"a/../../b": {"bytes": 1, "sha256": "0"}}),
    "site out of the corpus": lambda m: m["sites"].update({"../x": next(iter(m["sites"].values()))}),
    "a site of nothing": lambda m: m["sites"].update({next(iter(m["sites"])): {}}),
    "a task of nothing": lambda m: m["labels"].update(closure="x"),
    "rules": lambda m: m["config"]["selection"].update(rules="x"),
    **{
        f"{name} of another kind": lambda m, name=name, value=value: m.update({name: value})
        for name in ("sites", "totals", "signals", "tokenizer", "shards", "config", "labels", "sources", "licenses")
        for value in (None, ["x"], "x", 5)
        if (name, value) != ("sources", [])
    },
    **{f"no {name}": lambda m, name=name: m.pop(name) for name in ("sites", "totals", "shards", "tokenizer")},
}


def test_a_manifest_of_another_shape_is_refused_whatever_its_check(built: Path, tmp_path: Path) -> None:
    sound = manifest_file.finished(generations.finished(built))
    for forge in FORGED.values():
        facts = copy.deepcopy(sound)
        forge(facts)
        manifest_file.save(tmp_path, facts)
        assert manifest_file.load(tmp_path) is None
        with pytest.raises(InputError, match=r"MANIFEST\.json: (damaged|names|not a corpus's manifest)"):
            manifest_file.finished(tmp_path)
    manifest_file.save(tmp_path, sound)
    assert manifest_file.finished(tmp_path) == sound


@pytest.mark.parametrize("text", ["null", "5", '"x"', "[]", "{}", '{"items": 1e999, "started": 0}', '{"items": "x"}'])
def test_receipts_of_another_shape_are_none(tmp_path: Path, text: str) -> None:
    for path in ("receipts/read/a.json", "receipts/read.json"):
        files.write_text(tmp_path / path, text)
    assert receipts.load(tmp_path, "read", "a") is None and receipts.run_of(tmp_path, "read") is None
    assert receipts.sweep(tmp_path) and not receipts.names(tmp_path, "read")


def test_a_receipt_with_a_check_but_odd_outputs_is_none(tmp_path: Path) -> None:
    receipts.save(tmp_path, receipts.Receipt("read", "a", "key", "recipe"))
    assert receipts.load(tmp_path, "read", "a") is not None
    values = files.read_json(tmp_path / "receipts/read/a.json")
    for name, odd in (("outputs", {"x": 1}), ("counts", [1]), ("seconds", "1"), ("key", None)):
        forged = {key: value for key, value in values.items() if key != "check"} | {name: odd}
        files.write_json(tmp_path / "receipts/read/a.json", forged | {"check": receipts.fingerprint(forged)})
        assert receipts.load(tmp_path, "read", "a") is None
