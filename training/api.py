"""The functions of `socorpus.training`, the package's Python API.

Heavy imports wait until a function is called: PyTorch and transformers take seconds to load.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socorpus.corpus.api import Location
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, generations
from socorpus.corpus.storage.boundary import corpus_place, guarded, local, local_output
from socorpus.corpus.storage.objects import folders
from socorpus.corpus.storage.objects.paths import ObjectPath
from socorpus.training.config import Config
from socorpus.training.needs import TRANSFORMERS, need
from socorpus.training.silent import Silent

if TYPE_CHECKING:
    from socorpus.corpus.engine.work import Progress
    from socorpus.labeling.label_studio.push import Project
    from socorpus.training.ablation.ablation_files import MeasureTable
    from socorpus.training.ablation.ablation_show import AblationShow
    from socorpus.training.ablation.study import AblationPlan, Wanted
    from socorpus.training.evaluation import compare
    from socorpus.training.evaluation.cell import Cell
    from socorpus.training.evaluation.table import TaskTable
    from socorpus.training.examples.example import Data
    from socorpus.training.finetuning.predictor import Fitted
    from socorpus.training.finetuning.progress import FinetuningShow
    from socorpus.training.finetuning.settings import FinetuneSettings
    from socorpus.training.initial.start import Start
    from socorpus.training.pretrain.log import TrainingShow, Watching
    from socorpus.training.pretrain.plan import CostPlan

Say = Callable[[str], None]


def _say_nothing(_: str) -> None:
    pass


@guarded
def preset_names() -> list[str]:
    """Names of the presets of a model's shape and recipe.

    Examples:
        >>> "tiny" in preset_names()
        True
    """
    from socorpus.training import presets

    return list(presets.PRESETS)


@guarded
def train(
    corpus: Location,
    out: Location | None = None,
    preset: str | None = None,
    config: Location | Config | None = None,
    *,
    init: Location | None = None,
    download: bool = False,
    gpus: int | None = None,
    price: float | None = None,
    force: bool = False,
    log: Sequence[str] = (),
    profile: int = 0,
    show: "TrainingShow | None" = None,
    show_tokens: "Callable[[Progress], None] | None" = None,
) -> dict[str, Any]:
    """Pre-train an encoder on a corpus's shards, or resume a run that was stopped.

    Args:
        out: folder of the run, or its address in an object store; CORPUS/runs/PRESET, if None, or
            CORPUS/runs/NAME-continued, where NAME is that of `init`.
        preset: shape of the model and recipe; `tiny`, if None. With `init` it is only a recipe, by default `continued`.
        config: a TOML file over the preset; or the whole configuration (`load_config`), instead of the preset.
        init: weights to start from: folder of a run, of one of its checkpoints or of a model (MegatronBERT or
            ModernBERT), or a model's name on the Hugging Face hub. They give the shape and the tokenizer; of `config`'s
            model only `max_length` may differ. A run that is resumed needs none.
        download: fetch a missing model from the hub.
        gpus: ranks to start on this machine, each a process of its own that shows its progress on the terminal; by
            default as many as it has GPUs. One works in this process.
        price: dollars an hour of one GPU; if None, the default price of its kind.
        force: delete the run that is in the folder and start again, once corpus, configuration and weights are found
            to go together.
        log: trackers that get the run's figures beside its own log: `wandb`, if it is installed.
        profile: steps to record with PyTorch's profiler, behind the first two; the trace is in the run's `profile`.
        show: called with the progress of a run in this process.
        show_tokens: called with the progress of `socorpus.corpus.tokenize`, where the corpus lacks the tokens of
            `init`'s tokenizer and they are made first. That may start processes, as a build does.

    Returns:
        The contents of run.json. `step` is below `steps` if the run was stopped, and `stopped_by` is the number of the
        signal (Ctrl-C: 2); the same call resumes it.

    Raises:
        InputError: a package is missing; or corpus, configuration, weights and folder don't go together.
        BuildError: the run failed; its last checkpoint is kept.

    Examples:
        >>> small = {"schedule": {"tokens": 8_192}, "model": {"layers": 1, "max_length": 128}}
        >>> facts = train("corpus", "small-run", config=load_config("tiny", overrides=small))
        >>> facts["step"] == facts["steps"]
        True
    """
    need(*(TRANSFORMERS if init is not None else ()))
    from socorpus.training.pretrain import distributed
    from socorpus.training.pretrain.log import Watching

    watching = Watching(tuple(log), profile)
    root = corpus_place(corpus)
    chosen = preset or "tiny" if init is None else default_run(init)
    place = corpus_place(out) if out is not None else root / "runs" / chosen
    wanted = _Wanted(preset, config if isinstance(config, Config) or config is None else local(config), init, download)
    if isinstance(place, ObjectPath):
        if distributed.started():
            raise InputError(
                f"{place}: ranks that torchrun or srun started need a folder that all of them see; name one by --out"
            )
        from socorpus.training import run_store

        if force:
            _refuse_start_inside(place, init)
        with run_store.kept(place, force) as folder:
            return _train(root, folder, wanted, gpus or distributed.gpus(), show, price, watching, show_tokens)
    run = local_output(out) if out is not None else place
    if force and distributed.started() and not distributed.ours():
        # A launcher that starts its ranks once more would have them delete what they had trained.
        raise InputError(f"--force is not for ranks that torchrun or srun started: delete {run} first")
    if force:
        _refuse_start_inside(run, init)
    return _train(root, run, wanted, gpus or distributed.gpus(), show, price, watching, show_tokens, force)


def _refuse_start_inside(run: Path, init: Location | None) -> None:
    """Refuse weights that lie in the run that is to be deleted.

    Raises:
        InputError: they do.
    """
    if init is None or not files.exists(weights := corpus_place(init)):
        return
    if isinstance(run, ObjectPath) or isinstance(weights, ObjectPath):
        inside = run == weights or run in weights.parents
    else:
        inside = weights.resolve().is_relative_to(run.resolve())
    if inside:
        raise InputError(
            f"{run}: holds the weights that --init names ({init}), and --force would delete them; give another folder "
            "with --out"
        )


@dataclass(frozen=True)
class _Wanted:
    """What the user asks of a run: preset, configuration, weights to start from."""

    preset: str | None
    config: Config | Path | None
    init: Location | None
    download: bool


@guarded
def default_run(init: Location) -> str:
    """Name of the default folder, in CORPUS/runs, of a run that starts from weights.

    Examples:
        >>> default_run("corpus/runs/tiny"), default_run("answerdotai/ModernBERT-base")
        ('tiny-continued', 'ModernBERT-base-continued')
    """
    place = Path(init)
    named = place.parents[1] if place.parent.name == "checkpoints" and len(place.parents) > 1 else place
    return f"{named.name}-continued"


def _train(
    root: Path,
    run: Path,
    wanted: _Wanted,
    count: int,
    show: "TrainingShow | None",
    price: float | None,
    watching: "Watching",
    show_tokens: "Callable[[Progress], None] | None",
    force: bool = False,
) -> dict[str, Any]:
    from socorpus.training.pretrain import distributed, trainer
    from socorpus.training.pretrain.run import Run

    Run(run).require_own()
    settings, start = _settled(root, run, wanted, show_tokens, force)
    if count > 1 and not distributed.started():
        trainer.checked(root, Run(run), settings, count, force)
        if force:
            with Run(run).locked():  # by nobody else: the first rank clears it
                pass
        return _launch(count, root, run, settings, price, watching, wanted, force)
    return trainer.train(root, run, settings, show or Silent(), price, watching, start, force)


def _settled(
    root: Path,
    run: Path,
    wanted: _Wanted,
    show_tokens: "Callable[[Progress], None] | None",
    force: bool,
) -> "tuple[Config, Start | None]":
    """The configuration of a run, and the weights that it starts from, if they are named; with their tokens made.

    Args:
        force: whether the run that is there counts for nothing.
    """
    from socorpus.training import presets
    from socorpus.training.pretrain import distributed
    from socorpus.training.pretrain.run import Run

    if wanted.init is None:
        shape, tokens = (None, None) if force else Run(run).continued()
        if shape is None:
            if isinstance(wanted.config, Config):
                return wanted.config, None
            return presets.load(wanted.preset or "tiny", wanted.config), None
        from socorpus.training.initial import recipe

        settings = recipe.settings(wanted.preset, wanted.config, shape, str(run))
        return replace(settings, data=replace(settings.data, tokens=tokens)), None
    from socorpus.training.initial import recipe, tokens_of_start
    from socorpus.training.initial import start as starts

    start = starts.find(str(wanted.init), wanted.download)
    settings = recipe.settings(wanted.preset, wanted.config, start.shape, start.name)
    key = tokens_of_start.ready(root, settings, start, distributed.started(), show_tokens)
    return replace(settings, data=replace(settings.data, tokens=key)), start


def _launch(
    count: int,
    corpus: Path,
    run: Path,
    settings: Config,
    price: float | None,
    watching: "Watching",
    wanted: _Wanted,
    force: bool,
) -> dict[str, Any]:
    from socorpus.corpus import toml_config
    from socorpus.training.pretrain import launch
    from socorpus.training.pretrain.run import Run

    arguments = ["train", str(corpus), "--out", str(run), "--profile", str(watching.profiled)]
    if price is not None:
        arguments += ["--price", str(price)]
    for tracker in watching.trackers:
        arguments += ["--log", tracker]
    if wanted.init is not None:
        arguments += ["--init", str(wanted.init)]
    if force:
        arguments += ["--force"]
    with tempfile.TemporaryDirectory() as folder:
        # The ranks get every value: they need neither the user's file nor the plug-in of a preset.
        path = Path(folder) / "config.toml"
        path.write_text(toml_config.to_toml(settings), "utf-8")
        launch.ranks(count, [*arguments, "--config", str(path)], run)
    return Run(run).facts() or {}


@guarded
def plan_training(
    corpus: Location,
    preset: str | None = None,
    config: Location | Config | None = None,
    *,
    init: Location | None = None,
    download: bool = False,
    gpu: str | None = None,
    gpus: int = 1,
    price: float | None = None,
) -> "CostPlan":
    """The cost of a training run before it starts: parameters, arithmetic, memory, hours, dollars.

    Args:
        preset, config, init, download: as for `train`; the preset is `modern-base`, if None and there is no `init`. No
            tokens are made: where the corpus lacks those of `init`'s tokenizer, its own are counted.
        gpu: kind of GPU, such as a100, h200, b200 or t4 (`socorpus plan --help` lists them); None: what this machine
            has, its processor where it has no GPU.
        gpus: number of GPUs.
        price: dollars an hour of one GPU; if None, the default price of its kind.

    Raises:
        InputError: there is no finished corpus, the kind of GPU is not known, or the model fits none of them.

    Examples:
        >>> plan = plan_training("corpus", "tiny", gpu="l4")
        >>> plan.gpus, 0 < plan.hours < 1
        (1, True)
    """
    from socorpus.training import presets
    from socorpus.training.pretrain import plan

    root, given = corpus_place(corpus), config if isinstance(config, Config) or config is None else local(config)
    if init is None:
        settings = given if isinstance(given, Config) else presets.load(preset or "modern-base", given)
        return plan.plan(root, settings, gpu, gpus, price)
    need(*TRANSFORMERS)
    from socorpus.training.initial import recipe, start
    from socorpus.training.pretrain.data import shard_reader

    begun = start.find(str(init), download)
    settings = recipe.settings(preset, given, begun.shape, begun.name)
    there, own = shard_reader.has_tokens(root, begun.given)
    settings = replace(settings, data=replace(settings.data, tokens=begun.given.key if there and not own else None))
    return plan.plan(root, settings, gpu, gpus, price, begun.given.entries)


@guarded
def measured(run: Location) -> Mapping[str, Any] | None:
    """The figures of a training run (run.json), to show beside a plan; None where no run has written them yet.

    Examples:
        >>> measured("no-run") is None
        True
    """
    from socorpus.training.pretrain import plan

    return plan.measured(corpus_place(run))


@guarded
def training_curves(runs: Sequence[Location], out: Location) -> Path:
    """Write a page of the curves of one or more training runs, side by side: losses, speed, memory, phases of a step.

    Args:
        runs: folders of runs, finished or going on.
        out: the page, an HTML file that opens offline.

    Raises:
        InputError: a folder is no run, or its log is empty or damaged.

    Examples:
        >>> training_curves(["run"], "curves.html").name
        'curves.html'
    """
    from socorpus.training.pretrain import curves

    if not runs:
        raise InputError("curves of no run; name at least one folder")
    page = local_output(out)
    curves.write([corpus_place(run) for run in runs], page)
    return page


@guarded
def export_model(
    run: Location, out: Location, *, step: int | None = None, force: bool = False, sentence: bool = False
) -> dict[str, Any]:
    """Write a run's model for transformers, with tokenizer and card, and prove that it is the same model.

    Args:
        run, out: folders, or addresses in an object store (docs/object-store.md).
        step: step of the checkpoint; the newest, if None.
        force: replace what the folder holds.
        sentence: write the encoder with mean pooling, without its head, for sentence-transformers.

    Returns:
        The facts in the card: architecture, parameters, step, largest difference from the run's own model.

    Raises:
        InputError: a package is missing, there is no such run or step, or `out` holds something else.
        BuildError: the written model differs from the run's.

    Examples:
        >>> facts = export_model("run", "another-model")
        >>> facts["largest_difference"] < 1e-3
        True
    """
    need(*TRANSFORMERS)
    from socorpus.training import run_store
    from socorpus.training.export import huggingface

    with folders.written(out) as folder:
        facts = huggingface.export(run_store.readable(corpus_place(run), step), folder, force, step, sentence)
    place = corpus_place(out)
    return {**facts, "folder": str(place)} if isinstance(place, ObjectPath) else facts


@guarded
def finetune(
    model: Location,
    task: str,
    data: Location,
    out: Location | None = None,
    settings: "FinetuneSettings | None" = None,
    *,
    most: int | None = None,
    people: bool = False,
    download: bool = False,
    force: bool = False,
    processes: int | None = None,
    show: "FinetuningShow | None" = None,
) -> dict[str, Any]:
    """Fine-tune a pre-trained model on a task, and score it on held-out examples.

    Args:
        model: folder of a run or a model, or its address in an object store (docs/object-store.md), or a name on the
            Hugging Face hub; `scratch:` before it: random weights.
        data: a corpus with labels, or a benchmark's file or folder.
        out: folder of the model, or its address; MODEL-TASK in the current folder, if None.
        settings: `FinetuneSettings`; with `choose`, rate and epochs are chosen of that many on the validation split.
        most: number of training examples to sample; all, if None.
        people: train only on labels from people.
        download: fetch missing models from the hub.
        force: delete the folder's contents and start again.
        processes: seeds and rates that train at a time; if None, one a GPU, or as many as cores and memory allow.

    Returns:
        The contents of finetune.json: scores of each seed, and which is the best.

    Raises:
        InputError: a package is missing; model, task and data don't go together; or `out` holds something else.
        BuildError: the loss is not finite, or the disk is full.

    Examples:
        >>> quick = FinetuneSettings(epochs=1, seeds=(0,))
        >>> facts = finetune("model", "closure", "corpus", "small-closure-model", quick, most=16)
        >>> 0 <= facts["seeds"][0]["test"]["macro_f1"] <= 1
        True
    """
    need(*TRANSFORMERS, "sklearn")
    from socorpus.labeling.api import task_named
    from socorpus.training.examples import readers
    from socorpus.training.finetuning import pretrained, tuning
    from socorpus.training.finetuning.settings import FinetuneSettings

    name, how = str(model), settings or FinetuneSettings()
    how.check()  # before anything is read or exported
    with folders.written(out if out is not None else default_folder(name, task)) as folder:
        examples = readers.read(corpus_place(data), task_named(task), most, people)
        base = pretrained.find(name, download)
        return tuning.finetune(base, examples, how, folder, show or Silent(), force, processes=processes)


def default_folder(model: str, task: str) -> Path:
    """The default folder of `finetune`: MODEL-TASK in the current folder.

    Examples:
        >>> str(default_folder("runs/tiny", "closure"))
        'tiny-closure'
    """
    return Path(f"{Path(model.removeprefix('scratch:')).name}-{task}")


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison of systems; `folder` holds it as comparison.json, .csv and .html."""

    folder: Path
    cells: "Sequence[Cell]"
    """One per task and system."""

    @property
    def missing(self) -> list[str]:
        """Names of the systems that could not run on some task."""
        return list(dict.fromkeys(cell.system for cell in self.cells if cell.missing))

    def tables(self) -> "list[TaskTable]":
        """One text table per task."""
        from socorpus.training.evaluation import table

        return table.tables(self.cells)


