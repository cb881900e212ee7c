# SPDX-License-Identifier: Apache-2.0
"""MP4 files: read back with PyAV, whole or not there."""

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import InputError, OutputError
from segrgbx_core.files.video import VideoWriter

MS = 1_000_000


@pytest.fixture
def av() -> Any:
    return pytest.importorskip("av", reason="PyAV (the extra video) is not installed")


def picture(level: int, size: tuple[int, int] = (47, 63)) -> npt.NDArray[np.uint8]:
    image = np.full((*size, 3), 30, np.uint8)
    image[:, size[1] // 2 :] = (level, 60, 200)
    return image


def test_pictures_have_their_times_and_colours_and_an_even_size(av: Any, tmp_path: Path) -> None:
    """After a step back, or of more than 10 s, the last good step is taken again."""
    writer = VideoWriter(tmp_path / "a.mp4")
    stamps = [0, 100, 200, 500, 450, 550, 99_000]
    for k, ms in enumerate(stamps):
        writer.add(picture(30 * k), 1_700_000_000_000 * MS + ms * MS)
    assert not (tmp_path / "a.mp4").exists()
    writer.close()
    with av.open(str(tmp_path / "a.mp4")) as file:
        [stream] = file.streams.video
        frames = [(f.time, f.to_ndarray(format="rgb24")) for f in file.decode(stream)]
    assert stream.codec_context.name == "h264"
    assert [time for time, _ in frames] == pytest.approx([0, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0])
    for k, (_, shown) in enumerate(frames):
        assert shown.shape == (48, 64, 3)
        assert np.abs(shown[20, 50].astype(int) - (30 * k, 60, 200)).max() < 12


def test_a_picture_of_another_size_is_brought_to_the_first_ones(av: Any, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4")
    writer.add(picture(0), 0)
    writer.add(picture(0, (96, 128)), 100 * MS)
    writer.close()
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert [(f.width, f.height) for f in file.decode(video=0)] == [(64, 48)] * 2


@pytest.mark.usefixtures("av")
def test_a_video_that_is_discarded_leaves_the_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("earlier")
    writer = VideoWriter(tmp_path / "a.mp4")
    writer.add(picture(0), 0)
    writer.close(whole=False)
    VideoWriter(tmp_path / "b.mp4").close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "earlier"


@pytest.mark.usefixtures("av")
def test_a_disk_that_takes_no_more_is_one_sentence_and_leaves_no_part(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4")
    noise = np.random.default_rng(0).integers(0, 256, (200, 120, 160, 3), np.uint8)

    def write() -> None:
        for k, image in enumerate(noise):
            writer.add(image, k * 100 * MS)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"Cannot write .*a\.mp4"):
            write()
        writer.close(whole=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"a\.mp4 needs the package av.*segrgbx_ros\[video\]"):
        VideoWriter(tmp_path / "a.mp4")
