"""Overlap of two masks: Dice and Jaccard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from VQSegLib.errors import VolumeError

Mask = npt.NDArray[np.bool_]


def dice(prediction: Mask, reference: Mask) -> float:
    """Return the Dice coefficient ``2 |P and R| / (|P| + |R|)`` (Dice, Ecology 26:297, 1945).

    Args:
        prediction: Boolean mask of any dimension.
        reference: Boolean mask of the same shape.

    Returns:
        Value in [0, 1]; 0 if exactly one mask is empty, NaN if both are (the structure is absent: nothing to score).

    Raises:
        VolumeError: The shapes differ.
    """
    shared, total = _count(prediction, reference)
    return 2.0 * shared / total if total else float("nan")


def jaccard(prediction: Mask, reference: Mask) -> float:
    """Return the Jaccard coefficient ``|P and R| / |P or R|``.

    Args:
        prediction: Boolean mask of any dimension.
        reference: Boolean mask of the same shape.

    Returns:
        Value in [0, 1]; 0 if exactly one mask is empty, NaN if both are (the structure is absent: nothing to score).

    Raises:
        VolumeError: The shapes differ.
    """
    shared, total = _count(prediction, reference)
    return shared / (total - shared) if total else float("nan")


def check_same_shape(prediction: Mask, reference: Mask) -> None:
    """Refuse two arrays of different shape.

    Raises:
        VolumeError: The shapes differ.
    """
    if prediction.shape != reference.shape:
        msg = (
            f"Prediction and reference must have the same shape, given {prediction.shape} and {reference.shape}; "
            "compare label maps of the same image."
        )
        raise VolumeError(msg)


def _count(prediction: Mask, reference: Mask) -> tuple[int, int]:
    """Return the number of shared voxels and the sum of both masks' voxels."""
    check_same_shape(prediction, reference)
    shared = int(np.count_nonzero(prediction & reference))
    return shared, int(np.count_nonzero(prediction)) + int(np.count_nonzero(reference))
