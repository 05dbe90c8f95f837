"""`socorpus finetune`, `evaluate` and `labeling serve`, as a user meets them."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from socorpus.cli import finetune, main
from socorpus.cli.choices import Weighting
from socorpus.corpus import InputError
from socorpus.training import FinetuningStep
from tests.building import socorpus
from tests.cli.conftest import FAST


@contextmanager
def serving(model: Path) -> Iterator[httpx.Client]:
    """`socorpus labeling serve`, in a process of its own, ended as a service manager would."""
    command = [sys.executable, "-m", "socorpus.cli.main", "labeling", "serve", str(model), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        told = next(line for line in process.stderr if line.startswith("serving at "))
        found = re.search(r"http://[\d.:]+", told)
        assert found is not None
        with httpx.Client(base_url=found[0], trust_env=False, timeout=60) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0 and "Traceback" not in said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_taught_model_is_served(taught: Path) -> None:
    texts = [{"title": "how do i", "text": "use the list plz"}, {"title": "how do i", "text": "use the list of a file"}]
    with serving(taught) as client:
        facts = client.get("/v1/model").json()
        assert (facts["task"], facts["labels"]) == ("quality", ["HQ", "LQ"])
        assert facts["version"].startswith("taught ")
        answer = client.post("/v1/predict", json={"texts": texts})
        assert answer.status_code == 200, answer.text
        assert "LQ" in json.dumps(answer.json()) and client.get("/health").status_code == 200
        assert client.post("/v1/predict", json={"texts": "none"}).status_code in (400, 422)


def test_a_comparison_is_shown_and_written(taught: Path, questions: Path, encoder: Path, tmp_path: Path) -> None:
    systems = ("--system", "audits", "--system", f"Small={encoder}", "--system", f"Anew=scratch:{encoder}")
    out = tmp_path / "table"
    shown = socorpus(
        "evaluate", "--on", f"quality={questions}", *systems, "-o", out, "--price", 1, "--choose", 2, *FAST
    )
    for part in ("quality (questions)", "TF-IDF", "Small", "Anew", "length only", "1,000 $"):
        assert part in shown.stdout
    assert "Budgets of choice" in (out / "comparison.html").read_text("utf-8") and (out / "comparison.csv").is_file()
    # A system that was named must not be missing; those of the paper mostly are.
    lacking = ("--system", "majority=nobody/nothing")
    told = socorpus("evaluate", "--on", f"quality={questions}", *lacking, "-o", out, *FAST, code=1)
    assert "not compared: majority" in told.stderr and "--download" in told.stdout
    offline = {"HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": ""}
    paper = socorpus("evaluate", "--on", f"quality={questions}", "-o", out, *FAST, environment=offline)
    for name in ("SOBertBase", "BERTOverflow", "GPT-4", "CodeLlama", "StackLlama", "sobert-large"):
        assert f"{name} was not compared: " in paper.stdout
    assert "socorpus train CORPUS --preset sobert-large" in paper.stdout and "majority" in paper.stdout


BAD = {
    "no such task": (["finetune", "MODEL", "--task", "spam", "--data", "DATA"], "spam"),
    "another task": (["finetune", "MODEL", "--task", "closure", "--data", "DATA"], "of quality, not of closure"),
    "no such data": (["finetune", "MODEL", "--task", "quality", "--data", "nowhere"], "nowhere"),
    "no such model": (["finetune", "nowhere/at/all", "--task", "quality", "--data", "DATA"], "nowhere/at/all"),
    "nothing to compare on": (["evaluate"], "--on TASK=FILE"),
    "no corpus": (["evaluate", "nowhere"], "no such corpus"),
    "no file": (["evaluate", "--on", "quality"], "write TASK=FILE"),
    "no price": (["evaluate", "--on", "quality=DATA", "--token-price", "gpt-4=cheap"], "write MODEL=IN,OUT"),
    "no system": (["evaluate", "--on", "quality=DATA", "--system", "chat:"], "an endpoint is chat:MODEL"),
    "nothing taught": (["labeling", "serve", "MODEL"], "no fine-tuned model"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_sentence(
    case: str,
    questions: Path,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, said = BAD[case]
    places = {"MODEL": str(encoder), "DATA": str(questions)}
    given = [places.get(one, one.replace("DATA", str(questions))) for one in arguments]
    out = ["-o", tmp_path / "out"] if arguments[0] != "labeling" else []
    # In this process: what the commands import takes seconds each time.
    monkeypatch.setattr(sys, "argv", ["socorpus", *given, *map(str, out)])
    with pytest.raises(SystemExit) as ended:
        main.run()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and said in told and len(told.splitlines()) == 1, told
    assert not (tmp_path / "out").exists()


def settings_of(rate: str | None, seeds: str) -> tuple[float | None, tuple[float, ...], tuple[int, ...]]:
    made = finetune.settings(5, 2, rate, 32, None, seeds, False, Weighting.SQRT, None)
    return made.rate, made.rates, made.seeds


def test_seeds_and_rates_are_numbers_or_lists() -> None:
    assert settings_of(None, "3") == (None, (), (0, 1, 2))
    assert settings_of("1e-5", "4,7") == (1e-5, (), (4, 7))
    assert settings_of("1e-5,3e-5", "7,") == (None, (1e-5, 3e-5), (7,))
    for rate, seeds, sentence in (
        ("fast", "3", "--rate fast: write a number, or several"),
        (None, "three", "--seeds three: write how many"),
        (None, "", "need a number each"),
        ("-1", "3", "it must be more than 0"),
        ("nan", "3", "it must be more than 0"),
        ("0", "3", "it must be more than 0"),
        ("1e-5,inf", "3", "and finite"),
        (None, "0", "one or more, all different"),
        (None, "-1", "one or more, all different"),
        (None, "1000000000", "1,000 are the most"),
        (None, "100000000000000000000", "1,000 are the most"),
        (None, "100000000000000000000,", "seeds lie between 0 and 4,294,967,295"),
    ):
        with pytest.raises(InputError, match=sentence):
            settings_of(rate, seeds)


def test_runs_side_by_side_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen = finetune.Screen()
    lines: list[str] = []
    screen._line.now = lambda text, last=False: lines.append(text)  # type: ignore[method-assign]
    screen.step(FinetuningStep(0, 5, 10, 0, 0.5, 20.0, 7.0, "seed 0"))
    screen.step(FinetuningStep(1, 2, 10, 0, 0.5, 20.0, 9.0, "seed 1"))
    screen.ended("seed 0")
    screen.step(FinetuningStep(1, 3, 10, 0, 0.4, 20.0, 8.0, "seed 1"))
    assert lines[0].startswith("seed 0  step 5/10  loss 0.500") and lines[2].startswith("seed 1  step 3/10")
    assert lines[1] == "seed 0 50%; seed 1 20%; of these at most 9.0 s left"
    screen.validated(1, 0, {"macro_f1": 0.5, "f1:HQ": 0.4}, "seed 1")
    screen.note("2 at a time")
    assert "seed 1 epoch 1 validation: macro f1 0.500\n2 at a time" in capsys.readouterr().err
