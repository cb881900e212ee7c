# SPDX-License-Identifier: Apache-2.0
"""Make batches: encode, crop and flip jointly, change the colours of RGB, add sensor noise to X.

The noise of X is described by the sensor's `Encoding` and added to the encoded planes, so it is
fast and the same for real and synthetic readings; `x_raw` and `x_raw_noise` disturb the reading
before. All of it is drawn again for every sample.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision import tv_tensors
from torchvision.transforms import v2

from segrgbx_core.datasets import LabelledPairs, Skipping, encoded
from segrgbx_core.datasets.samples import Sample, encoded_as
from segrgbx_core.encoding.stream import mirrored
from segrgbx_core.encoding.table import encoding_of
from segrgbx_core.evaluation.reading_noise import NoiseMeter, noisy
from segrgbx_core.modality import NO_X
from segrgbx_core.model.preprocessing import Preprocessing, resize_x
from segrgbx_core.readings import Planes
from segrgbx_core.training.mixture import Mixture, shares_of
from segrgbx_core.training.recipe import Augment, Data

FULL_NOISE = 0.03
_PATCH = 16
# The kinds of an X that misleads; shift: share of the image's longer side.
_NOISY, _FAR, _OTHER, _LATE = range(4)
_USELESS_NOISE, _USELESS_SHIFT = (0.2, 0.5), (0.04, 0.15)
# Bounds of the logarithm of a late X's enlargement, and the share of the image within which the
# point lies that stays in place.
_LATE_ZOOM, _LATE_CENTRE = (0.02, 0.35), 0.2
_RAW_NOISE = 0.2


def disturbed(
    x: Tensor, valid: Tensor, modality: str, most: float, least: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Simulates the faults of a worse sensor; returns planes and validity of the same shapes.

    x: planes (3, H, W) in 0..1. valid: (H, W) bool. most, least: bounds of the noise's standard
    deviation; with 0 only the gain changes. Uses torch's random numbers. Raises InputError for an
    unknown modality.
    """
    faults = encoding_of(modality).noise
    noise = least + torch.rand(()) * (most - least)
    gain = 1 + (torch.rand(()) - 0.5) * faults.gain
    centre = torch.tensor(faults.centre)[:, None, None]
    spread = torch.randn(x.shape[1:] if faults.common else x.shape)
    spread = spread * torch.tensor(faults.planes)[:, None, None]
    x = ((x - centre) * gain + centre + noise * spread).clamp(0, 1)
    scale = most / FULL_NOISE
    if faults.specks and scale:
        x = _speckled(x, faults.specks * scale)
    if faults.holes and scale:
        valid = valid & ~_holes(valid.shape, faults.holes * scale)
    return x, valid


