"""What scan and segmentation remember of the case they belong to; attributes and tags, so scene files keep it."""

from __future__ import annotations

import time
from typing import Any, Collection, Dict, Iterable, List, Optional

import slicer

from VQSegUI.Segments import readTag

PROJECT_ATTRIBUTE = "VQSeg.Project"
CASE_ATTRIBUTE = "VQSeg.Case"
STARTED_ATTRIBUTE = "VQSeg.Started"
PROJECT_TAG = "VQSeg.Project"
PROJECT_VALUE_TAG = "VQSeg.ProjectValue"
NODE_CLASSES = ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode")


def caseOf(node: Any, project: str) -> str:
    """Return the case of a project that a node belongs to, empty when it belongs to none."""
    return (node.GetAttribute(CASE_ATTRIBUTE) or "") if node.GetAttribute(PROJECT_ATTRIBUTE) == project else ""


def rememberCase(node: Any, project: str, caseID: str) -> None:
    """Let a scan or segmentation belong to a case."""
    node.SetAttribute(PROJECT_ATTRIBUTE, project)
    node.SetAttribute(CASE_ATTRIBUTE, caseID)


def nodesOf(project: str, caseIDs: Collection[str], className: str) -> List[Any]:
    """Return the nodes of a class that belong to any of some cases."""
    return [node for node in slicer.util.getNodesByClass(className) if caseOf(node, project) in caseIDs]


def forgetCases(project: str, caseIDs: Collection[str]) -> None:
    """Let nodes belong to no case any more, because the cases were removed."""
    for className in NODE_CLASSES:
        for node in nodesOf(project, caseIDs, className):
            rememberCase(node, "", "")


def projectValue(segment: Any, project: str) -> Optional[int]:
    """Return the value a segment has in a project; None when it did not come from there."""
    text = readTag(segment, PROJECT_VALUE_TAG) if readTag(segment, PROJECT_TAG) == project else ""
    return int(text) if text else None


def rememberValues(segmentationNode: Any, project: str, values: Dict[str, int]) -> None:
    """Let segments, given by their ID, keep their value in a project, however they are renamed or moved."""
    for segmentID, value in values.items():
        segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
        if segment is not None:
            segment.SetTag(PROJECT_TAG, project)
            segment.SetTag(PROJECT_VALUE_TAG, str(value))


def findLabel(labels: Iterable[Dict[str, Any]], name: str, value: Optional[int]) -> Optional[Dict[str, Any]]:
    """Return the label of a project that a structure is, by its value, else by its name as the engine does it."""
    known = list(labels)
    byValue = [label for label in known if label["value"] == value]
    return next(iter(byValue or [label for label in known if label["name"].casefold() == name.casefold()]), None)


def startWork(segmentationNode: Any) -> None:
    """Remember when the work on a segmentation began."""
    segmentationNode.SetAttribute(STARTED_ATTRIBUTE, time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()))


def startOfWork(segmentationNode: Any) -> Optional[str]:
    """Return when the work on a segmentation began, ISO 8601 in UTC; None when that is not known."""
    return segmentationNode.GetAttribute(STARTED_ATTRIBUTE) or None


def endWork(segmentationNode: Any) -> None:
    """Forget when the work began: it is done."""
    segmentationNode.SetAttribute(STARTED_ATTRIBUTE, None)
