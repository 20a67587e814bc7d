"""The part of the project section that says whose scan is stored, so that all scans of a patient stay on one side."""

from __future__ import annotations

from typing import Any, List, Tuple

import slicer
from slicer.i18n import tr as _

from VQSegUI.CaseNodes import caseOf
from VQSegUI.ChoiceBox import fillChoices, selectChoice


class PatientPart:
    """Choice between a patient who is new to the project and those whose other scans are open."""

    def __init__(self, ui: Any) -> None:
        self._box = ui.patientComboBox
        self._shown: Tuple[Any, ...] = ("", "", [])

    def show(self, volumeNode: Any, project: str) -> None:
        """Offer what there is for a scan, None: there is none; what was chosen for this scan stays if it can."""
        known = caseOf(volumeNode, project) if volumeNode is not None and project else ""
        others = _otherCases(volumeNode, project) if volumeNode is not None and project and not known else []
        shown = (
            volumeNode.GetID() if volumeNode is not None else "",
            known,
            [(each.GetName(), caseOf(each, project)) for each in others],
        )
        if shown == self._shown:
            return
        isSame, chosen, self._shown = shown[:2] == self._shown[:2], self.chosen(), shown
        first = _("The patient of '{case}'").format(case=known) if known else _("New to the project")
        same = _("The patient of '{name}' ({case})")
        rows = [(same.format(name=name, case=case), case) for name, case in shown[2]]
        fillChoices(self._box, [(first, ""), *rows])
        patient = _patientItem(volumeNode) if others else 0
        own = [caseOf(each, project) for each in others if patient and _patientItem(each) == patient]
        isKept = isSame and chosen in [case for _name, case in shown[2]]
        selectChoice(self._box, chosen if isKept else own[0] if own else "")
        self._box.enabled = volumeNode is not None and not known

    def chosen(self) -> str:
        """Return an earlier case of the same patient, empty when there is none."""
        return str(self._box.itemData(self._box.currentIndex) or "")


def _otherCases(volumeNode: Any, project: str) -> List[Any]:
    """Return the other scans in the scene that are cases of the project."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if node is not volumeNode and caseOf(node, project)]


def _patientItem(volumeNode: Any) -> int:
    """Return the patient of a scan in Slicer's subject hierarchy, as DICOM files have it; 0: none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(volumeNode)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    return int(hierarchy.GetItemAncestorAtLevel(item, level)) if item else 0
