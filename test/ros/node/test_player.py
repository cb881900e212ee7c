# SPDX-License-Identifier: Apache-2.0
"""What the player keeps from one start to the next."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.ros


def test_scenes_are_kept_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segrgbx_ros.node import player

    made, kept = tmp_path / "drive", tmp_path / "cache" / "scenes" / "a"
    made.mkdir()
    (made / "drive.mcap").write_bytes(b"data")
    (made / "metadata.yaml").write_text("data")

    def breaks_off(_folder: Path, place: Path) -> Path:
        place.mkdir()
        (place / "metadata.yaml").write_text("data")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(player.shutil, "copytree", breaks_off)
        with pytest.raises(OSError, match="No space left"):
            player.keep(made, kept)
    assert list(kept.parent.iterdir()) == []
    player.keep(made, kept)
    assert sorted(path.name for path in kept.iterdir()) == ["drive.mcap", "metadata.yaml"]
    with pytest.raises(OSError, match="not empty"):
        player.keep(made, kept)
    assert [path.name for path in kept.parent.iterdir()] == ["a"]
