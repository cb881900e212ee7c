# SPDX-License-Identifier: Apache-2.0
"""Camera presets: what the drivers of known cameras publish, one file each in config/cameras.

The launch files read them in ROS's own Python, which lacks numpy's and torch's environment: this
imports nothing of it. So the values of the parameters are checked by the node, not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segrgbx_core.errors import InputError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.resources import share_dir
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.modality import modality_named, sensor_in_words

# Names of image_transport's topics below the raw one.
COMPRESSED = ("compressed", "compressedDepth")

Value = bool | int | float | str | tuple[float, ...]


@dataclass(frozen=True)
class CameraPreset:
    """One camera in one of its settings, as its driver publishes it.

    camera, sends: for people, the product and its X. sources: where each fact is from, with the
    date of that source. checked: the day on which they were read, YYYY-MM-DD. driver: package or
    repository. bring_up: the driver's command lines. rgb_topic, x_topic: relative, as the driver
    names them; empty where another camera or the user names them. rate_hz: X's messages a second;
    None where unknown. parameters: the node's, by name.
    Raises InputError for an unknown modality, and for `modality` among the parameters.
    """

    camera: str
    modality: str
    sends: str
    sources: tuple[str, ...]
    checked: str
    driver: str
    bring_up: tuple[str, ...] = ()
    rgb_topic: str = ""
    x_topic: str = ""
    rate_hz: float | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        modality_named(self.modality)
        if "modality" in self.parameters:
            raise InputError("modality is no parameter of a preset; it has its own line above.")


def preset_names() -> tuple[str, ...]:
    """The names of the shipped presets, in order."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def camera_preset(name_or_path: str) -> CameraPreset:
    """A preset by the name of a file under `config/cameras/` or by a YAML file's path.

    Raises InputError where it is missing, which lists the names, or malformed.
    """
    path = Path(name_or_path)
    a_name = path.suffix not in (".yaml", ".yml")
    if a_name:
        path = _folder() / f"{name_or_path}.yaml"
    if not path.is_file() or (a_name and Path(name_or_path).name != name_or_path):
        raise InputError(
            f"Camera preset '{name_or_path}' was not found; there are "
            f"{', '.join(preset_names())}; a YAML file's path works as well."
        )
    return filled(CameraPreset, read_yaml(path, InputError), str(path), InputError)


def preset_for(name_or_path: str, modality: str) -> CameraPreset:
    """A preset of this sensor. Raises InputError as `camera_preset`, and for another sensor's."""
    preset = camera_preset(name_or_path)
    if preset.modality != modality:
        raise InputError(
            f"Camera preset '{name_or_path}' is for {sensor_in_words(preset.modality)}, and this "
            f"is the launch file for {sensor_in_words(modality)}: ros2 launch segrgbx_ros "
            f"{preset.modality}.launch.py camera:={name_or_path}"
        )
    return preset


def transport_of(topic: str) -> str:
    """The transport that the topic's last name says: compressed, compressedDepth or raw."""
    name = PurePosixPath(topic).name
    return name if name in COMPRESSED else "raw"


def _folder() -> Path:
    return share_dir() / "config" / "cameras"
