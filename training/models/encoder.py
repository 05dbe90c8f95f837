"""The encoder: megatron-core's BertModel in two shapes, over packed documents, with a head only on masked positions.

`sobert` is Megatron's BERT: pre-norm, learned positions, GELU, biases (Shoeybi et al. 2019; used in "Skill over
Scale"). `modern` is ModernBERT's: RoPE, GeGLU, no biases, a norm after the embedding and none before the first
attention, local and global layers (Warner et al. 2024). Dropout is 0 in both: packed kernels have none, and a one-epoch
run does not need it.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.fusions.fused_bias_dropout import get_bias_dropout_add
from megatron.core.models.bert.bert_model import BertModel
from megatron.core.tensor_parallel.layers import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.attention import SelfAttention, SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.identity_op import IdentityOp
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.torch_norm import WrappedTorchNorm
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.transformer_layer import TransformerLayer, TransformerLayerSubmodules
from torch.utils.checkpoint import checkpoint

from socorpus.training.config import ModelShape, Parallel
from socorpus.training.models import attention, loss
from socorpus.training.models.attention import Documents, PackedAttention

ROPE = {"global": 160_000.0, "local": 10_000.0}
"""ModernBERT's bases of the rotation, by kind of layer."""

EPS = {"sobert": 1e-12, "modern": 1e-5}
"""Added to the variance in a norm, by family."""


def bases(shape: ModelShape) -> dict[str, float]:
    """Bases of the rotation of a shape, by kind of layer."""
    return {"global": shape.rope_global or ROPE["global"], "local": shape.rope_local or ROPE["local"]}


def eps(shape: ModelShape) -> float:
    """The term that norms of a shape add to the variance."""
    return EPS[shape.family] if shape.eps is None else shape.eps


class NormWithoutBias(torch.nn.LayerNorm):
    """A LayerNorm without bias, with the constructor that megatron-core expects."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float = 1e-5, **_: Any) -> None:
        super().__init__(hidden_size, eps=eps, bias=False)


class Encoder(BertModel):
    """BertModel over packed documents."""

    def __init__(self, config: TransformerConfig, shape: ModelShape, spec: Any, vocabulary: int) -> None:
        modern = shape.family == "modern"
        super().__init__(
            config,
            shape.token_types or 0,
            spec,
            vocabulary,
            shape.max_length,
            add_binary_head=False,
            share_embeddings_and_output_weights=True,
            position_embedding_type="rope" if modern else "learned_absolute",
        )
        self.shape, self.vocabulary, self.embedding_norm = shape, vocabulary, None
        self.kernel: str | None = None
        self.compiled = False
        if modern:
            del self.rotary_pos_emb  # its base is fixed and its rotation waits for the GPU
            self.embedding_norm = NormWithoutBias(config, config.hidden_size, config.layernorm_epsilon)
            self.lm_head.layer_norm = NormWithoutBias(config, config.hidden_size, config.layernorm_epsilon)
            self.lm_head.dense.bias = None

    def _sanity_check_attention_and_get_attn_mask_dimension(self) -> str:
        # The stock check knows only the attention classes of megatron-core.
        return "b1ss"

    def documents(self, lengths: Sequence[int]) -> Documents:
        """Describe the documents of a sequence, for `forward`.

        Args:
            lengths: tokens of each document, in order; together all tokens.
        """
        weight = self.embedding.word_embeddings.weight
        kernel = self.kernel or attention.kernel(weight.device, weight.dtype)
        return attention.documents(lengths, weight.device, self.shape.max_length, kernel)

    def expect(self, shares: torch.Tensor, tensor_rank: int) -> None:
        """Let the untrained model predict token frequencies: the head's bias is the logarithm of the tokens' shares.

        A bias moves by no more than the learning rate a step, and frequencies differ by e to the 10th. Without this,
        the vectors of rare tokens all move in one direction instead, and stay similar for long (Gao et al. 2019,
        "Representation degeneration problem"): small models then know less of such words than untrained ones do.

        Args:
            shares: float64[vocabulary], above 0.
        """
        logs = shares.log()
        bias = self.output_layer.bias
        mine = (logs - logs.mean())[tensor_rank * len(bias) :][: len(bias)]
        with torch.no_grad():
            bias.copy_(mine)

    def forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        documents: Documents,
        scored: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Score tokens.

        Args:
            ids, positions: int64[tokens].
            documents: the documents' boundaries.
            scored: int64[masked], the positions to score; default: all.
            labels: int64[masked], the original tokens there; `loss.IGNORED` where nothing counts.

        Returns:
            The summed loss of the scored positions in nats, float32; without labels their logits
            [masked, vocabulary / tensor ranks].
        """
        hidden = self.hidden(ids, positions, documents)
        if scored is not None:
            hidden = hidden.index_select(0, scored)
        if labels is None:
            return self.score(hidden).squeeze(1)
        weight, bias = self.shared_embedding_or_output_weight(), self.output_layer.bias
        group = parallel_state.get_tensor_model_parallel_group() if self.config.tensor_model_parallel_size > 1 else None
        return loss.summed_loss(self.lm_head(hidden).squeeze(1), weight, bias, labels, group, self.compiled)

    def hidden(self, ids: torch.Tensor, positions: torch.Tensor, documents: Documents) -> torch.Tensor:
        """The last layer's vectors, [tokens, 1, hidden]."""
        types = torch.zeros_like(ids).unsqueeze(0) if self.shape.token_types else None
        embedded = self.embedding(input_ids=ids.unsqueeze(0), position_ids=positions.unsqueeze(0), tokentype_ids=types)
        # With the strides that layers give: others would be compiled for the first layer.
        embedded = embedded.flatten(0, 1).unsqueeze(1)
        if self.embedding_norm is not None:
            embedded = self.embedding_norm(embedded)
            documents.rope = attention.rope(positions, self.config.kv_channels, bases(self.shape))
        return self.encoder(hidden_states=embedded, attention_mask=None, packed_seq_params=documents)

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        """The head: vectors [positions, 1, hidden] to logits [positions, 1, vocabulary / tensor ranks]."""
        logits, _ = self.output_layer(self.lm_head(hidden), weight=self.shared_embedding_or_output_weight())
        return logits


