# SPDX-License-Identifier: Apache-2.0
"""Other projects' names for the tensors of the parts that this model shares with them.

A rule is a pattern and its replacement; all rules of a layout are applied in order. In the result
`@` stands for the stream, 0 for RGB and 1 for X, where one set of weights starts both, and a name
that ends in `[i]` is the i-th of several tensors joined into one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from segrgbx_core.model.encoders.efficient_net import STAGE_GROUPS

Rules: TypeAlias = tuple[tuple[str, str], ...]

WRAPPED = r"^((module|_orig_mod)\.)+"
JOINED = re.compile(r"^(.*)\[(\d)\]$")


@dataclass(frozen=True)
class Layout:
    """One way to name tensors.

    marks: patterns that names of this layout match, each one, and not all of them names of later
    layouts in the table. left_over: patterns of tensors that have no place here, and why. whole:
    the checkpoint fills every part of the model, not only the encoder. epsilons: of the norms in
    that project's code, as in `ModelConfig.norm_epsilons`; None for encoders that bring their own.
    """

    name: str
    marks: tuple[str, ...]
    rules: Rules
    left_over: Rules
    whole: bool = False
    epsilons: tuple[float, float, float] | None = None


def _stages(template: str, own: str) -> Rules:
    """The rule once for each stage: {n} counts from 1, {i} from 0."""
    return tuple((template.format(i=i, n=i + 1), own.format(i=i)) for i in range(4))


def _stream(prefix: str, stream: str) -> Rules:
    """The rules for SegFormer's names of one encoder, for one stream."""
    return (
        *_stages(rf"^{prefix}patch_embed{{n}}\.", f"encoder.stages.{{i}}.embeddings.{stream}."),
        *_stages(rf"^{prefix}block{{n}}\.", f"encoder.stages.{{i}}.blocks.{stream}."),
        *_stages(rf"^{prefix}norm{{n}}\.", f"encoder.stages.{{i}}.norms.{stream}."),
    )


_DEPTHWISE = ((r"\.dwconv\.dwconv\.", ".dwconv."),)

_FUSION: Rules = (
    (r"^backbone\.FRMs\.(\d)\.channel_weights\.mlp\.", r"frm.\1.channel."),
    (r"^backbone\.FRMs\.(\d)\.spatial_weights\.mlp\.", r"frm.\1.spatial."),
    (r"^backbone\.FFMs\.(\d)\.cross\.cross_attn\.kv1\.", r"ffm.\1.cross.kv.0."),
    (r"^backbone\.FFMs\.(\d)\.cross\.cross_attn\.kv2\.", r"ffm.\1.cross.kv.1."),
    (r"^backbone\.FFMs\.(\d)\.cross\.channel_proj1\.", r"ffm.\1.cross.split.0."),
    (r"^backbone\.FFMs\.(\d)\.cross\.channel_proj2\.", r"ffm.\1.cross.split.1."),
    (r"^backbone\.FFMs\.(\d)\.cross\.end_proj1\.", r"ffm.\1.cross.out.0."),
    (r"^backbone\.FFMs\.(\d)\.cross\.end_proj2\.", r"ffm.\1.cross.out.1."),
    (r"^backbone\.FFMs\.(\d)\.cross\.norm1\.", r"ffm.\1.cross.norms.0."),
    (r"^backbone\.FFMs\.(\d)\.cross\.norm2\.", r"ffm.\1.cross.norms.1."),
    (r"^backbone\.FFMs\.(\d)\.channel_emb\.channel_embed\.", r"ffm.\1.embed."),
    (r"^backbone\.FFMs\.(\d)\.channel_emb\.(residual|norm)\.", r"ffm.\1.\2."),
)

_HEAD: Rules = (
    *_stages(r"^decode_head\.linear_c{n}\.proj\.", "head.lift.{i}."),
    (r"^decode_head\.linear_fuse\.(0|conv)\.", "head.mix."),
    (r"^decode_head\.linear_fuse\.(1|bn)\.", "head.norm."),
    (r"^decode_head\.linear_pred\.", "head.classifier."),
)

