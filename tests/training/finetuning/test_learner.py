"""Fine-tuning of real architectures, small: they learn, go on after a kill, and transformers loads what is left."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus.errors import BuildError, InputError
from socorpus.training import folder_lock
from socorpus.training.examples import predictions
from socorpus.training.finetuning import inference, learner, predictor, pretrained, side_by_side, tuning
from socorpus.training.finetuning.pretrained import Pretrained
from socorpus.training.finetuning.progress import FinetuningStep
from socorpus.training.finetuning.settings import WEIGHTS, FinetuneSettings
from socorpus.training.finetuning.targets import targets
from socorpus.training.finetuning.windows import Encoded, Window
from socorpus.training.quiet import quiet
from tests.building import small_disk
from tests.training import tiny_models
from tests.training.tiny_models import CONFIGS, Quiet

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FinetuneSettings(epochs=6, batch=8, seeds=(0,), rate=5e-3)

_RUN = """
import sys
from pathlib import Path
from socorpus.training.finetuning import learner, pretrained, tuning
from tests.training import tiny_models
from tests.training.finetuning.test_learner import SETTINGS
import torch
torch.set_num_threads(1)
learner._SAVE_SECONDS = 0.0
model = pretrained.find(sys.argv[1])
tuning.finetune(model, tiny_models.texts(), SETTINGS, Path(sys.argv[2]), tiny_models.Quiet())
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pretrained]:
    root = tmp_path_factory.mktemp("models")
    return {kind: pretrained.find(str(tiny_models.model(root / kind, kind))) for kind in CONFIGS}


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_architecture_learns_whole_texts(tmp_path: Path, models: dict[str, Pretrained], kind: str) -> None:
    data, out = tiny_models.texts(), tmp_path / "out"
    facts = tuning.finetune(models[kind], data, SETTINGS, out, Quiet())
    # An adapter learns less in six passes.
    assert facts["seeds"][0]["test"]["macro_f1"] > (0.7 if kind == "Llama" else 0.85)
    assert facts["model_type"] == models[kind].described["model_type"]
    assert (facts["learned_parameters"] < facts["parameters"]) is (kind == "Llama")
    # What it says is what it said, from its folder alone.
    loaded = predictor.load(out)
    said = predictions.read(out / "seeds/0/test.parquet", data.splits["test"])
    assert loaded.predict(data.splits["test"]) == said and loaded.task == data.task
    assert not list(out.rglob("state.pt")) and not list(out.rglob("*.partial"))


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_architecture_learns_spans(tmp_path: Path, models: dict[str, Pretrained], kind: str) -> None:
    data, out = tiny_models.spans(), tmp_path / "out"
    facts = tuning.finetune(models[kind], data, SETTINGS, out, Quiet())
    assert facts["seeds"][0]["test"]["span_f1"] > 0.9
    assert facts["leave_out"] == ["Code_Block"]
    assert predictor.load(out).predict(data.splits["test"]) == predictions.read(
        out / "seeds/0/test.parquet", data.splits["test"]
    )


