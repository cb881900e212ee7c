# SPDX-License-Identifier: Apache-2.0
"""`segrgbx replay`: segments a recording and writes masks, overlays, figures and a report."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments
from segrgbx_core.commands.runs import fail_under
from segrgbx_core.modality import MODALITIES, NO_X
from segrgbx_ros.commands.inspect import add_stamps
from segrgbx_ros.commands.replay_drives import add_drives, is_set, print_earlier_set, run_drives
from segrgbx_ros.commands.scenario import add_scenario, run_scenario_command

if TYPE_CHECKING:
    from segrgbx_core.commands.runs.fail_under import FailUnder
    from segrgbx_ros.bags.topics import TopicsTaken
    from segrgbx_ros.messages.rgb_words import RgbSettings
    from segrgbx_ros.pairing.matching import SyncSettings
    from segrgbx_ros.replay.options import (
        FurtherFiles,
        ReplayOptions,
        Stopping,
        TruthOptions,
    )
    from segrgbx_ros.replay.summary import ReplaySummary


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "replay",
        "Segment a ROS 2 recording (MCAP or sqlite3) and write a report.",
        "segrgbx replay out/drive --modality thermal --out out/demo",
    )
    parser.add_argument(
        "bags", type=Path, nargs="+", metavar="BAG", help="a bag's folder, or its one file"
    )
    parser.add_argument(
        "--modality",
        choices=(*MODALITIES, NO_X),
        required=True,
        help="what the X sensor is; none segments RGB alone",
    )
    for option, what in (("rgb", "RGB"), ("x", "X")):
        parser.add_argument(
            f"--{option}-topic", metavar="T", help=f"{what} topic (default: by type and name)"
        )
    parser.add_argument(
        "--max-frames", type=arguments.positive_count, metavar="N", help="stop after N masks"
    )
    arguments.add_model(parser)
    arguments.add_backend(parser)
    arguments.add_label_set(parser)
    arguments.add_sensor(parser)
    _add_rgb(parser)
    _add_sync(parser)
    _add_truth(parser)
    add_scenario(parser)
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="RESULT_BAG",
        help="score the masks that the live node published, by their stamps, instead of "
        "segmenting: a recording of its /segrgbx/mask, confidence, status and label_info; the "
        "model runs for RGB alone only",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    arguments.add_force(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with a replay that SIGINT or SIGTERM stopped, given the same other options",
    )
    fail_under.add_fail_under(parser)
    _add_files(parser)
    add_drives(parser)
    parser.set_defaults(run=run)


def _add_files(parser: argparse.ArgumentParser) -> None:
    """Adds what is written for other tools."""
    group = parser.add_argument_group("for other tools")
    group.add_argument(
        "--no-images",
        action="store_true",
        help="leave RGB and X out of the result bag, which then opens beside the recording alone",
    )
    group.add_argument(
        "--rrd",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FILE.rrd",
        help="write a Rerun recording, too (default: DIR/replay.rrd; needs the extra rerun)",
    )
    group.add_argument(
        "--video",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FILE.mp4",
        help="write a video, too (default: DIR/replay.mp4; needs the extra video)",
    )
    group.add_argument(
        "--video-of",
        choices=("overlay", "panels"),
        default="overlay",
        help="with --video: the mask over RGB, or RGB, X and ground truth beside it (default: "
        "overlay)",
    )


def files_from(args: argparse.Namespace) -> "FurtherFiles":
    """What is written for other tools, from the options."""
    from segrgbx_ros.replay.options import FurtherFiles
    from segrgbx_ros.replay.output import RRD_FILE, VIDEO_FILE

    def place(told: Path | None, name: str) -> Path | None:
        return args.out / name if told == Path() else told

    rrd, video = place(args.rrd, RRD_FILE), place(args.video, VIDEO_FILE)
    return FurtherFiles(not args.no_images, rrd, video, args.video_of)


def _add_rgb(parser: argparse.ArgumentParser) -> None:
    """Adds what the RGB messages do not say, as the live node's rgb.* parameters."""
    group = parser.add_argument_group(
        "the RGB images", "What their messages do not say, as the live node's rgb.* parameters."
    )
    group.add_argument(
        "--rgb-encoding",
        default="",
        metavar="NAME",
        help="what raw images are, whatever their messages say, such as bgr8 for 8UC3",
    )
    group.add_argument(
        "--rgb-bits",
        type=int,
        default=0,
        choices=(0, 8, 10, 12, 14, 16),
        help="bits of 16-bit images (default: 0, found from their values)",
    )
    group.add_argument(
        "--rgb-byte-order",
        default="as_stored",
        choices=("as_stored", "swapped"),
        help="swapped: the other order than is_bigendian says (default: as_stored)",
    )


