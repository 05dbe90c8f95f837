"""From a run's checkpoint to a folder that `transformers` reads, with a proof that both models are equal.

The proof is part of the export: documents of the corpus go through the trainer's model, packed, and through
transformers' model as read from the disk, padded. If their logits differ by more than rounding, no folder is written.
"""

import math
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from socorpus.corpus import toml_config
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.storage import parquet
from socorpus.corpus.storage.boundary import disk_full, is_disk_full
from socorpus.corpus.storage.files import read_json, read_text, write_json
from socorpus.corpus.storage.objects.paths import readable
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.corpus.tokenizer import given
from socorpus.corpus.tokenizer.given import Given
from socorpus.training import config, presets, saved_hashes
from socorpus.training.config import Config, ModelShape
from socorpus.training.export import card, equality
from socorpus.training.loading import ONLY_DATA, loading
from socorpus.training.pretrain import checkpoint, distributed, log, schedule
from socorpus.training.pretrain.checkpoint import Found
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.pretrain.data.shard_reader import ShardCorpus
from socorpus.training.pretrain.run import EXPORTED, OWN, TOKENS, Run
from socorpus.training.quiet import quiet

if TYPE_CHECKING:
    from socorpus.training.models.encoder import Encoder

_TEXTS = 64
"""Documents that are tokenised for the proof where the corpus has other tokens."""


@dataclass(frozen=True)
class Source:
    """The source of an export: a run, one of its checkpoints, and the corpus it was trained on; of a mixture the facts
    of each corpus, the first of which is that one, and by fingerprint the others that are at hand."""

    run: Run
    facts: Mapping[str, Any]
    config: Config
    shape: ModelShape
    found: Found
    corpus: ShardCorpus
    tokenizer: Path
    corpora: Sequence[Mapping[str, Any]] = ()
    others: Mapping[str, ShardCorpus] = field(default_factory=dict)

    @cached_property
    def given(self) -> Given:
        """The run's tokenizer."""
        return tokenizer_folder.load_given(self.tokenizer)

    @cached_property
    def vocabulary(self) -> shard_reader.Vocabulary:
        """The trainer's view of it."""
        return shard_reader.vocabulary(self.tokenizer, self.shape.rows, TOKENS not in self.facts)


@dataclass(frozen=True)
class Proof:
    """The comparison of the two models: the split, the documents' lengths in tokens, and the largest difference of two
    logits, or of two components of a token's vector where the model has no head."""

    split: str
    lengths: tuple[int, ...]
    difference: float


def export(
    run: Path, out: Path, force: bool = False, step: int | None = None, sentence: bool = False
) -> dict[str, Any]:
    """Write a checkpoint of a run as a model of transformers, and prove that it is the same.

    Args:
        run: the run's folder.
        out: the folder to write; it appears complete or not at all.
        force: whether to replace an existing folder.
        step: the checkpoint's step; the newest, if None.
        sentence: whether to write the encoder without its head, with mean pooling, for sentence-transformers.

    Returns:
        The contents of export.json, and `folder`.

    Raises:
        InputError: the run, its checkpoint or its corpus is missing; or `out` is not empty.
        BuildError: the two models differ; or the disk is full. Nothing is left behind.
    """
    out = out.absolute().resolve()
    source = opened(run, step)
    _room(out, source, force)
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
        partial.mkdir(parents=True)
        facts = _write(source, partial, sentence)
        _put(partial, out)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if is_disk_full(error):
            raise disk_full(out) from error
        if isinstance(error, OSError):
            raise BuildError(f"{out}: cannot be written ({error}); nothing was left there") from error
        raise
    return {**facts, "folder": str(out)}