_AUXILIARY = (r"^(aux_head|auxiliary_head)\.", "an auxiliary head, used only in training")
_CLASSIFIER = (r"^(backbone\.)?(head|classifier)\.", "the classifier of the pretraining")
_ONE_STREAM_HEAD = (r"^decode_head\.", "a head for one stream; this one reads fused maps")

_FACE: Rules = (
    (r"^(segformer\.)?encoder\.patch_embeddings\.(\d)\.", r"encoder.stages.\2.embeddings.@."),
    (r"^(segformer\.)?encoder\.block\.(\d)\.", r"encoder.stages.\2.blocks.@."),
    (r"^(segformer\.)?encoder\.layer_norm\.(\d)\.", r"encoder.stages.\2.norms.@."),
    (r"^(segformer\.)?stages\.(\d)\.patch_embeddings\.", r"encoder.stages.\2.embeddings.@."),
    (r"^(segformer\.)?stages\.(\d)\.blocks\.", r"encoder.stages.\2.blocks.@."),
    (r"^(segformer\.)?stages\.(\d)\.layer_norm\.", r"encoder.stages.\2.norms.@."),
    (r"(\.embeddings\.@)\.layer_norm\.", r"\1.norm."),
    (r"\.(layer_norm_1|layernorm_before)\.", ".norm1."),
    (r"\.(layer_norm_2|layernorm_after)\.", ".norm2."),
    (r"\.attention\.(self\.sr|sequence_reduction\.sequence_reduction)\.", ".attn.sr."),
    (r"\.attention\.(self|sequence_reduction)\.layer_norm\.", ".attn.norm."),
    (r"\.attention\.(self\.query|q_proj)\.", ".attn.q."),
    (r"\.attention\.(self\.key|k_proj)\.(\w+)$", r".attn.kv.\2[0]"),
    (r"\.attention\.(self\.value|v_proj)\.(\w+)$", r".attn.kv.\2[1]"),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.mlp\.dense(\d)\.", r".mlp.fc\1."),
)

# LayerNorm's and BatchNorm2d's default, where a project gives none.
_TORCH = (1e-5, 1e-5, 1e-5)
_CMX: Rules = (
    *_stream(r"backbone\.extra_", "1"),
    *_stream(r"backbone\.", "0"),
    *_FUSION,
    *_HEAD,
    *_DEPTHWISE,
)