@guarded
def evaluate(
    corpus: Location | None = None,
    tasks: Sequence[str] | None = None,
    systems: Sequence[str] = (),
    out: Location | None = None,
    settings: "FinetuneSettings | None" = None,
    *,
    on: Iterable[tuple[str, Location]] = (),
    most: int | None = None,
    most_test: int | None = None,
    shares: Sequence[float] = (),
    choose_at: float | None = None,
    people: bool = False,
    teacher: Location | None = None,
    most_weak: int | None = None,
    download: bool = False,
    price: float | None = None,
    token_prices: Mapping[str, tuple[float, float]] | None = None,
    limit: float | None = None,
    key: str = "OPENAI_API_KEY",
    ask: Callable[[str], float] | None = None,
    processes: int | None = None,
    say: Say = _say_nothing,
    show: "compare.ComparisonShow | None" = None,
) -> Comparison:
    """Compare systems on tasks: scores with intervals, costs, and the scores of simple audits.

    Args:
        corpus: a corpus with labels.
        tasks: tasks of the corpus; all that have labels, if None.
        systems: `audits`, `[NAME=]FOLDER`, a name on the hub, `weak:` or `selftrain:` before one of these,
            `chat:MODEL[@URL][?shots=N&prompt=FORM]`, the name of a plug-in's, or `paper`, the default.
        out: folder of the comparison, or its address in an object store; CORPUS/comparison, if None.
        settings: settings of fine-tuning. With `choose`, rate and epochs of each model, and shots and form of an
            endpoint's prompt, are chosen of that many on the validation split.
        on: other data: a task, and a benchmark's file or folder, or another corpus.
        most, most_test: number of training and of test examples to sample; all, if None.
        shares: shares of the labels to learn from beside all of them, above 0 and up to 1: learning curves.
        choose_at: share of the labels with which models' settings are chosen, once for all shares; if None, they are
            chosen for each share, with its own labels.
        people: learn only from labels of people, and score on them, where data is of a corpus.
        teacher: a corpus with weak labels, and texts, for systems `weak:` and `selftrain:`; if None, the one that a
            task's data is of.
        most_weak: number of its texts to sample; 10,000, if None.
        download: fetch missing models from the hub.
        price: dollars an hour of this machine; if None, the default price of its GPU.
        token_prices: dollars per million tokens of input and of output, by the endpoint's model.
        limit: highest spending in dollars on each endpoint and task.
        key: environment variable that holds the endpoints' key.
        ask: called with the expected cost if there is no limit; returns the limit.
        processes: models that train at a time, as in `finetune`.
        say: called with a sentence about each task that is left out.
        show: called with the progress.

    Raises:
        InputError: a package is missing, or there is nothing to compare.

    Examples:
        >>> comparison = evaluate("corpus", ["closure"], ["audits"], "another-comparison")
        >>> [row[0].rstrip(" *") for row in comparison.tables()[0].rows][:2]
        ['majority', 'markup only']
    """
    need(*TRANSFORMERS, "sklearn", "peft")
    from socorpus.training.evaluation import compare
    from socorpus.training.evaluation import systems as evaluation_systems
    from socorpus.training.finetuning.settings import FinetuneSettings

    root, others = corpus_place(corpus) if corpus is not None else None, list(on)
    if root is None and not others:
        raise InputError("nothing to compare on: give a corpus, or --on TASK=FILE")
    place = corpus_place(out) if out is not None else (root or Path()) / "comparison"
    with folders.written(place) as folder:
        chosen = evaluation_systems.chosen(list(systems))
        plan = compare.ComparisonPlan(
            _data(root, tasks, others, most, people, say),
            chosen,
            settings or FinetuneSettings(),
            compare.Asking(key, limit, token_prices or {}, ask=ask),
            most_test,
            download,
            price,
            root or Path(),
            processes,
            tuple(shares),
            choose_at,
            corpus_place(teacher) if teacher is not None else None,
            most_weak,
        )
        return Comparison(place, compare.compare(plan, folder, show or Silent()))


