"""The configuration of a training run: presets, then a TOML file, then single keys.

Sources of the shapes: "Skill over Scale" (Mukherjee and Hellendoorn 2025) for `sobert-*`; ModernBERT (Warner et al.
2024) for `modern-*`; Ettin (Weller et al. 2025) for `mini`. Values that those papers do not
report (such as SOBert's learning rates) are our choice, as docs/training.md notes.
"""

from dataclasses import dataclass, field

from socorpus.corpus import toml_config
from socorpus.corpus.errors import InputError


@dataclass(frozen=True)
class ModelShape:
    """The encoder's shape."""

    family: str = "modern"
    """`sobert`: learned positions, GELU, biases; `modern`: RoPE, GeGLU, no biases, local and global attention."""
    layers: int = 4
    """Transformer layers."""
    hidden: int = 128
    """Width of a token's vector."""
    heads: int = 4
    """Attention heads; they divide `hidden`."""
    ffn: int = 192
    """Width inside the feed-forward block; of each half where it is gated."""
    max_length: int = 2048
    """Most tokens of a document, its two special tokens included."""
    window: int = 128
    """Tokens that a token sees around itself in local layers, half on each side (`modern`)."""
    global_every: int = 3
    """One layer in this many has global attention, starting with the first (`modern`)."""
    eps: float | None = None
    """Added to the variance in a norm. Default: 1e-12 (`sobert`), 1e-5 (`modern`)."""
    rope_global: float | None = None
    """Base of the rotation in global layers (`modern`). Default: 160,000."""
    rope_local: float | None = None
    """Base of the rotation in local layers (`modern`). Default: 10,000."""
    token_types: int | None = None
    """Rows of a token-type embedding, of which all tokens have the first (`sobert`). Default: no such embedding."""
    rows: int | None = None
    """Entries that the model knows. Default: those of the tokenizer, rounded up to a multiple of 64."""


@dataclass(frozen=True)
class MixedCorpus:
    """A corpus beside the one of the command line, or the share of that one."""

    corpus: str | None = None
    """Its folder, relative to this file, or its address. A table without it is of the corpus of the command line."""
    weight: float | None = None
    """Share of the tokens, relative to the other corpora's. Either each corpus has one or none has: shares are then
    those of their tokens, times `epochs` where that is given."""
    epochs: float | None = None
    """Passes after which the corpus is used up and its share goes to the others. Default: no end."""


@dataclass(frozen=True)
class DataSettings:
    """From shards to packed sequences."""

    overlap: int = 0
    """Tokens that the pieces of a document longer than the model's context share."""
    cut: bool = True
    """Whether such a document is cut into pieces; else only its first piece is read."""
    seed: int = 1
    """Seed of the order, the masks and the first weights."""
    lanes: int | None = None
    """Streams that the row groups are dealt to; a rank reads only some of them where the ranks' number divides theirs.
    Default: as many as possible, at most 16."""
    tokens: str | None = None
    """Tokens of another tokenizer (`socorpus tokenize`): the name of their folder in the corpus's `tokens`. Default:
    the corpus's own."""
    ahead: int = 4
    """Micro-batches read ahead."""
    stall_minutes: float = 10.0
    """Minutes to wait for one micro-batch from the reader before the run ends."""
    corpora: tuple[MixedCorpus, ...] = ()
    """Corpora of a mixture."""


@dataclass(frozen=True)
class Masking:
    """Masked language modelling."""

    rate: float = 0.30
    """Share of tokens that are masked."""
    final_rate: float = 0.15
    """Share at the end of the decay, approached linearly (Ettin)."""
    words: bool = False
    """Whether all tokens of a word are masked together."""
    code_rate: float | None = None
    """Share of tokens masked in code blocks, if it differs from prose."""
    mask: float = 0.8
    """Share of the masked that become [MASK]."""
    random: float = 0.1
    """Share of the masked that become a random token; the others stay as they are (Devlin et al. 2019)."""


@dataclass(frozen=True)
class OptimizerSettings:
    """From gradients to new weights."""

    name: str = "adamw"
    """`adamw`, or `muon` for matrices inside the layers with AdamW for all else."""
    lr: float = 8e-4
    """Highest learning rate of AdamW."""
    muon_lr: float = 5e-3
    """Highest learning rate of Muon, where it is used; scaled to match AdamW's step (Liu et al. 2025)."""
    beta1: float = 0.9
    """Decay of the mean gradient."""
    beta2: float = 0.98
    """Decay of the mean squared gradient."""
    eps: float = 1e-6
    """Added to the root of the mean squared gradient."""
    weight_decay: float = 1e-5
    """Decoupled; applied only to matrices, not to biases or norms."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 does not clip."""
    skips: int = 10
    """Steps one after another whose loss or gradient is not finite, which change no weight, before the run ends."""


