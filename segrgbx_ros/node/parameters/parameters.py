# SPDX-License-Identifier: Apache-2.0
"""The node's parameters, each defined once.

The dataclass that the code uses is the specification: every field has its ROS name, unit, bounds
and text. It is the source of the declaration with descriptors, of the checks, and of the table in
the documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isnan, nan
from typing import Any

from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES, NO_X
from segrgbx_core.plausible import AS_STORED, BYTE_ORDERS
from segrgbx_core.sensor import ALIGNMENTS
from segrgbx_ros.messages.encodings import RGB_PIXEL_BYTES
from segrgbx_ros.messages.sensors import sensors_of_type
from segrgbx_ros.messages.types import EVENT_TYPES, POINT_CLOUD
from segrgbx_ros.node.parameters.parameter_spec import Parameter, parameter
from segrgbx_ros.pairing.matching import MISSING_X, SYNC_POLICIES


@dataclass(frozen=True)
class NodeSettings:
    """The node's settings; one field per parameter, with underscores for the dots.

    Raises InputError for a value out of bounds, and for inconsistent values.
    """

    model: str = parameter("model", "demo", "Shipped model's name, or a model folder's path")
    label_set: str = parameter(
        "label_set",
        "",
        "For a model over a union of label sets: the one to answer in, by name or file; "
        "empty: the union",
    )
    device: str = parameter("device", "auto", "auto, cpu, cuda or cuda:N")
    precision: str = parameter(
        "precision",
        "auto",
        "Arithmetic of the model; auto: the fastest that the device computes well",
        choices=("auto", "float32", "bf16", "fp16"),
    )
    backend: str = parameter(
        "backend",
        "auto",
        "What runs the network; auto: the fastest of torch and what `segrgbx export` left that "
        "agrees with torch",
        choices=("auto", "eager", "compiled", "onnxruntime", "tensorrt"),
    )
    output_size: str = parameter(
        "output_size",
        "image",
        "Size of all outputs; image: RGB's; network: that at which the network sees RGB, cheaper "
        "for large images",
        choices=("image", "network"),
    )
    warmup_iterations: int = parameter(
        "warmup_iterations", 3, "Runs on a grey image before the first frame", "runs", 0, 100
    )
    scene_refresh_every: int = parameter(
        "scene_refresh.every",
        1,
        "How many frames share one look at the scene, for models with MA-CLIP; 1: each its own",
        "frames",
        1,
        100000,
    )
    scene_refresh_change: float = parameter(
        "scene_refresh.change",
        0.0,
        "Looks again before that where the image's mean difference to the one looked at is "
        "larger; 0: never",
        "of the range",
        0.0,
        1.0,
    )
    cameras: str = parameter(
        "cameras",
        "",
        "Namespaces such as front,left: a node in each, in one process and with one model in "
        "memory; empty: one node, here",
        fixed=True,
    )
    modality: str = parameter(
        "modality",
        "",
        "The sensor beside RGB; none segments RGB alone; must be set",
        choices=("", *MODALITIES, NO_X),
    )
    autostart: bool = parameter(
        "autostart",
        True,
        "Configure and activate at the start; false waits for the transitions",
        fixed=True,
    )
    rgb_transport: str = parameter(
        "rgb_transport",
        "raw",
        "raw: rgb/image_raw; compressed: rgb/image_raw/compressed",
        choices=("raw", "compressed"),
    )
    x_transport: str = parameter(
        "x_transport",
        "raw",
        "As rgb_transport, of x/image_raw; for depth also compressedDepth, and points: a "
        "PointCloud2 on x/points, with rgb/camera_info and TF",
        choices=("raw", "compressed", "compressedDepth", "points"),
    )
    rgb_reliability: str = parameter(
        "rgb_reliability",
        "auto",
        "QoS asked of RGB's publisher; auto: reliable if every publisher offers it, which large "
        "raw images need",
        choices=("auto", "best_effort", "reliable"),
    )
    x_reliability: str = parameter(
        "x_reliability",
        "auto",
        "As rgb_reliability, for X",
        choices=("auto", "best_effort", "reliable"),
    )
    rgb_encoding: str = parameter(
        "rgb.encoding",
        "",
        "What raw RGB images are, whatever their messages say, such as bgr8 for 8UC3; empty: as "
        "they say",
        choices=("", *RGB_PIXEL_BYTES),
    )
    rgb_bits: int = parameter(
        "rgb.bits",
        0,
        "Bits of 16-bit RGB images: 8, 10, 12, 14 or 16; 0: found from their values",
        "bits",
        0,
        16,
    )
    rgb_byte_order: str = parameter(
        "rgb.byte_order",
        AS_STORED,
        "swapped: the bytes of 16-bit RGB images are in the other order than is_bigendian says",
        choices=BYTE_ORDERS,
    )
    sync_policy: str = parameter(
        "sync.policy",
        "approximate",
        "exact pairs equal stamps only",
        choices=SYNC_POLICIES,
    )
    sync_slop: float = parameter(
        "sync.slop",
        0.03,
        "Largest distance of the stamps of a pair",
        unit="s",
        low=0.0,
        high=10.0,
        dynamic=True,
    )
    sync_queue_size: int = parameter(
        "sync.queue_size", 10, "RGB images, and X readings, that may wait", "messages", 1, 1000
    )
    sync_x_time_offset: float = parameter(
        "sync.x_time_offset",
        0.0,
        "Added to every stamp of X: RGB's clock minus X's clock",
        unit="s",
        low=-1e10,
        high=1e10,
        dynamic=True,
    )
    sync_x_timeout: float = parameter(
        "sync.x_timeout",
        0.1,
        "How long an RGB image waits for its X before missing_x applies",
        unit="s",
        low=0.001,
        high=60.0,
        dynamic=True,
    )
    missing_x: str = parameter(
        "missing_x",
        "drop",
        "An RGB image without X: drop it, segment RGB alone, or take the last X again",
        choices=MISSING_X,
        dynamic=True,
    )
    hold_limit: float = parameter(
        "hold_limit",
        1.0,
        "With missing_x hold_last: the oldest X taken again; past it the RGB image is dropped",
        unit="s",
        low=0.0,
        high=3600.0,
        dynamic=True,
    )
    reset_on_time_jump: bool = parameter(
        "reset_on_time_jump", True, "Start again when stamps jump back, as in a looping bag"
    )
    scheduling: str = parameter(
        "scheduling",
        "latest",
        "latest: the newest pair wins; all: every pair in order, up to 256 waiting "
        "(offline evaluation)",
        choices=("latest", "all"),
    )
    max_rate: float = parameter(
        "max_rate",
        0.0,
        "Most masks a second; 0: no limit",
        unit="Hz",
        low=0.0,
        high=1000.0,
        dynamic=True,
    )
    x_scale: float = parameter(
        "x.scale", nan, "X value = stored value * scale + offset; NaN: by encoding"
    )
    x_offset: float = parameter("x.offset", nan, "See x.scale; NaN: by encoding")
    x_clip_min: float = parameter(
        "x.clip_min", nan, "X value shown as 0; NaN: by encoding", "thermal: x's, depth: m"
    )
    x_clip_max: float = parameter(
        "x.clip_max", nan, "X value shown as 1; NaN: by encoding", "thermal: x's, depth: m"
    )
    x_invalid: float = parameter(
        "x.invalid", nan, "Stored value that marks pixels without a reading; NaN: by encoding"
    )
    x_settings: str = parameter(
        "x.settings",
        "",
        "Further settings of the encoding, as name=value; name=value "
        "(`segrgbx info --settings MODALITY` lists them)",
    )
    x_align: str = parameter(
        "x.align",
        "none",
        "How X comes onto RGB's grid; reproject needs depth, both camera_info and TF",
        choices=ALIGNMENTS,
    )
    x_homography: tuple[float, ...] = parameter(
        "x.homography",
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        "Nine numbers, row-major: X pixel to RGB pixel, for x.align homography",
    )
    event_window_ms: float = parameter(
        "event.window_ms", 50.0, "Events taken, ending at the RGB stamp", "ms", 1.0, 1000.0
    )
    event_window_events: int = parameter(
        "event.window_events",
        0,
        "Events taken at most, the newest; 0: all",
        "events",
        0,
        10_000_000,
    )
    event_message: str = parameter(
        "event.message",
        "event_camera_msgs/msg/EventPacket",
        "Message type of x/events",
        choices=EVENT_TYPES,
    )
    event_representation: str = parameter(
        "event.representation",
        "",
        "How events become an image; empty: the encoding's default",
        choices=("", "voxel_grid", "polarity_counts", "time_surface"),
    )
    event_use_incomplete: bool = parameter(
        "event.use_incomplete", False, "Take windows with lost events as they are"
    )
    polarization_layout: str = parameter(
        "polarization.layout",
        "90,45,135,0",
        "Polarizer angles of the 2x2 mosaic, row-major",
        "degrees",
    )
    light_field_rows: int = parameter(
        "light_field.rows", 0, "Rows of views in one tiled image; must be set", "views", 0, 64
    )
    light_field_columns: int = parameter(
        "light_field.columns", 0, "Columns of views in it; must be set", "views", 0, 64
    )
    overlay_alpha: float = parameter(
        "overlay_alpha",
        0.5,
        "Weight of the colours in ~/overlay",
        low=0.0,
        high=1.0,
        dynamic=True,
    )
    publish_mask: bool = parameter("publish_mask", True, "Publish ~/mask", dynamic=True)
    publish_confidence: bool = parameter(
        "publish_confidence", True, "Publish ~/confidence", dynamic=True
    )
    publish_color_mask: bool = parameter(
        "publish_color_mask", True, "Publish ~/color_mask", dynamic=True
    )
    publish_overlay: bool = parameter("publish_overlay", True, "Publish ~/overlay", dynamic=True)
    publish_status: bool = parameter("publish_status", True, "Publish ~/status", dynamic=True)
    publish_cloud: bool = parameter(
        "publish_cloud",
        False,
        "Publish ~/cloud, with depth: an organised cloud with labels",
        dynamic=True,
    )

    def __post_init__(self) -> None:
        for name, spec in PARAMETERS.items():
            reason = spec.refusal(getattr(self, attribute(name)))
            if reason is not None:
                raise InputError(reason)
        if self.x_clip_min >= self.x_clip_max:
            raise InputError(
                f"Parameter x.clip_min {self.x_clip_min} is not below x.clip_max "
                f"{self.x_clip_max}."
            )
        if isnan(self.x_clip_min) != isnan(self.x_clip_max):
            raise InputError("Only one of x.clip_min and x.clip_max is set; set both or none.")
        with_clouds = sensors_of_type(POINT_CLOUD)
        if self.x_transport == "points" and (
            self.modality not in ("", *with_clouds) or self.x_align not in ("none", "resize")
        ):
            raise InputError(
                "Parameter x_transport points needs modality depth and x.align none: the cloud is "
                "seen from the RGB camera already."
            )
        if self.publish_cloud and (
            self.modality not in with_clouds or self.x_align == "homography"
        ):
            raise InputError(
                "Parameter publish_cloud needs modality depth, aligned to RGB or with x.align "
                "reproject."
            )
        if len(self.x_homography) != 9:
            raise InputError(
                f"Parameter x.homography has {len(self.x_homography)} numbers; expected 9, "
                "row-major."
            )


def attribute(name: str) -> str:
    """The dataclass field of a parameter."""
    return name.replace(".", "_")


PARAMETERS: dict[str, Parameter] = {
    f.metadata["spec"].name: f.metadata["spec"] for f in fields(NodeSettings)
}


def settings_from(values: Mapping[str, object]) -> NodeSettings:
    """The settings from values by ROS name; all others keep their defaults.

    Raises InputError for an unknown name, and as NodeSettings does.
    """
    unknown = [name for name in values if name not in PARAMETERS]
    if unknown:
        raise InputError(
            f"Parameter {unknown[0]} is unknown; the parameters are {', '.join(PARAMETERS)}."
        )
    plain: dict[str, Any] = {
        attribute(name): tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return NodeSettings(**plain)