def test_transformers_loads_the_folder_with_names_of_labels(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    tuning.finetune(models["ModernBert"], tiny_models.texts(), SETTINGS, tmp_path / "a", Quiet())
    tuning.finetune(models["Bert"], tiny_models.spans(), SETTINGS, tmp_path / "b", Quiet())
    with quiet() as transformers:
        judge = transformers.pipeline("text-classification", model=str(tmp_path / "a"))
        assert [one["label"] for one in judge(["plz urgent help", "how do i use the list"])] == ["LQ", "HQ"]
        find = transformers.pipeline("token-classification", model=str(tmp_path / "b"), aggregation_strategy="simple")
        assert {one["entity_group"] for one in find("how do i use numpy in pandas")} == {"Library"}


def test_seeds_differ_and_the_best_is_kept(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    settings, data, show = replace(SETTINGS, seeds=(0, 1, 2), epochs=2), tiny_models.texts(), Quiet()
    facts = tuning.finetune(models["Bert"], data, settings, tmp_path / "out", show)
    assert len({one["test"]["log_loss"] for one in facts["seeds"]}) == 3
    best = max(facts["seeds"], key=lambda one: one["validation_score"])
    assert facts["best_seed"] == best["seed"]
    card = (tmp_path / "out/README.md").read_text("utf-8")
    assert "- `LQ`: a poor question" in card and "| mean | " in card and str(tmp_path) not in card
    said = predictions.read(tmp_path / "out/seeds" / str(best["seed"]) / "test.parquet", data.splits["test"])
    assert predictor.load(tmp_path / "out").predict(data.splits["test"]) == said
    # Done is done; another seed is added to what is there.
    again = Quiet()
    assert tuning.finetune(models["Bert"], data, settings, tmp_path / "out", again) == facts and not again.steps
    more = tuning.finetune(models["Bert"], data, replace(settings, seeds=(0, 1, 2, 3)), tmp_path / "out", again)
    assert {line.seed for line in again.steps} == {3} and more["seeds"][:3] == facts["seeds"]


def test_training_ends_where_the_validation_score_no_longer_grows(
    tmp_path: Path, models: dict[str, Pretrained]
) -> None:
    show = Quiet()
    facts = tuning.finetune(
        models["Bert"], tiny_models.texts(), replace(SETTINGS, epochs=40, patience=2), tmp_path / "out", show
    )
    (seed,) = facts["seeds"]
    assert seed["epochs"] < 40 and seed["epochs"] == seed["best_epoch"] + 3


def test_a_killed_run_goes_on_to_the_same_model(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}

    def command(out: Path) -> list[str]:
        return [sys.executable, "-W", "ignore", "-c", _RUN, str(models["Bert"].folder), str(out)]

    subprocess.run(command(tmp_path / "whole"), check=True, env=environment)
    out = tmp_path / "killed"
    process = subprocess.Popen(command(out), env=environment)
    state = out / "seeds/0/state.pt"
    before, saves, until = 0, 0, time.monotonic() + 60
    # In the middle of the second pass.
    while process.poll() is None and saves < 18 and time.monotonic() < until:
        now = state.stat().st_mtime_ns if state.exists() else 0
        saves, before = saves + (now != before), now
        time.sleep(0.001)
    assert process.poll() is None
    process.kill()
    process.wait()
    subprocess.run(command(out), check=True, env=environment)
    one, other = (json.loads((place / "finetune.json").read_text("utf-8")) for place in (tmp_path / "whole", out))
    timed = ("train_seconds", "predict_seconds")
    kept = [{name: value for name, value in facts["seeds"][0].items() if name not in timed} for facts in (one, other)]
    assert kept[0] == kept[1]
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


class StoppedError(Exception):
    """Ends a run where it stands, as a signal does."""


class StopsIn(Quiet):
    """Stops a run in the middle of a pass."""

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def step(self, line: FinetuningStep) -> None:
        super().step(line)
        if line.epoch == self.epoch and line.step % 2 == 0:
            raise StoppedError


@pytest.mark.parametrize(("kind", "lost"), [("Bert", "best"), ("Llama", None)])
def test_a_run_that_was_stopped_goes_on_after_its_last_whole_pass(
    tmp_path: Path, models: dict[str, Pretrained], kind: str, lost: str | None
) -> None:
    data, settings = tiny_models.texts(), replace(SETTINGS, epochs=2)
    whole = tuning.finetune(models[kind], data, settings, tmp_path / "whole", Quiet())
    out = tmp_path / "stopped"
    with pytest.raises(StoppedError):
        tuning.finetune(models[kind], data, settings, out, StopsIn(1))
    assert (out / "seeds/0/state.pt").is_file() and not (out / "finetune.json").exists()
    if lost is not None:
        shutil.rmtree(out / "seeds/0" / lost)  # then its state is worth nothing
    again = Quiet()
    facts = tuning.finetune(models[kind], data, settings, out, again)
    assert {line.epoch for line in again.steps} == ({1} if lost is None else {0, 1})
    timed = {"train_seconds": 0, "predict_seconds": 0}
    assert facts["seeds"][0] | timed == whole["seeds"][0] | timed
    weights = [path.name for path in (tmp_path / "whole").glob("*.safetensors")]
    assert weights
    for name in weights:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list(out.rglob("state.pt"))


def test_a_full_disk_is_told_and_it_goes_on_when_there_is_room(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    data, settings = tiny_models.texts(), replace(SETTINGS, epochs=2)
    with small_disk(tmp_path / "disk", "300k") as resize:
        with pytest.raises(BuildError, match="no space left on the disk"):
            tuning.finetune(models["Bert"], data, settings, tmp_path / "disk/out", Quiet())
        resize("20m")
        facts = tuning.finetune(models["Bert"], data, settings, tmp_path / "disk/out", Quiet())
        assert facts["seeds"][0]["epochs"] == 2


def test_doubted_labels_teach_less_than_sure_ones(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    data, long = tiny_models.texts(), replace(SETTINGS, epochs=12, patience=12)
    soft = tuning.finetune(models["Bert"], data, long, tmp_path / "soft", Quiet())
    hard = tuning.finetune(models["Bert"], data, replace(long, soft=False), tmp_path / "hard", Quiet())

    def surest(place: str) -> float:
        said = predictions.read(tmp_path / place / "seeds/0/test.parquet", data.splits["test"])
        return max(max(one.probabilities) for one in said)

    assert surest("soft") < 0.95 < surest("hard")
    assert soft["settings"]["soft"] and not hard["settings"]["soft"]


def test_a_rare_label_weighs_more(models: dict[str, Pretrained]) -> None:
    data = tiny_models.texts((90, 0, 10))
    train = [one for at, one in enumerate(data.splits["train"]) if one.label == 0 or at % 10 == 1]
    few = replace(data, splits={**data.splits, "train": train})
    hard = FinetuneSettings(soft=False)
    weights = {name: targets(few, replace(hard, weights=name)).label_weights.tolist() for name in WEIGHTS}
    assert weights["none"] == [1, 1]
    share = [45 / 54, 9 / 54]
    assert weights["balanced"] == pytest.approx([1 / (2 * one) for one in share])
    assert weights["sqrt"] == pytest.approx([(1 / (2 * one)) ** 0.5 for one in share])


def test_batches_of_many_examples_need_little_padding_and_are_mixed() -> None:
    import numpy as np

    nothing = np.zeros(0, np.int32)
    sizes = np.random.default_rng(0).integers(5, 500, 3001)
    encoded = [Encoded((Window(np.zeros(size, np.int32), nothing, nothing),), int(size), 0) for size in sizes]
    order = learner.batches(encoded, 32, [1, 0])
    assert order == learner.batches(encoded, 32, [1, 0]) != learner.batches(encoded, 32, [1, 1])
    assert sorted(number for batch in order for number in batch) == list(range(3001))
    assert [len(batch) for batch in order] == [32] * 93 + [25], "as many steps as without groups"
    shuffled = np.random.default_rng(5).permutation(3001)
    plain = [shuffled[first : first + 32].tolist() for first in range(0, 3001, 32)]

    def padding_and_parts(batches: list[list[int]]) -> tuple[float, int]:
        groups = [group for batch in batches for group in inference.parts(encoded, batch, 8192)]
        padded = sum(len(group) * sizes[group].max() for group in groups)
        return 1 - float(sizes.sum() / padded), len(groups)

    (few, calls), (more, more_calls) = padding_and_parts(order), padding_and_parts(plain)
    assert few < 0.7 * more and calls < 0.9 * more_calls
    # A label that follows from the length is in each batch nearly as often as in one that is drawn at random.
    share = [np.std([(sizes[batch] > 250).mean() for batch in batches]) for batches in (order, plain)]
    assert share[0] < 3 * share[1]
    few_examples = learner.batches(encoded[:100], 8, [1, 0])
    assert [number for batch in few_examples for number in batch] == np.random.default_rng([1, 0]).permutation(
        100
    ).tolist(), "those of few examples are drawn at random"


def test_what_is_not_read_whole_is_told(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    data, show = tiny_models.texts((16, 4, 4)), Quiet()
    long = replace(data.splits["test"][0], text="how do i use the list of a file " * 40)
    data = replace(data, splits={**data.splits, "test": [long, *data.splits["test"][1:]]})
    facts = tuning.finetune(models["Bert"], data, replace(SETTINGS, epochs=1), tmp_path / "out", show)
    cut = facts["cut"]["test"]
    assert (cut["texts"], cut["in_windows"], cut["cut"]) == (4, 1, 1) and cut["tokens_cut"] > 50
    assert show.begun[0]["cut"] == facts["cut"] and facts["cut"]["train"]["cut"] == 0


def test_a_context_of_any_length_is_filled(tmp_path: Path) -> None:
    """Windows are padded to lengths that come again, but never beyond the places that a model knows."""
    model = pretrained.find(str(tiny_models.model(tmp_path / "odd", "Bert", max_position_embeddings=61)))
    data = tiny_models.texts((8, 4, 4))
    long = replace(data.splits["test"][0], text="how do i use the list of a file " * 40)
    data = replace(data, splits={**data.splits, "test": [long]})
    facts = tuning.finetune(model, data, replace(SETTINGS, epochs=1), tmp_path / "out", Quiet())
    assert facts["reading"]["length"] == 61 and facts["cut"]["test"]["in_windows"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 7}, "other settings"),
        ({"rate": 1e30}, "lower the learning rate"),
        ({"weights": "fair"}, "none, sqrt, balanced"),
        ({"bits": 3}, "there are 8 and 4"),
        ({"seeds": ()}, "one or more, all different"),
        ({"batch": 0}, "batch must be 1"),
        ({"epochs": 10**20}, "at most 1,000,000,000"),
        ({"rate": 0.0}, "it must be more than 0"),
        ({"rates": (1e-3, -1.0)}, "it must be more than 0"),
        ({"seeds": (2**32,)}, "seeds lie between 0 and"),
        ({"warmup": float("nan")}, "warmup must lie between 0 and 1"),
    ],
)
def test_what_can_not_be_is_refused(
    tmp_path: Path, models: dict[str, Pretrained], change: dict[str, Any], said: str
) -> None:
    data, once = tiny_models.texts((16, 4, 4)), replace(SETTINGS, epochs=1)
    if change == {"epochs": 7}:
        tuning.finetune(models["Bert"], data, once, tmp_path / "out", Quiet())
    with pytest.raises((InputError, BuildError), match=said):
        tuning.finetune(models["Bert"], data, replace(once, **change), tmp_path / "out", Quiet())
    if change == {"epochs": 7}:
        changed = replace(once, epochs=2)
        tuning.finetune(models["Bert"], data, changed, tmp_path / "out", Quiet(), force=True)
        assert tiny_models.described(tmp_path / "out")["settings"]["epochs"] == 2


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="holds something else"):
        tuning.finetune(models["Bert"], tiny_models.texts((8, 2, 2)), SETTINGS, tmp_path, Quiet(), force=True)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_nothing_begins_again_where_another_process_learns(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    work = tuning.Work.of(models["Bert"], tiny_models.texts((8, 2, 2)), SETTINGS, tmp_path)
    tuning.enter(work)
    (tmp_path / "finetune.json").write_text("{}")
    with folder_lock.held(tmp_path, "fine-tuning", 0), pytest.raises(InputError, match="another process is fine-tun"):
        tuning.finetune(models["Bert"], work.data, SETTINGS, tmp_path, Quiet(), force=True)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "identity.json", "finetune.json"}
    lock = (tmp_path / ".lock").stat().st_ino
    tuning.enter(work, force=True)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "identity.json"}
    # Deleted with the rest, it would let a second process lock a new file beside the first one's.
    assert (tmp_path / ".lock").stat().st_ino == lock


