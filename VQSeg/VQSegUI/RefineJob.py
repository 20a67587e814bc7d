"""A refinement: slices that a person corrected teach the model about this scan, and the rest is proposed again."""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, Generator, Iterable, List, Optional, Sequence, Set, Tuple

import numpy as np
import slicer
from slicer.i18n import tr as _

from VQSegLib.wire import WireArray
from VQSegUI import LabelTable, Proposal
from VQSegUI.Consent import maySendScans
from VQSegUI.Problem import Problem
from VQSegUI.ReviewMarks import Marks, correctedSlices, writeMarks
from VQSegUI.ScanJob import ScanRequest, Work, toNumpy
from VQSegUI.SegmentBridge import readSegmentInVolume
from VQSegUI.SegmentJob import SegmentJob

Crop = Tuple[np.ndarray, List[int]]
"""uint8 ``(K, J, I)`` of 0 and 1, and its extent."""
NOTHING: Crop = (np.zeros((0, 0, 0), np.uint8), [])


class RefineJob(SegmentJob):
    """A refinement under way; ``finished`` is emitted with the proposal node.

    The corrected slices of the proposal are what the person drew, voxel by voxel, whatever the engine answers.
    """

    method = "refine"
    needsLabels = True

    def __init__(
        self,
        engine: Any,
        request: ScanRequest,
        segmentationNodeID: str,
        slices: Optional[Iterable[int]] = None,
        maySend: Callable[[Any], bool] = maySendScans,
    ) -> None:
        """Make the job.

        Args:
            segmentationNodeID: Segmentation with the corrections.
            slices: Corrected slices along k of the scan; None: found by what was edited and marked.
        """
        super().__init__(engine, request, maySend)
        self._segmentationNodeID = segmentationNodeID
        self._given = slices
        self._slices: FrozenSet[int] = frozenset()
        self._drawn: Dict[int, Crop] = {}

    def nodeIDs(self) -> Set[str]:
        """Return scan and segmentation."""
        return super().nodeIDs() | {self._segmentationNodeID}

    def _prepare(self) -> Work:
        """Read what is drawn on the corrected slices, one segment per step."""
        found = (yield from correctedSlices(self._segmentation())) if self._given is None else self._given
        self._slices = frozenset(found)
        if not self._slices:
            raise Problem(_("Correct a slice first: edit it in the Segment Editor, or mark it as right."))
        node, values = self._segmentation(), {label["name"]: label["value"] for label in self.labels}
        names = LabelTable.structures(node)
        unknown = [name for name in names.values() if name not in values]
        if unknown:
            self.notes.append(_("The model does not know {names}; left as drawn.").format(names=", ".join(unknown)))
        for segmentID, name in names.items():
            if name in values:
                drawn = readSegmentInVolume(self._segmentation(), segmentID, self._volumeNode())
                self._drawn[values[name]] = onSlices(*drawn, self._slices)
                yield
        self._params["slices_k"] = sorted(self._slices)
        self._params["labels"] = [
            {"value": value, "extent_ijk": extent, "array": WireArray.from_numpy(mask)}
            for value, (mask, extent) in self._drawn.items()
            if extent
        ]

    def _addLabel(self, label: Dict[str, Any]) -> Generator[None, None, bool]:
        found = (toNumpy(label["array"]), label["extent_ijk"]) if label.get("array") is not None else NOTHING
        mask, extent = replaceSlices(found, self._drawn.get(label["value"], NOTHING), self._slices)
        if not extent:
            return False
        yield
        merged = {**label, "extent_ijk": extent}
        yield from Proposal.addLabelSteps(self._proposal(), self._volumeNode(), merged, mask, drawn=self._slices)
        writeMarks(self._proposal(), Marks(right=self._slices))
        return True

    def _replaceable(self) -> List[str]:
        return [each for each in super()._replaceable() if each != self._segmentationNodeID]

    def _segmentation(self) -> Any:
        node = slicer.mrmlScene.GetNodeByID(self._segmentationNodeID)
        if node is None:
            raise Problem(_("The segmentation was deleted meanwhile, so the result was dropped."))
        return node


def onSlices(drawn: np.ndarray, extent: List[int], slices: Iterable[int]) -> Crop:
    """Return what is drawn on some slices."""
    kept = sorted(k - extent[4] for k in slices if extent[4] <= k <= extent[5]) if extent else []
    if not kept or not drawn[kept].any():
        return NOTHING
    mask = np.zeros((kept[-1] - kept[0] + 1, *drawn.shape[1:]), np.uint8)
    mask[[number - kept[0] for number in kept]] = drawn[kept]
    return mask, [*extent[:4], extent[4] + kept[0], extent[4] + kept[-1]]


def replaceSlices(found: Crop, drawn: Crop, slices: Iterable[int]) -> Crop:
    """Return a label with some slices as drawn."""
    extents = [extent for _array, extent in (found, drawn) if extent]
    if not extents:
        return NOTHING
    box = [(min if number % 2 == 0 else max)(ends) for number, ends in enumerate(zip(*extents))]
    mask = np.zeros([box[2 * axis + 1] - box[2 * axis] + 1 for axis in (2, 1, 0)], np.uint8)
    if found[1]:
        _part(mask, box, found[1])[:] = found[0]
    for k in slices:
        if box[4] <= k <= box[5]:
            mask[k - box[4]] = 0
    if drawn[1]:
        part = _part(mask, box, drawn[1])
        np.maximum(part, drawn[0], out=part)
    return (mask, box) if mask.any() else NOTHING


def _part(mask: np.ndarray, box: Sequence[int], extent: Sequence[int]) -> np.ndarray:
    """Return the part of an array with the extent ``box`` that has another extent."""
    first = [extent[2 * axis] - box[2 * axis] for axis in (2, 1, 0)]
    last = [extent[2 * axis + 1] - box[2 * axis] for axis in (2, 1, 0)]
    return mask[tuple(slice(start, end + 1) for start, end in zip(first, last))]
