# SPDX-License-Identifier: Apache-2.0
"""What a replay writes for other tools, and whether it can: checked before anything is made."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from segrgbx_core.errors import InputError, OutputError
from segrgbx_core.files.disk import need_no_inputs
from segrgbx_core.files.resources import package_for
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.bags.writer import IMAGE_TOPICS, RGB_PICTURES, X_PICTURES
from segrgbx_ros.messages.sensors import IMAGE_TYPES
from segrgbx_ros.replay.options import FurtherFiles, ReplayOptions
from segrgbx_ros.replay.output import LAYOUT_FILE, FrameOutput
from segrgbx_ros.replay.tools.foxglove import FoxgloveLayout

_ENDINGS = {"rrd": (".rrd", "rerun", "rerun"), "video": (".mp4", "av", "video")}


def bag_images(files: FurtherFiles, topics: TopicsTaken) -> tuple[str, ...]:
    """The topics of RGB and X as pictures in the result bag."""
    if not files.images:
        return ()
    return (RGB_PICTURES,) if topics.x is None else IMAGE_TOPICS


def check_further(options: ReplayOptions, inputs: Iterable[Path]) -> None:
    """Whether the further files can be written.

    Raises InputError for a name of another ending and where a package is missing, OutputError for
    a file that exists, without force or resume, and for one that is an input.
    """
    for option, (ending, module, extra) in _ENDINGS.items():
        path: Path | None = getattr(options.files, option)
        if path is None:
            continue
        if path.suffix.lower() != ending:
            raise InputError(
                f"--{option} {path} has not the ending {ending}; name a {ending} file, or write "
                f"the recording before the options to leave the name to --{option}."
            )
        package_for(f"--{option}", module, extra)
        if not path.parent.is_dir() and path.parent.absolute() != options.out.absolute():
            raise OutputError(f"{path.parent} is no folder; make it, or name another place.")
        if path.is_dir():
            raise OutputError(f"{path} is a folder; --{option} needs a file's name.")
        if path.exists() and not (options.force or options.resume):
            raise OutputError(f"{path} already exists; choose another name, or add --force.")
        need_no_inputs([path], inputs)


def further_outputs(
    options: ReplayOptions, label_set: LabelSet, bag: BagReader, topics: TopicsTaken
) -> list[FrameOutput]:
    """The layout and the files that were asked for, opened with their first frame."""
    files = options.files
    layout = FoxgloveLayout(options.out / LAYOUT_FILE, label_set, _shown(files, bag, topics))
    outputs: list[FrameOutput] = [layout]
    if files.rrd is not None:
        rerun = import_module("segrgbx_ros.replay.tools.rerun_file")
        outputs.append(rerun.RerunFile(files.rrd, label_set, options.bag.name))
    if files.video is not None:
        video = import_module("segrgbx_ros.replay.tools.video_file")
        outputs.append(video.VideoFile(files.video, files.video_of))
    return outputs


def _shown(files: FurtherFiles, bag: BagReader, topics: TopicsTaken) -> dict[str, str | None]:
    """The topics with RGB and X as images: of the result bag, or else of the recording."""
    ours = bag_images(files, topics)
    x = None if topics.x is None else bag.topic(topics.x)
    recorded_x = x.name if x is not None and x.msgtype in IMAGE_TYPES else None
    return {
        "rgb": RGB_PICTURES if RGB_PICTURES in ours else topics.rgb,
        "x": X_PICTURES if X_PICTURES in ours else recorded_x,
    }
