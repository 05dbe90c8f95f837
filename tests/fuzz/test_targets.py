"""What is fuzzed for hours (benchmarks/fuzz), for a moment: seeds, what once failed, and inputs of the same pieces."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import engine
from benchmarks.fuzz.__main__ import TARGETS, load

ROOT = Path(__file__).resolve().parents[2]

# Inputs that fuzzing found, by target.
FOUND: dict[str, list[bytes]] = {
    "html": [
        b"\xed\xa0\x80<p",
        b"<textarea>\xcc\x81<!>\xed\xa0\x80",
        b'<pre cLass="snippet-code-s">d</pre>',
        b"x</ul>y",
        b"<small><h4>a</small>b",
        b'<a href="/x"><td>y</a>',
        b"a<code></code>b",
        b"<blockquote><tbody></blockquote>x",
        b'<pre class="lang-&eacute;">x</pre>',
    ],
    "config": [b"[near]\nthreshold = " + b"1" * 5000, b"a = " + b"[" * 2000, b'plugins = ["\\u0000.py"]'],
    "conll": [b"\tQuestion_ID\tO\tx\tO\n:\tO\t:\tO\n1\tO\t1\tO\n\n\tB-Library\tx\tO\n"],
    "plugins": [b"?\0.py", b"?" + b"a" * 5000 + b".py"],
}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_once_failed(name: str) -> None:
    target = load(name)
    assert target.name == name
    for data in (*target.seeds, *FOUND.get(name, ())):
        target.check(data)


@pytest.mark.parametrize("name", TARGETS)
def test_any_input_of_the_same_pieces(name: str) -> None:
    target = load(name)
    piece = st.sampled_from(target.tokens) | st.sampled_from(target.seeds) | st.binary(max_size=4)

    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.lists(piece, max_size=16).map(b"".join))
    def holds(data: bytes) -> None:
        target.check(data)

    holds()


def _fails_on_bug(data: bytes) -> None:
    if b"bug" in data:
        raise ValueError("a bug")


def test_a_finding_is_kept_once_and_made_small(tmp_path: Path) -> None:
    target = engine.Target("toy", _fails_on_bug, seeds=[b"no harm", b"a long input with a bug in it"], tokens=[b"x"])
    findings = engine.Findings(tmp_path, target.check)
    engine.randomly(target, findings, 0.3, seed=1)
    assert findings.inputs > 2
    assert [kind.partition(" at ")[0] for kind in findings.failures] == ["ValueError"]
    (kept,) = tmp_path.glob("*.input")
    assert kept.read_bytes() == b"bug"
    assert "a bug" in kept.with_suffix(".txt").read_text()


def test_inputs_of_a_seed_are_always_the_same() -> None:
    target = load("html")
    inputs = [engine.random_input(target, 3, number) for number in range(50)]
    assert inputs == [engine.random_input(target, 3, number) for number in range(50)]
    assert len(set(inputs)) > 40
    assert inputs != [engine.random_input(target, 4, number) for number in range(50)]


def test_the_driver_reports_a_target(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--child", "random", "--target", "config", "--seconds", "0.5"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["inputs"] > 3 and result["failures"] == {}
