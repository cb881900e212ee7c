# SPDX-License-Identifier: Apache-2.0
"""Whether a model answers in the classes that a dataset's labels have, and how it can."""

from segrgbx_core.datasets.samples import LabelledPairs
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.labels import LabelSet
from segrgbx_core.labels_unified import Membership, load_membership
from segrgbx_core.model.card import ModelCard
from segrgbx_core.segmenter import Segmenter


def member_for(card: ModelCard, label_set: LabelSet) -> Membership | None:
    """The dataset's own classes as a part of the model's, for a model over a union of sets.

    None where the model has the dataset's classes already, or they are no shipped part of its.
    """
    if card.label_set.names == label_set.names:
        return None
    try:
        member = load_membership(label_set.name)
    except LabelError:
        return None
    fits = member.unified.names == card.label_set.names
    return member if fits and member.label_set.names == label_set.names else None


def check_classes(segmenter: Segmenter, data: LabelledPairs) -> None:
    """Raises InputError where model and dataset do not share their classes."""
    if segmenter.label_set.names != data.label_set.names:
        raise InputError(
            f"Model '{segmenter.card.name}' knows the classes of label set "
            f"'{segmenter.label_set.name}', but {data.folder} has those of "
            f"'{data.label_set.name}'; choose a model trained on the same classes or, for one "
            "over a union, name your part of it (segrgbx evaluate --label-set FILE.yaml)."
        )
