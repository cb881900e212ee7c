# SPDX-License-Identifier: Apache-2.0
"""Imports weights of other projects: every tensor is taken, explained, or refused."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from segrgbx_core.errors import ModelError
from segrgbx_core.model.encoders.efficient_net import EFFICIENT_PRESETS
from segrgbx_core.model.encoders.mix_transformer import PRESETS
from segrgbx_core.model.fusion import FeatureRectification
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.weights.checkpoint_file import read_checkpoint
from segrgbx_core.weights.checkpoint_names import (
    JOINED,
    LAYOUTS,
    MIX_TRANSFORMER_NAMES,
    WRAPPED,
    Layout,
    efficient_net_rules,
    renamed,
)
from segrgbx_core.weights.pretrained import checksums
from segrgbx_core.weights.store import sizes_of_another
from segrgbx_core.wording import printable


@dataclass(frozen=True)
class Taken:
    """One tensor of the checkpoint, and the tensors of the model that hold its values now."""

    name: str
    own: tuple[str, ...]


@dataclass(frozen=True)
class LeftOver:
    """One tensor of the checkpoint that the model has no place for."""

    name: str
    why: str


@dataclass(frozen=True)
class ImportReport:
    """The result of an import. missing: the model's tensors that get no values. closed: parts of
    them whose exchange between the streams begins closed."""

    layout: str
    taken: tuple[Taken, ...]
    left_over: tuple[LeftOver, ...]
    missing: tuple[str, ...]
    closed: tuple[str, ...] = ()

    def text(self) -> str:
        """A summary in a few lines; the fields list every name."""
        count = len(self.taken) + len(self.left_over)
        lines = [f"{self.layout}: {len(self.taken)} of {count} tensors taken"]
        moved = next((entry for entry in self.taken if entry.own != (entry.name,)), None)
        if moved is not None:
            lines.append(
                f"  renamed: {printable(moved.name)} -> {', '.join(moved.own)}, and so on"
            )
        for why, number in Counter(entry.why for entry in self.left_over).items():
            lines.append(f"  left over: {number} ({why})")
        for part, number in Counter(name.split(".")[0] for name in self.missing).items():
            kept = "begin closed" if part in self.closed else "stay as they were"
            lines.append(f"  not in the checkpoint: {number} of {part}, which {kept}")
        return "\n".join(lines)


ENCODER_TENSORS = re.compile(r"^encoder\.stages\.\d\.(embeddings|blocks|norms)\.")
TOWER = "ma_clip.visual."
SHARED_PARTS = re.compile(r"^(frm|ffm|head)\.")


def import_weights(model: SegRgbX, checkpoint: Path | Mapping[str, Tensor]) -> ImportReport:
    """Fills the model from a checkpoint of another project.

    SegFormer / Mix Transformer, PVT v2, EfficientNet-Lite, CMX and CMNeXt are known.

    A one-stream checkpoint starts the encoders of both RGB and X; a CMX checkpoint fills the whole
    model, which must have `components=()` and unshared blocks and embeddings; a CMNeXt checkpoint
    fills the same except the X stream. FRMs without weights begin closed. The norms get the
    epsilons of that project's code. The layout is recognised from the names. On an error the model
    is unchanged. Raises ModelError for a file that cannot be read, an unknown layout, a tensor
    that has neither a place nor a known reason to be left over, a missing tensor of the layout, a
    shape that differs, or values that are not finite.
    """
    tensors = read_checkpoint(checkpoint) if isinstance(checkpoint, Path) else checkpoint
    layout = layout_of(tensors)
    _check_model(model, layout)
    own = model.state_dict()
    taken, left_over, parts = _sorted_out(model, layout, tensors)
    named = {renamed(re.sub(WRAPPED, "", k), layout.rules).replace("@", "0"): k for k in tensors}
    preset = model.config.preset
    sizes = {name: tensors[k] for name, k in named.items()}

    def alike() -> str:
        found = sizes_of_another(sizes, preset)
        return found or (checksums(checkpoint, preset) if isinstance(checkpoint, Path) else "")

    _check_known(layout, {name for entry in taken for name in entry.own}, own, alike)
    values = _values(parts, own)
    if model.config.clip == model.config.preset:
        values |= _of_tower(values, own)
    missing = tuple(name for name in own if name not in values and not _is_counter(name))
    _check_complete(layout, missing, alike)
    _check_values(layout, values, own, alike)
    model.load_state_dict({**own, **values}, strict=True)
    closed = close_rectification(model, missing)
    if layout.epsilons is not None and model.config.preset in PRESETS:
        head = layout.epsilons[2] if layout.whole else model.config.norm_epsilons[2]
        model.set_norm_epsilons((*layout.epsilons[:2], head))
    return ImportReport(layout.name, taken, left_over, missing, closed)


def close_rectification(model: SegRgbX, missing: Sequence[str]) -> tuple[str, ...]:
    """Closes the weights of FRMs that got no values; returns the `closed` of a report."""
    closed = False
    for place, frm in enumerate(model.frm):
        assert isinstance(frm, FeatureRectification)
        prefix = f"frm.{place}."
        fresh = [name.removeprefix(prefix) for name in missing if name.startswith(prefix)]
        closed |= frm.close(fresh)
    return ("frm",) if closed else ()


def _of_tower(values: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights for MA-CLIP's tower, where it is an encoder of the same kind."""
    named = {re.sub(r"^encoder\.", TOWER, name): value for name, value in values.items()}
    return {n: v for n, v in named.items() if n.startswith(TOWER) and n in own}


