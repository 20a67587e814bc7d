"""Segments that VQSeg made: name, color, terminology, a stable label value, and whether a person changed them since."""

from __future__ import annotations

from typing import Any, Dict, Generator, Iterable, Optional, Set

import slicer
import vtk

from VQSegUI.SliceStamps import DRAWN, differingSlices, stampsFromText, stampSteps, stampsText
from VQSegUI.Steps import finish

LABEL_VALUE_TAG = "VQSeg.LabelValue"
LABEL_NAME_TAG = "VQSeg.LabelName"
STAMP_TAG = "VQSeg.Stamp"
TERMINOLOGY_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
REGION_CONTEXT = "Anatomic codes - DICOM master list"
TISSUE = {"scheme": "SCT", "value": "85756007", "meaning": "Tissue"}

Label = Dict[str, Any]
"""A label as the engine describes it: value, name, color, category, type, modifier."""


def makeSegment(label: Label, labelmap: Any) -> Any:
    """Return a segment for a label of the engine."""
    segment = slicer.vtkSegment()
    segment.SetName(label["name"])
    segment.SetColor(*[part / 255.0 for part in label["color"]])
    # A tag works in every Slicer version; SetTerminology came with 5.10.
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminologyEntry(label))
    segment.SetTag(LABEL_VALUE_TAG, str(label["value"]))
    segment.SetTag(LABEL_NAME_TAG, label["name"])
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segment.AddRepresentation(name, labelmap)
    return segment


def terminologyEntry(label: Label) -> str:
    """Return a label's SNOMED codes the way Slicer's terminologies write them."""
    codes = [label.get(part) or {} for part in ("category", "type", "modifier")]
    if not label.get("category") or not label.get("type"):
        codes = [TISSUE, TISSUE, {}]  # what Slicer gives a segment nobody described; DICOM export needs both
    words = ["^".join(code.get(key, "") for key in ("scheme", "value", "meaning")) for code in codes]
    return "~".join([TERMINOLOGY_CONTEXT, *words, REGION_CONTEXT, "^^", "^^"])


def describeSegment(segment: Any) -> Label:
    """Return name, color and SNOMED codes of a segment as a label without a value."""
    words = readTag(segment, slicer.vtkSegment.GetTerminologyEntryTagName()).split("~")[1:4]
    codes = [dict(zip(("scheme", "value", "meaning"), word.split("^"))) for word in words] + [{}] * (3 - len(words))
    known = [code if all(code.get(key) for key in ("scheme", "value", "meaning")) else None for code in codes]
    color = [round(255 * part) for part in segment.GetColor()]
    return {"name": segment.GetName(), "color": color, **dict(zip(("category", "type", "modifier"), known))}


def readTag(segment: Any, name: str) -> str:
    """Return a segment's tag, empty when it has none."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def labelValue(segment: Any) -> Optional[int]:
    """Return the label value a segment stands for, however it was renamed or moved; None: not made by VQSeg."""
    text = readTag(segment, LABEL_VALUE_TAG)
    return int(text) if text.isdigit() else None


def labelName(segment: Any) -> str:
    """Return the engine's name of the structure a segment stands for, however it was renamed; empty: not VQSeg's."""
    return readTag(segment, LABEL_NAME_TAG)


def stampSegmentSteps(segmentationNode: Any, segmentID: str, drawn: Iterable[int] = ()) -> Generator[None, None, None]:
    """Remember in the segment what its slices look like now; scene and segmentation files keep it.

    Args:
        drawn: Slices that are a person's work, which no later result may change.
    """
    stamps = yield from stampSteps(segmentationNode, segmentID)
    stamps.update(dict.fromkeys(drawn, DRAWN))
    segmentationNode.GetSegmentation().GetSegment(segmentID).SetTag(STAMP_TAG, stampsText(stamps))


def editedSliceSteps(segmentationNode: Any, segmentID: str) -> Generator[None, None, Set[int]]:
    """Return the slices of a segment that are a person's work, a few slices per step.

    All that are drawn are when a person made the segment.
    """
    stamps = stampsFromText(readTag(segmentationNode.GetSegmentation().GetSegment(segmentID), STAMP_TAG))
    return differingSlices(stamps, (yield from stampSteps(segmentationNode, segmentID)))


def editedSlices(segmentationNode: Any, segmentID: str) -> Set[int]:
    """Return the slices of a segment that are a person's work, at once."""
    return finish(editedSliceSteps(segmentationNode, segmentID))


def isUntouched(segmentationNode: Any, segmentID: str) -> bool:
    """Return whether VQSeg made this segment and no voxel changed since; only such segments may be replaced."""
    isOurs = bool(readTag(segmentationNode.GetSegmentation().GetSegment(segmentID), STAMP_TAG))
    if not isOurs or isLocked(segmentationNode, segmentID):
        return False
    return not editedSlices(segmentationNode, segmentID)


def isLocked(segmentationNode: Any, segmentID: str) -> bool:
    """Return whether a person marked the segment as completed in the segments table."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    return logic.GetSegmentStatus(segmentationNode.GetSegmentation().GetSegment(segmentID)) == logic.Completed