LAYOUTS = (
    Layout(
        "a CMNeXt-style checkpoint",
        (r"^backbone\.extra_downsample_layers\.",),
        (*_stream(r"backbone\.", "@"), *_FUSION, *_HEAD, *_DEPTHWISE),
        (
            (
                r"^backbone\.extra_(downsample_layers|block\d|norm\d|score_predictor)\b",
                "its second stream has blocks that this model lacks; X starts from RGB's",
            ),
            _AUXILIARY,
        ),
        whole=True,
        epsilons=_TORCH,
    ),
    # CMX's names except the head's, and torch's own epsilons.
    Layout(
        "a CMX-style checkpoint of DELIVER",
        (r"^backbone\.extra_patch_embed1\.", r"^decode_head\.linear_fuse\.bn\."),
        _CMX,
        (_AUXILIARY,),
        whole=True,
        epsilons=_TORCH,
    ),
    Layout(
        "a CMX-style checkpoint",
        (r"^backbone\.extra_patch_embed1\.",),
        _CMX,
        (_AUXILIARY,),
        whole=True,
        epsilons=(1e-5, 1e-6, 1e-3),
    ),
    Layout(
        "a Hugging Face SegFormer checkpoint",
        (r"^(segformer\.)?(encoder\.patch_embeddings\.0|stages\.0\.patch_embeddings)\.",),
        (*_FACE, *_DEPTHWISE),
        (_CLASSIFIER, _ONE_STREAM_HEAD),
        epsilons=_TORCH,
    ),
    Layout(
        "a SegFormer checkpoint with the original names",
        (r"^(backbone\.)?patch_embed1\.",),
        (*_stream(r"(?:backbone\.)?", "@"), *_DEPTHWISE),
        (_CLASSIFIER, _ONE_STREAM_HEAD, _AUXILIARY),
        epsilons=(1e-5, 1e-6, 1e-5),
    ),
    Layout(
        "a timm Pyramid Vision Transformer v2 checkpoint",
        (r"^patch_embed\.proj\.",),
        (
            (r"^patch_embed\.", "encoder.stages.0.embeddings.@."),
            (r"^stages\.(\d)\.downsample\.", r"encoder.stages.\1.embeddings.@."),
            (r"^stages\.(\d)\.blocks\.", r"encoder.stages.\1.blocks.@."),
            (r"^stages\.(\d)\.norm\.", r"encoder.stages.\1.norms.@."),
        ),
        (_CLASSIFIER,),
    ),
    Layout(
        "an EfficientNet-Lite checkpoint",
        (r"^_conv_stem\.",),
        (
            (r"^_conv_stem\.", "encoder.stages.0.embeddings.@.conv."),
            (r"^_bn0\.", "encoder.stages.0.embeddings.@.norm."),
        ),
        ((r"^(_conv_head|_bn1|_fc)\.", "the classifier of the pretraining"),),
    ),
    Layout(
        "a timm EfficientNet-Lite checkpoint",
        (r"^conv_stem\.",),
        (
            (r"^conv_stem\.", "encoder.stages.0.embeddings.@.conv."),
            (r"^bn1\.", "encoder.stages.0.embeddings.@.norm."),
        ),
        ((r"^(conv_head|bn2|classifier)\.", "the classifier of the pretraining"),),
    ),
)

# Both families have these tensors; only Mix Transformer's are this project's own code.
MIX_TRANSFORMER_NAMES: Rules = (
    (r"\.attn\.sr\.", ".attn.reduce."),
    (r"\.attn\.norm\.", ".attn.reduce_norm."),
)


# A block's parts in the original and in timm's names; the first group has no expansion.
_FIRST_BLOCK = (
    ("_depthwise_conv", "conv_dw"),
    ("_bn1", "bn1"),
    ("_project_conv", "conv_pw"),
    ("_bn2", "bn2"),
)
_FURTHER_BLOCK = (
    ("_expand_conv", "conv_pw"),
    ("_bn0", "bn1"),
    ("_depthwise_conv", "conv_dw"),
    ("_bn1", "bn2"),
    ("_project_conv", "conv_pwl"),
    ("_bn2", "bn3"),
)


def efficient_net_rules(depths: Sequence[int], shared: bool) -> Rules:
    """The rules for an EfficientNet's blocks, which depend on its number of blocks.

    depths: blocks in each group. shared: whether both streams share the blocks; each stream then
    has its own norms.
    """
    rules: list[tuple[str, str]] = []
    number = 0
    for stage, groups in enumerate(STAGE_GROUPS):
        blocks = [(group, index) for group in groups for index in range(depths[group])]
        for place, (group, index) in enumerate(blocks):
            own = f"encoder.stages.{stage}.blocks.@.{place}."
            for theirs, name in _FURTHER_BLOCK if group else _FIRST_BLOCK:
                rules.append((rf"^_blocks\.{number}\.{theirs}\.", f"{own}{name}."))
            rules.append((rf"^blocks\.{group}\.{index}\.", own))
            number += 1
    norms = "blocks.0.\\2.\\3.norms.@." if shared else "blocks.@.\\2.\\3.norms.0."
    rules.append((r"^(encoder\.stages\.\d)\.blocks\.@\.(\d+)\.(bn\d)\.", rf"\1.{norms}"))
    return tuple(rules)


def renamed(name: str, rules: Rules) -> str:
    """The name after applying every rule."""
    for pattern, place in rules:
        name = re.sub(pattern, place, name)
    return name
