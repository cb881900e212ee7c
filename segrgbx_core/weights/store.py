# SPDX-License-Identifier: Apache-2.0
"""Model folders: `model.safetensors` with its `card.yaml`, written whole and read strictly."""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from segrgbx_core.errors import ModelError, guarded
from segrgbx_core.files.disk import disk_errors, refuse_pointer, write_whole
from segrgbx_core.files.resources import share_dir
from segrgbx_core.model.encoders.mix_transformer import PRESETS
from segrgbx_core.model.encoders.pyramid_transformer import PYRAMID_PRESETS
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.weights.card import (
    CARD_FILE,
    WEIGHTS_FILE,
    ModelCard,
    WeightsEntry,
    card_text,
    load_card,
)

_BLOCK = re.compile(r"encoder\.stages\.(\d)\.blocks\.0\.(\d+)\.")
_WIDTH = re.compile(r"encoder\.stages\.(\d)\.embeddings\.0\.proj\.bias$")
_FIRST_MLP = "encoder.stages.0.blocks.0.0.mlp.fc1.weight"


def presets_like(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Presets with these widths, depths and first MLP ratio; none, one or, rarely, two.

    tensors: an encoder's, under this project's names; others are ignored.
    """
    depths, widths, ratio = [0] * 4, [0] * 4, 0
    for name, tensor in tensors.items():
        block, width = _BLOCK.match(name), _WIDTH.match(name)
        if block:
            stage = int(block[1])
            depths[stage] = max(depths[stage], int(block[2]) + 1)
        if width:
            widths[int(width[1])] = tensor.shape[0]
        if name == _FIRST_MLP and tensor.ndim == 2:
            ratio = tensor.shape[0] // tensor.shape[1]
    known = {name: (s.widths, s.depths, s.mlp_ratio) for name, s in PRESETS.items()}
    known |= {name: (s.widths, s.depths, s.mlp_ratios[0]) for name, s in PYRAMID_PRESETS.items()}
    met = (tuple(widths), tuple(depths), ratio)
    return tuple(name for name, sizes in known.items() if sizes == met)


def sizes_of_another(tensors: Mapping[str, Tensor], preset: str) -> str:
    """Part of a sentence that names the preset with these sizes; empty for `preset` itself and for
    sizes of no preset."""
    alike = presets_like(tensors)
    if not alike or preset in alike:
        return ""
    return f", whose sizes are those of {' or '.join(alike)}"


DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

KEY_LOOKS = (
    ("ma_clip.", "this project's model with component ma_clip"),
    ("modality_embedding.", "this project's model with component modality_embedding"),
    ("modality_vectors.", "this project's model without component ma_clip"),
    ("dsrm.", "this project's model with component dsrm"),
    ("encoder.stages.0.blocks.1.", "this project's model with unshared blocks"),
    ("encoder.stages.", "this project's model with other settings"),
    ("_orig_mod.", "a model saved while wrapped by torch.compile"),
    ("module.", "a model saved while wrapped for parallel training"),
    ("backbone.extra_patch_embed", "a CMX checkpoint"),
    ("backbone.extra_downsample_layers", "a CMNeXt checkpoint"),
    ("segformer.", "a Hugging Face SegFormer checkpoint"),
    ("backbone.patch_embed", "a SegFormer checkpoint"),
    ("patch_embed", "a Mix Transformer checkpoint"),
)


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode on the CPU in float32, with the card that describes it."""

    model: SegRgbX
    card: ModelCard


def shipped_models() -> tuple[str, ...]:
    """Names of the models that ship with the package."""
    return tuple(sorted(p.parent.name for p in (share_dir() / "models").glob(f"*/{CARD_FILE}")))


def model_folder(name_or_folder: str | Path) -> Path:
    """The folder of a shipped model, or the path itself.

    Raises ModelError that lists the shipped names if there is no such folder.
    """
    if isinstance(name_or_folder, str) and name_or_folder in shipped_models():
        return share_dir() / "models" / name_or_folder
    folder = Path(name_or_folder)
    if str(name_or_folder) and folder.is_dir():
        return folder
    met = "is a file, not a model folder" if folder.is_file() else "was not found"
    shipped = ", ".join(shipped_models()) or "none"
    raise ModelError(
        f"Model '{name_or_folder}' {met}; shipped models: {shipped}; a model folder's path works "
        "as well."
    )


def save_model(
    folder: Path, model: SegRgbX, card: ModelCard, dtype: torch.dtype = torch.float16
) -> ModelCard:
    """Writes both files, each whole or not at all, and returns the card with its checksum.

    Parameters are stored as `dtype`, running statistics always as float32.
    Raises ModelError where card and model disagree or a value is not finite in `dtype`, and
    OutputError where the disk refuses.
    """
    if model.config != card.architecture:
        raise ModelError(
            f"The card of '{card.name}' describes {card.architecture} but the model is "
            f"{model.config}; make the card from the model's config."
        )
    name = next((n for n, t in DTYPES.items() if t == dtype), None)
    if name is None:
        raise ModelError(f"Weights cannot be stored as {dtype}; expected {', '.join(DTYPES)}.")
    data = tensors_to_bytes(_stored(model, dtype))
    entry = WeightsEntry(WEIGHTS_FILE, hashlib.sha256(data).hexdigest(), name)
    saved = replace(card, weights=entry)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / WEIGHTS_FILE, data)
    write_whole(folder / CARD_FILE, card_text(saved).encode())
    return saved


