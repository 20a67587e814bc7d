"""A label map as one small mask per label, which is cheaper to send and to show than the whole map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from VQSegLib.box import Box, Triple
from VQSegLib.errors import VolumeError
from VQSegLib.labels import Label, LabelTable
from VQSegLib.volume import Array


@dataclass(frozen=True)
class LabelCrop:
    """One label of a label map.

    Attributes:
        label: Value, name, color, codes.
        voxels: Number of its voxels.
        box: Smallest box that holds them; None when there are none.
        mask: uint8 0 or 1 in the shape of the box; None when there are no voxels.
    """

    label: Label
    voxels: int
    box: Box | None = None
    mask: npt.NDArray[np.uint8] | None = None


def crop_labels(label_map: Array, table: LabelTable) -> tuple[LabelCrop, ...]:
    """Return every label of the table, in its order.

    Args:
        label_map: ``(K, J, I)`` integers.
        table: Labels to look for.
    """
    drawn = Box.around(label_map)
    if drawn is None:
        return tuple(LabelCrop(label, 0) for label in table.labels)
    # Most of a scan is background, which this search is slow in.
    found = ndimage.find_objects(label_map[drawn.slices], max_label=max(table.values))
    return tuple(_crop(label_map, label, drawn, found[label.value - 1]) for label in table.labels)


def paste_masks(masks: Iterable[tuple[int, Box, Array]], shape_kji: Triple) -> npt.NDArray[np.uint8]:
    """Return the ``(K, J, I)`` uint8 label map of masks; where they overlap the later one counts.

    Args:
        masks: Label value, box and mask (anything but 0 counts) of each label.
        shape_kji: Shape of the label map.

    Raises:
        VolumeError: A mask does not fit its box, or a box reaches beyond the label map.
    """
    label_map = np.zeros(shape_kji, np.uint8)
    for value, box, mask in masks:
        if mask.shape != box.shape_kji or box.intersection(Box.whole(shape_kji)) != box:
            msg = (
                f"The mask of label {value} has shape {mask.shape} in the box from {box.start_kji} to {box.stop_kji} "
                f"of a label map of shape {shape_kji}; it must fit both."
            )
            raise VolumeError(msg)
        label_map[box.slices][mask != 0] = value
    return label_map


def _crop(label_map: Array, label: Label, drawn: Box, found: tuple[slice, slice, slice] | None) -> LabelCrop:
    if found is None:
        return LabelCrop(label, 0)
    k, j, i = found
    box = Box((k.start, j.start, i.start), (k.stop, j.stop, i.stop)).moved(drawn.start_kji)
    mask = (label_map[box.slices] == label.value).view(np.uint8)
    return LabelCrop(label, int(np.count_nonzero(mask)), box, mask)
