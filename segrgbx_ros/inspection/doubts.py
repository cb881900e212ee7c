# SPDX-License-Identifier: Apache-2.0
"""Doubts about the images of one topic, asked of a few of its messages."""

from segrgbx_core.doubts import DoubtLog, doubts_about
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.modality import MODALITIES, NO_X
from segrgbx_ros.inspection.roles import RGB
from segrgbx_ros.messages.images import AnyImage, rgb_from_message
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.rgb_words import RgbWords


class TopicDoubts:
    """Looks at the first, second, fourth, eighth message and so on: decoding all takes long."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._log, self._words = DoubtLog(), RgbWords()
        self._messages = 0

    def look(self, msg: AnyImage, role: str | None) -> None:
        """Looks at one message, if it is its turn. role: RGB, or a modality; others are ignored.

        Messages that cannot be decoded are left out, as the roles say why.
        """
        self._messages += 1
        if role not in (RGB, *MODALITIES) or self._messages & (self._messages - 1):
            return
        try:
            if role == RGB:
                rgb = rgb_from_message(msg, self._topic, words=self._words)
                self._log.add(doubts_about(NO_X, rgb))
            else:
                x = XDecoder(str(role), self._topic)(msg)
                self._log.add(doubts_about(str(role), x=x))
        except SegRgbxError:
            return

    def sentences(self) -> list[str]:
        """The doubts so far."""
        return [*self._log.sentences(), *self._words.notes(self._topic)]
