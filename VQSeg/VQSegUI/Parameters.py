"""The panel's parameters: a plain dataclass, and the parameter node that the scene saves and restores."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Optional

MODULE_NAME = "VQSeg"
NODE_CLASS = "vtkMRMLScriptedModuleNode"


@dataclass
class Parameters:
    """What the panel remembers; node fields hold MRML node IDs, which the scene keeps right on import.

    Attributes:
        model: ``id`` of the chosen model; empty: the first in the list.
        device: ``id`` of the chosen device; empty: the engine decides.
        inputVolumeID: Scan to segment.
        roiNodeID: Markups ROI that limits the segmentation; None: the whole scan.
        proposalNodeID: Proposal that waits to be accepted or rejected.
        segmentationNodeID: Segmentation that accepted segments go to.
        reviewedNodeID: Segmentation or proposal that is reviewed and corrected.
        overlayNodeID: Uncertainty overlay that is shown.
    """

    model: str = ""
    device: str = ""
    inputVolumeID: Optional[str] = None
    roiNodeID: Optional[str] = None
    proposalNodeID: Optional[str] = None
    segmentationNodeID: Optional[str] = None
    reviewedNodeID: Optional[str] = None
    overlayNodeID: Optional[str] = None


def parameterNode(scene: Any) -> Any:
    """Return the scene's parameter node of this module; it is made when there is none."""
    node = scene.GetSingletonNode(MODULE_NAME, NODE_CLASS)
    if node is None:
        node = scene.CreateNodeByClass(NODE_CLASS)
        node.UnRegister(None)  # CreateNodeByClass hands over a reference that Python would never release
        node.SetSingletonTag(MODULE_NAME)
        node.SetName(MODULE_NAME)
        node = scene.AddNode(node)
    if node.GetModuleName() != MODULE_NAME:
        node.SetModuleName(MODULE_NAME)  # closing the scene keeps singletons but resets what they hold
    return node


def readParameters(node: Any) -> Parameters:
    """Return what a parameter node holds; references to nodes that are gone are None."""
    values = {}
    for field in fields(Parameters):
        role = _role(field.name)
        values[field.name] = _referenced(node, role) if role else node.GetParameter(field.name)
    return Parameters(**values)


def writeParameters(node: Any, parameters: Parameters) -> None:
    """Store parameters in a parameter node; observers hear of it once."""
    wasModifying = node.StartModify()
    for field in fields(Parameters):
        role, value = _role(field.name), getattr(parameters, field.name)
        if role:
            node.SetNodeReferenceID(role, value)
        else:
            node.SetParameter(field.name, value)
    node.EndModify(wasModifying)


def _role(fieldName: str) -> str:
    """Return the node reference role of a node field, for example ``InputVolume``; empty for plain values."""
    name = fieldName[: -len("ID")].replace("Node", "") if fieldName.endswith("ID") else ""
    return name[:1].upper() + name[1:]


def _referenced(node: Any, role: str) -> Optional[str]:
    referenced = node.GetNodeReference(role)
    return referenced.GetID() if referenced is not None else None