def of_another_moment(planes: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """X as seen from farther ahead or farther back; what was out of view is mirrored.

    planes: (1, 3, H, W) in 0..1. valid: (1, H, W) bool. Returns both in the same shapes. Uses
    torch's random numbers.
    """
    low, high = (math.log(bound) for bound in _LATE_ZOOM)
    zoom = math.exp(low + float(torch.rand(())) * (high - low))
    scale = math.exp(zoom if _happens(0.5) else -zoom)
    centre = (torch.rand(2) * 2 - 1) * _LATE_CENTRE
    move = (torch.eye(2) * scale)[None]
    grid = functional.affine_grid(
        torch.cat([move, ((1 - scale) * centre)[None, :, None]], 2), list(planes.shape), False
    )
    layers = torch.cat([planes * valid[:, None], valid[:, None].float()], 1)
    moved = functional.grid_sample(layers, grid, padding_mode="reflection", align_corners=False)
    weight = moved[:, 3:]
    kept = weight > 0.5
    return (moved[:, :3] / weight.clamp_min(1e-6)).clamp(0, 1) * kept, kept[:, 0]


def _speckled(x: Tensor, most: float) -> Tensor:
    """Replaces a random share of the pixels by random values, in one plane each."""
    hit = torch.rand(x.shape) < torch.rand(()) * most / len(x)
    return torch.where(hit, torch.rand(x.shape), x)


def _holes(size: torch.Size, most: float) -> Tensor:
    """(H, W) bool, True in a random share of patches of 16 x 16 pixels."""
    rows, columns = (-(-length // _PATCH) for length in size)
    lost = torch.rand(rows, columns) < torch.rand(()) * min(most, 1.0)
    wide = lost.repeat_interleave(_PATCH, 0).repeat_interleave(_PATCH, 1)
    return wide[: size[0], : size[1]]


_Row = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Batch:
    """A batch of training samples.

    rgb, x: (B, 3, H, W) float32, normalised. labels: (B, H, W) int64. present: (B,) bool, whether
    the sample has X. modalities, sources, stems: sensor, source number and name of each sample.
    """

    rgb: Tensor
    x: Tensor
    labels: Tensor
    present: Tensor
    modalities: tuple[str, ...]
    sources: tuple[int, ...]
    stems: tuple[str, ...]


def mixture_of(sources: Sequence[LabelledPairs], data: Data, seed: int) -> Mixture:
    """The order in which a training draws samples from its sources."""
    sizes = [len(source) for source in sources]
    shares = shares_of(sizes, data.size_power)
    names = [source.modality for source in sources]
    return Mixture(sizes, names, shares, seed, data.batches == "by_modality")


def darkened(rgb: Tensor) -> Tensor:
    """Simulates an underexposed image, (3, H, W) uint8.

    Keeps 0.5 to 50 % of the light and adds noise of 1 to 5 % of the range.
    """
    gain = 0.5 * 10 ** (-2 * torch.rand(()))
    noise = (0.01 + 0.04 * torch.rand(())) * 255
    image = rgb.float() * gain + noise * torch.randn(rgb.shape)
    return image.round().clamp(0, 255).to(torch.uint8)


def _happens(share: float) -> bool:
    """True with this probability; draws no number for 0."""
    return share > 0 and bool(torch.rand(()) < share)


def _shifted(planes: Tensor, valid: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    down, right = (int(v) for v in torch.randint(-reach, reach + 1, (2,)))
    return planes.roll((down, right), (2, 3)), valid.roll((down, right), (1, 2))


class _Changes:
    """The random changes from a step on."""

    def __init__(self, begin: int, augment: Augment) -> None:
        self.begin, self.augment = begin, augment
        height, width = augment.crop
        ratio = width / height
        self._crop = v2.RandomResizedCrop(
            augment.crop, augment.area, (ratio * 0.9, ratio * 1.1), antialias=True
        )
        j = augment.jitter
        self.colored = v2.ColorJitter(brightness=j, contrast=j, saturation=j, hue=j * 0.1)

    def framed(self, sample: Sample, x: Tensor, valid: Tensor) -> _Row:
        """The same random crop of RGB, X, labels and validity.

        x: (1, 3, H, W). valid: (1, H, W). Invalid pixels have no weight when X is resized.
        """
        layers = x[0] if bool(valid.all()) else torch.cat([x[0], valid.float()])
        cut = self._crop(
            tv_tensors.Image(torch.from_numpy(sample.rgb).permute(2, 0, 1)),
            tv_tensors.Image(layers),
            tv_tensors.Mask(torch.stack([torch.from_numpy(sample.labels), valid[0].byte()])),
        )
        rgb, layers, masks = (layer.as_subclass(Tensor) for layer in cut)
        data, kept = layers[:3], masks[1].bool()
        if len(layers) == 4:
            data = (data / layers[3].clamp_min(1e-6)).clamp(0, 1) * kept
        return rgb, data, masks[0], kept


def _read(source: LabelledPairs, index: int, augment: Augment) -> Sample:
    """The sample with X as planes; its reading may get its sensor's faults first."""
    if source.modality == NO_X:
        return source[index]
    worn = encoding_of(source.modality).worn
    seed = None
    if worn is not None and _happens(augment.x_raw):
        seed = int(torch.randint(2**31, ()))
    grain = None
    if _happens(augment.x_raw_noise):
        grain = _RAW_NOISE * float(torch.rand(())), int(torch.randint(2**31, ()))

    def encode(data: LabelledPairs, sample: Sample) -> Planes:
        x = sample.x
        if grain is not None:
            level, noise_seed = grain
            meter = NoiseMeter(data.modality)
            meter.add(x)
            amount = level * meter.unit.value
            x = noisy(x, data.modality, amount, np.random.default_rng(noise_seed))
        if isinstance(x, Planes):
            return encoded(data, replace(sample, x=x))
        if worn is not None and seed is not None:
            x = worn(x, data.settings, seed)
        return encoded_as(data, sample, x)

    if isinstance(source, Skipping):
        return source.sample_with(index, encode)
    sample = source[index]
    return replace(sample, x=encode(source, sample))


def _planes(
    source: LabelledPairs, index: int, sample: Sample, wrong: int | None, augment: Augment
) -> tuple[Tensor, Tensor]:
    """X at the size of the labels: planes (1, 3, H, W) and validity (1, H, W)."""
    planes = sample.x
    if wrong == _OTHER and len(source) == 1:
        wrong = _FAR
    if wrong == _OTHER:
        other = (index + 1 + int(torch.randint(len(source) - 1, ()))) % len(source)
        planes = _read(source, other, augment).x
    assert isinstance(planes, Planes)
    data, valid = torch.from_numpy(planes.data)[None], torch.from_numpy(planes.valid)[None]
    data, valid = resize_x(data, valid, sample.labels.shape)
    if wrong == _LATE:
        return of_another_moment(data, valid)
    if wrong != _FAR:
        return _shifted(data, valid, augment.x_shift)
    low, high = (round(max(sample.labels.shape) * share) for share in _USELESS_SHIFT)
    far = [
        int(torch.randint(low, high + 1, ())) * (1 - 2 * int(torch.randint(2, ()))) for _ in "xy"
    ]
    return data.roll(far, (2, 3)), valid.roll(far, (1, 2))


class TrainingBatches:
    """Batches by step number: the same seed and step give the same batch, in any process."""

    def __init__(
        self,
        sources: Sequence[LabelledPairs],
        mixture: Mixture,
        augment: Augment,
        preprocessing: Preprocessing,
        seed: int,
        steps: int = 1,
    ) -> None:
        """steps: of the whole training, of which `augment.later` counts shares."""
        self._sources = sources
        self._mixture = mixture
        self._preprocessing = preprocessing
        self._seed = seed
        self._stages = [_Changes(math.ceil(round(at * steps, 6)), a) for at, a in augment.stages()]

    @property
    def begins(self) -> tuple[int, ...]:
        """The first step of each stage of the augmentation, from 0 on."""
        return tuple(stage.begin for stage in self._stages)

    def batch(self, step: int, size: int, part: int = 0, parts: int = 1) -> Batch:
        """The batch of a step, or one of its `parts` equal parts.

        size: samples of the whole batch. A part has every parts-th sample, starting at number
        `part`.
        """
        places = self._mixture.batch(step, size)
        changes = [stage for stage in self._stages if stage.begin <= step][-1]
        rows, numbers, stems = list[_Row](), list[int](), list[str]()
        for i in range(part, size, parts):
            source, index = places[i]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._seed * 7_919 + step * size + i)
                stem, row = self._sample(self._sources[source], index, changes)
            rows.append(row)
            numbers.append(source)
            stems.append(stem)
        rgb, x, labels, present = (torch.stack(column) for column in zip(*rows, strict=True))
        names = tuple(self._sources[source].modality for source in numbers)
        return Batch(
            rgb=rgb,
            x=x,
            labels=labels,
            present=present,
            modalities=names,
            sources=tuple(numbers),
            stems=tuple(stems),
        )

    def _sample(self, source: LabelledPairs, index: int, changes: _Changes) -> tuple[str, _Row]:
        augment, modality = changes.augment, source.modality
        wrong = None
        if modality != NO_X and _happens(augment.x_wrong):
            wrong = int(torch.randint(_LATE, ()))
        elif modality != NO_X and _happens(augment.x_late):
            wrong = _LATE
        sample = _read(source, index, augment)
        rgb, x, labels, valid = changes.framed(
            sample, *_planes(source, index, sample, wrong, augment)
        )
        if torch.rand(1) < augment.flip:
            rgb, labels = rgb.flip(-1), labels.flip(-1)
            if modality != NO_X:
                turned = mirrored(Planes(x.numpy(), valid.numpy()), modality)
                x, valid = torch.from_numpy(turned.data), torch.from_numpy(turned.valid)
        rgb = changes.colored(rgb)
        if wrong == _NOISY:
            least, most = _USELESS_NOISE
            x, valid = disturbed(x, valid, modality, most, least)
        elif modality != NO_X:
            x, valid = disturbed(x, valid, modality, augment.x_noise)
        present = (torch.rand(()) >= augment.x_dropout) & (modality != NO_X)
        # Where X misleads, RGB is all there is.
        if present and wrong is None and _happens(augment.rgb_dark):
            rgb = darkened(rgb)
        ready_rgb = self._preprocessing.normalise_rgb(rgb[None])[0]
        ready_x = self._preprocessing.normalise_x(x[None], valid[None])[0]
        return sample.stem, (ready_rgb, ready_x, labels.long(), present)
