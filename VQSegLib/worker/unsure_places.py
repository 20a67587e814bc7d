"""What travels of an uncertainty: maps in bytes, cropped to where they are not 0, and ranked places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from VQSegLib.box import Box
from VQSegLib.volume import Volume
from VQSegLib.wire import WireArray
from VQSegLib.worker.arrays import to_extent_ijk

if TYPE_CHECKING:
    from VQSegLib.inference.uncertainty import Uncertainty


def describe_uncertainty(unsure: Uncertainty) -> dict[str, Any]:
    """Return the part of the answer to ``uncertainty`` that is not about the run."""
    voxel_mm3 = math.prod(unsure.entropy.spacing_mm_kji)
    return {
        "entropy": to_wire_map(unsure.entropy),
        "disagreement": None if unsure.disagreement is None else to_wire_map(unsure.disagreement),
        "samples": unsure.samples,
        "slices": [{"index_k": one.index, "score": one.score} for one in unsure.slices],
        "regions": [
            {
                "label": one.value,
                "center_ijk": list(one.center_ijk),
                "extent_ijk": list(one.extent_ijk),
                "voxels": round(one.volume_mm3 / voxel_mm3),
                "score": one.score,
            }
            for one in unsure.regions
        ],
    }


def to_wire_map(values: Volume) -> dict[str, Any]:
    """Return a map as uint8 counts: a step of a 255th of its largest value is finer than a colour shows.

    Args:
        values: ``(K, J, I)`` float16, nowhere negative.
    """
    bits = values.array.view(np.uint16)  # ordered as the numbers are, and several times as fast to search
    largest = float(bits.max().view(np.float16))
    step = largest / 255 if largest > 0 else 1.0
    unsure = Box.around(bits > np.float16(step / 2).view(np.uint16))
    if unsure is None:
        return {"extent_ijk": None, "step": step}
    counts = np.empty(unsure.shape_kji, np.uint8)
    # Slice by slice, so that no second map in floating point is held.
    for plane, count in zip(values.array[unsure.slices], counts, strict=True):
        torch.from_numpy(count).copy_(torch.from_numpy(plane).float().div_(step).round_())
    return {"extent_ijk": to_extent_ijk(unsure), "step": step, "array": WireArray.from_numpy(counts)}
