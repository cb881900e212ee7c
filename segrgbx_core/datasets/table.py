# SPDX-License-Identifier: Apache-2.0
"""The table of datasets and their readers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from segrgbx_core.datasets.file_layout import need_split, wrong_layout
from segrgbx_core.datasets.folder import MANIFEST, FolderDataset
from segrgbx_core.datasets.published import (
    camvid,
    deliver,
    mfnet,
    nyu_depth_v2,
    urbanlf,
    zju_rgbp,
)
from segrgbx_core.datasets.samples import LabelledPairs
from segrgbx_core.datasets.scenes import scenes_camera
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel

BAD_SHARE = 0.01
WHOLE = "all"
_MOST_LOOKED_INTO = 50
_BAG_ENDINGS = (".mcap", ".db3", ".zstd", ".bag")


@dataclass(frozen=True)
class DatasetOptions:
    """What the files do not say.

    x: which X if a set has several, None for the first. depth_scale: stored value per metre.
    labels_from: the number of the first class in label images, 0 or 1. None is the set's default.
    allow_outside: a folder's dataset.yaml may name a label file outside it.
    Raises InputError for an invalid scale or number.
    """

    x: str | None = None
    depth_scale: float | None = None
    labels_from: int | None = None
    allow_outside: bool = False

    def __post_init__(self) -> None:
        if self.depth_scale is not None and not 0 < self.depth_scale < float("inf"):
            raise InputError(
                f"depth_scale is {self.depth_scale}; expected the stored value per metre, above 0."
            )
        if self.labels_from not in (None, 0, 1):
            raise InputError(f"labels_from is {self.labels_from}; expected 0 or 1.")


@dataclass(frozen=True)
class DatasetKind:
    """One row of the table.

    layout: one line on what the root holds. sources: the choices of X, the default first; empty
    if there is only one. takes: the other options that apply. counts: the authors' samples per
    split. camera: that of images of that width and height, None where its calibration was not
    published; it is X's too, which is registered to RGB.
    """

    layout: str
    splits: Callable[[Path], tuple[str, ...]]
    open: Callable[[Path, str, DatasetOptions], LabelledPairs]
    sources: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    camera: Callable[[int, int], CameraModel | None] = lambda _width, _height: None


def _folder_splits(root: Path) -> tuple[str, ...]:
    if (root / MANIFEST).is_file():
        return (WHOLE,)
    names = sorted(p.parent.name for p in root.glob(f"*/{MANIFEST}"))
    if not names:
        raise wrong_layout(root, f"rgb/, x/, labels/ and {MANIFEST}, or folders that hold them")
    return tuple(names)


def _open_folder(root: Path, split: str, options: DatasetOptions) -> LabelledPairs:
    need_split(root, split, _folder_splits(root))
    folder = root if split == WHOLE else root / split
    return FolderDataset(folder, split, incomplete=True, root=root, outside=options.allow_outside)


def _open_deliver(root: Path, split: str, options: DatasetOptions) -> LabelledPairs:
    return deliver.Deliver(root, split, options.x or deliver.SOURCES[0], options.depth_scale)


def _open_mfnet(root: Path, split: str, _options: DatasetOptions) -> LabelledPairs:
    return mfnet.Mfnet(root, split)


def _open_camvid(root: Path, split: str, _options: DatasetOptions) -> LabelledPairs:
    return camvid.CamVid(root, split)


def _open_nyu(root: Path, split: str, options: DatasetOptions) -> LabelledPairs:
    labels_from = 1 if options.labels_from is None else options.labels_from
    x = options.x or nyu_depth_v2.SOURCES[0]
    return nyu_depth_v2.NyuDepthV2(root, split, x, options.depth_scale, labels_from)


def _open_zju(root: Path, split: str, _options: DatasetOptions) -> LabelledPairs:
    return zju_rgbp.ZjuRgbp(root, split)


def _urbanlf(parts: tuple[str, ...], counts: tuple[int, int, int]) -> DatasetKind:
    def opened(root: Path, split: str, options: DatasetOptions) -> LabelledPairs:
        return urbanlf.UrbanLF(root, split, options.x or "33", parts)

    return DatasetKind(
        urbanlf.LAYOUT,
        lambda root: urbanlf.splits(root, parts),
        opened,
        sources=("33", "8", "80"),
        counts=dict(zip(("train", "val", "test"), counts, strict=True)),
    )


_FOLDER = DatasetKind(f"rgb/, x/, labels/ and {MANIFEST}", _folder_splits, _open_folder)

DATASETS: dict[str, DatasetKind] = {
    "deliver": DatasetKind(
        deliver.LAYOUT,
        deliver.splits,
        _open_deliver,
        sources=deliver.SOURCES,
        takes=("depth_scale",),
        counts={"train": 3983, "val": 2005, "test": 1897},
    ),
    "mfnet": DatasetKind(
        mfnet.LAYOUT,
        mfnet.splits,
        _open_mfnet,
        counts={"train": 784, "val": 392, "test": 393},
    ),
    "nyu_depth_v2": DatasetKind(
        nyu_depth_v2.LAYOUT,
        nyu_depth_v2.splits,
        _open_nyu,
        sources=nyu_depth_v2.SOURCES,
        takes=("depth_scale", "labels_from"),
        counts={"train": 795, "test": 654},
        camera=nyu_depth_v2.camera,
    ),
    "zju_rgbp": DatasetKind(
        zju_rgbp.LAYOUT, zju_rgbp.splits, _open_zju, counts={"train": 344, "val": 50}
    ),
    "camvid": DatasetKind(
        camvid.LAYOUT,
        camvid.splits,
        _open_camvid,
        counts={"train": 367, "val": 101, "test": 233},
    ),
    "urbanlf": _urbanlf(urbanlf.PARTS, (752, 108, 214)),
    "urbanlf_real": _urbanlf(("real",), (580, 80, 164)),
    "urbanlf_synthetic": _urbanlf(("synthetic",), (172, 28, 50)),
    "scenes": replace(_FOLDER, camera=scenes_camera),
    "folder": _FOLDER,
}


def dataset_named(name: str) -> DatasetKind:
    """The table's row. Raises InputError that names the known datasets."""
    if name not in DATASETS:
        raise InputError(f"Dataset '{name}' is unknown; expected one of {', '.join(DATASETS)}.")
    return DATASETS[name]