def _data(
    corpus: Path | None,
    tasks: Sequence[str] | None,
    others: Sequence[tuple[str, Location]],
    most: int | None,
    people: bool,
    say: Say,
) -> "list[Data]":
    from socorpus.labeling.api import task_named, task_names
    from socorpus.labeling.schema import FOLDER
    from socorpus.training.examples import readers

    data = []
    if corpus is not None:
        if not files.exists(corpus):
            raise InputError(f"{corpus}: no such corpus; give the folder that socorpus build wrote")
        tree = generations.finished(corpus)
        for name in tasks or [name for name in task_names() if files.exists(tree / FOLDER / name)]:
            try:
                data.append(readers.read(corpus, task_named(name), most, score_people=people))
            except InputError as error:
                # A small corpus may have no examples of a task; a task that was asked for must have some.
                if tasks:
                    raise
                say(f"left out: {error}")
    for name, path in others:
        data.append(readers.read(corpus_place(path), task_named(name), most, score_people=people))
    if not data:
        raise InputError(f"{corpus}: no task has labels for training and for test; a larger corpus has some")
    return data


@dataclass(frozen=True)
class Ablation:
    """The result of an ablation; `folder` holds it as ablation.json, .csv and .html."""

    folder: Path
    facts: Mapping[str, Any]
    """The contents of ablation.json."""

    def tables(self) -> "list[MeasureTable]":
        """The variants, then each measure of them, as text."""
        from socorpus.training.ablation import ablation_files

        return ablation_files.tables(self.facts)