def layout_of(tensors: Mapping[str, Tensor]) -> Layout:
    """The layout that the names follow. Raises ModelError where it is none that is known."""
    names = [re.sub(WRAPPED, "", name) for name in tensors]
    for layout in LAYOUTS:
        if all(any(re.match(mark, name) for name in names) for mark in layout.marks):
            return layout
    raise ModelError(
        f"The checkpoint's names ({_some(tensors)}) follow no known layout; expected "
        f"{', '.join(layout.name for layout in LAYOUTS)}."
    )


def _check_model(model: SegRgbX, layout: Layout) -> None:
    config = model.config
    if layout.whole and (config.shared_blocks or config.shared_embeddings or config.components):
        raise ModelError(
            f"{_start(layout.name)} has two unshared streams and no further components; build "
            "the model with components=(), shared_blocks=False, shared_embeddings=False."
        )


def _sorted_out(
    model: SegRgbX, layout: Layout, tensors: Mapping[str, Tensor]
) -> tuple[tuple[Taken, ...], tuple[LeftOver, ...], dict[str, Tensor]]:
    """Which tensors go where, which are left over, and the tensors under this model's names."""
    rules = layout.rules
    if model.config.preset in PRESETS:
        rules = (*rules, *MIX_TRANSFORMER_NAMES)
    if model.config.preset in EFFICIENT_PRESETS:
        depths = EFFICIENT_PRESETS[model.config.preset].depths
        rules = (*rules, *efficient_net_rules(depths, model.config.shared_blocks))
    streams = _streams(model)
    taken, left_over, parts = [], [], {}
    for name, tensor in tensors.items():
        bare = re.sub(WRAPPED, "", name)
        why = next((w for pattern, w in layout.left_over if re.match(pattern, bare)), None)
        if why is not None:
            left_over.append(LeftOver(name, why))
            continue
        place = renamed(bare, rules)
        kind = "blocks" if ".blocks.@." in place else "ends"
        places = tuple(place.replace("@", str(s)) for s in range(streams[kind]))
        places = places if "@" in place else (place,)
        if places[0] in parts:
            raise ModelError(
                f"The checkpoint has two tensors for {places[0]}, one is {name}; keep one of them."
            )
        parts.update(dict.fromkeys(places, tensor))
        taken.append(Taken(name, tuple(JOINED.sub(r"\1", p) for p in places)))
    return tuple(taken), tuple(left_over), parts


def _streams(model: SegRgbX) -> dict[str, int]:
    config = model.config
    return {
        "blocks": 1 if config.shared_blocks else 2,
        "ends": 1 if config.shared_embeddings else 2,
    }


def _check_known(
    layout: Layout, places: set[str], own: Mapping[str, Tensor], alike: Callable[[], str]
) -> None:
    unknown = [name for name in places if name not in own and name != "head.mix.bias"]
    if unknown:
        raise ModelError(
            f"{_start(layout.name)} has {len(unknown)} tensors without a place in this model "
            f"({_some(sorted(unknown))}){alike()}; build the preset it was trained as."
        )


def _values(parts: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as this model keeps them: joined, levels finest first, one bias folded in."""
    values: dict[str, Tensor] = {}
    for name in sorted(parts):
        joined = JOINED.match(name)
        base = joined[1] if joined else name
        tensor = parts[name].detach().to("cpu", own[base].dtype if base in own else torch.float32)
        values[base] = torch.cat((values[base], tensor)) if base in values else tensor.clone()
    if "head.mix.weight" in values:
        # These heads join the levels coarsest first.
        values["head.mix.weight"] = torch.cat(values["head.mix.weight"].chunk(4, 1)[::-1], 1)
    bias = values.pop("head.mix.bias", None)
    if bias is not None and "head.norm.running_mean" in values:
        # The norm that follows subtracts its mean, so it can subtract the bias with it.
        values["head.norm.running_mean"] = values["head.norm.running_mean"] - bias
    return values


def _check_complete(layout: Layout, missing: Iterable[str], alike: Callable[[], str]) -> None:
    owed = [
        name
        for name in missing
        if ENCODER_TENSORS.match(name) or (layout.whole and SHARED_PARTS.match(name))
    ]
    if owed:
        raise ModelError(
            f"{_start(layout.name)} lacks {len(owed)} tensors that this model needs "
            f"({_some(owed)}){alike()}; it is cut short or of a smaller preset."
        )


def _check_values(
    layout: Layout,
    values: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    alike: Callable[[], str],
) -> None:
    for name, tensor in values.items():
        if tensor.shape != own[name].shape:
            whose = alike()
            way_out = f"{whose}; build the preset it was trained as" if whose else ""
            if name.startswith("head."):
                way_out = "; build the model with its number of classes and head width"
            raise ModelError(
                f"{_start(layout.name)} has {tuple(tensor.shape)} for {name}, where this model "
                f"has {tuple(own[name].shape)}{way_out}."
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"{_start(layout.name)} has values for {name} that are not finite; save "
                "a checkpoint of before the training diverged."
            )


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _start(layout: str) -> str:
    return layout[0].upper() + layout[1:]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")
