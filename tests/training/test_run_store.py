"""Training on a corpus in an object store, with the run there: stopped, and gone on with on another machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from socorpus.corpus import BuildError, InputError, build, verify
from socorpus.corpus import load_config as load_corpus_config
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.storage import files, generations
from socorpus.corpus.storage.lock import lock
from socorpus.corpus.storage.objects import folders, store_client
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.labeling import apply as apply_labels
from socorpus.training import (
    FinetuneSettings,
    evaluate,
    export_model,
    finetune,
    load_config,
    load_predictor,
    train,
)
from tests import s3_server
from tests.conftest import Once
from tests.training.runs import losses

CONFIG = {
    "model": {"layers": 1, "max_length": 128},
    "schedule": {"tokens": 32_768},
    "checkpoint": {"steps": 1, "keep": 2},
}


@pytest.fixture(scope="module")
def on_disk(once: Once) -> Path:
    def fill(folder: Path) -> None:
        dump = sample_writer.write(folder / "dump", threads=30, sites=[sample_writer.MODERN]).folder
        build(dump, folder / "corpus", workers=0)

    return once("small-corpus-to-train-on", fill) / "corpus"


@pytest.fixture(scope="module")
def stored(on_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The corpus's files, put into a store."""
    root, source = ObjectPath("s3://corpora/corpus"), generations.finished(on_disk)
    with s3_server.server(), s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path_factory.mktemp("scratch"))):
        _put(root, source)
        yield str(root)


def _put(root: ObjectPath, source: Path) -> None:
    with lock(root), generations.writing(root) as tree:
        for path in files.every(source):
            store_client.upload(str(tree.joinpath(*path.relative_to(source).parts)), path)
        generations.switch(root, tree)


class Stop:
    """Ends the run by an exception at a step, once its checkpoint has begun."""

    def __init__(self, step: int):
        self.last = step

    def begin(self, facts: Any) -> None:
        pass

    def validated(self, step: int, scores: Any) -> None:
        pass

    def saved(self, step: int) -> None:
        pass

    def step(self, line: Any) -> None:
        if line.step == self.last:
            raise ZeroDivisionError


def test_a_run_in_a_store_goes_on_on_another_machine(stored: str, on_disk: Path, tmp_path: Path) -> None:
    config = load_config("tiny", overrides=CONFIG)
    place = ObjectPath("s3://corpora/corpus/runs/tiny")
    with pytest.raises(ZeroDivisionError):
        train(stored, config=config, show=Stop(3))
    assert [path.name for path in (place / "checkpoints").iterdir()] == ["step-000000001", "step-000000002"]
    with s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path / "another")):
        facts = train(stored, config=config)
    assert facts["step"] == facts["steps"] == 4
    assert facts["corpus"] == stored
    local = train(on_disk, tmp_path / "run", config=config)
    names = [path.name for path in sorted((tmp_path / "run" / "checkpoints").iterdir())]
    assert [path.name for path in (place / "checkpoints").iterdir()] == names
    assert local["tokens"] == facts["tokens"]
    last = tmp_path / "run" / "checkpoints" / names[-1]
    assert (place / "checkpoints" / names[-1] / "__0_0.distcp").read_bytes() == (last / "__0_0.distcp").read_bytes()


@pytest.mark.usefixtures("stored")
def test_corpora_of_a_mixture_may_lie_in_a_store(corpus: Path, second: Path, tmp_path: Path) -> None:
    _put(ObjectPath("s3://corpora/second"), generations.finished(second))
    runs = []
    for place in (str(second), "s3://corpora/second"):
        config = load_config("tiny", overrides={**CONFIG, "data": {"corpora": [{"corpus": place}]}})
        runs.append(train(corpus, tmp_path / str(len(runs)), config=config))
    assert runs[1]["corpora"][1]["corpus"] == "s3://corpora/second"
    assert losses(tmp_path / "0") == losses(tmp_path / "1")


def test_a_run_in_a_store_is_the_start_of_another_one_there(stored: str, tmp_path: Path) -> None:
    """The second corpus has another tokenizer: the run's tokens are made in the store, with the run's own."""
    place, config = "s3://corpora/of-starts", load_config("tiny", overrides=CONFIG)
    first = train(stored, f"{place}/first", config=config)
    dump = sample_writer.write(tmp_path / "dump", threads=30, sites=[sample_writer.PIPES]).folder
    settings = load_corpus_config(overrides={"tokenizer": {"vocabulary": 320}})
    build(dump, tmp_path / "corpus", settings, workers=0)
    _put(ObjectPath(f"{place}/corpus"), generations.finished(tmp_path / "corpus"))
    short = {**CONFIG, "schedule": {"tokens": 8_192}}
    facts = train(f"{place}/corpus", init=f"{place}/first", config=load_config("tiny", overrides=short))
    assert facts["init"]["kind"] == "run" and facts["vocabulary"] == first["vocabulary"]
    run = ObjectPath(f"{place}/corpus/runs/first-continued")
    assert (run / "tokenizer" / "tokenizer.json").is_file()
    tokens = generations.finished(ObjectPath(f"{place}/corpus")) / "tokens" / facts["tokens_folder"]
    assert (tokens / "train" / "00000.parquet").is_file() and not verify(f"{place}/corpus").differences
    assert export_model(str(run), tmp_path / "model")["largest_difference"] < 1e-4