@guarded
def plan_ablation(
    corpus: Location,
    vary: Sequence[str],
    out: Location | None = None,
    *,
    grid: bool = False,
    proxy: str = "tiny",
    config: Location | Config | None = None,
    tokens: int = 5_000_000,
    seeds: Sequence[int] = (0, 1, 2),
) -> "AblationPlan":
    """What an ablation takes, and its variants, before it begins; nothing is written.

    The arguments and errors are those of `ablate`.

    Args:
        out: folder of the ablation, where some of it may be there already.

    Examples:
        >>> plan = plan_ablation("corpus", ["selection.min_words=4,8"], tokens=8_192, seeds=[0])
        >>> list(plan.variants), plan.builds, plan.proxies
        (['base', 'selection.min_words=4', 'selection.min_words=8'], 3, 3)
    """
    need(*TRANSFORMERS)
    from socorpus.training.ablation import study

    wanted = _ablation(corpus, vary, grid, proxy, config, tokens, seeds)
    return study.plan(wanted, local(out) if out is not None else None)


@guarded
def ablate(
    corpus: Location,
    vary: Sequence[str],
    out: Location,
    *,
    grid: bool = False,
    proxy: str = "tiny",
    config: Location | Config | None = None,
    tokens: int = 5_000_000,
    seeds: Sequence[int] = (0, 1, 2),
    tasks: Sequence[str] = (),
    on: Iterable[tuple[str, Location]] = (),
    most: int | None = None,
    settings: "FinetuneSettings | None" = None,
    workers: int | None = None,
    processes: int | None = None,
    show: "AblationShow | None" = None,
) -> Ablation:
    """Vary the configuration of a corpus, train a small encoder on each variant at equal compute, and compare them.

    An ablation that was stopped goes on where it was; one with more values or seeds makes only these.

    Args:
        corpus: a finished corpus of this machine, which stays as it is; its dump is not needed.
        vary: `SECTION.KEY=VALUE,VALUE` each; `none` switches off what can be.
        out: folder of the ablation.
        grid: all combinations of values; by default one key at a time.
        proxy: preset of the proxies.
        config: a TOML file over the preset, or the whole configuration of the proxies.
        tokens: that each proxy sees.
        seeds: of the proxies' weights, order and masks; a proxy is trained with each.
        tasks: tasks of the corpus on which proxies are fine-tuned and compared.
        on: other data for that: a task, and a benchmark's file or folder, or another corpus.
        most: number of training examples of a task to sample; all, if None.
        settings: of fine-tuning; its seeds are those of the proxies.
        workers: processes of a build, as of `socorpus.corpus.build`.
        processes: models that are fine-tuned at a time, as in `finetune`.
        show: called with the progress.

    Raises:
        InputError: a package is missing, a key or a value is not right, the corpus can't be varied, or `out` holds
            something else.
        BuildError: a build or a run broke off; what is finished is kept.

    Examples:
        >>> small = {"model": {"layers": 1, "max_length": 128}, "batch": {"tokens": 2_048, "micro_tokens": 2_048}}
        >>> proxies = load_config("tiny", overrides=small)
        >>> study = ablate("corpus", ["selection.min_words=12"], "study", config=proxies, tokens=4_096, seeds=[0])
        >>> [row[0] for row in study.tables()[1].rows]
        ['base', 'selection.min_words=12']
    """
    need(*TRANSFORMERS, *(("sklearn", "peft") if tasks or on else ()))
    from socorpus.training.ablation import study
    from socorpus.training.finetuning.settings import FinetuneSettings

    wanted, others = _ablation(corpus, vary, grid, proxy, config, tokens, seeds), list(on)
    folder, how = local_output(out), replace(settings or FinetuneSettings(), seeds=wanted.seeds)
    if tasks or others:
        how.check()
        named = tasks or ()
        data = _data(wanted.root if named else None, named, others, most, people=False, say=_say_nothing)
        wanted = replace(wanted, data=data, settings=how)
    wanted = replace(wanted, workers=workers, processes=processes)
    return Ablation(folder, study.ablate(wanted, folder, show or Silent()))