@dataclass(frozen=True)
class Schedule:
    """Length of the run, and the course of the learning rate."""

    tokens: int = 27_000_000_000
    """Tokens that the model sees, rounded up to whole steps."""
    form: str = "wsd"
    """`wsd`: warm-up, stable, decay by one minus a square root; `cosine`."""
    warmup: float = 0.02
    """Share of the steps with a rising rate."""
    decay: float = 0.2
    """Share of the steps with a falling rate (`wsd`)."""
    floor: float = 0.0
    """Rate at the end, as a share of the highest."""


_MICRO_TOKENS = 32_768


@dataclass(frozen=True)
class Batch:
    """Tokens a step."""

    tokens: int = 524_288
    """Tokens of a step over all ranks."""
    micro_tokens: int | None = None
    """Most tokens that a rank takes at once; a step of more accumulates gradients. Default: measured, or 32,768."""
    measure: bool | None = None
    """Whether `micro_tokens` is found by measuring when a run begins, and kept. Default: on a GPU, where it is not
    given."""

    @property
    def micro(self) -> int:
        """Tokens of a micro-batch, measured or not."""
        return self.micro_tokens or _MICRO_TOKENS


@dataclass(frozen=True)
class Parallel:
    """Distribution of a run over ranks."""

    tensor: int | None = None
    """Ranks that share one copy of the model; the others are data-parallel. Default: the fewest whose memory
    holds the model."""
    zero: bool = False
    """Whether data-parallel ranks divide master weights and the optimizer's moments (ZeRO stage 1; not with Muon): 12
    bytes a parameter less on each of many ranks, and the gradients are summed and weights shared in as many bytes."""
    recompute: bool = False
    """Whether layers are recomputed in the backward pass: less memory, a third more arithmetic."""
    compile: bool | None = None
    """Whether layers go through torch.compile. Default: where FlashAttention runs."""
    flash_attention: str | None = None
    """`FA2` (PyTorch's own), `FA3` (Hopper; the package flash_attn_interface) or `FA4` (flash-attn-4). Default: `FA3`
    where GPU and package are there, else `FA2`."""
    precision: str | None = None
    """`bf16` (with fp32 master weights) or `fp32`. Default: bf16 on GPUs that have it (Ampere and later)."""


@dataclass(frozen=True)
class Checkpoint:
    """Checkpoints of a run."""

    minutes: float = 15.0
    """Minutes between checkpoints."""
    steps: int | None = None
    """Steps between checkpoints, instead."""
    keep: int = 2
    """Newest checkpoints that are kept."""
    keep_every: int | None = None
    """Steps between checkpoints that are kept for good."""


@dataclass(frozen=True)
class Validation:
    """Held-out loss while training."""

    steps: int = 500
    """Steps between validations; 0 has none."""
    tokens: int = 2_000_000
    """Most tokens of each corpus's validation split that are read."""
    rate: float = 0.15
    """Share of tokens masked, always the same ones."""


@dataclass(frozen=True)
class Config:
    """All of a run's configuration."""

    model: ModelShape = field(default_factory=ModelShape)
    data: DataSettings = field(default_factory=DataSettings)
    masking: Masking = field(default_factory=Masking)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: Schedule = field(default_factory=Schedule)
    batch: Batch = field(default_factory=Batch)
    parallel: Parallel = field(default_factory=Parallel)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    validation: Validation = field(default_factory=Validation)