def layer_config(shape: ModelShape, tensor: int, dtype: torch.dtype) -> TransformerConfig:
    """megatron-core's configuration of a shape on `tensor` ranks."""
    modern = shape.family == "modern"
    settings: dict[str, Any] = {
        "num_layers": shape.layers,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "ffn_hidden_size": shape.ffn,
        "tensor_model_parallel_size": tensor,
        "params_dtype": dtype,
        "bf16": dtype == torch.bfloat16,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "layernorm_epsilon": eps(shape),
        # Initial weights are drawn whole and then cut: they are the same for any number of ranks.
        "use_cpu_initialization": True,
        # With GELU fusion silently uses the tanh form, which shifts logits by 1e-3 against transformers' models.
        "bias_activation_fusion": False,
        "bias_dropout_fusion": False,
        "gradient_accumulation_fusion": False,
        "persist_layer_norm": False,
    }
    if modern:
        settings |= {
            "add_bias_linear": False,
            "gated_linear_unit": True,
            "window_size": (shape.window // 2, shape.window // 2),
            "window_attn_skip_freq": [int(layer % shape.global_every != 0) for layer in range(shape.layers)],
            # The first layer has no norm before its attention, so layers can't be saved as one stack.
            "hetereogenous_dist_checkpoint": True,
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # megatron-core warns of its own defaults
        return TransformerConfig(**settings)


def build(
    shape: ModelShape,
    parallel: Parallel,
    vocabulary: int,
    tensor: int = 1,
    dtype: Any = torch.float32,
    compiled: bool = False,
) -> Encoder:
    """An encoder with initial weights drawn from torch's generator.

    Args:
        vocabulary: the padded size.
        compiled: whether its layers go through torch.compile, the first time that they are called.
    """
    config = layer_config(shape, tensor, dtype)
    spec: Any = _layer(WrappedTorchNorm)
    if shape.family == "modern":
        layers = [_layer(NormWithoutBias, IdentityOp if number == 0 else None) for number in range(shape.layers)]
        spec = TransformerBlockSubmodules(layer_specs=layers, layer_norm=NormWithoutBias)
    # PyTorch's norms are created in float32 whatever the configuration says.
    model = Encoder(config, shape, spec, vocabulary).to(dtype)
    model.compiled = compiled
    if compiled:
        model.lm_head.forward = torch.compile(model.lm_head.forward, dynamic=True)
    for layer in model.encoder.layers:
        if compiled:
            layer.forward = _compiled(layer.forward)
        if parallel.recompute:
            # megatron-core's own recomputation needs CUDA's random state; the CPU has none, and there is no dropout.
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    return model


def _compiled(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's forward through torch.compile: one graph for all layers of a kind, whatever the documents' lengths."""
    attention.stay_out()
    # megatron-core warns in every layer, and a warning breaks the graph.
    torch._dynamo.config.ignore_logger_methods.add(warnings.warn)
    # The number of documents is marked on its tensor; a number can't be marked.
    torch.compiler.config.dynamic_sources = r".*\.max_seqlen_q,.*\.max_seqlen_kv"
    return torch.compile(forward)


def _layer(norm: type, first: type | None = None) -> ModuleSpec:
    attention_parts = SelfAttentionSubmodules(
        linear_qkv=ColumnParallelLinear,
        core_attention=PackedAttention,
        linear_proj=RowParallelLinear,
        q_layernorm=IdentityOp,
        k_layernorm=IdentityOp,
    )
    return ModuleSpec(
        module=TransformerLayer,
        submodules=TransformerLayerSubmodules(
            input_layernorm=first or norm,
            self_attention=ModuleSpec(
                module=SelfAttention, params={"attn_mask_type": AttnMaskType.padding}, submodules=attention_parts
            ),
            self_attn_bda=get_bias_dropout_add,
            pre_mlp_layernorm=norm,
            mlp=ModuleSpec(
                module=MLP, submodules=MLPSubmodules(linear_fc1=ColumnParallelLinear, linear_fc2=RowParallelLinear)
            ),
            mlp_bda=get_bias_dropout_add,
        ),
    )
