# SPDX-License-Identifier: Apache-2.0
"""The node's outputs. An output without subscribers, or switched off, is not computed.

Arrays are copied to messages as a whole, not element by element.
"""

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSDurabilityPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass

from segrgbx_core.labels.label_set import LabelSet
from segrgbx_ros.messages.cameras import published_size, resized_intrinsics
from segrgbx_ros.messages.types import NS_PER_S
from segrgbx_ros.msg import SegmentationStatus
from segrgbx_ros.node.health.health import OutputHealth, Rate
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.subscription import incompatible_policy
from segrgbx_ros.pipeline import FrameStatus, SegmentedFrame


def ros_image(pixels: npt.NDArray[np.uint8], encoding: str, header: Header) -> Image:
    """sensor_msgs/Image without row padding; pixels: (H, W) mono8 or (H, W, 3) rgb8."""
    packed = np.ascontiguousarray(pixels)
    data = array("B")
    data.frombytes(packed.data.cast("B"))
    return Image(
        header=header,
        height=packed.shape[0],
        width=packed.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=packed.strides[0],
        data=data,
    )


def camera_info_message(info: Any, header: Header, done: SegmentedFrame) -> CameraInfo:
    """The calibration of the mask: RGB's with another header, resized if the mask was."""
    fields = {name: getattr(info, name) for name in info.get_fields_and_field_types()}
    fields["header"] = header
    size, image = done.segmentation.labels.shape, done.frame.rgb.shape[:2]
    if size != image == published_size(info):
        fields |= vars(resized_intrinsics(info, (size[0], size[1])))
        fields |= {"binning_x": 0, "binning_y": 0, "roi": RegionOfInterest()}
    return CameraInfo(**fields)


def label_info_message(label_set: LabelSet, stamp_ns: int) -> LabelInfo:
    """Id and name of each class; the threshold is 0, because every labelled pixel counts."""
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return LabelInfo(
        header=Header(stamp=Time(sec=sec, nanosec=nanosec)),
        class_map=[
            VisionClass(class_id=i, class_name=name) for i, name in enumerate(label_set.names)
        ],
        threshold=0.0,
    )


def status_message(status: FrameStatus, header: Header) -> SegmentationStatus:
    """The status of one mask."""
    return SegmentationStatus(header=header, **vars(status))


TYPES: Mapping[str, Any] = {
    "mask": Image,
    "camera_info": CameraInfo,
    "confidence": Image,
    "color_mask": Image,
    "overlay": Image,
    "cloud": PointCloud2,
    "status": SegmentationStatus,
}


def result_qos() -> QoSProfile:
    """QoS for results at the sensor's rate: reliable, volatile, depth 1 (REP 2003)."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.VOLATILE,
    )


def latched_qos() -> QoSProfile:
    """QoS for messages that are published once: reliable and transient local."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )


class NodeOutputs:
    """The publishers, from configure to cleanup."""

    def __init__(self, node: Node, label_set: LabelSet) -> None:
        self._node = node
        self.rate = Rate()
        self._publishers = {
            name: node.create_publisher(
                kind,
                f"~/{name}",
                result_qos(),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, kind in TYPES.items()
        }
        self._label_info = node.create_publisher(LabelInfo, "~/label_info", latched_qos())
        now = node.get_clock().now().nanoseconds
        self._label_info.publish(label_info_message(label_set, now))

    def close(self) -> None:
        """Removes all publishers."""
        for publisher in (*self._publishers.values(), self._label_info):
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def wanted(self, name: str, settings: NodeSettings) -> bool:
        """Whether the output is switched on and has a subscriber."""
        switched_on = getattr(settings, f"publish_{name}", True)
        return bool(switched_on and self._publishers[name].get_subscription_count())

    def any_wanted(self, settings: NodeSettings) -> bool:
        """Whether any output needs a mask; camera_info alone does not."""
        return any(self.wanted(name, settings) for name in TYPES if name != "camera_info")

    def publish_frame(
        self, done: SegmentedFrame, header: Any, camera_info: Any | None, settings: NodeSettings
    ) -> None:
        """Publishes all images and the calibration, the mask first; header: of the RGB message."""
        segmentation = done.segmentation
        if self.wanted("mask", settings):
            self._image("mask", segmentation.labels, "mono8", header)
        if camera_info is not None and self.wanted("camera_info", settings):
            self.publish("camera_info", camera_info_message(camera_info, header, done))
        if self.wanted("confidence", settings):
            self._image("confidence", segmentation.confidence_image(), "mono8", header)
        if self.wanted("color_mask", settings):
            self._image("color_mask", segmentation.color_mask(), "rgb8", header)
        if self.wanted("overlay", settings):
            overlay = segmentation.overlay(done.frame.rgb, settings.overlay_alpha)
            self._image("overlay", overlay, "rgb8", header)
        self.rate.mark()

    def publish(self, name: str, message: Any) -> None:
        """Publishes one message on the named output."""
        self._publishers[name].publish(message)

    def health(self) -> OutputHealth:
        """The subscribers, and those that cannot receive."""
        incompatible = []
        for name, publisher in self._publishers.items():
            for listener in self._node.get_subscriptions_info_by_topic(publisher.topic_name):
                policy = incompatible_policy(publisher.qos_profile, listener.qos_profile)
                if policy is not None:
                    space = listener.node_namespace.rstrip("/")
                    incompatible.append((name, f"{space}/{listener.node_name}", policy))
        return OutputHealth(
            mask_topic=self._publishers["mask"].topic_name,
            subscribers={n: p.get_subscription_count() for n, p in self._publishers.items()},
            incompatible=incompatible,
            hz=self.rate.hz(),
        )

    def _image(self, name: str, pixels: Any, encoding: str, header: Any) -> None:
        self.publish(name, ros_image(pixels, encoding, header))
