# SPDX-License-Identifier: Apache-2.0
"""Label sets: class ids, names and display colours, read from `config/labels/*.yaml`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import LabelError, guarded
from segrgbx_core.files.fields import filled
from segrgbx_core.files.resources import share_dir
from segrgbx_core.files.yaml import read_yaml

UNLABELLED = 255


@dataclass(frozen=True)
class LabelClass:
    """name: lower case with underscores; color: red, green, blue in 0..255.

    Raises LabelError for a colour out of range.
    """

    name: str
    color: tuple[int, int, int]

    def __post_init__(self) -> None:
        if not all(0 <= value <= 255 for value in self.color):
            raise LabelError(
                f"Class '{self.name}' has the colour {list(self.color)}; expected red, green and "
                "blue in 0..255."
            )


@dataclass(frozen=True)
class LabelSet:
    """A class's id is its place in `classes`; 255 means unlabelled.

    Raises LabelError for a name that occurs twice, and for no class or more than 255.
    """

    name: str
    classes: tuple[LabelClass, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.classes):
            raise LabelError(f"'{self.name}' names a class twice; class names must be unique.")
        if not 1 <= len(self.classes) <= UNLABELLED:
            raise LabelError(
                f"'{self.name}' has {len(self.classes)} classes; expected 1 to {UNLABELLED}."
            )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of their ids."""
        return tuple(c.name for c in self.classes)

    def palette(self) -> npt.NDArray[np.uint8]:
        """(256, 3) uint8: the colour of each id, black for ids outside the set."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.classes)] = [c.color for c in self.classes]
        return table

    def id_of(self, name: str) -> int:
        """Id of the named class. Raises LabelError that lists the names."""
        if name not in self.names:
            raise LabelError(
                f"Label set '{self.name}' has no class '{name}'; it has {', '.join(self.names)}."
            )
        return self.names.index(name)


@dataclass(frozen=True)
class ClassEntry:
    """A class in a file. meets: the classes of the union that it covers; why: a remark."""

    name: str
    color: tuple[int, int, int]
    meets: str | tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class LabelFile:
    """The content of a label set's file. name: None for the file's stem.

    unified: the union that the set belongs to; silent: classes of the union that no class of the
    set can claim; closed: whether a labelled pixel is never of a class that the set does not meet.
    """

    classes: tuple[ClassEntry, ...]
    name: str | None = None
    unified: str | None = None
    silent: tuple[str, ...] = ()
    closed: bool = False


def read_label_file(name_or_path: str | Path) -> tuple[Path, LabelFile]:
    """The file of a label set's name or path, and its content.

    Raises LabelError where it is missing or malformed.
    """
    path = Path(name_or_path)
    a_name = path.suffix not in (".yaml", ".yml")
    if a_name:
        path = share_dir() / "config" / "labels" / f"{name_or_path}.yaml"
    with guarded("a label set", LabelError, f"Label set '{name_or_path}' was not found ({{}})."):
        found = path.is_file()
    if not found or (a_name and Path(name_or_path).name != str(name_or_path)):
        known = sorted(p.stem for p in (share_dir() / "config" / "labels").glob("*.yaml"))
        raise LabelError(
            f"Label set '{name_or_path}' was not found; shipped sets: {', '.join(known)}; "
            "a YAML file's path works as well."
        )
    return path, filled(LabelFile, read_yaml(path, LabelError), str(path), LabelError)


def load_label_set(name_or_path: str | Path) -> LabelSet:
    """A label set by the name of a file under `config/labels/` or by a YAML file's path.

    Raises LabelError where it is missing or malformed, a name occurs twice, or it has more than
    255 classes.
    """
    return label_set_of(*read_label_file(name_or_path))


def label_set_of(path: Path, content: LabelFile) -> LabelSet:
    """The set that a file's content describes. Raises LabelError as `load_label_set` does."""
    try:
        classes = tuple(LabelClass(entry.name, entry.color) for entry in content.classes)
        return LabelSet(path.stem if content.name is None else content.name, classes)
    except LabelError as err:
        raise LabelError(f"{path}: {err}") from err
