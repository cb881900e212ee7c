# SPDX-License-Identifier: Apache-2.0
"""Text for numbers, reasons and foreign names, shared by terminal, log and reports."""

REASONS = {
    "rgb_without_x": "RGB without an X near enough in time",
    "rgb_without_events": "RGB without an event in its window",
    "x_without_events": "event packet without an event",
    "x_unused": "X that went with no RGB",
    "duplicate_rgb": "RGB with a stamp seen before",
    "duplicate_x": "X with a stamp seen before",
    "late_rgb": "RGB that came too late",
    "late_x": "X that came too late",
    "invalid_rgb_stamp": "RGB with a zero or negative stamp",
    "invalid_x_stamp": "X with a zero or negative stamp",
    "rgb_queue_full": "RGB given up in a full queue",
    "x_queue_full": "X given up in a full queue",
    "undecodable_rgb": "RGB that cannot be decoded",
    "undecodable_x": "X that cannot be decoded",
    "unreadable_rgb_message": "RGB message that is damaged",
    "unreadable_x_message": "X message that is damaged",
    "unreadable_ground_truth_message": "ground truth message that is damaged",
    "unreadable_camera_info_message": "CameraInfo message that is damaged",
    "x_without_valid_pixel": "RGB whose window of events leaves no valid pixel",
    "refused_by_encoding": "pair whose X could not be encoded",
    "refused_by_segmenter": "pair that the model refused",
    "no_live_mask": "RGB for which the live node published no mask",
    "after_max_frames": "RGB after the asked number of frames",
    "not_reached": "RGB read, but not segmented before the interruption",
}
# These are expected: a second sensor of another rate leaves some unpaired, and the user set the
# limit.
HARMLESS = ("x_unused", "x_without_events", "after_max_frames", "not_reached")
UNPAIRED = ("rgb_without_x", "rgb_without_events")


def reason_in_words(reason: str) -> str:
    """The text for a reason of `frames.dropped`; an unknown reason is returned unchanged."""
    return REASONS.get(reason, reason.replace("_", " "))


def counted(number: int, what: str, many: str | None = None) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{number} {what if number == 1 else many or what + 's'}"


def share(value: float | None) -> str:
    """A score in 0..1 with three decimals; a dash for None."""
    return "-" if value is None else f"{value:.3f}"


def milliseconds(value: float) -> str:
    """A duration in milliseconds: more decimals for shorter ones, none above 100."""
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def spoken(name: str) -> str:
    """A class or modality name with spaces."""
    return name.replace("_", " ")


def printable(text: str) -> str:
    """The text on one line, with escapes such as \\x1b and \\n for what would not show as itself.

    For everything that is printed, logged or put on a page and holds a name from a file, a
    recording or another node: control characters, line breaks, marks that reverse the writing
    direction, and bytes that are no text. Markup stays as it is written.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
