# SPDX-License-Identifier: Apache-2.0
"""`python -m experiments.teach`: MFNet by day with a teacher's labels where its owners gave none.

The owners labelled eight classes and left road, building, vegetation and sky unlabelled. A
Cityscapes segmenter names these from the RGB image, which it can by day alone. The owners' labels
are never changed, and every figure on MFNet is on theirs alone; what the teacher takes for a class
of the owners' where they saw none stays unlabelled. Written as a folder for `segrgbx train`.
With `--score`, what the teacher itself reads on a split: the row that RGB-T has to beat at night.
"""

import argparse
import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import track

from segrgbx_core.datasets import LabelledPairs, open_dataset
from segrgbx_core.datasets.samples import Labels
from segrgbx_core.datasets.writing import finish_folder, start_folder, write_pair
from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.files.disk import claim_output, input_bytes
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet, load_label_set
from segrgbx_core.readings import Planes, RgbImage

TAUGHT = Path(__file__).with_name("mfnet_taught.yaml")
LABELS = "labels.yaml"
# deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite: the file says nothing of its classes.
CITYSCAPES_SHA256 = "322fe29945cb1693f426952f2a330ab67ea5678545ddee6f2548e0cfd0ca03e5"
# Names of Cityscapes' train ids. None: classes that the owners label, or that do not occur.
_CITYSCAPES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic_light", "traffic_sign"),
    *("vegetation", "terrain", "sky", None, None, None, None, None, None, None, None),
)
# The classes that both know, with the train ids that are one: riders are persons.
_SHARED = {"car": (13,), "person": (11, 12), "bike": (17, 18)}
# The teacher's borders are coarse: one of its pixels is more than one of the image's.
_BORDER_PX = 7