def opened(root: Path, step: int | None = None) -> Source:
    """Find a run's checkpoint and corpus.

    Raises:
        InputError: one of them is missing or does not belong to the others; names it.
    """
    if distributed.size() > 1:
        raise InputError("export is the work of one process; start it without torchrun or srun")
    run = Run(root)
    facts = run.facts()
    if facts is None:
        raise InputError(f"{root}: no run (no run.json); give the folder that socorpus train wrote with --out")
    shape = toml_config.section(ModelShape, facts["model"], f"{root / 'run.json'}: model")
    place, tokens, vocabulary = run.corpus(facts), facts.get(TOKENS), facts["vocabulary"]
    corpora = [_facts_of(part) for part in facts.get("corpora", [])]
    others = {part["fingerprint"]: run.corpus(part) for part in facts.get("corpora", [])[1:]}
    saved = _chosen(run, step)
    if not place.is_dir():
        raise InputError(
            f'{place}: the corpus of this run is gone; put it back there, or set "corpus" in {root / "run.json"} '
            "to where it is now: the export takes its tokenizer, its licences and some documents"
        )
    corpus = shard_reader.open_corpus(place)
    if tokens in corpus.manifest.get("tokens", {}):
        corpus = shard_reader.open_corpus(place, tokens)
    at_hand = {known: shard_reader.open_corpus(other) for known, other in others.items() if other.is_dir()}
    settings = presets.load(path=root / "run.toml")
    source = Source(run, facts, settings, shape, saved, corpus, run.tokenizer_folder(facts), corpora, at_hand)
    if source.vocabulary.padded != vocabulary:
        raise InputError(
            f"{source.tokenizer}: not the tokenizer that this run was trained with ({source.vocabulary.padded:,} rows, "
            f"not {vocabulary:,}); put that one there"
        )
    return source


def _facts_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """What an export says of a corpus of a mixture."""
    epochs = part["epochs"]
    return {
        "name": str(part["name"]),
        "fingerprint": str(part["fingerprint"]),
        "share": float(part["share"]),
        "epochs": None if epochs is None else float(epochs),
    }


def holds(folder: Path, saved: Found) -> bool:
    """Whether a folder holds the model, with its head, that `export` makes of a checkpoint, and not of one before it
    with the same step."""
    try:
        facts = read_json(folder / "export.json")
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("checkpoint") == saved.identity and facts.get("sentence") is False


def _chosen(run: Run, step: int | None) -> Found:
    listed = checkpoint.listed(run.checkpoints)
    if not listed:
        raise InputError(f"{run.root}: no checkpoint yet; let socorpus train go on until it has saved one")
    if step is None:
        return listed[-1]
    for saved in listed:
        if saved.step == step:
            return saved
    raise InputError(
        f"{run.root}: no checkpoint of step {step:,}; there are {', '.join(f'{f.step:,}' for f in listed)}"
    )


def _room(out: Path, source: Source, force: bool) -> None:
    """Refuse a folder that must not be overwritten: a run's, any of its own, or one that holds the source."""
    for kept in (source.run.root.resolve(), source.corpus.folder.resolve()):
        if out == kept or out in kept.parents:
            raise InputError(f"{out}: holds the run or its corpus; give another folder with --out")
    for folder in (out, *out.parents):
        name, *below = (*out.relative_to(folder).parts, "")
        own = not name or (name in OWN and (name != EXPORTED or below == [""]))
        if own and (folder / "run.json").is_file():
            raise InputError(
                f"{out}: a run's own folder; give another one with --out, such as {folder / 'model'} with a name that "
                "the run does not use"
            )
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file; give a folder with --out")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InputError(f"{out}: not empty; give another folder with --out, or --force to replace what is there")


