"""A request for where the model is unsure; the answer becomes overlays and a list of places."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np
import slicer
from slicer.i18n import tr as _

from VQSegUI import Uncertainty
from VQSegUI.Job import Work
from VQSegUI.ScanJob import ANSWERED, ScanJob, toNumpy
from VQSegUI.UnsurePlaces import placesOf, writePlaces

SAMPLES = 8


class UncertaintyJob(ScanJob):
    """An estimation under way; ``finished`` is emitted with the overlay node, None where all is sure."""

    method = "uncertainty"
    needsLabels = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._overlayIDs: List[str] = []

    def _prepare(self) -> Work:
        self._params["samples"] = SAMPLES
        yield

    def _take(self, answer: Dict[str, Any]) -> Work:
        """Build an overlay of each measure; earlier ones make way."""
        maps = {measure: answer.get(measure) or {} for measure in Uncertainty.WHOLE}
        self.result = {key: value for key, value in answer.items() if key not in maps}
        earlier = Uncertainty.overlaysOf(self._volumeNode())
        centers: Dict[int, Sequence[int]] = {}
        for measure, uncertainty in maps.items():
            if uncertainty.get("array") is not None:
                voxels = toNumpy(uncertainty["array"])
                centers = centers or _centers(voxels, uncertainty["extent_ijk"])
                self._tell(ANSWERED, _("Building the overlay"), None)
                node = yield from Uncertainty.buildOverlay(self._volumeNode(), measure, uncertainty, voxels)
                self._overlayIDs.append(node.GetID())
                yield
        if not self._overlayIDs:
            self.notes.append(_("The model is sure everywhere."))
        for nodeID in self._overlayIDs:
            writePlaces(slicer.mrmlScene.GetNodeByID(nodeID), placesOf(answer, self.labels, centers))
        for node in earlier:
            slicer.mrmlScene.RemoveNode(node)

    def _outcome(self) -> Any:
        return slicer.mrmlScene.GetNodeByID(self._overlayIDs[0]) if self._overlayIDs else None

    def _discard(self) -> None:
        for node in [slicer.mrmlScene.GetNodeByID(nodeID) for nodeID in self._overlayIDs]:
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)


def _centers(voxels: np.ndarray, extentIjk: Sequence[int]) -> Dict[int, Sequence[int]]:
    """Return column and row of the least sure voxel of every slice."""
    found = {}
    for number, plane in enumerate(voxels):
        row, column = divmod(int(plane.argmax()), plane.shape[1])
        found[extentIjk[4] + number] = (extentIjk[0] + column, extentIjk[2] + row)
    return found