def _ablation(
    corpus: Location,
    vary: Sequence[str],
    grid: bool,
    proxy: str,
    config: Location | Config | None,
    tokens: int,
    seeds: Sequence[int],
) -> "Wanted":
    from socorpus.training import presets
    from socorpus.training.ablation.study import Wanted

    root = corpus_place(corpus)
    if isinstance(root, ObjectPath):
        raise InputError(
            f"{root}: variants share files with the corpus by links; copy it to this machine, and vary that"
        )
    chosen = config if isinstance(config, Config) else presets.load(proxy, None if config is None else local(config))
    where = f"preset {proxy}" if config is None or isinstance(config, Config) else str(config)
    return Wanted(root, tuple(vary), grid, chosen, where, tokens, tuple(seeds))


@guarded
def load_predictor(model: Location, device: str | None = None) -> "Fitted":
    """A fine-tuned model that labels texts.

    Args:
        model: folder that `finetune` wrote.
        device: `cpu` or `cuda`; CUDA where available, if None.

    Raises:
        InputError: a package is missing, or the folder holds no fine-tuned model.

    Examples:
        >>> load_predictor("closure-model").task.name
        'closure'
    """
    need(*TRANSFORMERS)
    from socorpus.training.finetuning import predictor

    return predictor.load(folders.here(model), device)


