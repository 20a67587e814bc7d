"""Checksums of a segment's slices, by which it is known later which slices a person changed.

Slices are counted along k of the segmentation's reference geometry, the scan's voxel grid, so checksums hold in whatever
layer, file or session the segment is read again.
"""

from __future__ import annotations

import zlib
from typing import Any, Dict, Optional, Set

import numpy as np

from VQSegUI.SegmentBridge import gridOffset, readSegment, referenceMatrix

DRAWN = "-"
"""Stands in place of the checksum of a slice that is a person's work, whatever it looks like."""
ELSEWHERE = -1
"""Stands in place of k when a segment does not lie on the reference geometry's voxels."""

Stamps = Dict[int, str]
"""Checksum of every slice with voxels by its index k."""


def computeStamps(segmentationNode: Any, segmentID: str) -> Stamps:
    """Return what a segment's slices look like now."""
    drawn, extent, matrix = readSegment(segmentationNode, segmentID)
    if not extent:
        return {}
    offset = gridOffset(matrix, referenceMatrix(segmentationNode))
    if offset is None:
        place = ",".join(f"{value + 0.0:.2f}" for row in matrix for value in row)
        return {ELSEWHERE: _checksum(drawn, f"{place},{extent}")}
    firstI, firstJ, firstK = (extent[2 * axis] + offset[axis] for axis in range(3))
    rows, columns = drawn.any(axis=2), drawn.any(axis=1)
    found = {}
    for number in np.flatnonzero(rows.any(axis=1)).tolist():
        top, bottom = _ends(rows[number])
        left, right = _ends(columns[number])
        plane = drawn[number, top : bottom + 1, left : right + 1]
        found[firstK + number] = _checksum(plane, f"{firstJ + top},{firstI + left},{plane.shape}")
    return found


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
