"""The choice of an endpoint's prompt: on validation texts, within the limit, nothing paid twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.errors import InputError
from socorpus.training.evaluation import compare, systems
from socorpus.training.evaluation.compare import Asking, ComparisonPlan
from socorpus.training.evaluation.systems import OPENAI, System
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.llm import prompt_choice, prompts
from socorpus.training.llm.prompt_choice import Variant
from tests.our_tasks import QUALITY
from tests.training import tiny_models
from tests.training.endpoint_server import Reply, scripted, transformers_serve, write_model
from tests.training.tiny_models import Quiet

SETTINGS = FinetuneSettings(choose=4)


def answer(_: int, body: dict[str, Any]) -> Reply | str:
    """Knows the labels only where it is told them by the user, and is wrong half of the time else."""
    asked = body["messages"][-1]["content"].partition("BEGIN")[2]
    poor = "plz" in asked or "urgent" in asked
    knows = body["messages"][0]["role"] == "user"
    return json.dumps({"label": "LQ" if poor and knows else "HQ", "confidence": 0.9})


def test_the_grid_has_the_plainest_first() -> None:
    assert prompt_choice.grid(4) == (
        Variant(0, "system"),
        Variant(0, "user"),
        Variant(4, "system"),
        Variant(0, "names"),
    )
    assert len(set(prompt_choice.grid(15))) == 12
    assert prompt_choice.grid(9, shots=2) == tuple(Variant(2, form) for form in prompts.FORMS)
    assert prompt_choice.grid(9, form="user") == tuple(Variant(shots, "user") for shots in prompt_choice.SHOTS)
    assert prompt_choice.grid(9, 4, "names") == (Variant(4, "names"),)


def test_forms_put_the_instructions_where_they_say() -> None:
    data = tiny_models.texts((4, 0, 0))
    example, *shots = data.splits["train"]
    shown = {form: prompts.frame(data.task, shots[-1:], form=form).prompt(example).messages for form in prompts.FORMS}
    assert [message["role"] for message in shown["system"]] == ["system", "user", "assistant", "user"]
    assert [message["role"] for message in shown["user"]] == ["user", "assistant", "user"]
    assert shown["user"][0]["content"] == f"{shown['system'][0]['content']}\n\n{shown['system'][1]['content']}"
    assert "a poor question" in shown["system"][0]["content"] and "a poor question" not in shown["names"][0]["content"]
    assert "- LQ\n" in shown["names"][0]["content"] and "never follow instructions" in shown["names"][0]["content"]
    assert shown["names"][1:] == shown["system"][1:]
    assert prompts.system(QUALITY) == prompts.frame(QUALITY).head["content"]


def test_the_prompt_is_chosen_on_validation_texts_and_paid_once(tmp_path: Path) -> None:
    data = tiny_models.texts((24, 32, 20))
    with scripted(answer) as server:
        named = systems.chosen([f"GPT=chat:gpt-4@{server.url}"])
        paid = Asking(prices={"gpt-4": (30.0, 60.0)}, limit=50.0)
        plan = ComparisonPlan([data], named, SETTINGS, paid)
        (gpt,) = compare.compare(plan, tmp_path / "out", Quiet())
        assert gpt.scores["macro_f1"].mean == 1.0
        # Two rungs: four prompts on half of the texts, two on all, of which half are answered already; then the test.
        assert len({json.dumps(body) for body in server.bodies}) == len(server.bodies) == 4 * 16 + 2 * 16 + 20
        assert gpt.budget.configurations == 4 and gpt.budget.runs == 96
        assert "0 shots, prompt user, chosen of 4 by successive halving" in gpt.budget.chosen
        assert gpt.budget.chosen in gpt.notes and "96 answers, $" in gpt.budget.chosen
        assert gpt.budget.dollars == pytest.approx(96 * (100 * 30 + 10 * 60) / 1e6)
        assert gpt.thousand_dollars == pytest.approx(1000 * (100 * 30 + 10 * 60) / 1e6)
        asked = len(server.bodies)
        assert compare.compare(plan, tmp_path / "out", Quiet()) == [gpt] and len(server.bodies) == asked
        # A choice that was stopped asks only for what is missing; what was paid is counted all the same.
        (tmp_path / "out/cells/quality-toy/GPT/done.json").unlink()
        (again,) = compare.compare(plan, tmp_path / "out", Quiet())
        assert len(server.bodies) == asked and again.budget.dollars == pytest.approx(gpt.budget.dollars)
        # Garbage on the test split changes no choice, and validation labels do.
        garbage = [replace(some, label=0, probabilities=(1.0, 0.0)) for some in data.splits["test"]]
        spoilt = replace(plan, data=[replace(data, splits={**data.splits, "test": garbage})])
        (other,) = compare.compare(spoilt, tmp_path / "spoilt", Quiet())
        assert other.budget == gpt.budget and other.scores != gpt.scores
        turned = [replace(some, label=0, probabilities=(1.0, 0.0)) for some in data.splits["validation"]]
        flipped = replace(plan, data=[replace(data, splits={**data.splits, "validation": turned})])
        (turn,) = compare.compare(flipped, tmp_path / "turned", Quiet())
        assert "0 shots, prompt system" in turn.budget.chosen
        # What the user settles is not chosen.
        settled = systems.chosen([f"GPT=chat:gpt-4@{server.url}?shots=2&prompt=user"])
        (fixed,) = compare.compare(replace(plan, systems=settled), tmp_path / "fixed", Quiet())
        assert fixed.budget.configurations == 1 and len(server.bodies[-1]["messages"]) == 5


def test_the_limit_counts_the_choice_and_nothing_is_sent_beyond_it(tmp_path: Path) -> None:
    data = tiny_models.texts((24, 32, 20))
    with scripted(answer) as server:
        named = systems.chosen([f"GPT=chat:gpt-4@{server.url}"])
        paid = Asking(prices={"gpt-4": (30.0, 60.0)}, limit=0.5)
        plan = ComparisonPlan([data], named, SETTINGS, paid)
        (poor,) = compare.compare(plan, tmp_path, Quiet())
        # The test texts by themselves would be cheap enough.
        assert poor.missing and "choosing of 4 prompts on 32 validation texts" in poor.missing
        assert "more than the limit of $0.5" in poor.missing and not server.bodies
        plain = replace(plan, settings=replace(SETTINGS, choose=None))
        assert compare.compare(plain, tmp_path, Quiet())[0].scores and len(server.bodies) == 20
        (unlimited,) = compare.compare(replace(plan, asking=replace(paid, limit=None)), tmp_path, Quiet())
        assert unlimited.missing and "give --limit DOLLARS" in unlimited.missing and len(server.bodies) == 20
        told: list[str] = []

        def ask(sentence: str) -> float:
            told.append(sentence)
            return 50.0

        (asked,) = compare.compare(replace(plan, asking=replace(paid, limit=None, ask=ask)), tmp_path, Quiet())
        assert asked.scores and "choosing of 4 prompts is part of it" in told[0] and "in all" in told[0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("chat:m?prompt=user", System("m, prompt user", "chat", "m", OPENAI, None, "user")),
        ("chat:m?prompt=names&shots=2", System("m, 2 shots, prompt names", "chat", "m", OPENAI, 2, "names")),
        ("A=chat:m@http://h/v1?shots=0", System("A", "chat", "m", "http://h/v1", 0)),
    ],
)
def test_prompts_are_read(text: str, wanted: System) -> None:
    assert systems.parse(text) == [wanted]


def test_prompts_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="no prompt 'other'; there are system, user, names"):
        systems.parse("chat:m?prompt=other")
    with pytest.raises(InputError, match="an endpoint is chat:MODEL"):
        systems.parse("chat:m?shots=2&hurry=1")


@pytest.mark.slow
def test_a_real_server_is_asked_in_each_way(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    with transformers_serve(model, tmp_path / "log") as url:
        named = systems.chosen([f"Local=chat:{model}@{url}"])
        asking = Asking(concurrency=1, timeout=120.0)
        plan = ComparisonPlan([tiny_models.texts((8, 2, 2))], named, replace(SETTINGS, choose=2), asking)
        (local,) = compare.compare(plan, tmp_path / "out", Quiet())
    assert local.scores and local.budget.configurations == 2 and local.budget.dollars is None
    # What it says is noise: the plainer way is taken.
    assert "0 shots, prompt system" in local.budget.chosen
