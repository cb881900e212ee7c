# SPDX-License-Identifier: Apache-2.0
"""The sensor's clock on the host's: when did an event happen in the time of the RGB stamps?

A packet's header stamp is the time at which its beginning reached the host: the time of its first
event, later by a delay that varies from packet to packet but is never negative. So the smallest
difference of stamp and first sensor time seen is the nearest to the truth. The two clocks also
drift apart, slowly: the estimate may rise by 100 ppm of the time that passes, twice what quartz
does, and falls at once where a packet comes with less delay.
"""

RISE = 1e-4
NEAR_NS = 100_000_000


class SensorClock:
    """Host time minus sensor time, packet after packet.

    A difference that leaps by more than `jump_ns` is a sensor that was started anew or whose
    time wrapped unseen: the estimate begins again, and `restarts` counts it. A sensor whose times
    are stated to be the host's is believed as long as its first packet arrives within 100 ms.
    """

    def __init__(self, jump_ns: int = 1_000_000_000) -> None:
        self._jump_ns = jump_ns
        self.restarts = 0
        self.forget()

    def forget(self) -> None:
        """Time starts anew."""
        self._offset: float | None = None
        self._at = 0
        self._is_host = False

    def offset_ns(self, stamp_ns: int, first_ns: int, host_clock: bool) -> int:
        """To be added to this packet's sensor times.

        stamp_ns: the packet's header stamp. first_ns: the first sensor time in it.
        """
        difference = stamp_ns - first_ns
        if self._offset is not None and abs(difference - self._offset) > self._jump_ns:
            self.restarts += 1
            self._offset = None
        if self._offset is None:
            self._is_host = host_clock and abs(difference) <= NEAR_NS
            self._offset = 0.0 if self._is_host else float(difference)
        elif not self._is_host:
            risen = self._offset + RISE * max(0, first_ns - self._at)
            self._offset = min(risen, float(difference))
        self._at = first_ns
        return round(self._offset)
