"""Which label value each structure of a segmentation has, whatever is renamed, reordered, deleted or drawn again.

The table lies in the segmentation node, so scene files keep it. It holds the engine's labels, also those that were not
found, and gets a new value for every structure that a person adds.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List

from slicer.i18n import tr as _

from VQSegUI.CaseNodes import STARTED_ATTRIBUTE, startOfWork
from VQSegUI.Problem import Problem
from VQSegUI.Proposal import segmentIDs
from VQSegUI.Segments import Label, describeSegment, labelName

TABLE_ATTRIBUTE = "VQSeg.Labels"
MODEL_ATTRIBUTE = "VQSeg.Model"
LARGEST_VALUE = 255
LABEL_KEYS = ("value", "name", "color", "category", "type", "modifier")


def remember(segmentationNode: Any, labels: Iterable[Label], model: str) -> None:
    """Store the engine's labels, and the model that knows them, in a new proposal."""
    _write(segmentationNode, [{key: label.get(key) for key in LABEL_KEYS} for label in labels])
    segmentationNode.SetAttribute(MODEL_ATTRIBUTE, model)


def inherit(segmentationNode: Any, proposalNode: Any) -> None:
    """Add labels, model and start of a proposal to the segmentation it is accepted into; values given earlier stay."""
    table = readTable(segmentationNode)
    for label in readTable(proposalNode):
        if label["name"] not in [known["name"] for known in table]:
            table.append({**label, "value": _freeValue(table, label["value"])})
    _write(segmentationNode, table)
    model = proposalNode.GetAttribute(MODEL_ATTRIBUTE)
    if model:
        segmentationNode.SetAttribute(MODEL_ATTRIBUTE, model)
    if startOfWork(segmentationNode) is None:
        segmentationNode.SetAttribute(STARTED_ATTRIBUTE, startOfWork(proposalNode))


def modelOf(segmentationNode: Any) -> str:
    """Return the model that a segmentation came from, empty when no engine made it."""
    return segmentationNode.GetAttribute(MODEL_ATTRIBUTE) or ""


def readTable(segmentationNode: Any) -> List[Label]:
    """Return the labels a segmentation knows."""
    return json.loads(segmentationNode.GetAttribute(TABLE_ATTRIBUTE) or "[]")


def structures(segmentationNode: Any) -> Dict[str, str]:
    """Return which structure every segment stands for by its ID: the engine's name for it, else its own.

    A copy of a segment is a structure of its own under its own name.

    Raises:
        Problem: Two segments stand for one structure.
    """
    names: Dict[str, str] = {}
    for segmentID in segmentIDs(segmentationNode):
        segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
        name = labelName(segment)
        names[segmentID] = name if name and name not in names.values() else segment.GetName()
    doubled = [name for name in names.values() if list(names.values()).count(name) > 1]
    if doubled:
        raise Problem(_("Two segments are called '{name}'; rename or remove one.").format(name=doubled[0]))
    return names


def segmentValues(segmentationNode: Any) -> Dict[str, int]:
    """Return the label value of every segment by its ID; structures that have none get one that they keep.

    Raises:
        Problem: Two segments stand for one structure, or no value is left.
    """
    table, names = readTable(segmentationNode), structures(segmentationNode)
    for segmentID, name in names.items():
        if name not in [label["name"] for label in table]:
            look = describeSegment(segmentationNode.GetSegmentation().GetSegment(segmentID))
            table.append({**look, "name": name, "value": _freeValue(table, 1)})
    _write(segmentationNode, table)
    return {each: next(label["value"] for label in table if label["name"] == name) for each, name in names.items()}


def describedTable(segmentationNode: Any) -> List[Label]:
    """Return all labels, those of segments with name and color as the person sees them, in the order of their values.

    Raises:
        Problem: Two labels have one name, or as `segmentValues`.
    """
    segmentation = segmentationNode.GetSegmentation()
    values = segmentValues(segmentationNode)
    shown = {value: describeSegment(segmentation.GetSegment(each)) for each, value in values.items()}
    table = [{**label, **shown.get(label["value"], {})} for label in readTable(segmentationNode)]
    names = [label["name"] for label in table]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        sentence = _("A segment is called '{name}' like another structure of the model; rename it.")
        raise Problem(sentence.format(name=doubled[0]))
    return sorted(table, key=lambda label: label["value"])


def _freeValue(table: List[Label], wanted: int) -> int:
    taken = {label["value"] for label in table}
    free = [value for value in (wanted, *range(1, LARGEST_VALUE + 1)) if value not in taken]
    if not free:
        raise Problem(_("A label map holds at most {count} structures; remove some.").format(count=LARGEST_VALUE))
    return free[0]


def _write(segmentationNode: Any, table: List[Label]) -> None:
    text = json.dumps(table, sort_keys=True)
    if segmentationNode.GetAttribute(TABLE_ATTRIBUTE) != text:
        segmentationNode.SetAttribute(TABLE_ATTRIBUTE, text)
