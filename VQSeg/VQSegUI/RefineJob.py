"""A refinement: slices that a person corrected teach the model about this scan, and the rest is proposed again."""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, Generator, Iterable, List, Optional, Set

import numpy as np
import slicer
from slicer.i18n import tr as _

from VQSegLib.wire import WireArray
from VQSegUI import LabelTable, Proposal
from VQSegUI.Consent import maySendScans
from VQSegUI.Job import Work
from VQSegUI.Problem import Problem
from VQSegUI.ReviewMarks import Marks, correctedSlices, writeMarks
from VQSegUI.ScanJob import ScanRequest, toNumpy
from VQSegUI.SegmentBridge import NOTHING, SLICES_PER_STEP, Crop, joinCrops, joinCropSteps, segmentParts
from VQSegUI.SegmentJob import SegmentJob


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
                crops = []
                for part in segmentParts(node, segmentID, self._volumeNode()):
                    crops.append(onSlices(part, self._slices))
                    yield
                self._drawn[values[name]] = joinCrops(crops)
        self._params["slices_k"] = sorted(self._slices)
        self._params["labels"] = [
            {"value": value, "extent_ijk": extent, "array": WireArray.from_numpy(mask)}
            for value, (mask, extent) in self._drawn.items()
            if extent
        ]

    def _addLabel(self, label: Dict[str, Any]) -> Generator[None, None, bool]:
        found = (toNumpy(label["array"]), label["extent_ijk"]) if label.get("array") is not None else NOTHING
        drawn = self._drawn.get(label["value"], NOTHING)
        mask, extent = yield from replaceSliceSteps(found, drawn, self._slices)
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


def onSlices(drawn: Crop, slices: Iterable[int]) -> Crop:
    """Return what is drawn on some slices."""
    mask, extent = drawn
    kept = sorted(k - extent[4] for k in slices if extent[4] <= k <= extent[5]) if extent else []
    if not kept or not mask[kept].any():
        return NOTHING
    chosen = np.zeros((kept[-1] - kept[0] + 1, *mask.shape[1:]), np.uint8)
    chosen[[number - kept[0] for number in kept]] = mask[kept]
    return chosen, [*extent[:4], extent[4] + kept[0], extent[4] + kept[-1]]


def replaceSliceSteps(found: Crop, drawn: Crop, slices: Iterable[int]) -> Generator[None, None, Crop]:
    """Return a label with some slices as drawn, a few slices per step."""
    mask, extent = found
    crops = []
    for first in range(0, len(mask) if extent else 0, SLICES_PER_STEP):
        piece = mask[first : first + SLICES_PER_STEP].copy()
        start = extent[4] + first
        piece[[k - start for k in slices if 0 <= k - start < len(piece)]] = 0
        if piece.any():
            crops.append((piece, [*extent[:4], start, start + len(piece) - 1]))
        yield
    return (yield from joinCropSteps([*crops, drawn]))
