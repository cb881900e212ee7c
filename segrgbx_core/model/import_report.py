# SPDX-License-Identifier: Apache-2.0
"""What became of every tensor of an imported checkpoint."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Taken:
    """One tensor of the checkpoint, and the tensors of the model that hold its values now."""

    name: str
    own: tuple[str, ...]


@dataclass(frozen=True)
class LeftOver:
    """One tensor of the checkpoint that the model has no place for."""

    name: str
    why: str


@dataclass(frozen=True)
class ImportReport:
    """What came of a checkpoint. missing: the model's tensors that keep their fresh values."""

    layout: str
    taken: tuple[Taken, ...]
    left_over: tuple[LeftOver, ...]
    missing: tuple[str, ...]

    def text(self) -> str:
        """A few lines for people; the fields say it name by name."""
        count = len(self.taken) + len(self.left_over)
        lines = [f"{self.layout}: {len(self.taken)} of {count} tensors taken"]
        moved = next((entry for entry in self.taken if entry.own != (entry.name,)), None)
        if moved is not None:
            lines.append(f"  renamed: {moved.name} -> {', '.join(moved.own)}, and so on")
        for why, number in Counter(entry.why for entry in self.left_over).items():
            lines.append(f"  left over: {number} ({why})")
        for part, number in Counter(name.split(".")[0] for name in self.missing).items():
            lines.append(f"  not in the checkpoint: {number} of {part}, which stay as they were")
        return "\n".join(lines)
