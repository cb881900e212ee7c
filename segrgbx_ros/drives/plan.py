# SPDX-License-Identifier: Apache-2.0
"""Which replays a set of recordings is made of: a task for each bag, or for each slice of one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.report.page import REPORT_FILE
from segrgbx_core.runs.counts import COUNTS_FILE
from segrgbx_core.runs.folder import LABELS_FILE, MASK_FOLDER, SUMMARY_FILE
from segrgbx_core.runs.rows import FRAMES_FILE
from segrgbx_ros.bags.files import DATA_SUFFIXES
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.span import spans_of
from segrgbx_ros.bags.topics import find_topics
from segrgbx_ros.messages.video import VIDEO_TYPES
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.sensor import fitted

STATES_FILE = "drives.json"
RESERVED = (
    STATES_FILE,
    SUMMARY_FILE,
    FRAMES_FILE,
    COUNTS_FILE,
    LABELS_FILE,
    REPORT_FILE,
    MASK_FOLDER,
)
TRANSPORT_S = 2.0


@dataclass(frozen=True)
class SetOptions:
    """A set of recordings to replay alike.

    each: the options of every replay; its bag and out are put in. slice_s: length of the time
    slices in seconds; None replays each bag whole. Raises InputError for a bag that is given
    twice, and a limit on masks that slices cannot keep.
    """

    bags: tuple[Path, ...]
    out: Path
    each: ReplayOptions
    slice_s: float | None = None

    def __post_init__(self) -> None:
        twice = [path for path, n in Counter(p.resolve() for p in self.bags).items() if n > 1]
        if twice:
            raise InputError(f"{twice[0]} is given more than once; leave the others out.")
        if self.slice_s is not None and not self.slice_s > 0:
            raise InputError(f"A slice is {self.slice_s:g} s long; expected more than 0.")
        if self.slice_s is not None and self.each.max_frames is not None:
            raise InputError(
                "--max-frames counts the masks of a whole recording, which slices do not know; "
                "leave out --max-frames or --slice."
            )
        if self.slice_s is not None and self.each.truth.conditions is not None:
            raise InputError(
                "--conditions counts from a recording's first image, which slices do not know; "
                "leave out --slice, or record the conditions on a topic."
            )


@dataclass(frozen=True)
class Task:
    """One replay, as plain data that any process can be given.

    name: its folder in the set's. drive: the bag's name in the set. again: whether it may go on
    with, or else replace, what an earlier try left in its folder.
    """

    name: str
    drive: str
    options: ReplayOptions
    again: bool = False


@dataclass(frozen=True)
class Refused:
    """A bag that cannot be cut into slices, and why in a sentence."""

    drive: str
    bag: Path
    why: str


def drive_names(bags: Sequence[Path], known: Mapping[str, str]) -> dict[Path, str]:
    """A name for each bag: its folder's or file's, if not alone with its parent's, else counted.

    known: names by path, as given, of an earlier run, which stay.
    """
    names = {bag: known[str(bag)] for bag in bags if str(bag) in known}
    plain = Counter(_plain_name(bag) for bag in bags)
    taken = {*RESERVED, *known.values()}
    for bag in bags:
        if bag not in names:
            alone = plain[_plain_name(bag)] == 1
            names[bag] = _free(_plain_name(bag) if alone else _longer_name(bag), taken)
            taken.add(names[bag])
    return names


def _plain_name(bag: Path) -> str:
    name = bag.resolve().name
    suffix = next((s for s in sorted(DATA_SUFFIXES, key=len)[::-1] if name.endswith(s)), "")
    return name.removesuffix(suffix) or "bag"


def _longer_name(bag: Path) -> str:
    parent = bag.resolve().parent.name
    return f"{parent}_{_plain_name(bag)}" if parent else _plain_name(bag)


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{i}" for i in range(2, len(taken) + 3))
    return next(n for n in (name, *numbered) if n not in taken)


def planned(options: SetOptions, known: Mapping[str, str]) -> list[Task | Refused]:
    """The tasks of all bags in their order; known: names of an earlier run, see `drive_names`."""
    names = drive_names(options.bags, known)
    plan: list[Task | Refused] = []
    for bag, name in names.items():
        whole = replace(options.each, bag=bag, out=options.out / name, resume=False)
        if options.slice_s is None:
            plan.append(Task(name, name, _with_own_files(whole)))
            continue
        try:
            plan += _sliced(name, whole, options.slice_s)
        except SegRgbxError as err:
            plan.append(Refused(name, bag, str(err)))
    return plan


def _sliced(name: str, whole: ReplayOptions, slice_s: float) -> Iterator[Task]:
    with BagReader(whole.bag) as bag:
        topics = find_topics(
            bag,
            whole.modality,
            whole.rgb_topic,
            whole.x_topic,
            whole.gt_topic,
            whole.truth.condition_topic,
        )
        for used in filter(None, (topics.rgb, topics.x)):
            _need_no_video(bag, used)
        sync = fitted(whole, bag, topics) if whole.fit_slop else whole.sync
        ends = bag.log_times or (0, 0)
        spans = spans_of(*ends, slice_s, topics.rgb, around_s(sync))
        held = [] if topics.condition is None else list(bag.messages([topics.condition]))
    each = replace(whole, rgb_topic=topics.rgb, sync=sync, fit_slop=False)
    for i, span in enumerate(spans):
        begin = span.widest[0]
        before = tuple(m for m in held if m.log_time_ns < begin)[-1:]
        out = whole.out / f"slice_{i:04d}"
        options = replace(each, out=out, span=replace(span, before=before))
        yield Task(f"{name}/{out.name}", name, _with_own_files(options))


def _with_own_files(options: ReplayOptions) -> ReplayOptions:
    """Further files under their names in the replay's own folder, since no two can share one."""
    files = options.files
    rrd, video = (None if p is None else options.out / p.name for p in (files.rrd, files.video))
    return replace(options, files=replace(files, rrd=rrd, video=video))


def _need_no_video(bag: BagReader, topic: str) -> None:
    held = bag.topic(topic)
    if held is not None and held.msgtype in VIDEO_TYPES:
        raise InputError(
            f"{topic} of {bag.path} is video, which is decoded from its start; replay it without "
            "--slice."
        )


def around_s(sync: SyncSettings) -> float:
    """Seconds of X and ground truth that a slice reads on both sides.

    Covers what may pair with an image of the slice, and a message recorded 2 s after its stamp.
    """
    waits = (sync.x_timeout_s or 0.0, sync.hold_limit_s if sync.missing_x == "hold_last" else 0.0)
    return TRANSPORT_S + max(waits) + sync.slop_s + sync.window_ms / 1e3
