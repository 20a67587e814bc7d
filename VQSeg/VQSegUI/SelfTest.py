"""The self-test that Slicer's Self Tests module and the Reload and Test button run."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from VQSegUI import Proposal
from VQSegUI.Decisions import Decisions


class VQSegTest(ScriptedLoadableModuleTest):
    """Walks through a proposal without an engine; the tests with one are in the repository's Testing folder."""

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        self.test_acceptedSegmentHasTheProposedVoxels()

    def test_acceptedSegmentHasTheProposedVoxels(self) -> None:
        """A label that is proposed and accepted arrives voxel by voxel, and undo takes it back."""
        volumeNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Self-test scan")
        slicer.util.updateVolumeFromArray(volumeNode, np.zeros((8, 16, 24), dtype=np.int16))
        volumeNode.SetSpacing(1.0, 2.0, 3.0)
        label = {"value": 3, "name": "Cube", "color": [200, 100, 50], "extent_ijk": [4, 6, 5, 8, 1, 2]}
        proposal = Proposal.createProposal(volumeNode)
        Proposal.addLabel(proposal, volumeNode, label, np.ones((2, 4, 3), dtype=np.uint8))
        target = Proposal.createSegmentationLike(proposal, "Accepted")
        try:
            self._acceptAndUndo(volumeNode, proposal, target)
        finally:  # the scene may hold a person's work: it is neither closed before nor added to
            for node in (volumeNode, proposal, target):
                if node.GetScene() is not None:
                    slicer.mrmlScene.RemoveNode(node)
        self.delayDisplay("Test passed")

    def _acceptAndUndo(self, volumeNode: Any, proposal: Any, target: Any) -> None:
        decisions = Decisions()
        for _step in decisions.accept(proposal, Proposal.segmentIDs(proposal), target):
            pass
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(target, "Cube", volumeNode)
        self.assertEqual(voxels.sum(), 24)
        self.assertTrue(voxels[1:3, 5:9, 4:7].all())
        for _step in decisions.undo(volumeNode):
            pass
        self.assertEqual(Proposal.segmentIDs(target), [])
