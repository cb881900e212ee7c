# SPDX-License-Identifier: Apache-2.0
"""Doubts about the images of one topic, asked of a few of its messages."""

from typing import TypeAlias

import numpy as np

from segrgbx_core.doubts import DoubtLog, doubts_about
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.modality import MODALITIES, NO_X
from segrgbx_ros.inspection.roles import RGB
from segrgbx_ros.messages.images import CompressedImageMessage, ImageMessage, rgb_from_message
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.rgb_words import RgbWords

StillImage: TypeAlias = ImageMessage | CompressedImageMessage


class TopicDoubts:
    """Looks at the first, second, fourth, eighth message and so on: decoding all takes long.

    Each message's bytes are compared with those of the one before.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._log, self._words = DoubtLog(), RgbWords()
        self._messages = 0

    def look(self, msg: StillImage, role: str | None) -> None:
        """Looks at one message, if it is its turn. role: RGB, or a modality; others are ignored.

        Messages that cannot be decoded are left out, as the roles say why.
        """
        if role not in (RGB, *MODALITIES):
            return
        if not self._messages and role != RGB:
            self._log = DoubtLog(str(role))
        self._messages += 1
        data = np.asarray(msg.data)
        self._log.compare(*((data, None) if role == RGB else (None, data)))
        if not self._messages & (self._messages - 1):
            self._decode(msg, str(role))

    def _decode(self, msg: StillImage, role: str) -> None:
        try:
            if role == RGB:
                rgb = rgb_from_message(msg, self._topic, words=self._words)
                self._log.add(doubts_about(NO_X, rgb))
            else:
                x = XDecoder(role, self._topic)(msg)
                self._log.add(doubts_about(role, x=x))
        except SegRgbxError:
            return

    def sentences(self) -> list[str]:
        """The doubts so far."""
        return [*self._log.sentences(), *self._words.notes(self._topic)]
