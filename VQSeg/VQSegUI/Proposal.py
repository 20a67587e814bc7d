"""A proposal: what the engine found in a scan, in a segmentation of its own beside the scan, until a person decides."""

from __future__ import annotations

from typing import Any, Generator, Iterable, List

import slicer
from slicer.i18n import tr as _

from VQSegUI import SceneBridge, SegmentBridge
from VQSegUI.CaseNodes import startWork
from VQSegUI.Segments import Label, makeSegment, stampSegmentSteps
from VQSegUI.Steps import finish

PROPOSAL_ATTRIBUTE = "VQSeg.Proposal"


def createProposal(volumeNode: Any) -> Any:
    """Return a new, empty proposal for a volume: reference geometry, transform and subject hierarchy are set."""
    node = createSegmentation(_proposalName(volumeNode), beside=volumeNode)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.SetAttribute(PROPOSAL_ATTRIBUTE, "1")
    startWork(node)
    return node


def nameProposal(proposalNode: Any, volumeNode: Any) -> None:
    """Give a proposal the plain name when the one it replaced is gone."""
    name = _proposalName(volumeNode)
    if slicer.mrmlScene.GetFirstNodeByName(name) is None:
        proposalNode.SetName(name)


def createSegmentationLike(segmentationNode: Any, name: str) -> Any:
    """Return a new, empty segmentation of the same scan; works also when the scan was deleted."""
    node = createSegmentation(name, beside=segmentationNode)
    node.GetSegmentation().CopyConversionParameters(segmentationNode.GetSegmentation())
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    node.SetNodeReferenceID(role, segmentationNode.GetNodeReferenceID(role))
    return node


def createSegmentation(name: str, beside: Any) -> Any:
    """Return a new, empty segmentation in the place and folder of another node."""
    scene = beside.GetScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    SceneBridge.placeBeside(node, beside)
    return node


def addLabelSteps(
    proposalNode: Any, volumeNode: Any, label: Label, array: Any, drawn: Iterable[int] = ()
) -> Generator[None, None, str]:
    """Add one label of the engine's answer as a segment, in steps that take milliseconds; returns the segment's ID.

    Args:
        array: ``(K, J, I)`` of 0 and 1 in the label's ``extent_ijk``.
        drawn: Slices that are a person's work.
    """
    labelmap = SegmentBridge.makeLabelmap(array, label["extent_ijk"], volumeNode)
    yield
    segmentation = proposalNode.GetSegmentation()
    segmentID = segmentation.GenerateUniqueSegmentID(label["name"])
    segmentation.AddSegment(makeSegment(label, labelmap), segmentID)
    yield
    yield from stampSegmentSteps(proposalNode, segmentID, drawn)
    return segmentID


def addLabel(proposalNode: Any, volumeNode: Any, label: Label, array: Any, drawn: Iterable[int] = ()) -> str:
    """Add one label as a segment at once and return its ID; as `addLabelSteps`."""
    return finish(addLabelSteps(proposalNode, volumeNode, label, array, drawn))


def isProposal(node: Any) -> bool:
    """Return whether a node is a proposal that waits for a decision."""
    return node is not None and node.GetAttribute(PROPOSAL_ATTRIBUTE) == "1"


def proposalsOf(volumeNode: Any) -> List[Any]:
    """Return the proposals that wait for a decision about a volume."""
    return [node for node in _drawnOn(volumeNode) if isProposal(node)]


def segmentationsOf(volumeNode: Any) -> List[Any]:
    """Return the segmentations of a volume that are no proposals."""
    return [node for node in _drawnOn(volumeNode) if not isProposal(node)]


def segmentIDs(segmentationNode: Any) -> List[str]:
    """Return the IDs of a segmentation's segments in their order."""
    segmentation = segmentationNode.GetSegmentation()
    return [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]


def _drawnOn(volumeNode: Any) -> List[Any]:
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [node for node in nodes if SegmentBridge.referenceVolume(node) is volumeNode]


def _proposalName(volumeNode: Any) -> str:
    return _("{volume} proposal").format(volume=volumeNode.GetName())
