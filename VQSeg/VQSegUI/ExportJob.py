"""Export of a labeled scan: image, label map and label table in a folder that appears whole or not at all."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from pathlib import Path
from typing import Any, List, Optional, Set

import numpy as np
import slicer
from slicer.i18n import tr as _

from VQSegUI import LabelTable, SceneBridge
from VQSegUI.Engine import Cancelled
from VQSegUI.Job import Work
from VQSegUI.NiftiFile import DATATYPES, writeNifti
from VQSegUI.Problem import Problem
from VQSegUI.SegmentBridge import referenceVolume, segmentParts
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps

IMAGE, LABEL_MAP, TABLE = "image.nii.gz", "label.nii.gz", "labels.json"
UNFINISHED = ".vqseg-export-"
ABANDONED_SECONDS = 3600


class ExportJob:
    """An export under way; the same signals as a `ScanJob`, ``finished`` with the path of the new folder.

    The folder's name is random: nothing is overwritten, and no name of a patient gets into a path.
    """

    def __init__(self, segmentationNode: Any, folder: str) -> None:
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.notes: List[str] = []
        self._segmentationNodeID, self._volumeNodeID = segmentationNode.GetID(), ""
        self._folder = Path(folder)
        self._unfinished = self._folder / f"{UNFINISHED}{secrets.token_hex(5)}"
        self._final = self._folder / f"case-{secrets.token_hex(5)}"
        self._steps: Optional[Steps] = None

    def start(self) -> None:
        """Begin.

        Raises:
            Problem: The scan is gone, holds no voxels or cannot be written; nothing was written.
        """
        volumeNode = referenceVolume(self._segmentation())
        if volumeNode is None:
            raise Problem(_("The scan of this segmentation is not in the scene, so there is nothing to export."))
        self._scan = SceneBridge.readScan(volumeNode)
        if self._scan.array.dtype.str[1:] not in DATATYPES:
            sentence = _("NIfTI files cannot hold voxels of type {type}; convert the scan with the Cast module.")
            raise Problem(sentence.format(type=self._scan.array.dtype))
        self._volumeNodeID = volumeNode.GetID()
        self._table = LabelTable.describedTable(self._segmentation())
        self.notes += _transformNotes(volumeNode, self._scan)
        self._steps = Steps(self._write())
        self._steps.failed.connect(self.failed.emit)
        self._steps.finished.connect(lambda: self.finished.emit(str(self._final)))
        self._steps.start()

    def cancel(self) -> None:
        """Stop at the person's wish; nothing stays behind."""
        self.abandon(Cancelled(_("Cancelled.")))

    def abandon(self, problem: Problem) -> None:
        """Stop because of a problem; nothing stays behind."""
        if self._steps is not None and self._steps.isRunning():
            self._steps.stop()
            self.failed.emit(problem)

    def nodeIDs(self) -> Set[str]:
        """Return scan and segmentation."""
        return {self._segmentationNodeID, self._volumeNodeID}

    def _write(self) -> Work:
        try:
            removeAbandoned(self._folder)
            self._unfinished.mkdir()
            text = json.dumps({"labels": self._table}, indent=2, ensure_ascii=False) + "\n"
            (self._unfinished / TABLE).write_text(text, encoding="utf-8")
            labelMap = np.zeros(self._scan.array.shape, np.uint8)
            yield from self._fill(labelMap)
            yield from self._writeImage(LABEL_MAP, labelMap, 0.1, 0.3, _("Writing the label map"))
            yield from self._writeImage(IMAGE, self._scan.array, 0.3, 1.0, _("Writing the scan"))
            self._unfinished.rename(self._final)
        except OSError as error:
            sentence = _("The folder '{folder}' cannot be written to ({reason}); choose another one.")
            raise Problem(sentence.format(folder=self._folder, reason=error.strerror or error)) from error
        finally:
            shutil.rmtree(self._unfinished, ignore_errors=True)

    def _fill(self, labelMap: np.ndarray) -> Work:
        """Put one segment after the other into the label map; says which ones overlap."""
        node, overlapping = self._segmentation(), []
        volumeNode = slicer.mrmlScene.GetNodeByID(self._volumeNodeID)
        for segmentID, value in LabelTable.segmentValues(node).items():
            overlaps = False
            for mask, extent in segmentParts(node, segmentID, volumeNode):
                self.progressed.emit(0.0, _("Reading the segments"), None)
                part = labelMap[extent[4] : extent[5] + 1, extent[2] : extent[3] + 1, extent[0] : extent[1] + 1]
                overlaps = overlaps or bool((part.astype(bool) & mask.astype(bool)).any())
                np.copyto(part, np.uint8(value), where=mask.astype(bool))
                yield
            if overlaps:
                overlapping.append(node.GetSegmentation().GetSegment(segmentID).GetName())
        if overlapping:
            sentence = _("Where structures overlap, the label map shows the later ones: {names}.")
            self.notes.append(sentence.format(names=", ".join(overlapping)))

    def _writeImage(self, name: str, array: np.ndarray, start: float, stop: float, stage: str) -> Work:
        for fraction in writeNifti(self._unfinished / name, array, self._scan.affineIjkToRas):
            self.progressed.emit(start + fraction * (stop - start), stage, None)
            yield

    def _segmentation(self) -> Any:
        return slicer.mrmlScene.GetNodeByID(self._segmentationNodeID)


def removeAbandoned(folder: Path) -> None:
    """Remove what an export left behind that was ended from outside; one under way is younger."""
    for path in folder.glob(UNFINISHED + "*"):
        if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _transformNotes(volumeNode: Any, scan: SceneBridge.Scan) -> List[str]:
    if volumeNode.GetParentTransformNode() is None:
        return []
    if scan.affineIjkToRas == SceneBridge.worldAffine(volumeNode):
        return [_("Scan and label map were written where the scan's transform puts them.")]
    return [_("The scan's transform bends or shears it, so scan and label map were written as before the transform.")]
