"""The folder of a run, written by one run at a time.

```
RUN/run.toml         the resolved configuration
RUN/run.json         facts of the run: corpora, tokenizer, shape, versions, ranks, figures at its end
RUN/tokenizer/       the tokenizer, as it is in the corpus
RUN/log.jsonl        one line per logged step, validation and checkpoint
RUN/tensorboard/     the same for TensorBoard
RUN/profile/         traces of `--profile`
RUN/wandb/           what Weights & Biases keeps, with `--log wandb`
RUN/exported/        models of checkpoints, made where the run was fine-tuned or compared
RUN/checkpoints/     step-000000100/ …
RUN/.lock            held by the run that writes here
```
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from socorpus.corpus import toml_config
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files, generations, json_shape
from socorpus.corpus.storage.boundary import corpus_place
from socorpus.corpus.storage.files import atomic, write_json
from socorpus.corpus.storage.objects.paths import readable
from socorpus.corpus.tokenizer import given
from socorpus.training import corpus_memory, folder_lock
from socorpus.training.config import Config, ModelShape
from socorpus.training.pretrain.data import mixture as mixtures
from socorpus.training.pretrain.data import shard_reader
from socorpus.training.pretrain.data.mixture import Mixture

_PATIENCE = 30.0
TOKENS = "tokens_folder"
"""Fact of a run that reads the tokens of another tokenizer than its corpus's: the name of their folder there."""
EXPORTED = "exported"
_EXPORT_LOCK = ".exported.lock"
_FACTS = "run.json"
_FOLDERS = ("checkpoints", "tokenizer", "tensorboard", "profile", "wandb", EXPORTED)
# The facts go last: until then the folder is a run's.
_FILES = ("log.jsonl", "run.toml", _FACTS)
OWN = (*_FOLDERS, *_FILES, folder_lock.NAME, _EXPORT_LOCK)
"""Names in a run's folder that the run writes."""
_SHAPE = {
    "corpus": str,
    "fingerprint": str,
    "tokenizer": str,
    "vocabulary": int,
    "model": {str: object},
    "data": {str: object},
    "corpora?": [{"corpus": str, "fingerprint": str, "name": str, "share": float, "epochs": (float, None)}],
    "init?": {"name": str, "digest": str},
    f"{TOKENS}?": str,
    "micro_batch?": {"micro_tokens": int},
    "ranks?": {"tensor": int, "data": int},
    "device?": str,
    **{f"{name}?": int for name in ("step", "steps", "parameters", "tokens")},
    **{f"{name}?": float for name in ("flops", "gpu_hours", "matmul_tflops", "share_of_peak")},
    "dollars?": (float, None),
}
"""What is relied on in run.json; the figures of its end are not there yet while a run goes on for the first time."""


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    root: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.root / "checkpoints"

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer, of which a run keeps a copy: its corpus may be built anew with another one."""
        return self.root / "tokenizer"

    @property
    def log(self) -> Path:
        """The log, JSON Lines."""
        return self.root / "log.jsonl"

    def facts(self) -> dict[str, Any] | None:
        """The content of run.json; None if there is none.

        Raises:
            InputError: it can't be read, or is not what a run writes.
        """
        path = self.root / _FACTS
        try:
            facts: dict[str, Any] = files.read_json(path)
            wrong = json_shape.misfit(facts, _SHAPE)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            wrong = str(error)
        if wrong:
            raise InputError(
                f"{path}: damaged, or not what socorpus train writes ({wrong}); put it back from a copy, or give "
                "another folder for a new run"
            )
        return facts

    def require_own(self) -> None:
        """Refuse a folder of something else, in which a run would write over files of others, and delete them.

        Other files, such as a recipe or a batch system's log, may lie there: a run never touches them.

        Raises:
            InputError: it is a corpus; or it has files of a run's names, and is no run; or run.json is damaged.
        """
        if files.exists(generations.finished(self.root) / "MANIFEST.json"):
            raise InputError(f"{self.root}: a corpus, and no folder for a run; give another one with --out")
        if self.facts() is not None:
            return
        there = sorted(path.name for path in self.root.iterdir()) if self.root.is_dir() else []
        foreign = [name for name in there if name in (*_FOLDERS, *_FILES)]
        if foreign and self.facts() is None:  # another process may have begun the run meanwhile
            held = ", ".join(foreign[:3]) + (" and more" if len(foreign) > 3 else "")
            raise InputError(
                f"{self.root}: holds {held}, whose place a run needs, and is no run: it has no {_FACTS}, which says of "
                f"which corpus and model a run is; give another folder with --out, or put the run's {_FACTS} back from "
                "a copy"
            )

    def corpus(self, facts: Mapping[str, Any]) -> Path:
        """The folder of the run's corpus: as seen from the run, or, if only the run was moved, where it was last.

        Args:
            facts: of the run, or an entry of its `corpora`.
        """
        if "://" in facts["corpus"]:
            return corpus_place(facts["corpus"])
        place = Path(os.path.normpath(self.root / facts["corpus"]))
        if place.is_dir() or Path(facts["corpus"]).is_absolute():
            return place
        return corpus_memory.find(facts["fingerprint"]) or place

    def continued(self) -> tuple[ModelShape | None, str | None]:
        """The shape and the tokens of a run that started from weights, or reads another tokenizer's tokens; None of any
        other run, and where there is none.

        Raises:
            InputError: run.json can't be read.
        """
        facts = self.facts()
        if facts is None or not {"init", TOKENS} & facts.keys():
            return None, None
        shape = toml_config.section(ModelShape, facts.get("model"), f"{self.root / 'run.json'}: model")
        return shape, facts.get(TOKENS)

    def tokenizer_folder(self, facts: Mapping[str, Any]) -> Path:
        """Folder of the run's tokenizer: of its copy, or, of a run of an earlier release, in its corpus.

        Raises:
            InputError: it is gone.
        """
        folder = self.tokenizer
        if not folder.is_dir():
            folder = generations.finished(self.corpus(facts)) / "tokenizer"
        own = TOKENS not in facts
        if not folder.is_dir() or shard_reader.vocabulary(folder, own=own).identity != facts["tokenizer"]:
            raise InputError(
                f"{folder}: another tokenizer than the one this run was trained with, or none; put that one into "
                f"{self.tokenizer}, or build the corpus again with tokenizer.path set to it"
            )
        return folder

    def begin(self, mixture: Mixture, config: Config, init: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write run.toml, run.json and the tokenizer, or compare them with these corpora and this configuration.

        Between two starts everything may change except the model's shape, the order of the data, the corpora with their
        shares and epochs, and their tokenizer. The lanes are kept.

        Args:
            init: facts of the weights that the run starts from, if they are named this time.

        Raises:
            InputError: one of these changed; the message says which, and what to do.
        """
        corpus = mixture.own
        new = {
            # Seen from the run: a run is given to others, and it may be moved together with its corpus.
            "corpus": self._seen(corpus.folder),
            "fingerprint": corpus.fingerprint,
            "tokenizer": corpus.vocabulary.identity,
            "vocabulary": corpus.vocabulary.padded,
            "model": toml_config.as_dict(config.model),
            "data": {key: getattr(config.data, key) for key in ("seed", "overlap", "cut")},
        }
        places = {part.corpus.fingerprint: self._seen(part.corpus.folder) for part in mixture.parts}
        corpora = [{**part, "corpus": places[part["fingerprint"]]} for part in mixtures.described(mixture)]
        old = self.facts()
        if init is not None:
            # Weights that were refused may have been mended since: nothing came of them.
            begun = None if old is not None and "init" in old and self._is_unsaved() else old
            new["init"] = init if begun is None else self._same_start(begun, init)
        if config.data.tokens is not None:
            new[TOKENS] = config.data.tokens
        if old is not None:
            self._same(old, new, corpus.folder)
            self._same_corpora(old.get("corpora", []), corpora)
            known = {part["fingerprint"]: part for part in old.get("corpora", [])}
            # The name stays, and what was read.
            corpora = [
                {**known[part["fingerprint"]], **part, "name": known[part["fingerprint"]]["name"]} for part in corpora
            ]
        config = self._with_lanes(config, len(mixture.parts))
        facts = {**(old or {}), **new, **({"corpora": corpora} if corpora else {})}
        self.root.mkdir(parents=True, exist_ok=True)
        self.write(facts)
        for name in given.FILES:
            if (path := corpus.tokenizer / name).is_file() and not path.is_symlink():
                with atomic(self.tokenizer / name) as temporary:
                    shutil.copyfile(readable(path), temporary)
        for part in mixture.parts:
            corpus_memory.remember(part.corpus.fingerprint, part.corpus.folder)
        # Like those of run.json, and relative to the file as in any configuration.
        entries = tuple(
            entry if entry.corpus is None else replace(entry, corpus=self._seen(corpus_place(entry.corpus)))
            for entry in config.data.corpora
        )
        config = replace(config, data=replace(config.data, corpora=entries))
        with atomic(self.root / "run.toml") as temporary:
            temporary.write_text(toml_config.to_toml(config), "utf-8")
        return facts

    def _is_unsaved(self) -> bool:
        """Whether there is no checkpoint yet, not even of the weights that the run starts from."""
        from socorpus.training.pretrain import checkpoint

        return checkpoint.newest(self.checkpoints) is None

    def _with_lanes(self, config: Config, corpora: int) -> Config:
        """The configuration with the lanes of the newest checkpoint, whatever it asks for itself.

        Raises:
            InputError: a step's sequences can't be dealt to so many evenly; or the checkpoint's positions are not of
                so many corpora.
        """
        from socorpus.training.pretrain import checkpoint

        saved = checkpoint.newest(self.checkpoints)
        if saved is None or "lanes" not in saved.state:
            return config
        lanes, first = int(saved.state["lanes"]), saved.state["cursors"][0]
        if (len(first) if isinstance(first[0], list) else 1) != corpora:
            raise InputError(f"{saved.path}: not a checkpoint of this run, which reads {corpora} corpora")
        if (config.batch.tokens // config.model.max_length) % lanes:
            raise InputError(
                f"{self.root}: this run reads its shards in {lanes} lanes, which it keeps, and a step takes as many "
                f"sequences of each: batch.tokens must be a multiple of {lanes * config.model.max_length:,}, and is "
                f"{config.batch.tokens:,}"
            )
        return config if config.data.lanes is None else replace(config, data=replace(config.data, lanes=lanes))

    def _seen(self, corpus: Path) -> str:
        """The way from the run to its corpus; an address stays one."""
        place = str(corpus.absolute())
        return place if "://" in place else os.path.relpath(place, self.root.absolute())

    def write(self, facts: Mapping[str, Any]) -> None:
        """Write run.json."""
        write_json(self.root / "run.json", facts)

    def clear(self) -> None:
        """Delete the files that a run wrote here, and nothing else; its locks stay.

        Raises:
            InputError: what lies here is no run's, or one of its folders is a link.
            OSError: something can't be deleted.
        """
        self.require_own()
        places = [self.root / name for name in (*_FOLDERS, *_FILES) if os.path.lexists(self.root / name)]
        if link := next((path for path in places if path.is_symlink()), None):
            raise InputError(f"{link}: a link, and nothing is deleted through it; remove it, and what it leads to")
        for path in places:
            if path.name == EXPORTED:
                with self.exporting():
                    shutil.rmtree(path)
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    @contextmanager
    def exporting(self) -> Iterator[None]:
        """Let one process at a time make models in the run's folder, or delete them; others wait."""
        with files.locked(self.root / _EXPORT_LOCK):
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder for the duration of the block.

        Raises:
            InputError: something else lies there; or another run is in it, even after some waiting: ranks take time to
                end when their launcher was killed.
        """
        self.require_own()
        with folder_lock.held(self.root, "training", _PATIENCE):
            self.require_own()
            yield

    def _same(self, old: Mapping[str, Any], new: Mapping[str, Any], corpus: Path) -> None:
        if old["tokenizer"] != new["tokenizer"] or old["vocabulary"] != new["vocabulary"]:
            raise InputError(
                f"{self.root}: this run was begun with another tokenizer than that of {corpus}; its checkpoints "
                "mean nothing to this one: give another folder with --out"
            )
        changed = [
            f"{part}.{key} = {old[part].get(key)} (now {value})"
            for part in ("model", "data")
            for key, value in new[part].items()
            if old[part].get(key) != value
        ]
        if changed:
            raise InputError(
                f"{self.root}: this run was begun with {', '.join(changed)}; start it with the same, "
                "or give another folder with --out"
            )
        if old["fingerprint"] != new["fingerprint"]:
            raise InputError(
                f"{self.root}: the shards are not those that this run was begun on; where it stands in them is lost. "
                "Give another folder with --out for a new run, or build the old corpus again"
            )

    def _same_start(self, old: Mapping[str, Any], init: Mapping[str, Any]) -> Mapping[str, Any]:
        """The facts of the start of a run that is resumed."""
        known = old.get("init")
        if known is None or known["digest"] != init["digest"]:
            begun = "random weights" if known is None else f"other weights ({known['name']})"
            raise InputError(
                f"{self.root}: this run was begun with {begun}, and --init names {init['name']}; leave --init out to "
                "go on with the run, or give another folder with --out for a new one"
            )
        return {**init, **known}

    def _same_corpora(self, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> None:
        known = {part["corpus"]: part["fingerprint"] for part in old}
        changed = [
            part["name"] for part in new if known.get(part["corpus"], part["fingerprint"]) != part["fingerprint"]
        ]
        if changed:
            raise InputError(
                f"{self.root}: the shards of {', '.join(changed)} are not those that this run was begun on; where it "
                "stands in them is lost. Give another folder with --out for a new run, or build the old corpus again"
            )

        def parts(corpora: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float | None]]:
            return [(part["fingerprint"], f"{part['share']:.9f}", part["epochs"]) for part in corpora]

        if parts(old) != parts(new):
            raise InputError(
                f"{self.root}: this run was begun with {_listed(old)}, and these are {_listed(new)}; start it with the "
                "same data.corpora, or give another folder with --out"
            )


def _listed(corpora: Sequence[Mapping[str, Any]]) -> str:
    """The corpora of a run in words."""
    each = [
        f"{part['name']} ({part['share']:.2%} of the tokens"
        + (")" if part["epochs"] is None else f", at most {part['epochs']:g} times)")
        for part in corpora
    ]
    return f"the corpora {', '.join(each)}" if each else "one corpus"