def test_what_another_process_began_meanwhile_is_not_written_over(
    tmp_path: Path, models: dict[str, Pretrained]
) -> None:
    data = tiny_models.texts((8, 2, 2))
    mine = tuning.Work.of(models["Bert"], data, SETTINGS, tmp_path)
    tuning.enter(mine)
    theirs = tuning.Work.of(models["Bert"], data, replace(SETTINGS, epochs=9), tmp_path)
    tuning.enter(theirs, force=True)
    with pytest.raises(InputError, match="was fine-tuned with other settings"):
        tuning.finish(mine, Quiet(), side_by_side.Share(1, 1))


def test_models_that_are_not_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, said in {
        "nobody/nothing": "fetch it with --download",
        str(tmp_path): "neither a run",
        str(tmp_path / "a/b/c"): "no such folder",
    }.items():
        with pytest.raises(InputError, match=said):
            pretrained.find(name)
    with pytest.raises(InputError, match="no fine-tuned model"):
        predictor.load(tmp_path)


def test_scratch_leaves_the_weights_aside(tmp_path: Path, models: dict[str, Pretrained]) -> None:
    import torch

    folder = models["Bert"].folder
    anew = pretrained.find(f"scratch:{folder}")
    assert anew.identity != models["Bert"].identity
    task = tiny_models.texts().task
    torch.manual_seed(1)
    one, other = (
        pretrained.head(model, task, 0).bert.embeddings.word_embeddings.weight for model in (anew, models["Bert"])
    )
    assert one.shape == other.shape and not torch.allclose(one, other)


