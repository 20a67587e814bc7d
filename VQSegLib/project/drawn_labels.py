"""Turning drawn structures and a model's proposal into label maps with the values of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from VQSegLib.box import Box, Triple
from VQSegLib.label_crops import paste_masks
from VQSegLib.labels import LabelTable
from VQSegLib.project.case_checks import ConfirmationNeeded
from VQSegLib.project.document import ProjectDocument
from VQSegLib.project.label_matching import Structure, match_structures
from VQSegLib.volume import Array, Volume


@dataclass(frozen=True)
class DrawnStructure:
    """A structure with its voxels.

    Attributes:
        structure: Name and, if it came from the project, value.
        box: Smallest box that holds its voxels; None when it has none.
        mask: Anything but 0 belongs to it, in the shape of the box; None when it has no voxels.
    """

    structure: Structure
    box: Box | None = None
    mask: Array | None = None


def paste_structures(
    drawn: Sequence[DrawnStructure], shape_kji: Triple, document: ProjectDocument, *, is_overlap_meant: bool
) -> Array:
    """Return the ``(K, J, I)`` uint8 label map of drawn structures; where they overlap the later one counts.

    Raises:
        ProjectError: A structure is not in the label table or is there twice.
        VolumeError: A mask does not fit its box or the scan.
        ConfirmationNeeded: Structures share voxels and that is not meant.
    """
    values = match_structures([one.structure for one in drawn], document)
    masks = [
        (value, one.box, one.mask)
        for value, one in zip(values, drawn, strict=True)
        if one.box is not None and one.mask is not None
    ]
    label_map: Array = paste_masks(masks, shape_kji)
    shared = sum(int(np.count_nonzero(mask)) for _, _, mask in masks) - int(np.count_nonzero(label_map))
    if shared and not is_overlap_meant:
        msg = (
            f"Structures overlap in {shared} voxels, but a label map holds one label a voxel; separate them, or "
            "confirm that the later one in the list counts there."
        )
        raise ConfirmationNeeded(msg, question="overlap")
    return label_map


def translate_proposal(proposal: Volume, source: LabelTable, target: LabelTable) -> Volume:
    """Return a model's label map with the values that the project gives the structures of the same names.

    Structures the project does not have become background.
    """
    by_name = {label.name.casefold(): label.value for label in target.labels}
    lookup = np.zeros(256, np.uint8)
    for label in source.labels:
        lookup[label.value] = by_name.get(label.name.casefold(), 0)
    return proposal.with_array(lookup[proposal.array])
