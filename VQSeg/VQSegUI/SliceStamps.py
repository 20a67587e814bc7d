"""Checksums of a segment's slices, by which it is known later which slices a person changed.

Slices are counted along k of the segmentation's reference geometry, the scan's voxel grid, so checksums hold in
whatever layer, file or session the segment is read again.
"""

from __future__ import annotations

import zlib
from typing import Any, Dict, Generator, Optional, Set

import numpy as np

from VQSegUI.SegmentBridge import SLICES_PER_STEP, gridOffset, readSegment, referenceMatrix, segmentLayer
from VQSegUI.Steps import finish

DRAWN = "-"
"""Stands in place of the checksum of a slice that is a person's work, whatever it looks like."""
ELSEWHERE = -1
"""Stands in place of k when a segment does not lie on the reference geometry's voxels."""

Stamps = Dict[int, str]
"""Checksum of every slice with voxels by its index k."""


def stampSteps(segmentationNode: Any, segmentID: str) -> Generator[None, None, Stamps]:
    """Return what a segment's slices look like now, a few slices per step."""
    layer = segmentLayer(segmentationNode, segmentID)
    if layer is None:
        return {}
    offset = gridOffset(layer.matrix, referenceMatrix(segmentationNode))
    if offset is None:
        drawn, extent, matrix = readSegment(segmentationNode, segmentID)
        place = ",".join(f"{value + 0.0:.2f}" for row in matrix for value in row)
        return {ELSEWHERE: _checksum(drawn, f"{place},{extent}")} if extent else {}
    firstI, firstJ, firstK = (layer.extentIjk[2 * axis] + offset[axis] for axis in range(3))
    found: Stamps = {}
    for start in range(0, len(layer.voxels), SLICES_PER_STEP):
        drawn = layer.voxels[start : start + SLICES_PER_STEP] == layer.value
        for number in np.flatnonzero(drawn.any(axis=(1, 2))).tolist():
            top, bottom = _ends(np.logical_or.reduce(drawn[number], axis=1))
            left, right = _ends(np.logical_or.reduce(drawn[number], axis=0))
            plane = drawn[number, top : bottom + 1, left : right + 1]
            found[firstK + start + number] = _checksum(plane, f"{firstJ + top},{firstI + left},{plane.shape}")
        yield
    return found


def computeStamps(segmentationNode: Any, segmentID: str) -> Stamps:
    """Return what a segment's slices look like now, at once."""
    return finish(stampSteps(segmentationNode, segmentID))


def stampsText(stamps: Stamps) -> str:
    """Return checksums as text that fits into a segment's tag."""
    return " ".join(f"{k}={stamp}" for k, stamp in sorted(stamps.items())) or "empty"


def stampsFromText(text: str) -> Optional[Stamps]:
    """Return the checksums of a text, None for the empty text of a segment that VQSeg did not make."""
    if not text:
        return None
    pairs = (word.partition("=") for word in text.split() if word != "empty")
    return {int(k): stamp for k, _equals, stamp in pairs}


def differingSlices(stamps: Optional[Stamps], now: Stamps) -> Set[int]:
    """Return the slices that changed since they were stamped, and those that were a person's work already."""
    if stamps is None:
        return set(now)
    return {k for k in {*stamps, *now} if stamps.get(k) == DRAWN or stamps.get(k) != now.get(k)}


def _checksum(drawn: np.ndarray, place: str) -> str:
    return f"{zlib.crc32(np.packbits(drawn).tobytes(), zlib.crc32(place.encode())):08x}"


def _ends(hits: np.ndarray) -> Any:
    return int(hits.argmax()), len(hits) - 1 - int(hits[::-1].argmax())
