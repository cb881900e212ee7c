# SPDX-License-Identifier: Apache-2.0
"""Replay of real RGB-thermal pairs (MFNet): real pixels, artificial stamps."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core import Segmenter, build_model
from segrgbx_core.files.images import read_rgb, read_rgbx
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.readings import ImageReading
from segrgbx_core.report.layers import layer_files
from segrgbx_core.sensor import SensorSettings
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message, reading_from_message, rgb_from_message
from segrgbx_ros.messages.types import IMAGE, deserialized, header
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.run import replay

START = 1_700_000_000_000_000_000
FRAME_NS = 100_000_000
SKEW_NS = 7_000_000
PAIRS = 3

pytestmark = pytest.mark.shared_data


@pytest.fixture
def pairs(shared_data: Path) -> list[Path]:
    """Some day and night pairs."""
    files = sorted((shared_data / "mfnet" / "images").glob("*.png"))
    return [*files[: PAIRS - 1], next(p for p in files if p.stem.endswith("N"))]


@pytest.fixture
def recording(tmp_path: Path, pairs: list[Path]) -> Path:
    path = tmp_path / "mfnet"
    with BagWriter(path) as bag:
        bag.add_topic("/rgb/image_raw", IMAGE)
        bag.add_topic("/thermal/image_raw", IMAGE)
        for k, file in enumerate(pairs):
            rgb, thermal = read_rgbx(file)
            for topic, array, encoding, stamp in (
                ("/rgb/image_raw", rgb, "rgb8", START + k * FRAME_NS),
                ("/thermal/image_raw", thermal, "mono8", START + k * FRAME_NS + SKEW_NS),
            ):
                msg = image_message(array, encoding, header(stamp, "camera"))
                bag.write(topic, stamp, msg)
    return path


def test_real_pixels_survive_the_recording(recording: Path, pairs: list[Path]) -> None:
    decoded: dict[str, list[ImageReading]] = {"/rgb/image_raw": [], "/thermal/image_raw": []}
    with BagReader(recording) as bag:
        for m in bag.messages(list(decoded)):
            decode = rgb_from_message if m.topic.startswith("/rgb") else reading_from_message
            msg = deserialized(m.data, m.msgtype)
            decoded[m.topic].append(decode(msg, m.topic))
    for k, file in enumerate(pairs):
        rgb, thermal = read_rgbx(file)
        assert np.array_equal(decoded["/rgb/image_raw"][k], rgb)
        assert np.array_equal(decoded["/thermal/image_raw"][k], thermal)


def test_replay_of_real_pairs(tmp_path: Path, recording: Path, pairs: list[Path]) -> None:
    labels = load_label_set("street")
    torch.manual_seed(0)
    model = build_model("b0", len(labels))
    card = ModelCard(
        "tiny", "untrained", model.config, ("thermal",), labels, Preprocessing(short_side=96)
    )
    segmenter = Segmenter(LoadedModel(model, card), "cpu")
    as_stills = SensorSettings(settings=("range_memory=0",))
    summary = replay(
        ReplayOptions(recording, "thermal", tmp_path / "out", sensor=as_stills),
        segmenter=segmenter,
    )
    assert summary.frames.segmented == summary.frames.paired == PAIRS
    assert summary.frames.dropped == {}
    assert summary.skew_ms is not None
    assert summary.skew_ms.p50 == 7.0
    assert summary.miou is None
    for k, file in enumerate(pairs):
        rgb, thermal = read_rgbx(file)
        overlay = read_rgb(tmp_path / "out" / "overlays" / f"{k:06d}.png")
        assert np.array_equal(overlay, segmenter(rgb, thermal, "thermal").overlay(rgb))
    assert len(layer_files(tmp_path / "out")) == PAIRS
