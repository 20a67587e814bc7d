"""The part of the training section that shows a run, with its curves, and lets a person pause, resume and stop it."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

import slicer
from slicer.i18n import tr as _

from VQSegUI.ChoiceBox import fillChoices, selectChoice
from VQSegUI.CurvePlot import DICE, LOSSES, Color, CurvePlot
from VQSegUI.Duration import describeDuration
from VQSegUI.Problem import Problem
from VQSegUI.RunEvents import COMMITMENT, MEAN_DICE

RESUMABLE = ("paused", "interrupted", "failed")
TOTAL_LOSS = "loss/total"
DARK = (0.1, 0.1, 0.1)


class RunPart:
    """What is known about the run, and its buttons.

    Args:
        ui: Widgets of the section.
        logic: Knows the engine.
        project: The `ProjectState`.
        watch: The `RunWatch`.
        log: The panel's log.
        confirm: Asks a yes-or-no question; None takes Slicer's dialog.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        project: Any,
        watch: Any,
        log: Any,
        confirm: Optional[Callable[[str], bool]] = None,
    ) -> None:
        self._ui, self._engine, self._project, self._watch, self._log = ui, logic.engine, project, watch, log
        self._confirm = confirm or _confirmWithSlicer
        self._plot = CurvePlot(slicer.mrmlScene)
        self._isAsking, self._told = False, ""
        fillChoices(ui.curvesComboBox, [(_("Losses"), LOSSES), (_("Validation Dice"), DICE)])
        selectChoice(ui.curvesComboBox, LOSSES)
        self._connect()
        self.update()

    def update(self) -> None:
        """Show what is known about the run now."""
        ui, run = self._ui, self._watch.run
        ui.runFrame.setVisible(run is not None)
        if run is None:
            self._removeCurves()
            return
        state, steps = run["state"], max(1, run["steps"])
        ui.runLabel.text = self._describe(run)
        ui.runProgressBar.setVisible(state not in ("finished", "stopped"))
        ui.runProgressBar.value = round(100 * run["step"] / steps)
        canAsk = self._watch.isConnected() and not self._isAsking
        ui.pauseRunButton.text = _("Resume") if state in RESUMABLE else _("Pause")
        ui.pauseRunButton.setVisible(self._watch.isRunning() or state in RESUMABLE)
        ui.stopRunButton.setVisible(self._watch.isRunning() or state in RESUMABLE)
        ui.pauseRunButton.enabled = ui.stopRunButton.enabled = canAsk
        self._tell(run)

    def forgetScene(self) -> None:
        """The scene is closed, and the curves with it."""
        self._plot.forgetScene()
        self._ui.curvesButton.checked = False

    def release(self) -> None:
        """Take the curves out of the scene; the run goes on."""
        self._removeCurves()

    def _connect(self) -> None:
        ui = self._ui
        ui.pauseRunButton.clicked.connect(self._onPauseOrResume)
        ui.stopRunButton.clicked.connect(self._onStop)
        ui.curvesButton.toggled.connect(self._onCurvesToggled)
        ui.curvesComboBox.currentIndexChanged.connect(lambda _row: self._showCurves())
        self._watch.changed.connect(self.update)
        self._watch.moved.connect(self._onMoved)

    def _onPauseOrResume(self) -> None:
        isRunning = self._watch.isRunning()
        self._ask("runs/stop" if isRunning else "runs/resume", {"for_good": False} if isRunning else {})

    def _onStop(self) -> None:
        text = _("Stop this run for good? What it has learnt so far is lost; to go on later, pause it instead.")
        if self._confirm(text):
            self._ask("runs/stop", {"for_good": True})

    def _ask(self, method: str, params: Dict[str, Any]) -> None:
        self._isAsking = True
        self.update()
        named = {"project": self._project.path, "run": self._watch.run["run_id"]}
        reply = self._engine.request(method, {**named, **params})
        reply.succeeded.connect(lambda answer: self._onAnswer(answer, params))
        reply.failed.connect(self._onFailed)

    def _onAnswer(self, answer: Dict[str, Any], asked: Dict[str, Any]) -> None:
        self._isAsking = False
        if self._watch.run is not None and self._watch.run["run_id"] == answer["run"]["run_id"]:
            self._watch.follow(answer["run"])
        if "for_good" in asked and self._watch.isRunning():
            stops = _("The run stops for good as soon as the step under way is done.")
            pauses = _("The run pauses as soon as the step under way is done and saved.")
            self._ui.trainingStatusLabel.text = stops if asked["for_good"] else pauses
        self.update()

    def _onFailed(self, problem: Problem) -> None:
        self._isAsking = False
        self._log.add(problem.detail)
        self._ui.trainingStatusLabel.text = str(problem)
        self._log.add(str(problem))
        self._watch.look()  # it may have ended meanwhile
        self.update()

    def _onMoved(self) -> None:
        self._updateCurves()
        self.update()

    def _onCurvesToggled(self, isChecked: bool) -> None:
        if isChecked:
            self._updateCurves()
            self._showCurves()
        else:
            self._removeCurves()

    def _showCurves(self) -> None:
        if self._ui.curvesButton.checked:
            self._plot.show(self._ui.curvesComboBox.itemData(self._ui.curvesComboBox.currentIndex))

    def _updateCurves(self) -> None:
        if self._ui.curvesButton.checked and self._watch.run is not None:
            name, events = self._watch.run["spec"]["name"], self._watch.events
            self._plot.update(LOSSES, _("Losses of '{name}'").format(name=name), events.losses, _lossLooks())
            title = _("Validation Dice of '{name}'").format(name=name)
            self._plot.update(DICE, title, events.dice, self._diceLooks())

    def _removeCurves(self) -> None:
        self._plot.remove()
        self._ui.curvesButton.checked = False

    def _diceLooks(self) -> Dict[str, Tuple[str, Color]]:
        """Return the structures in their own colors, and the mean."""
        labels = (self._project.information.get("labels") or {}).get("labels", [])
        looks = {each["name"]: (each["name"], tuple(part / 255.0 for part in each["color"])) for each in labels}
        return {**looks, MEAN_DICE: (_("Mean"), DARK)}

    def _describe(self, run: Dict[str, Any]) -> str:
        parts = [f"'{run['spec']['name']}':", _sentence(run["stage"])]
        if self._watch.isRunning():
            left = run.get("seconds_left")
            done = _("Step {step} of {steps}").format(step=run["step"], steps=run["steps"])
            parts.append(done + (_(", about {left} left").format(left=describeDuration(left)) if left else "") + ".")
        dice, loss = self._watch.events.dice.last(MEAN_DICE), self._watch.events.losses.last(TOTAL_LOSS)
        if loss is not None:
            parts.append(_("Loss {loss:.3f}.").format(loss=loss))
        if dice is not None:
            parts.append(_("Validation Dice {dice:.3f}.").format(dice=dice))
        if not self._watch.isConnected():
            parts.append(_("The engine is not running; the run goes on by itself and is found again with the engine."))
        return " ".join(parts)

    def _tell(self, run: Dict[str, Any]) -> None:
        """Write every new stage into the log, once."""
        told = f"{run['run_id']} {run['state']} {run['stage']}"
        if told != self._told:
            self._told = told
            self._log.add(_("Run '{name}': {stage}").format(name=run["spec"]["name"], stage=run["stage"]))


def _sentence(stage: str) -> str:
    return stage if not stage or stage.endswith(".") else stage + "."


def _lossLooks() -> Dict[str, Tuple[str, Color]]:
    return {
        TOTAL_LOSS: (_("Total"), DARK),
        "loss/supervised": (_("Supervised"), (0.12, 0.47, 0.71)),
        "loss/consistency": (_("Consistency"), (1.0, 0.5, 0.05)),
        "loss/reconstruction": (_("Reconstruction"), (0.17, 0.63, 0.17)),
        "loss/alignment": (_("Alignment"), (0.84, 0.15, 0.16)),
        COMMITMENT: (_("Commitment"), (0.58, 0.4, 0.74)),
    }


def _confirmWithSlicer(text: str) -> bool:
    return bool(slicer.util.confirmOkCancelDisplay(text, windowTitle=_("VQSeg training")))
