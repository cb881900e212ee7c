# SPDX-License-Identifier: Apache-2.0
"""How a figure is measured, declared beside the figure."""

from dataclasses import dataclass

from segrgbx_core.errors import InputError

LEAST_SCALE, LARGEST_SCALE = 0.25, 4.0


@dataclass(frozen=True)
class Protocol:
    """What is fixed: labels at their own size, answers brought to it, absent classes left out.

    scales: each one a pass of the network over images this many times as large as the model's
    card says; the passes' probabilities are averaged. flip: a second pass for each scale, over
    the mirrored pair. Raises InputError for scales outside 0.25 to 4 or given twice.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        fine = all(LEAST_SCALE <= scale <= LARGEST_SCALE for scale in self.scales)
        if not self.scales or not fine or len(set(self.scales)) != len(self.scales):
            raise InputError(
                f"Scales are {', '.join(f'{s:g}' for s in self.scales) or '(none)'}; expected "
                f"different numbers from {LEAST_SCALE:g} to {LARGEST_SCALE:g}, such as "
                "0.75,1,1.25."
            )

    @property
    def passes(self) -> int:
        """How often the network sees each frame."""
        return len(self.scales) * (2 if self.flip else 1)

    def in_words(self) -> str:
        """One sentence, to be printed beside the figures."""
        if self.passes == 1 and self.scales == (1.0,):
            how = "one pass, no scales, no flip"
        else:
            scales = ", ".join(f"{scale:g}" for scale in self.scales)
            how = f"mean of {self.passes} passes (scales {scales}{'; each with flip' * self.flip})"
        return (
            f"{how}; labels at their own size; IoU over all pixels of all frames together; the "
            "mean leaves out classes in neither truth nor prediction"
        )
