"""Pre-trained models of the real architectures, too small to know anything, made on the spot; and tasks for them."""

import json
import random
from pathlib import Path
from typing import Any

from socorpus.corpus.schema import SPECIAL_TOKENS
from socorpus.labeling.schema import Task
from socorpus.labeling.tasks.entities.spans import Span
from socorpus.training.examples.example import Data, Example
from socorpus.training.quiet import quiet

WORDS = [
    "how",
    "do",
    "i",
    "use",
    "the",
    "list",
    "of",
    "a",
    "file",
    "in",
    "my",
    "loop",
    "and",
    "why",
    "is",
    "this",
    "so",
    "slow",
    "today",
]

CONFIGS: dict[str, dict[str, Any]] = {
    "Bert": {"max_position_embeddings": 64},
    "MegatronBert": {"max_position_embeddings": 64},
    "ModernBert": {
        "max_position_embeddings": 64,
        "local_attention": 16,
        **{f"{name}_token_id": at for at, name in enumerate(("pad", "unk", "cls", "sep"))},
        "bos_token_id": 2,
        "eos_token_id": 3,
    },
    "Llama": {"max_position_embeddings": 64, "bos_token_id": 2, "eos_token_id": 3},
}


def model(folder: Path, kind: str = "Bert", **changes: Any) -> Path:
    """A model's folder as the hub has it: weights, configuration, fast tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([" ".join(WORDS), "numpy pandas Flask def return plz urgent help"] * 20, trainer)
    single = "[CLS] $A" if kind == "Llama" else "[CLS] $A [SEP]"
    made.post_processor = processors.TemplateProcessing(single=single, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    shape: dict[str, Any] = {
        "vocab_size": made.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        **CONFIGS[kind],
        **changes,
    }
    torch.manual_seed(0)
    with quiet() as transformers:
        config = getattr(transformers, f"{kind}Config")(**shape)
        of = "ForCausalLM" if kind == "Llama" else "ForMaskedLM"
        getattr(transformers, f"{kind}{of}")(config).save_pretrained(folder)
        names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
        if kind == "Llama":
            names = {"bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]"}
        transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)
    return folder


def texts(sizes: tuple[int, int, int] = (96, 32, 48), seed: int = 0, noise: float = 0.0) -> Data:
    """Questions that are poor where they say "plz" or "urgent"; `noise` of the training labels are wrong."""
    draw, task = random.Random(seed), Task("quality", {"HQ": "a good question", "LQ": "a poor question"})
    splits: dict[str, list[Example]] = {}
    for split, size in zip(("train", "validation", "test"), sizes, strict=True):
        splits[split] = []
        for at in range(size):
            words = draw.choices(WORDS, k=draw.randint(3, 12))
            label = at % 2
            if label:
                words.insert(draw.randint(0, len(words)), draw.choice(("plz", "urgent")))
            said = 1 - label if split == "train" and draw.random() < noise else label
            splits[split].append(
                Example(
                    key=f"toy:{split}{at}",
                    thread=f"{split}{at // 2}",
                    title="how" if at % 3 else None,
                    text=" ".join(words),
                    created=at,
                    tags=("python",) if at % 5 else ("python", "help"),
                    kinds=(("prose", 0, len(" ".join(words))),),
                    label=said,
                    probabilities=(0.9, 0.1) if said == 0 else (0.1, 0.9),
                    source="function",
                )
            )
    return Data(task, "toy", splits, ("made up",))


def spans(sizes: tuple[int, int, int] = (96, 32, 48), seed: int = 0) -> Data:
    """Texts in which numpy, pandas and Flask are libraries, and `def` and `return` with what follows are code."""
    draw, task = (
        random.Random(seed),
        Task("entities", dict.fromkeys(("Library", "Code_Block", "Value"), ""), unit="span"),
    )
    splits: dict[str, list[Example]] = {}
    for split, size in zip(("train", "validation", "test"), sizes, strict=True):
        splits[split] = []
        for at in range(size):
            text, found = "", []
            for _ in range(draw.randint(3, 9)):
                what = draw.random()
                word = draw.choice(WORDS)
                if what < 0.3:
                    word = draw.choice(("numpy", "pandas", "Flask"))
                    found.append(Span(len(text), len(text) + len(word), "Library"))
                elif what < 0.4:
                    word = f"def {word}"
                    found.append(Span(len(text), len(text) + len(word), "Code_Block"))
                text += word + " "
            probable = tuple((span, 0.9) for span in found)
            splits[split].append(Example(key=f"{split}{at}", thread=f"{split}{at}", text=text, spans=probable))
    return Data(task, "toy spans", splits, (), ("Code_Block",))


class Quiet:
    """Shows nothing, and keeps what was told."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.steps: list[Any] = []
        self.scores: list[Any] = []
        self.lacking: list[str] = []
        self.notes: list[str] = []
        self.done: list[str] = []

    def begin(self, what: Any) -> None:
        self.begun.append(what)

    def step(self, line: Any) -> None:
        self.steps.append(line)

    def validated(self, seed: int, epoch: int, scores: Any, name: str = "") -> None:
        self.scores.append((seed, epoch, scores))

    def ended(self, name: str) -> None:
        self.done.append(name)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def cell(self, system: str, task: str, data: str) -> None:
        pass

    def asked(self, done: int, total: int) -> None:
        pass

    def missing(self, system: str, sentence: str) -> None:
        self.lacking.append(sentence)


def described(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "finetune.json").read_text("utf-8"))
    return found
