"""A segmentation: the engine's labels become the segments of a proposal, one by one."""

from __future__ import annotations

from typing import Any, Dict, Generator, List

import slicer
from slicer.i18n import tr as _

from VQSegUI import LabelTable, Proposal
from VQSegUI.Job import Work
from VQSegUI.ScanJob import ANSWERED, ScanJob, toNumpy
from VQSegUI.Segments import isUntouched


class SegmentJob(ScanJob):
    """A segmentation under way; ``finished`` is emitted with the proposal node."""

    method = "segment"

    _proposalID = ""

    def _take(self, answer: Dict[str, Any]) -> Work:
        """Add one label per step; earlier proposals that nobody touched make way."""
        labels = answer["labels"]
        self.result = {key: value for key, value in answer.items() if key != "labels"}
        earlier = self._replaceable()
        proposalNode = Proposal.createProposal(self._volumeNode())
        self._proposalID = proposalNode.GetID()
        LabelTable.remember(proposalNode, labels, self.request.model)
        yield
        missing = []
        for number, label in enumerate(labels):
            if not (yield from self._addLabel(label)):
                missing.append(label["name"])
            fraction = ANSWERED + (number + 1) / len(labels) * (1 - ANSWERED)
            self._tell(fraction, _("Adding {name}").format(name=label["name"]), None)
            yield
        if missing:
            self.notes.append(_("Not found in this scan: {names}.").format(names=", ".join(missing)))
        for nodeID in earlier:
            yield from self._removeUnlessChanged(nodeID)
        Proposal.nameProposal(self._proposal(), self._volumeNode())

    def _addLabel(self, label: Dict[str, Any]) -> Generator[None, None, bool]:
        """Add a label to the proposal; returns False when it has no voxels."""
        if label.get("array") is None:
            return False
        yield from Proposal.addLabelSteps(self._proposal(), self._volumeNode(), label, toNumpy(label["array"]))
        return True

    def _proposal(self) -> Any:
        return slicer.mrmlScene.GetNodeByID(self._proposalID) if self._proposalID else None

    def _replaceable(self) -> List[str]:
        """Return the proposals that the new one takes the place of, as far as nobody touched them."""
        return [node.GetID() for node in Proposal.proposalsOf(self._volumeNode())]

    def _removeUnlessChanged(self, nodeID: str) -> Work:
        """Remove an earlier proposal unless a person edited, locked or added a segment of it; one per step."""
        node = slicer.mrmlScene.GetNodeByID(nodeID)
        for segmentID in Proposal.segmentIDs(node) if node is not None else []:
            if slicer.mrmlScene.GetNodeByID(nodeID) is not node:
                return  # the person removed it meanwhile
            if not isUntouched(node, segmentID):
                sentence = _("The earlier proposal '{name}' was edited, so it stays.")
                self.notes.append(sentence.format(name=node.GetName()))
                return
            yield
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)

    def _outcome(self) -> Any:
        return self._proposal()

    def _discard(self) -> None:
        if self._proposal() is not None:
            slicer.mrmlScene.RemoveNode(self._proposal())
