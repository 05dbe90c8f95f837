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

from socorpus.cli import main
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
    shown = socorpus("evaluate", "--on", f"quality={questions}", *systems, "-o", out, "--price", 1, *FAST)
    for part in ("quality (questions)", "TF-IDF", "Small", "Anew", "length only", "1,000 $"):
        assert part in shown.stdout
    assert (out / "comparison.html").is_file() and (out / "comparison.csv").is_file()
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
