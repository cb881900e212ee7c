# SPDX-License-Identifier: Apache-2.0
"""Samples to batches: encoding, joint geometry, colour on RGB alone, noise on X alone."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from segrgbx_core.datasets import FolderDataset
from segrgbx_core.encoding import encode
from segrgbx_core.model.preprocessing import Preprocessing, resize_x
from segrgbx_core.training.recipe import Augment


@dataclass(frozen=True)
class Batch:
    """rgb, x: (B, 3, H, W) float32 normalised; labels: (B, H, W) int64; present: (B,) bool."""

    rgb: Tensor
    x: Tensor
    labels: Tensor
    present: Tensor


class TrainingBatches:
    """Batches by step number: the same seed and step give the same batch, in any process."""

    def __init__(
        self, data: FolderDataset, augment: Augment, preprocessing: Preprocessing, seed: int
    ) -> None:
        self._data = data
        self._augment = augment
        self._preprocessing = preprocessing
        self._seed = seed
        height, width = augment.crop
        ratio = width / height
        self._geometry = v2.Compose(
            [
                v2.RandomResizedCrop(
                    augment.crop, augment.area, (ratio * 0.9, ratio * 1.1), antialias=True
                ),
                v2.RandomHorizontalFlip(augment.flip),
            ]
        )
        j = augment.jitter
        self._color = v2.ColorJitter(brightness=j, contrast=j, saturation=j, hue=j * 0.1)

    def _order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        return torch.randperm(len(self._data), generator=generator)

    def batch(self, step: int, size: int) -> Batch:
        """The step's batch of that size; every epoch shows each sample once, in a new order."""
        places = range(step * size, (step + 1) * size)
        orders = {p // len(self._data): self._order(p // len(self._data)) for p in places}
        rows = []
        for place in places:
            epoch, at = divmod(place, len(self._data))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._seed * 7_919 + place)
                rows.append(self._sample(int(orders[epoch][at])))
        rgb, x, labels, present = (torch.stack(column) for column in zip(*rows, strict=True))
        return Batch(rgb, x, labels, present)

    def _sample(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        sample = self._data[index]
        planes = encode(self._data.modality, sample.x)
        data, valid = torch.from_numpy(planes.data)[None], torch.from_numpy(planes.valid)[None]
        data, valid = resize_x(data, valid, sample.labels.shape)
        data = self._shifted(data)
        rgb, x, mask = self._geometry(
            tv_tensors.Image(torch.from_numpy(sample.rgb).permute(2, 0, 1)),
            tv_tensors.Image(data[0]),
            tv_tensors.Mask(torch.stack([torch.from_numpy(sample.labels), valid[0].byte()])),
        )
        rgb = self._color(rgb)
        noise = torch.rand(()) * self._augment.x_noise
        gain = 1 + (torch.rand(()) - 0.5) * 0.3
        x = ((x - 0.5) * gain + 0.5 + noise * torch.randn(x.shape[1:])).clamp(0, 1)
        labels = mask[0].long()
        ready_rgb = self._preprocessing.normalise_rgb(rgb.as_subclass(Tensor)[None])[0]
        ready_x = self._preprocessing.normalise_x(
            x.as_subclass(Tensor)[None], mask[1:2].bool().as_subclass(Tensor)
        )[0]
        present = torch.rand(()) >= self._augment.x_dropout
        return ready_rgb, ready_x, labels.as_subclass(Tensor), present

    def _shifted(self, planes: Tensor) -> Tensor:
        reach = self._augment.x_shift
        down, right = (int(v) for v in torch.randint(-reach, reach + 1, (2,)))
        return torch.roll(planes, (down, right), (2, 3))
