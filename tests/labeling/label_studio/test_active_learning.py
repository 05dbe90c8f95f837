"""The loop: weak labels, a model, people who correct what it is unsure of, better labels, a better model."""

from dataclasses import replace
from pathlib import Path

import pytest

from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.sample import writer as sample_writer
from socorpus.labeling import pipeline
from socorpus.labeling.label_studio import sync as syncing
from socorpus.labeling.label_studio.client import Client
from socorpus.labeling.label_studio.push import Project
from socorpus.labeling.label_studio.sampling import Sample
from socorpus.training.examples import metrics, readers
from socorpus.training.examples.example import Example
from socorpus.training.finetuning import predictor, pretrained, tuning
from socorpus.training.finetuning.settings import FinetuneSettings
from socorpus.training.serve import label_studio
from tests.building import socorpus
from tests.labeling.syncing import choose
from tests.our_tasks import CLOSURE
from tests.training import tiny_models
from tests.training.serve.test_app import served
from tests.training.tiny_models import Quiet

# Of each question little more than its title is read: that is where the difference is.
SETTINGS = FinetuneSettings(
    epochs=60, patience=60, batch=8, seeds=(0,), rate=3e-3, weights="balanced", length=48, windows=1, soft=False
)
EACH = 40
"""Questions that people judge in a round."""


def judged(title: str | None) -> str:
    """What people think, and no labelling function knows: such questions are matters of opinion."""
    return "opinion_based" if (title or "").startswith(("Difference", "How", "Why")) else "open"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("loop")
    sample_writer.write(root / "dump", threads=260, sites=(sample_writer.MODERN,), seed=5)
    (root / "build.toml").write_text("[split]\ntest = 0.25\nvalidation = 0.1\n[labels]\ntasks = ['closure']\n", "utf-8")
    socorpus("build", root / "dump", "-o", root / "corpus", "--workers", 0, "--config", root / "build.toml")
    return root / "corpus"


@pytest.mark.slow
def test_each_round_comes_nearer_to_what_people_think(corpus: Path, tmp_path: Path, client: Client, title: str) -> None:
    held = [
        replace(one, label=CLOSURE.index(judged(one.title)))
        for one in readers.read(corpus, CLOSURE).splits["test"]
        if one.label in (CLOSURE.index("open"), CLOSURE.index("opinion_based"))
    ]
    start = pretrained.find(str(tiny_models.model(tmp_path / "encoder", max_position_embeddings=96)))
    place = tmp_path / "round-0"
    tuning.finetune(start, readers.read(corpus, CLOSURE), replace(SETTINGS, epochs=2), place, Quiet())
    scores = [_score(place, held)]
    for number in (1, 2):
        model = predictor.load(place)
        with served(model) as web:
            project = _sync(corpus, client, title, EACH * number, str(web.base_url), model.version)
            shown = _correct(client, project, EACH)
            # The least certain first, and what the model says of each is seen.
            assert shown == sorted(shown) and len(shown) == EACH
            _sync(corpus, client, title, EACH * number, str(web.base_url), model.version)
        with Engine(corpus, 0) as engine:
            pipeline.apply(corpus, engine, ["closure"])
        votes = readers.read(corpus, CLOSURE)
        by_people = [one for split in votes.splits.values() for one in split if one.source == "person"]
        assert len(by_people) == EACH * number
        assert all(CLOSURE.labels[one.label] == judged(one.title) for one in by_people)
        before, place = place, tmp_path / f"round-{number}"
        found = readers.read(corpus, CLOSURE, people=True)
        tuning.finetune(pretrained.find(str(before)), found, SETTINGS, place, Quiet())
        scores.append(_score(place, held))
    print(f"macro F1 on {len(held)} held-out questions after each round: {[round(one, 3) for one in scores]}")
    assert scores[0] < 0.6 and scores[1] > scores[0] + 0.1 and scores[2] > 0.9


def _score(place: Path, held: list[Example]) -> float:
    """Macro F1 against what people think."""
    return metrics.scores(CLOSURE, held, predictor.load(place).predict(held))["macro_f1"]


def _sync(corpus: Path, client: Client, title: str, limit: int, url: str, version: str) -> int:
    def connect(project: Project) -> None:
        label_studio.connect(client, project.number, CLOSURE, url, version)
        label_studio.suggest(client, project.number, version)

    random = Sample("random")
    done = syncing.sync(corpus, client, title, CLOSURE, sample=random, limit=limit, blind=0.0, then=connect)
    assert done.project is not None and done.suggested == limit and not done.conflicts
    return done.project


def _correct(client: Client, project: int, most: int) -> list[float]:
    """Judge questions as the server hands them out; how sure the model was of each."""
    shown = []
    for _ in range(most):
        task = client.get(f"/api/projects/{project}/next")
        (suggested,) = task["predictions"]
        shown.append(suggested["score"])
        choose(client, task["id"], judged(task["data"]["title"]), "closure")
    return shown
