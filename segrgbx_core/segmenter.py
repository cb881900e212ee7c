# SPDX-License-Identifier: Apache-2.0
"""Segment images with one call: encoding, preprocessing and network."""

import logging
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segrgbx_core.backends.choice import BackendChooser
from segrgbx_core.encoding import encode
from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.labels.union import Membership, load_membership
from segrgbx_core.modality import NO_X, modality_named
from segrgbx_core.model.head import active_logits
from segrgbx_core.model.inputs import require_finite
from segrgbx_core.model.ma_clip import SceneEmbeddings
from segrgbx_core.model.placement import autocast, choose_device, choose_precision
from segrgbx_core.model.preprocessing import resize_rgb, resize_x
from segrgbx_core.model.readout import Sizes, labels_and_confidence, probabilities
from segrgbx_core.readings import Planes, Reading, RgbImage, same_aspect
from segrgbx_core.scene_cache import SceneCache, SceneRefresh
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel, load_model

log = logging.getLogger("segrgbx")

OUTPUT_SIZES = ("image", "network")
_PLANE_SLACK = 1e-3


class Segmenter:
    """A loaded model on a device, for frames of any size.

    model: a shipped name, the path of a model folder, or a loaded model. device: "auto", "cpu",
    "cuda" or "cuda:N". precision: "auto", "float32", "bf16" or "fp16". scene_refresh: for video,
    when scene embeddings are computed again; None computes them for each frame. label_set: for a
    model over a union of label sets, the set to answer in: a name, a file, or a loaded one.
    backend: "auto", "eager", "compiled", "onnxruntime" or "tensorrt", see `BackendChooser`.
    output_size: "image" gives masks of the image's size; "network" of the size at which the
    network sees it, which costs less where images are large.
    Raises ModelError for a model folder that cannot be used, or a model over another union than
    the label set's; LabelError for a label set that cannot be used; InputError for a device,
    precision or output size that is unknown or not available.
    """

    def __init__(
        self,
        model: str | Path | LoadedModel = "demo",
        device: str = "auto",
        precision: str = "auto",
        scene_refresh: SceneRefresh | None = None,
        label_set: str | Path | Membership | None = None,
        backend: str = "auto",
        output_size: str = "image",
    ) -> None:
        if output_size not in OUTPUT_SIZES:
            raise InputError(
                f"Output size '{output_size}' is unknown; expected {' or '.join(OUTPUT_SIZES)}."
            )
        self._shrunk = output_size == "network"
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        loaded = model if isinstance(model, LoadedModel) else load_model(model)
        self.card: ModelCard = loaded.card
        self._active = None if label_set is None else _membership(label_set, self.card)
        self._model = loaded.model.eval().to(memory_format=torch.channels_last).to(self.device)
        self._run = BackendChooser(backend, self._model, self.card, self.precision, self.device)
        self._cache: SceneCache | None = None
        if scene_refresh is not None and loaded.model.ma_clip is not None:
            self._cache = SceneCache(scene_refresh, self.card.preprocessing)
        log.info("model %s on %s in %s", self.card.name, self.device, self.precision)

    @property
    def label_set(self) -> LabelSet:
        """The classes that the labels of every result refer to."""
        return self.card.label_set if self._active is None else self._active.label_set

    @property
    def backend(self) -> str:
        """What runs the network; before the first image, what was asked for."""
        return self._run.name

    def __call__(
        self, rgb: RgbImage, x: Reading | Planes | None = None, modality: str | None = None
    ) -> Segmentation:
        """Segments one image, with or without a reading of the second sensor.

        rgb: (H, W, 3) uint8, red first. x: a raw reading that the modality's encoding accepts
        (thermal: (h, w) uint8, uint16 or float32), or planes that are already encoded and
        aligned. X has RGB's field of view and (within 2 %) aspect ratio, at any size. None, or
        planes without a valid pixel, segments RGB alone. modality: optional if the model was
        trained with exactly one.
        Returns labels and confidence of RGB's size, or the network's (see output_size).
        Raises InputError for images that cannot be used, and ModelError for a modality that the
        model was not trained with.
        """
        start = time.perf_counter()
        planes, name, x_valid = self._read(rgb, x, modality)
        rgb_in, x_in = self._tensors(rgb, planes, name)
        encoded = time.perf_counter()
        labels, confidence = self._infer(rgb_in, x_in, name, (rgb.shape[0], rgb.shape[1]))
        done = time.perf_counter()
        timings = {"encode": (encoded - start) * 1e3, "model": (done - encoded) * 1e3}
        return Segmentation(labels, confidence, self.label_set, name, timings, x_valid)

    def probabilities(
        self,
        rgb: RgbImage,
        x: Reading | Planes | None = None,
        modality: str | None = None,
        scale: float = 1.0,
    ) -> Tensor:
        """The probability of each class at each pixel, (classes, H, W) float32 on the device.

        scale: factor by which the network's input is larger than in a call of the segmenter.
        """
        planes, name, _ = self._read(rgb, x, modality)
        rgb_in, x_in = self._tensors(rgb, planes, name, scale)
        with torch.inference_mode():
            return probabilities(*self._logits(rgb_in, x_in, name, (rgb.shape[0], rgb.shape[1])))[
                0
            ]

    def forget_scene(self) -> None:
        """Discards the scene embeddings; call it before a new recording."""
        if self._cache is not None:
            self._cache.forget()

    def warm_up(self, iterations: int, size: tuple[int, int]) -> None:
        """Runs the network on grey images of (height, width), so the first frame is fast."""
        height, width = self.card.preprocessing.inference_size(*size)
        grey = torch.zeros(1, 3, height, width, device=self.device)
        grey = grey.contiguous(memory_format=torch.channels_last)
        name = self.card.modalities[0] if self.card.modalities else NO_X
        for _ in range(iterations):
            self._infer(grey, grey if self.card.modalities else None, name, size)
        self.forget_scene()

    def _read(
        self, rgb: RgbImage, x: Reading | Planes | None, modality: str | None
    ) -> tuple[Planes | None, str, float | None]:
        """X's planes, modality and valid share; (None, "none", share) if no pixel is valid."""
        _check_rgb(rgb)
        name = self._modality(x, modality)
        planes = None if x is None else _planes(x, name)
        x_valid = None if planes is None else float(planes.valid.mean())
        return (planes, name, x_valid) if x_valid else (None, NO_X, x_valid)

    def _modality(self, x: Reading | Planes | None, modality: str | None) -> str:
        if modality not in (None, NO_X):
            modality_named(modality)
        if x is None:
            return NO_X
        if modality == NO_X:
            raise InputError(
                f"An X reading came with modality '{NO_X}'; name its sensor, or leave x out."
            )
        if modality is not None:
            return self.card.check_modality(modality)
        if len(self.card.modalities) == 1:
            return self.card.modalities[0]
        known = ", ".join(self.card.modalities) or "none, it reads RGB alone"
        raise InputError(
            f"An X reading came without its modality; name it (model '{self.card.name}' was "
            f"trained with: {known})."
        )

    def _tensors(
        self, rgb: RgbImage, planes: Planes | None, modality: str, scale: float = 1.0
    ) -> tuple[Tensor, Tensor | None]:
        prepare = self.card.preprocessing
        height, width = prepare.inference_size(rgb.shape[0], rgb.shape[1])
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        with torch.inference_mode():
            pixels = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).to(self.device)
            image = prepare.normalise_rgb(resize_rgb(pixels.permute(2, 0, 1)[None], size))
            image = image.contiguous(memory_format=torch.channels_last)
            x_image = None
            if planes is not None:
                _check_aspect(rgb.shape[1::-1], planes.valid.shape[::-1], modality)
                data = _on(self.device, planes.data)
                valid = _on(self.device, planes.valid)
                x_image = prepare.normalise_x(*resize_x(data, valid, size))
                x_image = x_image.contiguous(memory_format=torch.channels_last)
        self._wait()
        return image, x_image

    def _infer(
        self, rgb: Tensor, x: Tensor | None, modality: str, size: tuple[int, int]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        with torch.inference_mode():
            logits, sizes = self._logits(rgb, x, modality, size)
            shown = sizes._replace(image=sizes.network) if self._shrunk else sizes
            labels, confidence = labels_and_confidence(logits, shown)
            return labels.cpu().numpy(), confidence.cpu().numpy()

    def _logits(
        self, rgb: Tensor, x: Tensor | None, modality: str, size: tuple[int, int]
    ) -> tuple[Tensor, Sizes]:
        """The head's logits (1, C, h, w) float32 over the label set's classes."""
        with autocast(self.precision, self.device):
            scene = self._scene(rgb, x, modality)
            given = self._model.prepare(rgb, x, modality, scene=scene)
        logits = self._run(given)
        self._require_numbers(bool(logits.isfinite().all()), rgb, x)
        if self._active is not None:
            logits = active_logits(logits, self._active)
        return logits, Sizes((rgb.shape[2], rgb.shape[3]), size)

    def _require_numbers(self, finite: bool, rgb: Tensor, x: Tensor | None) -> None:
        if finite:
            return
        require_finite(rgb, x)
        raise ModelError(
            f"Model '{self.card.name}' gave values that are not numbers in {self.precision}; run "
            "it with precision float32."
        )

    def _scene(self, rgb: Tensor, x: Tensor | None, modality: str) -> SceneEmbeddings | None:
        """Scene embeddings from the cache or new ones; None without a cache."""
        if self._cache is None:
            return None
        scene = self._cache.recall(rgb, x, modality)
        if scene is None:
            scene = self._model.embed_scene(rgb, x, modality)
            self._cache.keep(scene, rgb, x, modality)
        return scene

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _on(device: torch.device, array: npt.NDArray[np.float32] | npt.NDArray[np.bool_]) -> Tensor:
    """The array as a batch of one; copies arrays that are views, read-only or mirrored."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device)[None]


def _membership(label_set: str | Path | Membership, card: ModelCard) -> Membership:
    member = label_set if isinstance(label_set, Membership) else load_membership(label_set)
    if member.unified.names != card.label_set.names:
        raise ModelError(
            f"Model '{card.name}' answers in the classes of '{card.label_set.name}', but label "
            f"set '{member.label_set.name}' is a part of '{member.unified.name}'; choose a model "
            "over that union, or leave the label set out."
        )
    return member


def _check_rgb(rgb: RgbImage) -> None:
    if not isinstance(rgb, np.ndarray):
        raise InputError(
            f"The RGB image is a {type(rgb).__name__}; expected a numpy array (height, width, 3) "
            "of uint8."
        )
    if rgb.ndim == 2 or (rgb.ndim == 3 and rgb.shape[2] == 1):
        raise InputError(
            f"The RGB image is grey, shape {rgb.shape}; expected (height, width, 3): repeat the "
            "channel three times if the camera has no colour, or check that RGB and X are not "
            "exchanged."
        )
    if rgb.ndim == 3 and rgb.shape[2] == 4:
        raise InputError(
            f"The RGB image has four channels, shape {rgb.shape}; expected three: pass "
            "image[..., :3], and a second sensor in the fourth as x."
        )
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise InputError(f"The RGB image has shape {rgb.shape}; expected (height, width, 3).")
    if rgb.dtype != np.uint8:
        raise InputError(
            f"The RGB image has values of type {rgb.dtype}; expected uint8 in 0..255: scale and "
            "convert it with .astype(numpy.uint8)."
        )


def _planes(x: Reading | Planes, modality: str) -> Planes:
    """The planes of a reading; planes are checked and returned unchanged."""
    if isinstance(x, Planes):
        _check_planes(x, modality)
        return x
    return encode(modality, x)


def _check_planes(planes: Planes, modality: str) -> None:
    data, valid = planes.data, planes.valid
    if data.ndim != 3 or data.shape != (3, *valid.shape) or 0 in data.shape:
        raise InputError(
            f"The {modality} planes have shape {data.shape} and validity {valid.shape}; expected "
            "(3, height, width) and (height, width)."
        )
    if data.dtype != np.float32 or valid.dtype != np.bool_:
        raise InputError(
            f"The {modality} planes hold {data.dtype} and validity {valid.dtype}; expected "
            "float32 in 0..1 and bool."
        )
    low, high = float(data.min()), float(data.max())
    if low >= -_PLANE_SLACK and high <= 1 + _PLANE_SLACK:
        return
    bad = int(data.size - np.isfinite(data).sum())
    if bad:
        raise InputError(
            f"The {modality} planes hold {bad} values that are not finite; mark such pixels "
            "invalid, with 0 in the planes, or leave the frame out."
        )
    raise InputError(
        f"The {modality} planes hold values from {low:g} to {high:g}; expected 0..1: encode the "
        "reading with `encode`, or scale them."
    )


def _check_aspect(rgb: tuple[int, ...], x: tuple[int, ...], modality: str) -> None:
    if not same_aspect(x, rgb):
        raise InputError(
            f"The {modality} image is {x[0]}x{x[1]} and the RGB image {rgb[0]}x{rgb[1]}, whose "
            "aspect ratios differ by more than 2 %; crop or register them to the same field of "
            "view first."
        )
