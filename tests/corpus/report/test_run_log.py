"""The log of a command as JSON Lines: what it has, and what a kill leaves of it."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus import InputError, Progress, RunLog, SocorpusWarning, Stopped, Whole
from tests.building import small_disk, socorpus, wait_for


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def progress(done: int, note: str = "", stage: str = "read") -> Progress:
    return Progress(stage, done, 4, 0, done, 4.0, 2.0, note, Whole(0.25, 30.0))


def test_stages_notes_and_warnings_are_lines(tmp_path: Path) -> None:
    path, heard = tmp_path / "log.jsonl", []
    with warnings.catch_warnings(record=True) as shown, RunLog(path, "build", heard.append) as log:
        warnings.simplefilter("always")
        for done in range(5):
            log(progress(done))
        log(Progress("", 0, 0, 0, 0, 0, 0, "a remark\u2028of two"))
        warnings.warn("look here", SocorpusWarning, stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["look here"]
    assert len(heard) == 6
    written = lines(path)
    assert [line["event"] for line in written] == ["start", "stage", "stage", "note", "warning", "end"]
    assert all(line["time"].endswith("Z") for line in written)
    first, last = written[1], written[2]
    assert (first["done"], last["done"], last["total"], last["seconds_left"]) == (0, 4, 4, 0.0)
    assert (first["whole_seconds_left"], first["whole_share"]) == (30.0, 0.25)
    assert written[3]["text"] == "a remark\u2028of two" and written[4]["text"] == "look here"
    assert written[-1]["exit_code"] == 0


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("no such dump"), 2, "no such dump"),
        (IsADirectoryError(21, "Is a directory", "x"), 2, "a folder lies where a file is expected"),
        (ZeroDivisionError("oh"), 1, "a bug of socorpus"),
        (Stopped(signal.SIGTERM), 143, None),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_an_end_has_its_exit_code_and_an_error_its_sentence(
    error: BaseException, code: int, told: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(type(error)), RunLog(path, "build"):
        raise error
    *_, before, end = lines(path)
    assert end["event"] == "end" and end["exit_code"] == code
    assert (told in before["text"]) if told is not None else before["event"] == "start"


def test_a_line_that_was_cut_off_damages_none_before_or_after(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with RunLog(path, "build"):
        pass
    path.write_bytes(path.read_bytes() + b'{"time": "2026-01-01T00:0')
    with RunLog(path, "build"):
        pass
    written = path.read_text("utf-8").splitlines()
    assert len(written) == 5
    assert [json.loads(line)["event"] for line in (*written[:2], *written[3:])] == ["start", "end", "start", "end"]


def test_a_log_that_can_not_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for place in ("folder", "pipe", "nowhere/log.jsonl", "s3://bucket/log.jsonl"):
        with (
            pytest.raises(InputError, match=place.partition("/")[0]),
            RunLog(place if ":" in place else tmp_path / place, "build"),
        ):
            pass


def test_a_full_disk_ends_the_log_and_not_the_build(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k"):
        path = tmp_path / "disk" / "log.jsonl"
        with RunLog(path, "build") as log:
            for _ in range(2000):
                log.add("note", text="x" * 200)
        whole = path.read_text("utf-8").rpartition("\n")[0].splitlines()
        assert len(whole) > 100 and all(json.loads(line) for line in whole)


@pytest.mark.slow
def test_a_build_that_is_killed_and_goes_on_has_one_log(tmp_path: Path) -> None:
    small = tmp_path / "dump"
    socorpus("sample", small, "--threads", 40, "--form", "modern")
    log, out = tmp_path / "log.jsonl", tmp_path / "corpus"
    command = [sys.executable, "-P", "-m", "socorpus.cli.main", "build", small, "-o", out, "--workers", 0, "--log", log]
    with (tmp_path / "told").open("w") as told:
        process = subprocess.Popen(list(map(str, command)), stderr=told, stdout=told)
        wait_for(lambda: log.exists() and '"documents"' in log.read_text())
        process.kill()
        process.wait()
    before = log.read_text("utf-8")
    assert '"end"' not in before
    shown = socorpus(*command[4:])
    assert "the whole: " in shown.stderr
    text = log.read_text("utf-8")
    assert text.startswith(before)
    written = lines(log)
    assert [line["event"] for line in written].count("start") == 2
    assert written[-1]["event"] == "end" and written[-1]["exit_code"] == 0
    labelled = socorpus("labeling", "apply", out, "--workers", 0, "--force", "--task", "closure", "--log", log)
    assert "closure" in labelled.stdout
    assert [line["command"] for line in lines(log) if line["event"] == "start"][-1] == "labeling apply"
    assert any(line.get("stage") == "label_vote" and line["whole_seconds_left"] is not None for line in lines(log))
    socorpus("build", tmp_path / "nothing", "-o", out, "--workers", 0, "--log", log, code=2)
    *_, error, end = lines(log)
    assert error["event"] == "error" and "nothing" in error["text"] and end["exit_code"] == 2
