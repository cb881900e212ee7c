# SPDX-License-Identifier: Apache-2.0
"""An artificial sixth sensor: one file and a row in each table, then encode, train and replay."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from segrgbx_core import Planes
from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.encoding import encode
from segrgbx_core.encoding.settings_text import setting_lines, settings_from_text
from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES, Modality
from segrgbx_core.pictures.frames import x_picture
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.sensor import SensorSettings
from segrgbx_core.training import train
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.cli import main
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.sensors import SENSORS, SensorMessages
from segrgbx_ros.messages.types import IMAGE, header
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.report import write_report
from segrgbx_ros.replay.run import replay

MODULE = '''
"""Sonar images: how strong the echo is, and its square and root."""

from dataclasses import dataclass

import numpy as np

from segrgbx_core.encoding.contract import Encoding, EncodingSettings, PlaneNoise, setting
from segrgbx_core.errors import InputError
from segrgbx_core.readings import Planes


@dataclass(frozen=True)
class SonarSettings(EncodingSettings):
    full_scale: float = setting(65535.0, "The echo that becomes 1", "counts", "above 0")

    def __post_init__(self):
        if not self.full_scale > 0:
            raise InputError(f"Sonar full_scale is {self.full_scale}; expected above 0.")


def encode_sonar(reading, settings=None):
    settings = settings or SonarSettings()
    echo = np.clip(reading.astype(np.float32) / settings.full_scale, 0, 1)
    return Planes(np.stack([echo, echo**2, np.sqrt(echo)]), reading > 0)


ENCODING = Encoding(
    encode_sonar,
    SonarSettings,
    (np.ndarray,),
    lambda settings: ("echo", "echo squared", "root of the echo"),
    noise=PlaneNoise(common=True),
)
'''

RECIPE = """
name: sonar
description: for a test
seed: 5
model: {{preset: b0, num_classes: 11, components: [modality_embedding, dsrm], modalities: [sonar]}}
data:
  train: {{folder: {data}}}
  validation: {{folder: {data}}}
augment: {{crop: [64, 64]}}
optimiser: {{steps: 2, batch: 2, learning_rate: 1.0e-3, warm_up: 1, validate_every: 2}}
short_side: 64
"""


@pytest.fixture(autouse=True)
def sonar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file and the two rows."""
    (tmp_path / "made_up_sonar.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    row = Modality("sonar", "a sonar image", ("sonar",), "made_up_sonar")
    monkeypatch.setitem(MODALITIES, "sonar", row)
    monkeypatch.setitem(SENSORS, "sonar", SensorMessages(encoding="mono16"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four labelled stills whose thermal images serve as sonar images."""
    folder = tmp_path / "stills"
    render_stills(folder, DriveSettings(width=96, height=72, seed=0), 4)
    manifest = yaml.safe_load((folder / "dataset.yaml").read_text())
    (folder / "dataset.yaml").write_text(yaml.safe_dump({**manifest, "modality": "sonar"}))
    return folder


def test_both_tables_have_the_same_rows() -> None:
    assert MODALITIES.keys() == SENSORS.keys()


def test_it_encodes() -> None:
    planes = encode("sonar", np.full((4, 6), 32768, np.uint16))
    assert isinstance(planes, Planes)
    assert planes.data[0, 0, 0] == pytest.approx(0.5, abs=1e-4)
    assert x_picture(planes.data, "sonar", planes.valid).shape == (4, 6, 3)
    assert [line.meaning for line in setting_lines("sonar")] == ["The echo that becomes 1"]
    with pytest.raises(InputError, match="full_scale is -1"):
        settings_from_text("sonar", ["full_scale=-1"])


def test_it_trains_replays_and_can_be_used_by_the_commands(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "sonar.yaml"
    recipe.write_text(RECIPE.format(data=data))
    model = train(recipe, tmp_path / "trained")
    dataset = FolderDataset(data)
    bag = tmp_path / "bag"
    with BagWriter(bag) as writer:
        for topic in ("/rgb/image_raw", "/sonar/image_raw"):
            writer.add_topic(topic, IMAGE)
        for i in range(len(dataset)):
            stamp = (i + 1) * 100_000_000
            sample = dataset[i]
            assert isinstance(sample.x, np.ndarray)
            for topic, image, encoding in (
                ("/rgb/image_raw", sample.rgb, "rgb8"),
                ("/sonar/image_raw", sample.x, "mono16"),
            ):
                message = image_message(image, encoding, header(stamp, "camera"))
                writer.write(topic, stamp, message)
    options = ReplayOptions(
        bag,
        "sonar",
        tmp_path / "out",
        model=model,
        device="cpu",
        sensor=SensorSettings(("full_scale=30000",)),
    )
    summary = replay(options)
    assert summary.frames.segmented == summary.frames.paired == len(dataset)
    assert summary.modality == "sonar"
    assert "RGB with sonar" in write_report(tmp_path / "out").read_text()
    assert main(["inspect", str(bag)]) == 0
    assert "sonar" in capsys.readouterr().out
    planes = tmp_path / "planes.png"
    x = next(iter(sorted((data / "x").iterdir())))
    assert main(["encode", str(x), "--modality", "sonar", "--out", str(planes)]) == 0
    assert "root of the echo" in capsys.readouterr().out
