# SPDX-License-Identifier: Apache-2.0
"""Reading `summary.json` back."""

import json
from pathlib import Path
from typing import Any

from segrgbx_core.errors import InputError
from segrgbx_ros.summary import Frames, ModelFacts, Recording, ReplaySummary, Skew, StageTimes
from segrgbx_ros.topics import TopicsTaken

SUMMARY_FILE = "summary.json"


def read_summary(folder: Path) -> ReplaySummary:
    """The summary a replay left in the folder.

    Raises InputError where there is none, or it is not one that this version wrote.
    """
    path = folder / SUMMARY_FILE
    if not path.is_file():
        raise InputError(
            f"{folder} has no {SUMMARY_FILE}; name a folder that `segrgbx replay` wrote."
        )
    try:
        return _summary(json.loads(path.read_text("utf-8")))
    except (UnicodeDecodeError, json.JSONDecodeError) as err:
        raise InputError(f"{path} is not readable JSON; run `segrgbx replay` again.") from err
    except (KeyError, TypeError, AttributeError) as err:
        raise InputError(
            f"{path} is not as this version writes it ({err}); run `segrgbx replay` again."
        ) from err


def _summary(content: dict[str, Any]) -> ReplaySummary:
    skew = content.pop("skew_ms")
    return ReplaySummary(
        frames=Frames(**content.pop("frames")),
        stage_ms={k: StageTimes(**v) for k, v in content.pop("stage_ms").items()},
        card=ModelFacts(**content.pop("card")),
        skew_ms=None if skew is None else Skew(**skew),
        topics=TopicsTaken(**content.pop("topics")),
        recording=Recording(**content.pop("recording")),
        **content,
    )