def test_one_process_trains_a_run(stored: str) -> None:
    with lock(ObjectPath("s3://corpora/run")), pytest.raises(BuildError, match="is at work there"):
        train(stored, "s3://corpora/run", config=load_config("tiny", overrides=CONFIG))


def test_force_begins_anew_in_a_store_once_the_new_run_has_begun(stored: str) -> None:
    place = ObjectPath("s3://corpora/of-force/run")
    short = {**CONFIG, "schedule": {"tokens": 8_192}, "validation": {"steps": 0}}
    train(stored, str(place), config=load_config("tiny", overrides=CONFIG))
    before = {path: path.read_bytes() for path in place.found()}
    for wrong, said in (
        ({"corpus": "s3://corpora/nowhere"}, "no finished corpus"),
        ({"config": "nowhere.toml"}, "nowhere.toml"),
        ({"init": str(place)}, "holds the weights that --init names"),
    ):
        with pytest.raises(InputError, match=said):
            train(**{"corpus": stored, "out": str(place), **wrong}, force=True)  # type: ignore[arg-type]
        assert {path: path.read_bytes() for path in place.found() if path in before} == before
    train(stored, str(place), config=load_config("tiny", overrides={**short, "data": {"seed": 2}}), force=True)
    assert [path.name for path in (place / "checkpoints").iterdir()] == ["step-000000001"]
    assert json.loads((place / "run.json").read_text())["data"]["seed"] == 2
    # Neither a corpus nor a folder of something else is taken for a run's.
    store_client.put("s3://corpora/of-force/mine/log.jsonl", b"{}")
    for other, said in ((stored, "a corpus, and no folder"), ("s3://corpora/of-force/mine", "not empty, and n")):
        for force in (False, True):
            with pytest.raises(InputError, match=said):
                train(stored, other, config=load_config("tiny", overrides=short), force=force)


def test_models_are_exported_learn_and_are_compared_in_a_store(stored: str, on_disk: Path, tmp_path: Path) -> None:
    place, config = "s3://corpora/of-models", load_config("tiny", overrides=CONFIG)
    train(stored, f"{place}/run", config=config)
    facts = export_model(f"{place}/run", f"{place}/exported")
    assert facts["folder"] == f"{place}/exported"
    exported = ObjectPath(f"{place}/exported")
    names = {path.name for path in exported.iterdir()} - {".writer"}
    assert {"model.safetensors", "hashes.json", "export.json", "tokenizer.json"} < names
    train(on_disk, tmp_path / "run", config=config)
    export_model(tmp_path / "run", tmp_path / "exported")
    weights = (tmp_path / "exported" / "model.safetensors").read_bytes()
    assert (exported / "model.safetensors").read_bytes() == weights
    with pytest.raises(InputError, match=rf"{place}/exported: not empty|not empty; give another folder"):
        export_model(f"{place}/run", f"{place}/exported")
    for other in (f"{place}/run", stored, place):
        with pytest.raises(InputError, match="a corpus or a run lies there"):
            export_model(f"{place}/run", other, force=True)
    with pytest.raises(InputError, match="no whole checkpoint of step 7; there are step-0"):
        export_model(f"{place}/run", f"{place}/another", step=7)

    apply_labels(stored, ["closure"], workers=0)
    quick = FinetuneSettings(epochs=1, seeds=(0,))
    learned = finetune(f"{place}/run", "closure", stored, f"{place}/closure", quick, most=16)
    with s3_server.environment(SOCORPUS_SCRATCH=str(tmp_path / "another")):
        assert load_predictor(f"{place}/closure").task.name == "closure"
        again = finetune(f"{place}/run", "closure", stored, f"{place}/closure", quick, most=16)
    assert again["seeds"] == learned["seeds"]
    compared = evaluate(stored, ["closure"], ["audits"])
    assert compared.folder == ObjectPath(stored) / "comparison"
    assert (compared.folder / "comparison.html").is_file()


def test_a_folder_in_a_store_has_one_writer_and_is_the_same_after_an_error(stored: str) -> None:
    place = ObjectPath("s3://corpora/folder")
    with folders.written(place) as folder:
        (folder / "kept.bin").write_bytes(b"kept")
        (folder / "gone.json").write_text("{}")
        (folder / ".half").write_text("half")
        with pytest.raises(BuildError, match="is at work there"), folders.written(place):
            pass
    first = (place / "kept.bin").facts()
    with pytest.raises(ZeroDivisionError), folders.written(place) as folder:
        (folder / "gone.json").unlink()
        (folder / "new.json").write_text("{}")
        raise ZeroDivisionError
    assert {path.name for path in place.iterdir()} == {".writer", "kept.bin", "new.json"}
    assert (place / "kept.bin").facts()["LastModified"] == first["LastModified"]
    store_client.put(str(place / "kept.bin"), b"other")
    assert (folders.fetched(place) / "kept.bin").read_bytes() == b"other"