_LONG = 1_000_000_000
_BELOW = 0.999999
"""Most of a mean's decay: with 1 it would take in nothing new, and what it is divided by would be zero."""
_RATE = 0.001
"""Least share of masked tokens: without any there is no loss."""
RANGES: toml_config.Ranges = {
    "model.layers": (1, 1024),
    "model.hidden": (2, 65_536),
    "model.heads": (1, 1024),
    "model.ffn": (1, 1_000_000),
    "model.max_length": (8, 1_048_576),
    "model.window": (0, 1_048_576),
    "model.global_every": (1, 1024),
    "model.eps": (0, 1),
    "model.rope_global": (1, 1e12),
    "model.rope_local": (1, 1e12),
    "model.token_types": (1, 1024),
    "model.rows": (1, 16_777_216),
    "data.overlap": (0, 1_048_576),
    "data.seed": (0, toml_config.MOST),
    "data.lanes": (1, 65_536),
    "data.ahead": (1, 4096),
    "data.stall_minutes": (1e-6, 1_000_000),
    "masking.rate": (_RATE, 1),
    "masking.final_rate": (_RATE, 1),
    "masking.code_rate": (0, 1),
    "masking.mask": (0, 1),
    "masking.random": (0, 1),
    "optimizer.lr": (1e-12, 1e18),
    "optimizer.muon_lr": (0, 1e18),
    "optimizer.beta1": (0, _BELOW),
    "optimizer.beta2": (0, _BELOW),
    "optimizer.eps": (1e-30, 1),
    "optimizer.weight_decay": (0, 100),
    "optimizer.clip": (0, 1_000_000),
    "optimizer.skips": (0, 1_000_000),
    "schedule.tokens": (1, 1_000_000_000_000_000),
    "schedule.warmup": (0, 1),
    "schedule.decay": (0, 1),
    "schedule.floor": (0, 1),
    "batch.tokens": (1, _LONG),
    "batch.micro_tokens": (1, _LONG),
    "parallel.tensor": (1, 1024),
    "checkpoint.minutes": (0, 1_000_000),
    "checkpoint.steps": (1, _LONG),
    "checkpoint.keep": (1, 1_000_000),
    "checkpoint.keep_every": (1, _LONG),
    "validation.steps": (0, _LONG),
    "validation.tokens": (1, 1_000_000_000_000),
    "validation.rate": (_RATE, 1),
}
"""Key of a number -> the least and the most that it may be."""


def check(config: Config, where: str) -> None:
    model, masking, schedule = config.model, config.masking, config.schedule
    toml_config.check_ranges(config, RANGES, where)
    for place, mixed in enumerate(config.data.corpora):
        toml_config.check_range(f"data.corpora[{place}].weight", mixed.weight, 1e-9, 1e9, where)
        toml_config.check_range(f"data.corpora[{place}].epochs", mixed.epochs, 1e-6, 1e6, where)
    for name, total in {
        "masking.mask + masking.random": masking.mask + masking.random,
        "schedule.warmup + schedule.decay": schedule.warmup + (schedule.decay if schedule.form == "wsd" else 0.0),
    }.items():
        toml_config.check_range(name, total, 0, 1, where)
    choices = {
        "model.family": (model.family, ("sobert", "modern")),
        "optimizer.name": (config.optimizer.name, ("adamw", "muon")),
        "schedule.form": (schedule.form, ("wsd", "cosine")),
        "parallel.flash_attention": (config.parallel.flash_attention or "FA2", ("FA2", "FA3", "FA4")),
        "parallel.precision": (config.parallel.precision or "fp32", ("fp32", "bf16")),
    }
    for name, (chosen, known) in choices.items():
        if chosen not in known:
            raise InputError(f"{where}: {name} must be one of {', '.join(known)}, not {chosen!r}")
    if model.hidden % model.heads or (model.hidden // model.heads) % 2:
        raise InputError(
            f"{where}: model.heads ({model.heads}) must divide model.hidden ({model.hidden}) into even parts"
        )
    if not 0 <= config.data.overlap < model.max_length - 2:
        raise InputError(f"{where}: data.overlap must be less than model.max_length - 2, not {config.data.overlap}")
    if config.batch.tokens % model.max_length:
        raise InputError(
            f"{where}: batch.tokens ({config.batch.tokens}) must be a multiple of model.max_length ({model.max_length})"
        )
    if config.batch.micro_tokens is not None and config.batch.micro_tokens < model.max_length:
        raise InputError(f"{where}: batch.micro_tokens must be at least model.max_length ({model.max_length})")
    if config.parallel.zero and config.optimizer.name == "muon":
        raise InputError(
            f'{where}: parallel.zero divides matrices among ranks, and optimizer.name = "muon" needs whole ones; '
            "leave one of them out"
        )
    if model.family == "modern" and (model.window < 2 or model.window % 2):
        raise InputError(f"{where}: model.window must be even and at least 2, not {model.window}")