class Teacher:
    """A TensorFlow Lite segmenter with the train ids of Cityscapes as its output."""

    def __init__(self, path: Path, other: bool = False) -> None:
        """other: takes any file whose input and output have the right shapes. Raises InputError
        without the package, and for a file that is no such segmenter."""
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as err:
            raise InputError(
                "The teacher needs the package ai-edge-litert, which is not installed; "
                "`pip install '.[teacher]'`."
            ) from err
        data = input_bytes(path, "a TensorFlow Lite file")
        met = hashlib.sha256(data).hexdigest()
        if met != CITYSCAPES_SHA256 and not other:
            raise InputError(
                f"{path} has sha256 {met}; expected the Cityscapes segmenter's "
                f"{CITYSCAPES_SHA256}. If it gives Cityscapes' train ids as well, add "
                "--other-segmenter."
            )
        try:
            self._graph: Any = Interpreter(model_content=data, num_threads=1)
            self._graph.allocate_tensors()
        except (ValueError, RuntimeError) as err:
            raise InputError(
                f"{path} cannot be read as a TensorFlow Lite file ({err}); give the segmenter's."
            ) from err
        inputs, outputs = self._graph.get_input_details(), self._graph.get_output_details()
        met_shapes = [(len(t["shape"]), np.dtype(t["dtype"]).kind) for t in (*inputs, *outputs)]
        if met_shapes not in ([(4, "u"), (3, "i")], [(4, "u"), (3, "u")]):
            raise InputError(
                f"{path} takes {_shapes(inputs)} and gives {_shapes(outputs)}; expected one uint8 "
                "image (1, H, W, 3) and one map of train ids (1, H, W)."
            )
        (self._input,), (self._output,) = inputs, outputs

    def __call__(self, rgb: RgbImage) -> Labels:
        """Train ids (H, W) uint8 of an image (H, W, 3)."""
        _, height, width, _ = self._input["shape"]
        resized = cv2.resize(rgb, (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
        self._graph.set_tensor(self._input["index"], resized[None])
        self._graph.invoke()
        ids = self._graph.get_tensor(self._output["index"])[0].astype(np.uint8)
        size = rgb.shape[1::-1]
        return np.asarray(cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _shapes(tensors: Sequence[Mapping[str, Any]]) -> str:
    """Types and shapes in words."""
    return " and ".join(
        f"{np.dtype(t['dtype'])} {tuple(int(n) for n in t['shape'])}" for t in tensors
    )


def combined(owners: Labels, own: LabelSet, taught: Labels, labels: LabelSet) -> Labels:
    """The owners' classes, and the teacher's where they gave none, as ids of `labels`.

    owners: ids of `own`, of which `unlabeled` counts as none. taught: train ids of Cityscapes.
    """
    by_owner = np.full(256, UNLABELLED, np.uint8)
    for name in own.names:
        if name in labels.names:
            by_owner[own.id_of(name)] = labels.id_of(name)
    by_teacher = np.full(256, UNLABELLED, np.uint8)
    for i, taught_name in enumerate(_CITYSCAPES):
        if taught_name is not None:
            by_teacher[i] = labels.id_of(taught_name)
    kernel = np.ones((_BORDER_PX, _BORDER_PX), np.uint8)
    inside = cv2.erode(taught, kernel) == cv2.dilate(taught, kernel)
    guess = np.where(inside, by_teacher[taught], UNLABELLED)
    known = by_owner[owners]
    # Close to what the owners labelled, the teacher's borders would contradict theirs.
    near = cv2.dilate((known != UNLABELLED).astype(np.uint8), kernel) > 0
    guess[near] = UNLABELLED
    return np.asarray(np.where(known != UNLABELLED, known, guess), np.uint8)


def write_taught(data: LabelledPairs, teacher: Teacher, out: Path) -> int:
    """Writes the split's frames by day; returns how many."""
    labels = load_label_set(TAUGHT)
    start_folder(out)
    shutil.copyfile(TAUGHT, out / LABELS)
    conditions = {}
    for index in track(range(len(data)), "asking the teacher"):
        if data.places[index].condition != "day":
            continue
        sample = data[index]
        assert not isinstance(sample.x, Planes)
        ids = combined(sample.labels, data.label_set, teacher(sample.rgb), labels)
        write_pair(out, sample.stem, sample.rgb, sample.x, ids)
        conditions[sample.stem] = "day"
    finish_folder(out, data.modality, LABELS, conditions)
    return len(conditions)


def score(data: LabelledPairs, teacher: Teacher) -> dict[str, dict[str, float | None]]:
    """IoU of the classes that both know, over all frames together: by condition, then by class."""
    names = data.label_set.names
    to_own = np.full(256, names.index("unlabeled"), np.uint8)
    for name, ids in _SHARED.items():
        to_own[list(ids)] = names.index(name)
    meters: dict[str, ConfusionMeter] = {}
    for index in track(range(len(data)), "asking the teacher"):
        sample = data[index]
        meter = meters.setdefault(
            data.places[index].condition or "all", ConfusionMeter(data.label_set)
        )
        meter.update(to_own[teacher(sample.rgb)], sample.labels)
    return {
        condition: {name: meter.scores().per_class_iou[name] for name in _SHARED}
        for condition, meter in sorted(meters.items())
    }


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 a user mistake."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m experiments.teach")
    parser.add_argument("root", type=Path, help="MFNet, as `segrgbx data` reads it")
    parser.add_argument("teacher", type=Path, help="the segmenter, a .tflite file")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", type=Path, help="the folder to write")
    wanted.add_argument("--score", action="store_true", help="print what the teacher reads itself")
    parser.add_argument(
        "--other-segmenter", action="store_true", help="take another file with these train ids"
    )
    parser.add_argument("--split", default="train")
    parser.add_argument("--force", action="store_true", help="write into a folder with files")
    args = parser.parse_args(argv)
    try:
        teacher = Teacher(args.teacher, args.other_segmenter)
        data = open_dataset("mfnet", args.root, args.split)
        if args.score:
            for condition, scores in score(data, teacher).items():
                read = (f"{n} {'-' if v is None else f'{v:.3f}'}" for n, v in scores.items())
                print(f"{condition}: {', '.join(read)}")
            return 0
        claim_output(args.out, args.force)
        count = write_taught(data, teacher, args.out)
    except SegRgbxError as err:
        print(f"teach: {err}", file=sys.stderr)
        return 2
    print(f"{count} frames by day in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
