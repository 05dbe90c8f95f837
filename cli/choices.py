"""Choices of the command line that are closed; the names of tasks and presets are open, since plug-ins add to them."""

from enum import StrEnum


class Format(StrEnum):
    """Formats of exported labels."""

    JSONL = "jsonl"
    CONLL = "conll"
    HUGGINGFACE = "huggingface"


class PublishedFormat(StrEnum):
    """Formats of a published folder's tables."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    JSONL_ZST = "jsonl.zst"
    MEGATRON = "megatron"


class Tokens(StrEnum):
    """Units of BIO tags for entities: words, or the corpus's own tokens."""

    WORDS = "words"
    CORPUS = "corpus"


class More(StrEnum):
    """Further columns of exported labels."""

    PROBABILITIES = "probabilities"
    VOTES = "votes"


class Weighting(StrEnum):
    """Weighting of classes in fine-tuning."""

    NONE = "none"
    SQRT = "sqrt"
    BALANCED = "balanced"


class Bits(StrEnum):
    """Bits of a quantised weight."""

    EIGHT = "8"
    FOUR = "4"


class Form(StrEnum):
    """Forms of a site of the sample."""

    MODERN = "modern"
    SPRING2024 = "spring2024"
    AREA51 = "area51"
    DELETED = "deleted"
    PIPES = "pipes"
    PLAIN = "plain"


class Gpu(StrEnum):
    """Kinds of GPUs, of `training.pretrain.gpus.json`."""

    A100_40 = "a100-40"
    A100 = "a100"
    H100_PCIE = "h100-pcie"
    H100_NVL = "h100-nvl"
    H100 = "h100"
    H200 = "h200"
    GH200 = "gh200"
    B200 = "b200"
    GB200 = "gb200"
    L40S = "l40s"
    L4 = "l4"
    T4 = "t4"


class Slicing(StrEnum):
    """Ways of slicing labelled posts."""

    TAG = "tag"
    YEAR = "year"
    SITE = "site"
    LENGTH = "length"
