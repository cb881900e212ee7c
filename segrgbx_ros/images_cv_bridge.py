# SPDX-License-Identifier: Apache-2.0
"""Image conversion in the live node: cv_bridge, with what it cannot do handed to rosbags-image.

cv_bridge takes packed rows in this machine's byte order here, since it misreads padding that is
no whole pixel, and fails on the other byte order under numpy 2 (vision_opencv issue 535).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from cv_bridge import CvBridge

from segrgbx_ros.images import PackedImage, convert_offline

# Names that Jazzy's cv_bridge lacks, and its own for the same layout.
SAME_LAYOUT = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2"}
UNKNOWN_TO_CV_BRIDGE = ("nv12", "nv21")

_BRIDGE = CvBridge()


def convert_live(image: PackedImage, encoding: str | None) -> npt.NDArray[Any]:
    """`segrgbx_ros.images.Convert` by cv_bridge."""
    if image.encoding in UNKNOWN_TO_CV_BRIDGE:
        return convert_offline(image, encoding)
    named = SAME_LAYOUT.get(image.encoding, image.encoding)
    if named != image.encoding:
        image = PackedImage(
            image.height, image.width, named, image.is_bigendian, image.step, image.data
        )
    return np.asarray(_BRIDGE.imgmsg_to_cv2(image, encoding or "passthrough"))