def _add_truth(parser: argparse.ArgumentParser) -> None:
    """Adds where ground truth and conditions come from."""
    group = parser.add_argument_group(
        "scores",
        "With ground truth, each frame is scored with X and from RGB alone, which runs the model "
        "twice on it; figures are given for all frames and by condition.",
    )
    for option, what in (("gt", "ground truth"), ("condition", "condition (std_msgs/String)")):
        group.add_argument(
            f"--{option}-topic",
            metavar="T",
            help=f"{what} topic; none for none (default: by type and name)",
        )
    group.add_argument(
        "--gt-folder",
        type=Path,
        metavar="DIR",
        help="label images named by the stamps of their RGB images: <nanoseconds>.png or "
        "<seconds>.<decimals>.png",
    )
    group.add_argument(
        "--gt-form",
        default="numbers",
        choices=("numbers", "red", "green", "blue", "colors", "binary"),
        help="how those images hold the classes, as `labels` in dataset.yaml (default: numbers)",
    )
    group.add_argument(
        "--gt-classes",
        type=Path,
        metavar="FILE.yaml",
        help="which ids of the ground truth are which of the model's classes: "
        "`classes: {road: [7, 8], car: [26]}`; other ids are left out",
    )
    group.add_argument(
        "--conditions",
        type=Path,
        metavar="FILE.yaml",
        help="conditions by seconds since the first RGB image: "
        "`conditions: [{after: 0, condition: day}, {after: 35, condition: night}]`",
    )
    group.add_argument(
        "--no-rgb-alone",
        action="store_true",
        help="do not score RGB alone, which halves the model's time",
    )


def truth_from(args: argparse.Namespace) -> "TruthOptions":
    """Where ground truth and conditions come from. Raises InputError for bad values."""
    from segrgbx_ros.replay.options import TruthOptions

    return TruthOptions(
        folder=args.gt_folder,
        form=args.gt_form,
        classes=args.gt_classes,
        conditions=args.conditions,
        condition_topic=args.condition_topic,
        rgb_alone=not args.no_rgb_alone,
    )


def rgb_from(args: argparse.Namespace) -> "RgbSettings":
    """What the RGB messages do not say, from the options. Raises InputError for bad values."""
    from segrgbx_ros.messages.rgb_words import RgbSettings

    return RgbSettings(args.rgb_encoding, args.rgb_bits, args.rgb_byte_order)


def _add_sync(parser: argparse.ArgumentParser) -> None:
    """Adds the pairing options, which correspond to the live node's parameters."""
    group = parser.add_argument_group(
        "pairs", "As the live node's sync.*, missing_x, hold_limit and event.window_* parameters."
    )
    group.add_argument(
        "--slop",
        type=arguments.number,
        metavar="S",
        help="how far apart in time a pair may be, in seconds (default: what fits the rate of X: "
        "0.03 to 0.1)",
    )
    add_stamps(group)
    group.add_argument(
        "--x-time-offset",
        type=arguments.number,
        default=0.0,
        metavar="S",
        help="added to every X stamp, in seconds (default: 0)",
    )
    group.add_argument(
        "--window-ms",
        type=arguments.number,
        default=50.0,
        metavar="MS",
        help="events: length of the window that ends at the RGB stamp (default: 50)",
    )
    group.add_argument(
        "--window-events",
        type=arguments.positive_count,
        metavar="N",
        help="events: the last N before the RGB stamp, within --window-ms",
    )
    group.add_argument(
        "--sync-policy",
        choices=("approximate", "exact"),
        default="approximate",
        help="exact pairs equal stamps only (default: approximate)",
    )
    group.add_argument(
        "--queue-size",
        type=arguments.positive_count,
        default=10,
        metavar="N",
        help="RGB images, and X readings, that may wait (default: 10)",
    )
    group.add_argument(
        "--missing-x",
        choices=("drop", "rgb_only", "hold_last"),
        default="drop",
        help="an RGB image without X: drop it, segment RGB alone, or take the last X again "
        "(default: drop)",
    )
    group.add_argument(
        "--hold-limit",
        type=arguments.number,
        default=1.0,
        metavar="S",
        help="with --missing-x hold_last: the oldest X taken again, in seconds (default: 1)",
    )
    group.add_argument(
        "--x-timeout",
        type=arguments.number,
        metavar="S",
        help="how long an RGB image waits for its X, in seconds by the recording's log times; the "
        "live node's default is 0.1 (default: for as long as the recording lasts; events: 0.1 by "
        "stamps)",
    )
    group.add_argument(
        "--no-reset-on-time-jump",
        action="store_true",
        help="go on where stamps jump back, instead of pairing from the start again",
    )


def sync_from(args: argparse.Namespace) -> "SyncSettings":
    """The pairing settings from the options. Raises InputError for values out of range."""
    from segrgbx_ros.pairing.matching import SyncSettings

    return SyncSettings(
        policy=args.sync_policy,
        slop_s=SyncSettings().slop_s if args.slop is None else args.slop,
        queue_size=args.queue_size,
        x_time_offset_s=args.x_time_offset,
        x_timeout_s=args.x_timeout,
        missing_x=args.missing_x,
        hold_limit_s=args.hold_limit,
        reset_on_time_jump=not args.no_reset_on_time_jump,
        window_ms=args.window_ms,
        window_events=args.window_events,
    )