@guarded
def serve_model(
    model: Location,
    *,
    host: str = "127.0.0.1",
    port: int = 9090,
    workers: int = 1,
    batch: int = 16,
    queue: int = 1024,
    say: Say = _say_nothing,
) -> None:
    """Serve a fine-tuned model until Ctrl-C: a machine-learning backend for Label Studio, and a small HTTP API.

    Args:
        model: folder that `finetune` wrote.
        host: address to listen on; a token is required if other machines can reach it (docs/serve.md).
        port: port to listen on; 0 picks a free port.
        workers: copies of the model that run in parallel.
        batch: texts per forward pass.
        queue: texts that may wait; further requests are refused.
        say: called with status lines; the first has the address.

    Raises:
        InputError: a package is missing, the folder holds no fine-tuned model, or the port is taken.

    Examples:
        >>> serve_model("no-model", port=0)
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: no-model: no fine-tuned model ...
    """
    need(*TRANSFORMERS, "starlette", "uvicorn")
    from socorpus.training.finetuning import predictor
    from socorpus.training.serve import app, settings

    how = settings.ServeSettings(host=host, port=port, workers=workers, batch=batch, queue=queue)
    app.serve(lambda: predictor.load(folders.here(model)), how, say)


@guarded
def connect_model(url: str, task: str, say: Say = _say_nothing) -> "Callable[[Project], None]":
    """A function that connects a served model to a project of Label Studio, so that it suggests labels there.

    Pass it as `then` of `socorpus.labeling.sync`.

    Args:
        url: address of a model that `serve_model` serves; its token is read from the environment.

    Raises:
        InputError: no model of the task answers at the URL.

    Examples:
        >>> connect_model("http://127.0.0.1:1", "closure")
        Traceback (most recent call last):
        ...
        socorpus.corpus.errors.InputError: http://127.0.0.1:1...
    """
    from socorpus.labeling.api import task_named
    from socorpus.training.serve import label_studio, settings

    wanted, token = task_named(task), settings.given_token()
    version = label_studio.served_version(url, wanted, token)

    def connect(project: "Project") -> None:
        label_studio.connect(project.client, project.number, wanted, url, version, token)
        label_studio.suggest(project.client, project.number, version, say)

    return connect