def load_model(name_or_folder: str | Path) -> LoadedModel:
    """A model by a shipped name or its folder's path.

    Raises ModelError in one sentence for anything missing, broken or not matching the card.
    """
    folder = model_folder(name_or_folder)
    card = load_card(folder)
    tensors = _read_tensors(folder, card)
    refusal = f"The architecture in {folder / CARD_FILE} cannot be built ({{}}); restore the file."
    with guarded(str(folder), ModelError, refusal), torch.device("meta"):
        model = SegRgbX(card.architecture)
    expected = {k: v for k, v in model.state_dict().items() if _is_stored(k)}
    _check_tensors(expected, tensors, folder, card.architecture.preset)
    state = {key: tensor.to(torch.float32, copy=True) for key, tensor in tensors.items()}
    counters = {
        k: torch.zeros(v.shape, dtype=v.dtype)
        for k, v in model.state_dict().items()
        if not _is_stored(k)
    }
    model.load_state_dict({**state, **counters}, strict=True, assign=True)
    return LoadedModel(model.eval(), card)


def _is_stored(key: str) -> bool:
    # A BatchNorm with a fixed momentum does not use the count of batches seen.
    return not key.endswith("num_batches_tracked")


def _stored(model: SegRgbX, dtype: torch.dtype) -> dict[str, Tensor]:
    statistics = {name for name, _ in model.named_buffers()}
    tensors = {}
    for key, value in model.state_dict().items():
        if not _is_stored(key):
            continue
        kind = torch.float32 if key in statistics else dtype
        tensors[key] = value.detach().to("cpu", kind).contiguous()
        if not bool(torch.isfinite(tensors[key]).all()):
            raise ModelError(
                f"Tensor {key} holds values that are not finite as {kind}; the training diverged, "
                "or the weights need dtype=torch.float32."
            )
    return tensors


def _read_tensors(folder: Path, card: ModelCard) -> dict[str, Tensor]:
    entry = card.weights
    if entry is None or entry.dtype not in DTYPES:
        raise ModelError(
            f"{folder / CARD_FILE} stores weights as {entry.dtype if entry else 'nothing'}; "
            f"expected one of {', '.join(DTYPES)}."
        )
    path = folder / entry.file
    if not path.is_file():
        raise ModelError(
            f"Model folder {folder} has no {entry.file}, which its card names; copy the folder "
            "again (with git-lfs, if it came by git)."
        )
    try:
        data = path.read_bytes()
    except OSError as err:
        raise ModelError(f"{path} cannot be read ({err.strerror}); restore the file.") from err
    refuse_pointer(path, data, ModelError)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != entry.sha256:
        raise ModelError(
            f"{path} has sha256 {sha256[:12]}..., but the card says {entry.sha256[:12]}...; the "
            "file is damaged or another model's: copy the folder again."
        )
    refusal = f"{path} is not a safetensors file ({{}}); copy the model folder again."
    with guarded(str(path), ModelError, refusal):
        return tensors_from_bytes(data)


def _check_tensors(
    expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], folder: Path, preset: str
) -> None:
    alike = sizes_of_another(tensors, preset)
    missing, unexpected = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing or unexpected:
        raise ModelError(
            f"The weights in {folder} are not of the architecture its card names: "
            f"{len(missing)} tensors are missing{_some(missing)} and {len(unexpected)} are "
            f"unexpected{_some(unexpected)}{_looks_like(unexpected)}{alike}."
        )
    for key in sorted(expected):
        if expected[key].shape != tensors[key].shape:
            raise ModelError(
                f"Tensor {key} in {folder} has shape {tuple(tensors[key].shape)}{alike}; the "
                f"card's architecture needs {tuple(expected[key].shape)}: correct the preset, "
                "class count or head width in the card."
            )
        if not tensors[key].is_floating_point():
            raise ModelError(f"Tensor {key} in {folder} is {tensors[key].dtype}; expected floats.")


def _some(keys: Collection[str]) -> str:
    return f" ({', '.join(sorted(keys)[:3])}{', ...' if len(keys) > 3 else ''})" if keys else ""


def _looks_like(keys: Collection[str]) -> str:
    for prefix, looks in KEY_LOOKS:
        if any(key.startswith(prefix) for key in keys):
            return f", which look like {looks}"
    return ""
