"""The part of the review section that shows where the model is unsure and leads from place to place."""

from __future__ import annotations

from typing import Any, FrozenSet, List, Tuple

import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI import Uncertainty
from VQSegUI.ChoiceBox import fillChoices, selectChoice
from VQSegUI.JobButton import JobButton, JobSlot, logAnswer
from VQSegUI.Models import modelFile, usableModel
from VQSegUI.Problem import Problem
from VQSegUI.SliceViews import describeSlice, showVoxel
from VQSegUI.UnsurePlaces import UnsurePlace, readPlaces

OPACITY_KEY, USUAL_OPACITY = "VQSeg/OverlayOpacity", 50
REGIONS, SLICES = "regions", "slices"


class UnsurePart:
    """Button, overlay controls and table."""

    def __init__(self, ui: Any, logic: Any, store: Any, log: Any, slot: JobSlot, models: Any) -> None:
        self._ui, self._logic, self._store, self._log, self._slot, self._models = ui, logic, store, log, slot, models
        self._run = JobButton(ui.unsureButton, ui.reviewProgressBar, ui.reviewStatusLabel, slot, log)
        self._reviewed: FrozenSet[int] = frozenset()
        self._places: List[UnsurePlace] = []
        self._shownTable: Tuple[Any, ...] = ()
        self._wasAble = True
        measures = [(_("Entropy"), Uncertainty.ENTROPY), (_("Disagreement"), Uncertainty.DISAGREEMENT)]
        fillChoices(ui.measureComboBox, measures)
        fillChoices(ui.kindComboBox, [(_("Regions"), REGIONS), (_("Slices"), SLICES)])
        ui.opacitySlider.value = slicer.util.settingsValue(OPACITY_KEY, USUAL_OPACITY, converter=int)
        header = ui.unsureTable.horizontalHeader()
        for column in range(1, ui.unsureTable.columnCount):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        self._connect()

    def update(self) -> None:
        """Show what scene and parameters say now."""
        overlay = self._overlay()
        self._ui.unsureFrame.setVisible(overlay is not None)
        if overlay is not None:
            selectChoice(self._ui.measureComboBox, Uncertainty.measureOf(overlay))
        self._fillTable()
        self.updateButton()

    def updateButton(self) -> None:
        """Let the button be clicked when all it needs is there."""
        missing = ""
        if self._volume() is None:
            missing = _("Choose an input volume.")
        elif self._models.find(self._store.parameters.model) is None:
            missing = _("The models are listed when the engine is ready.")
        self._run.update(missing, _("Map where the chosen model is unsure in the input volume."))
        isAble = self._logic.engine.can("uncertainty")
        self._ui.unsureButton.setVisible(isAble)
        if not isAble and self._wasAble:
            self._run.say(_("The engine is older than this module and can neither show where it is unsure nor refine."))
        self._wasAble = isAble

    def showReviewed(self, slices: FrozenSet[int]) -> None:
        """Tick the places whose slice is reviewed."""
        if slices != self._reviewed:
            self._reviewed = slices
            for row, place in enumerate(self._places):
                self._ui.unsureTable.item(row, 3).setText(self._tick(place))

    def step(self, direction: int) -> None:
        """Go to the next place (1) or the one before (-1)."""
        table = self._ui.unsureTable
        if self._places:
            start = table.currentRow() if table.currentRow() >= 0 else -max(0, direction)
            self._goTo((start + direction) % len(self._places))

    def cancel(self) -> None:
        """Stop the work under way, if any."""
        self._run.cancel()

    def _connect(self) -> None:
        ui = self._ui
        ui.unsureButton.clicked.connect(self._onClicked)
        ui.measureComboBox.currentIndexChanged.connect(self._onMeasureChosen)
        ui.kindComboBox.currentIndexChanged.connect(lambda _row: self._fillTable())
        ui.opacitySlider.valueChanged.connect(self._onOpacity)
        ui.removeOverlayButton.clicked.connect(self._onRemove)
        ui.unsureTable.cellClicked.connect(lambda row, _column: self._goTo(row))
        ui.nextButton.clicked.connect(lambda: self.step(1))
        ui.previousButton.clicked.connect(lambda: self.step(-1))
        self._run.done.connect(self._onDone)

    def _onClicked(self) -> None:
        if self._run.job is not None:
            self._run.cancel()
            return
        parameters = self._store.parameters
        roiNode = slicer.mrmlScene.GetNodeByID(parameters.roiNodeID) if parameters.roiNodeID else None
        try:
            model = usableModel(self._models.find(parameters.model))
            job = self._logic.findUnsure(self._volume(), modelFile(model), parameters.device, roiNode)
        except Problem as problem:
            self._run.showProblem(problem)
            return
        self._log.add(_("Find where model '{name}' is unsure").format(name=model["name"]))
        self._run.follow(job)

    def _onDone(self, job: Any, overlay: Any) -> None:
        logAnswer(self._log, _("Mapped"), job.result)
        self._store.update(overlayNodeID=overlay.GetID() if overlay is not None else None)
        self._show(overlay)
        kind = SLICES if not any(not place.isSlice for place in readPlaces(overlay)) else REGIONS
        selectChoice(self._ui.kindComboBox, kind)
        self.update()
        done = _("The overlay shows where the model is unsure; click a row, or Next.") if overlay is not None else ""
        self._run.say(" ".join([done, *job.notes]).strip())

    def _onMeasureChosen(self, _row: int) -> None:
        measure = self._ui.measureComboBox.itemData(self._ui.measureComboBox.currentIndex)
        wanted = [each for each in self._overlays() if Uncertainty.measureOf(each) == measure]
        if wanted:
            self._store.update(overlayNodeID=wanted[0].GetID())
            self._show(wanted[0])
        elif self._overlay() is not None:
            selectChoice(self._ui.measureComboBox, Uncertainty.measureOf(self._overlay()))
            self._run.say(_("This model has no quantized codes that could disagree, so there is only the entropy."))

    def _onOpacity(self, value: int) -> None:
        slicer.app.settings().setValue(OPACITY_KEY, value)
        self._show(self._overlay())

    def _onRemove(self) -> None:
        Uncertainty.removeOverlays(self._volume())
        self._store.update(overlayNodeID=None)
        self.update()
        self._run.say(_("The overlay was removed."))

    def _show(self, overlay: Any) -> None:
        if overlay is not None:
            Uncertainty.showOverlay(overlay, self._ui.opacitySlider.value / 100.0)

    def _fillTable(self) -> None:
        """List the places, unless they are listed already: the person stands at one of them."""
        overlay, volumeNode, table = self._overlay(), self._volume(), self._ui.unsureTable
        wantsSlices = self._ui.kindComboBox.itemData(self._ui.kindComboBox.currentIndex) == SLICES
        shown = (overlay.GetID() if overlay is not None else "", wantsSlices)
        if shown == self._shownTable:
            return
        self._shownTable = shown
        places = [place for place in readPlaces(overlay) if place.isSlice == wantsSlices]
        self._places = places if volumeNode is not None else []
        table.setRowCount(len(self._places))
        for row, place in enumerate(self._places):
            where = _("Whole slice") if place.isSlice else place.name or _("Background")
            texts = [where, f"{place.percent} %", describeSlice(volumeNode, place.ijk), self._tick(place)]
            for column, text in enumerate(texts):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        self._ui.nextButton.enabled = self._ui.previousButton.enabled = bool(self._places)

    def _goTo(self, row: int) -> None:
        if self._volume() is not None and row < len(self._places):
            self._ui.unsureTable.selectRow(row)
            showVoxel(self._volume(), self._places[row].ijk)

    def _tick(self, place: UnsurePlace) -> str:
        return "✓" if place.ijk[2] in self._reviewed else ""

    def _volume(self) -> Any:
        return _node(self._store.parameters.inputVolumeID)

    def _overlay(self) -> Any:
        overlay = _node(self._store.parameters.overlayNodeID)
        return overlay if overlay in self._overlays() else None

    def _overlays(self) -> List[Any]:
        return Uncertainty.overlaysOf(self._volume()) if self._volume() is not None else []


def _node(nodeID: Any) -> Any:
    return slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None
