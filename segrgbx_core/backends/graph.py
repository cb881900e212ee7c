# SPDX-License-Identifier: Apache-2.0
"""The network as a graph of plain tensors, and where its exports are kept."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from segrgbx_core.errors import ModelError
from segrgbx_core.files.resources import cache_folder, version
from segrgbx_core.model.inputs import padded_length
from segrgbx_core.model.ma_clip import SceneEmbeddings
from segrgbx_core.model.segrgbx import Control, NetworkInput, SegRgbX
from segrgbx_core.weights.card import ModelCard

OUTPUT = "logits"


class Graph(nn.Module):
    """`SegRgbX.run` with tensors as arguments.

    rgb, x: (1, 3, H, W) float32, normalised and padded. With components also row: (1,) int64, X's
    sensor; rgb_scene, x_scene: (1, D) float32, the scene embeddings. Returns the head's logits.
    """

    def __init__(self, model: SegRgbX) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        rgb: Tensor,
        x: Tensor,
        row: Tensor | None = None,
        rgb_scene: Tensor | None = None,
        x_scene: Tensor | None = None,
    ) -> Tensor:
        control = None
        if row is not None and rgb_scene is not None and x_scene is not None:
            control = Control(SceneEmbeddings(rgb_scene, x_scene), row)
        return self.model.run(NetworkInput(rgb, x, control))


def tensors_of(given: NetworkInput) -> dict[str, Tensor]:
    """The graph's arguments by name."""
    values = {"rgb": given.rgb, "x": given.x}
    if given.control is not None:
        scene = given.control.scene
        values |= {"row": given.control.rows, "rgb_scene": scene.rgb, "x_scene": scene.x}
    return values


def padded(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) of a graph for images that the network sees at this size."""
    return padded_length(size[0]), padded_length(size[1])


def example(model: SegRgbX, size: tuple[int, int]) -> NetworkInput:
    """Smooth noise, always the same, as an RGB image and X of the model's first sensor."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(2, 3, *(max(2, n // 16) for n in size), generator=generator)
    rgb, x = nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=False)
    modality = model.config.modalities[0] if model.config.components else "none"
    device = next(model.parameters()).device
    with torch.no_grad():
        return model.prepare(rgb[None].to(device), x[None].to(device), modality)


def cached_graph(card: ModelCard, size: tuple[int, int]) -> Path:
    """Where the ONNX file for padded images of this size is kept, whether or not it is there.

    Below `cache_folder`; weights, version and torch's version are part of the name. Raises
    ModelError for a model that was never saved.
    """
    if card.weights is None:
        raise ModelError(
            f"Model '{card.name}' has not been saved; save it, and export the folder."
        )
    named = f"{card.weights.sha256} {version()} {torch.__version__}"
    key = hashlib.sha256(named.encode()).hexdigest()[:16]
    return cache_folder() / "graphs" / key / f"{size[0]}x{size[1]}.onnx"