def test_weights_and_tokenizers_as_sobert_was_published(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = tiny_models.model(tmp_path / "published", "MegatronBert")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    told = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    told = {name: value for name, value in told.items() if not name.endswith("_token")}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")
    whole = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    (folder / "tokenizer.json").write_text(json.dumps({**whole, "added_tokens": [], "post_processor": None}), "utf-8")
    found = pretrained.find(str(folder))
    assert pretrained.tokenizer(found).pad_token is None
    facts = tuning.finetune(found, tiny_models.texts(), SETTINGS, tmp_path / "out", Quiet())
    assert facts["seeds"][0]["test"]["macro_f1"] > 0.85
    assert len(predictor.load(tmp_path / "out").predict(tiny_models.texts().splits["test"])) == 48


def test_groups_are_of_like_length_and_hold_all() -> None:
    import numpy as np

    draw = np.random.default_rng(0)
    nothing = np.zeros(0, np.int32)
    encoded = [
        Encoded(tuple(Window(np.zeros(int(n), np.int32), nothing, nothing) for n in sizes), int(sum(sizes)), 0)
        for sizes in (draw.integers(3, 300, draw.integers(1, 4)) for _ in range(100))
    ]
    groups = list(inference.parts(encoded, range(100), 1024))
    assert sorted(at for group in groups for at in group) == list(range(100))
    real = padded = 0
    for group in groups:
        lengths = [len(window.ids) for at in group for window in encoded[at].windows]
        assert len(group) == 1 or max(lengths) * len(lengths) <= 1024
        real, padded = real + sum(lengths), padded + max(lengths) * len(lengths)
    assert real / padded > 0.6
