"""From an accepted label map to what a network is taught: classes, and voxels nobody vouches for."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from VQSegLib.labels import LabelTable
from VQSegLib.methods.base import IGNORED
from VQSegLib.volume import Array, Volume


def build_target(
    label: Volume,
    labels: LabelTable,
    reviewed_slices: Collection[int] | None = None,
    unjudged_values: Collection[int] = (),
) -> Volume:
    """Return int16 classes (0 = background) of a label map, in its own geometry.

    What nobody judged is ``IGNORED`` before anything is resampled, so that no unreviewed voxel leaks into its
    neighbours: slices that were not reviewed, and background where labels were added to the table later, because it
    may hold them.

    Args:
        label: Label map ``(K, J, I)``; values outside the table become background.
        labels: What the classes mean.
        reviewed_slices: Slices (k) a person vouches for; None for all.
        unjudged_values: Labels the map says nothing about.
    """
    classes = values_to_classes(label.array, labels)
    if unjudged_values:
        classes[classes == 0] = IGNORED
    if reviewed_slices is not None:
        is_reviewed = np.isin(np.arange(len(classes)), list(reviewed_slices))
        classes[~is_reviewed] = IGNORED
    return label.with_array(classes)


def values_to_classes(label_map: Array, labels: LabelTable) -> Array:
    """Return int16 classes (0 = background) of a map of label values."""
    lookup = np.zeros(256, dtype=np.int16)
    for index, value in enumerate(labels.values, start=1):
        lookup[value] = index
    classes: Array = lookup[label_map.astype(np.uint8)]
    return classes