def _put(partial: Path, out: Path) -> None:
    """Rename a finished folder to its final name; the old folder is removed, or restored if that fails."""
    if not out.exists():
        partial.rename(out)
        return
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    out.rename(old)
    try:
        partial.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write(source: Source, folder: Path, sentence: bool) -> dict[str, Any]:
    split, documents = _documents(source)
    with distributed.joined() as ranks, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # megatron-core warns of its own defaults in every layer
        ours = loaded(source, ranks)
        _save(source, ours, folder, sentence)
        theirs = _theirs(source, folder, sentence)
        if not equality.finite(theirs):
            raise InputError(
                f"{source.found.path}: the weights are not finite: training destroyed them. Export an earlier step "
                "(--step), or train again with a lower optimizer.lr"
            )
        here = replace(ranks, device=torch.device("cpu"))
        equal = equality.compare(ours, theirs, documents, source.vocabulary.special["[PAD]"], here)
        proof = Proof(split, tuple(len(ids) for ids in documents), equal.difference)
    if not proof.difference < equality.TOLERANCE:
        raise BuildError(
            f"{source.found.path}: the exported model differs from the trained one by {proof.difference:.1e} in a "
            f"{'vector' if sentence else 'logit'}, more than the {equality.TOLERANCE:.0e} that rounding explains; "
            "nothing was written. "
            f"Please report this with the versions of torch ({torch.__version__}) and transformers "
            f"({version('transformers')})"
        )
    saved_hashes.write(folder)
    facts = _facts(source, proof, theirs, sentence)
    write_json(folder / "export.json", facts)
    toml = read_text(source.run.root / "run.toml")
    manifest = card.merged([source.corpus.manifest, *(other.manifest for other in source.others.values())])
    (folder / "README.md").write_text(card.text(facts, manifest, toml), "utf-8")
    return facts


def _documents(source: Source) -> tuple[str, equality.Documents]:
    """Held-out documents of different lengths with special tokens, including the longest that was read."""
    shape, special = source.shape, source.vocabulary.special
    train, *held_out = SPLITS
    shards = source.corpus.manifest["shards"]
    split = next((name for name in held_out if shards.get(name, {}).get("rows")), train)
    if source.corpus.vocabulary.identity == source.vocabulary.identity:
        return split, equality.documents(source.corpus.row_groups(split), shape.max_length, special)
    # The corpus was built anew with another tokenizer.
    group = replace(source.corpus, beside=False).row_groups(split)[0]
    rows = parquet.read_group(group.path, group.number, ["text", "segments"]).slice(0, _TEXTS)
    ids, _ = given.encode(source.given, rows["text"], rows["segments"])
    pieces = [np.asarray(own.values)[: shape.max_length - 2] for own in ids]
    return split, equality.chosen(pieces, special)


def loaded(source: Source, ranks: distributed.Ranks) -> "Encoder":
    """The trainer's model with the checkpoint's master weights, float32 on the CPU."""
    from socorpus.training.models import encoder
    from socorpus.training.pretrain.optimizer import Optimizer

    model = encoder.build(source.shape, config.Parallel(), source.vocabulary.padded)
    here = replace(ranks, device=torch.device("cpu"))
    checkpoint.load(source.found, model, Optimizer(model, source.config.optimizer, here), here, moments=False)
    return model.eval()


MASK = "[MASK]"


def _save(source: Source, ours: "Encoder", folder: Path, sentence: bool) -> None:
    """Write config.json, model.safetensors and the tokenizer."""
    from socorpus.training.export import weights

    with quiet() as transformers:
        vocabulary = source.vocabulary
        described = weights.configuration(source.shape, vocabulary.padded, vocabulary.special)
        theirs = getattr(transformers, _class_of(source.shape, sentence))(described)
        own = {name: tensor.detach() for name, tensor in ours.named_parameters()}
        named = weights.weights(own, source.shape)
        if sentence:
            from socorpus.training.export import sentence as sentence_layout

            named = sentence_layout.encoder(named, source.shape)
        keys = theirs.load_state_dict(named, strict=False)
        if keys.missing_keys or keys.unexpected_keys:
            raise BuildError(
                f"transformers {transformers.__version__} names the weights of {type(theirs).__name__} in another way: "
                f"missing {keys.missing_keys[:3]}, unexpected {keys.unexpected_keys[:3]}; nothing was written"
            )
        theirs.float().save_pretrained(folder, max_shard_size="1000GB")
    # safetensors writes files that only their owner can read.
    (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)
    if source.shape.family == "modern":
        path = folder / "config.json"
        write_json(path, {**weights.rotation(source.shape), **read_json(path)})
    _save_tokenizer(source, folder)
    if sentence:
        sentence_layout.write(folder, source.shape)


