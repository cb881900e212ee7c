# SPDX-License-Identifier: Apache-2.0
"""The ground truth of a recording: mask, class names and condition of each RGB image."""

from segrgbx_core.datasets.samples import Labels
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_ros.bags.making.stream import CaptureTime, MessageSink
from segrgbx_ros.bags.writer import LATCHED_QOS
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import IMAGE, LABEL_INFO, STRING, label_info, message

TRUTH_MASK = "/ground_truth/mask"
TRUTH_LABELS = "/ground_truth/label_info"
TRUTH_CONDITION = "/ground_truth/condition"
"""std_msgs/String, light or weather of the RGB image with the same log time; empty if unknown."""


class TruthWriter:
    """Writes the truth of one RGB image after the other; the class names once, before the first.

    with_conditions: whether any image has one.
    """

    def __init__(self, bag: MessageSink, label_set: LabelSet, with_conditions: bool) -> None:
        self._bag, self._label_set = bag, label_set
        self._with_conditions, self._named = with_conditions, False
        bag.add_topic(TRUTH_MASK, IMAGE)
        bag.add_topic(TRUTH_LABELS, LABEL_INFO, LATCHED_QOS)
        if with_conditions:
            bag.add_topic(TRUTH_CONDITION, STRING)

    def write(self, labels: Labels, condition: str, rgb: CaptureTime) -> None:
        """labels: (H, W) uint8 of the label set, 255 unlabelled. rgb: the image they are of."""
        if not self._named:
            names = label_info(self._label_set, rgb.header)
            self._bag.write(TRUTH_LABELS, rgb.log_time_ns, names)
            self._named = True
        if self._with_conditions:
            self._bag.write(TRUTH_CONDITION, rgb.log_time_ns, message(STRING, data=condition))
        mask = image_message(labels, "mono8", rgb.header)
        self._bag.write(TRUTH_MASK, rgb.log_time_ns, mask)
