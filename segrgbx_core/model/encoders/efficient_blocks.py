# SPDX-License-Identifier: Apache-2.0
"""The blocks of EfficientNet-Lite, whose convolutions both streams share and whose norms they
need not.

Tan and Le, "EfficientNet", ICML 2019, after Sandler et al., "MobileNetV2", CVPR 2018. The Lite
sizes have ReLU6 and no squeeze-and-excitation. Tensors have timm's names. timm has the same
blocks; importing it takes longer than the rest of a start.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.model.encoders.mix_transformer import DropPath

# Of the published weights, which are TensorFlow's.
NORM_EPS = 1e-3
STEM_WIDTH = 32


class SameConv(nn.Conv2d):
    """A convolution without bias whose output is the input's size over the stride, rounded up.

    Where padding is uneven, the larger part is below and right, as TensorFlow has it.
    """

    def __init__(
        self, in_width: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(in_width, width, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1:
            bottom, right = (
                max(0, (-(-length // stride) - 1) * stride + kernel - length)
                for length in features.shape[2:]
            )
            sides = (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2)
            features = F.pad(features, sides)
        return super().forward(features)


class StreamNorm(nn.Module):
    """Normalises a batch whose first half is RGB and whose second half is X, then ReLU6.

    streams: 2 for a norm of each stream's own, 1 for one of both. relu: whether ReLU6 follows.
    """

    def __init__(self, width: int, streams: int, relu: bool = True) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, eps=NORM_EPS) for _ in range(streams))
        self.relu = relu

    def forward(self, both: Tensor) -> Tensor:
        if len(self.norms) == 1:
            normed: Tensor = self.norms[0](both)
        else:
            rgb, x = both.chunk(2)
            normed = torch.cat((self.norms[0](rgb), self.norms[1](x)))
        return F.relu6(normed, inplace=True) if self.relu else normed


class Stem(nn.Module):
    """The first convolution and its norm, (B, 3, H, W) to half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SameConv(3, STEM_WIDTH, 3, stride=2)
        self.norm = nn.BatchNorm2d(STEM_WIDTH, eps=NORM_EPS)

    def forward(self, image: Tensor) -> Tensor:
        return F.relu6(self.norm(self.conv(image)), inplace=True)


class SeparableBlock(nn.Module):
    """A depth-wise convolution, then one of 1x1."""

    def __init__(self, in_width: int, width: int, kernel: int, streams: int) -> None:
        super().__init__()
        self.conv_dw = SameConv(in_width, in_width, kernel, groups=in_width)
        self.bn1 = StreamNorm(in_width, streams)
        self.conv_pw = SameConv(in_width, width)
        self.bn2 = StreamNorm(width, streams, relu=False)

    def forward(self, both: Tensor) -> Tensor:
        out: Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(both))))
        return out


class InvertedBlock(nn.Module):
    """1x1 to `expansion` times the channels, depth-wise, and 1x1 to `width`; added to its input
    where that has the same shape."""

    expansion = 6

    def __init__(
        self,
        in_width: int,
        width: int,
        kernel: int,
        stride: int,
        streams: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        inner = in_width * self.expansion
        self.conv_pw = SameConv(in_width, inner)
        self.bn1 = StreamNorm(inner, streams)
        self.conv_dw = SameConv(inner, inner, kernel, stride, groups=inner)
        self.bn2 = StreamNorm(inner, streams)
        self.conv_pwl = SameConv(inner, width)
        self.bn3 = StreamNorm(width, streams, relu=False)
        self.drop_path = DropPath(drop_path) if stride == 1 and in_width == width else None

    def forward(self, both: Tensor) -> Tensor:
        inner = self.bn2(self.conv_dw(self.bn1(self.conv_pw(both))))
        out: Tensor = self.bn3(self.conv_pwl(inner))
        return out if self.drop_path is None else both + self.drop_path(out)