def _save_tokenizer(source: Source, folder: Path) -> None:
    """Write the tokenizer: of a model that training started from as it came, else with a mask for people's texts."""
    # Only what a build writes: anything else in the folder of a corpus from elsewhere is not for the model.
    for name in given.FILES:
        path = source.tokenizer / name
        if path.is_file() and not path.is_symlink():
            shutil.copyfile(readable(path), folder / name)
    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else _settings(source.given)
    settings.pop("auto_map", None)
    settings |= {"model_max_length": source.shape.max_length}
    parts = read_json(folder / "tokenizer.json")
    if TOKENS not in source.facts:
        # The tokens that were masked in training had the space before them: so has the mask in a text of somebody's.
        for token in (*settings.get("added_tokens_decoder", {}).values(), *parts.get("added_tokens", ())):
            if token["content"] == MASK:
                token["lstrip"] = True
        write_json(folder / "tokenizer.json", parts)
    write_json(path, settings)


def _settings(tokenizer: Given) -> dict[str, Any]:
    """tokenizer_config.json of a tokenizer that came without one."""
    names = {name: tokenizer.tokenizer.id_to_token(number) for name, number in tokenizer.special.items()}
    roles = {f"{name.strip('[]').lower()}_token": token for name, token in names.items()}
    return {"tokenizer_class": "PreTrainedTokenizerFast", **roles}


def _class_of(shape: ModelShape, sentence: bool) -> str:
    """The class in transformers that is written: with the head of masked language modelling, or without."""
    from socorpus.training.export import sentence as sentence_layout
    from socorpus.training.export import weights

    return (sentence_layout.CLASSES if sentence else weights.ARCHITECTURES)[shape.family]


def _theirs(source: Source, folder: Path, sentence: bool) -> Any:
    """transformers' model as read from the disk."""
    with loading(folder, "the exported model") as transformers:
        kind = getattr(transformers, _class_of(source.shape, sentence))
        return kind.from_pretrained(folder, **ONLY_DATA).float().eval()


def _facts(source: Source, proof: Proof, theirs: Any, sentence: bool) -> dict[str, Any]:
    """The contents of export.json; it contains no path of this machine."""
    facts, state, step = source.facts, source.found.state, source.found.step
    ranks = facts.get("ranks")
    hours = None if ranks is None else state["seconds"] / 3600 * math.prod(ranks.values())
    price = facts["dollars"] / facts["gpu_hours"] if facts.get("dollars") and facts.get("gpu_hours") else None
    return {
        "socorpus": version("socorpus"),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "architecture": type(theirs).__name__,
        "sentence": sentence,
        "parameters": theirs.num_parameters(),
        "model": toml_config.as_dict(source.shape),
        "vocabulary": {
            "entries": source.vocabulary.entries,
            "rows": source.shape.rows or source.vocabulary.padded,
        },
        "tokenizer": source.vocabulary.identity,
        "mask": source.given.tokenizer.id_to_token(source.vocabulary.special["[MASK]"]),
        "init": facts.get("init"),
        "corpus": {
            "fingerprint": facts["fingerprint"],
            "built_again": facts["fingerprint"] != source.corpus.fingerprint,
        },
        "corpora": [
            {**part, "at_hand": number == 0 or part["fingerprint"] in source.others}
            for number, part in enumerate(source.corpora)
        ],
        "step": step,
        "checkpoint": source.found.identity,
        "steps": schedule.course(source.config, step, state).steps,
        "tokens": state["tokens"],
        "flops": state["flops"],
        "gpu_hours": hours,
        "dollars": None if hours is None or price is None else hours * price,
        "device": facts.get("device"),
        "validation": _validation(source.run, step),
        "largest_difference": proof.difference,
        "proof": {"tolerance": equality.TOLERANCE, "split": proof.split, "document_tokens": list(proof.lengths)},
    }


def _validation(run: Run, step: int) -> dict[str, Any] | None:
    """The last held-out scores up to a step."""
    held = [line for line in log.of_kind(run.log, "validation") if line["step"] <= step] if run.log.exists() else []
    return {name: value for name, value in held[-1].items() if name != "kind" and value is not None} if held else None