def splits_in(name: str, root: Path) -> tuple[str, ...]:
    """The splits of the named dataset that root holds.

    Raises InputError for an unknown dataset, a recording, or a different layout; the last names a
    nearby folder with the right layout, if there is one.
    """
    kind = dataset_named(name)
    if _is_recording(root):
        raise InputError(
            f"{root} is a recording, not a dataset; look at it with `segrgbx inspect {root}`."
        )
    try:
        splits = kind.splits(root)
        if not splits:
            raise wrong_layout(root, kind.layout)
    except InputError as err:
        right = _elsewhere(kind, root)
        if right is None:
            raise
        raise InputError(f"{str(err).removesuffix('.')}: give {right}, which has it.") from err
    return splits


def _is_recording(root: Path) -> bool:
    """Whether root is a bag: its folder, or one of its files."""
    if root.is_dir():
        held = {path.name for path in root.iterdir()}
        return "metadata.yaml" in held and any(name.endswith(_BAG_ENDINGS) for name in held)
    return root.is_file() and root.name.endswith(_BAG_ENDINGS)


def _elsewhere(kind: DatasetKind, root: Path) -> Path | None:
    """A folder with the layout, at most two levels above root or one below."""
    if not root.is_dir():
        return None
    below = sorted(path for path in root.iterdir() if path.is_dir())
    for folder in (*list(root.absolute().parents)[:2], *below[:_MOST_LOOKED_INTO]):
        try:
            if kind.splits(folder):
                return folder
        except (InputError, OSError):
            continue
    return None


def open_dataset(
    name: str,
    root: Path,
    split: str,
    options: DatasetOptions | None = None,
    bad_share: float = BAD_SHARE,
) -> LabelledPairs:
    """One split of a dataset; samples with a missing file are left out and in its `missing`.

    bad_share: share of the samples, 0 to 1, that may have a missing file.
    Raises InputError for an unknown dataset, split or X, an option that does not apply to it, a
    different layout, an empty split, or one with more incomplete samples than bad_share.
    """
    data = open_whatever_it_lacks(name, root, split, options)
    listed = len(data) + len(data.missing)
    if not listed:
        expected = dataset_named(name).layout
        raise InputError(f"Split '{split}' of {root} names no sample; expected {expected}.")
    if not len(data) or len(data.missing) > bad_share * listed:
        first = data.missing[0].lacking()[0]
        raise InputError(
            f"{len(data.missing)} of {listed} samples of split '{split}' lack a file, {first} the "
            f"first, more than the {bad_share:.0%} that may be left out; `segrgbx data check "
            f"{root} --dataset {name}` lists them."
        )
    return data


def open_whatever_it_lacks(
    name: str, root: Path, split: str, options: DatasetOptions | None = None
) -> LabelledPairs:
    """As `open_dataset`, however many samples are incomplete."""
    kind, options = dataset_named(name), options or DatasetOptions()
    _check_options(name, kind, options)
    splits_in(name, root)
    return kind.open(root, split, options)


def _check_options(name: str, kind: DatasetKind, options: DatasetOptions) -> None:
    if options.x is not None and options.x not in kind.sources:
        known = ", ".join(kind.sources) if kind.sources else "the one it has"
        raise InputError(f"Dataset '{name}' has no X '{options.x}'; expected {known}.")
    for option in ("depth_scale", "labels_from"):
        if getattr(options, option) is not None and option not in kind.takes:
            raise InputError(f"Dataset '{name}' has no use for {option}; leave it out.")