def run(args: argparse.Namespace) -> int:
    """Replays, writes the report and prints tables; 1 for a cut bag or a missed threshold.

    SIGINT and SIGTERM end it after the current message, with the page of the masks so far.
    """
    from segrgbx_core.commands.terminal import notices, output
    from segrgbx_core.errors import InputError
    from segrgbx_core.stopping import StoppedError, StopRequest
    from segrgbx_ros.commands.replay_table import print_summary
    from segrgbx_ros.replay.options import ReplayOptions
    from segrgbx_ros.replay.report import write_report

    asked = fail_under.asked(args)
    if args.scenario is not None and is_set(args):
        raise InputError("--scenario is for one recording; leave out --slice, --ray and others.")
    if args.resume and args.scenario is None and not is_set(args) and _is_whole(args.out):
        return _shown(args.out, asked)
    options = ReplayOptions(
        bag=args.bags[0],
        modality=args.modality,
        out=args.out,
        rgb_topic=args.rgb_topic,
        x_topic=args.x_topic,
        gt_topic=args.gt_topic,
        model=args.model,
        device=args.device,
        precision=args.precision,
        backend=args.backend,
        force=args.force,
        resume=args.resume,
        max_frames=args.max_frames,
        label_set=args.label_set,
        sync=sync_from(args),
        sensor=arguments.sensor_from(args),
        cameras=arguments.cameras_from(args),
        rgb=rgb_from(args),
        stamps=args.stamps,
        truth=truth_from(args),
        fit_slop=args.slop is None,
        files=files_from(args),
        masks=args.masks,
    )
    if args.masks is not None and (is_set(args) or args.scenario is not None):
        raise InputError(
            f"The masks of {args.masks} are of one recording as it is; name that one alone, "
            "without --slice and --scenario."
        )
    if is_set(args):
        return run_drives(args, options, asked)
    if args.scenario is not None:
        return run_scenario_command(args, options, asked)
    with StopRequest() as stop:
        summary = _replayed(options, lambda: stop.asked)
        try:
            write_report(args.out)
        finally:  # also where the disk has no room for the page
            print_summary(output(), summary, args.out)
            _print_remarks(summary)
    if summary.interrupted is not None and stop.asked is not None:
        raise StoppedError(summary.interrupted)
    if summary.interrupted is not None:
        notices().print(f"segrgbx: {summary.interrupted}")
    return _status(summary, args.out, asked)


def _status(summary: "ReplaySummary", folder: Path, asked: "FailUnder | None") -> int:
    missed = 0 if asked is None else fail_under.check_folder(asked, folder)
    return missed or (0 if summary.complete else 1)


def _is_whole(out: Path) -> bool:
    """Whether the folder has a replay that was not interrupted."""
    from segrgbx_core.runs.folder import SUMMARY_FILE
    from segrgbx_ros.replay.output import STATE_FILE
    from segrgbx_ros.replay.summary import read_summary

    if (out / STATE_FILE).exists() or not (out / SUMMARY_FILE).is_file():
        return False
    return read_summary(out).interrupted is None


def _print_remarks(summary: "ReplaySummary") -> None:
    """Prints what a reader of the figures should know, on stderr."""
    from segrgbx_core.commands.terminal import notices

    remarks = [*summary.problems.values(), *summary.notes]
    if summary.card.limits is not None:
        remarks.append(f"Model {summary.model}: {summary.card.limits}")
    for sentence in (*remarks, *filter(None, [summary.recording.lost])):
        notices().print(f"segrgbx: {sentence}")


def _replayed(options: "ReplayOptions", stopping: "Stopping") -> "ReplaySummary":
    from segrgbx_core.commands.terminal import progress
    from segrgbx_ros.replay.options import Progress
    from segrgbx_ros.replay.run import replay

    told = False
    with progress() as bar:
        task = bar.add_task("segmenting", total=None)

        def report(state: Progress) -> None:
            nonlocal told
            if not told:
                told = True
                _print_topics(state.topics)
            bar.update(task, completed=state.rgb_seen, total=state.rgb_total)

        return replay(options, report, stopping=stopping)


def _print_topics(topics: "TopicsTaken") -> None:
    from segrgbx_core.commands.terminal import output
    from segrgbx_ros.commands.replay_table import topic_lines

    for role, name in topic_lines(topics):
        output().print(f"{role:<13} {name}", soft_wrap=True)


def add_summary_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "summary",
        "Print the figures of an earlier replay.",
        "segrgbx summary out/demo",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `segrgbx replay` wrote")
    fail_under.add_fail_under(parser)
    parser.set_defaults(run=run_summary)


def run_summary(args: argparse.Namespace) -> int:
    """Prints the table from DIR/summary.json; status as that of the replay."""
    asked = fail_under.asked(args)
    if (status := print_earlier_set(args.folder, asked)) is not None:
        return status
    return _shown(args.folder, asked)


def _shown(folder: Path, asked: "FailUnder | None") -> int:
    from segrgbx_core.commands.terminal import notices, output
    from segrgbx_ros.commands.replay_table import print_summary
    from segrgbx_ros.replay.summary import read_summary

    summary = read_summary(folder)
    print_summary(output(), summary, folder)
    _print_remarks(summary)
    if summary.interrupted is not None:
        notices().print(f"segrgbx: {summary.interrupted}")
    return _status(summary, folder, asked)
