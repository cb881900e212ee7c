# SPDX-License-Identifier: Apache-2.0
"""Label sets: class ids, names and display colours, read from `config/labels/*.yaml`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from segrgbx_core.errors import LabelError
from segrgbx_core.files.resources import share_dir

UNLABELLED = 255


@dataclass(frozen=True)
class LabelClass:
    """name: lower case with underscores; color: red, green, blue in 0..255."""

    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class LabelSet:
    """A class's id is its place in `classes`; 255 means unlabelled."""

    name: str
    classes: tuple[LabelClass, ...]

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
        """Id of the named class; LabelError lists the names there are."""
        if name not in self.names:
            raise LabelError(
                f"Label set '{self.name}' has no class '{name}'; it has {', '.join(self.names)}."
            )
        return self.names.index(name)


def _parse_class(entry: object, origin: Path) -> LabelClass:
    match entry:
        case {"name": str(name), "color": [int(red), int(green), int(blue)]} if all(
            0 <= v <= 255 for v in (red, green, blue)
        ):
            return LabelClass(name, (red, green, blue))
    raise LabelError(
        f"{origin}: class entry {entry!r} is not of the form {{name: road, color: [R, G, B]}} "
        "with colours in 0..255."
    )


def read_label_file(name_or_path: str | Path) -> tuple[Path, dict[str, object]]:
    """The file of a label set's name or path, and its entries.

    Raises LabelError where there is none, or it is no YAML mapping with a list of classes.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = share_dir() / "config" / "labels" / f"{name_or_path}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in (share_dir() / "config" / "labels").glob("*.yaml"))
        raise LabelError(
            f"Label set '{name_or_path}' was not found; shipped sets: {', '.join(known)}; "
            "a YAML file's path works as well."
        )
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise LabelError(f"{path} is not readable YAML ({err.__class__.__name__}).") from err
    if not isinstance(content, dict) or not isinstance(content.get("classes"), list):
        raise LabelError(f"{path} has no list named 'classes'.")
    return path, content


def load_label_set(name_or_path: str | Path) -> LabelSet:
    """A label set by the name of a file under `config/labels/` or by a YAML file's path.

    Raises LabelError where there is none, its form is wrong, a name occurs twice, or it has more
    than 255 classes.
    """
    path, content = read_label_file(name_or_path)
    entries = content["classes"]
    assert isinstance(entries, list)
    classes = tuple(_parse_class(entry, path) for entry in entries)
    names = [c.name for c in classes]
    if len(set(names)) != len(names):
        raise LabelError(f"{path} names a class twice; every name must be its own.")
    if not 1 <= len(classes) <= UNLABELLED:
        raise LabelError(f"{path} has {len(classes)} classes; expected 1 to {UNLABELLED}.")
    return LabelSet(str(content.get("name", path.stem)), classes)
