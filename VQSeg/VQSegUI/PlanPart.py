"""The part of the training section that says what a run would use and how long it would take, and starts it."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from slicer.i18n import tr as _

from VQSegUI.Annotator import annotatorParams
from VQSegUI.ChoiceBox import fillChoices, selectChoice
from VQSegUI.Engine import READY
from VQSegUI.EngineJob import EngineJob
from VQSegUI.JobButton import JobButton, JobSlot
from VQSegUI.PlanText import describePlan, describePreset, presetName
from VQSegUI.Problem import Problem

IN_USE, NOTHING = "", "none"
USUAL_PRESET = "standard"


class PlanPart:
    """Labels, choices and Start.

    Args:
        ui: Widgets of the section.
        logic: Knows the engine.
        project: The `ProjectState`.
        shelf: The `ModelShelf`.
        models: The models that Segment can choose.
        watch: The `RunWatch`.
        log: The panel's log.
    """

    def __init__(self, ui: Any, logic: Any, project: Any, shelf: Any, models: Any, watch: Any, log: Any) -> None:
        self._ui, self._engine, self._project, self._log = ui, logic.engine, project, log
        self._shelf, self._models, self._watch = shelf, models, watch
        self._slot = JobSlot()
        self._measure = JobButton(ui.measureButton, ui.measureProgressBar, ui.trainingStatusLabel, self._slot, log)
        self._plan: Dict[str, Any] = {}
        self._reply: Any = None
        self._isStarting = self._wasRunning = self._isOutdated = False
        self._path = ""
        self._connect()
        self.update()

    def update(self) -> None:
        """Offer what there is now, and ask what a run would use while the person can see it."""
        if self._project.path != self._path:
            self._path, self._plan = self._project.path, {}
            selectChoice(self._ui.parentComboBox, IN_USE)
        self._offerParents()
        self._ask()

    def release(self) -> None:
        """Take no answer any more, and hear of the models no longer."""
        self._reply = None
        self._measure.cancel()
        self._models.changed.disconnect(self.update)

    def _connect(self) -> None:
        ui = self._ui
        ui.trainingCollapsibleButton.contentsCollapsed.connect(lambda _collapsed: self._ask())
        ui.parentComboBox.currentIndexChanged.connect(lambda _row: self._ask())
        ui.settingsLineEdit.editingFinished.connect(self._ask)
        ui.measureButton.clicked.connect(self._onMeasure)
        ui.startRunButton.clicked.connect(self._onStart)
        self._measure.done.connect(self._onMeasured)
        self._slot.changed.connect(self._show)
        self._project.changed.connect(self.update)
        self._shelf.changed.connect(self.update)
        self._models.changed.connect(self.update)
        self._watch.changed.connect(self._onRunChanged)

    def _offerParents(self) -> None:
        """Offer the model in use, the project's other ones, those that Segment knows, and random weights."""
        box, inUse = self._ui.parentComboBox, self._shelf.inUse()
        chosen = _chosen(box)
        first = _("Model in use ({name})").format(name=inUse["name"]) if inUse else _("Model in use (none yet)")
        own = [(model["name"], model["id"]) for model in self._shelf.models if not model.get("problem")]
        other = [
            (model["name"] or model["path_name"], model["id"])
            for model in self._models.models
            if not model.get("problem") and model["id"] != self._project.path
        ]
        rows: List[Tuple[str, str]] = [(first, IN_USE), *own, *other, (_("Nothing (random weights)"), NOTHING)]
        fillChoices(box, rows)
        selectChoice(box, chosen if chosen in [row[1] for row in rows] else IN_USE)

    def _ask(self) -> None:
        """Ask what a run would use; one question at a time, since planning takes a moment in a large project."""
        canAsk = self._project.isOpen() and self._engine.state == READY and self._engine.can("runs/plan")
        isWanted = canAsk and not self._ui.trainingCollapsibleButton.collapsed and not self._watch.isRunning()
        self._isOutdated = isWanted and self._reply is not None
        if isWanted and self._reply is None:
            wish = self._wish()
            reply = self._reply = self._engine.request("runs/plan", wish)
            reply.succeeded.connect(lambda plan: self._onPlanned(reply, wish, plan))
            reply.failed.connect(lambda problem: self._onNotPlanned(reply, problem))
        self._show()

    def _onPlanned(self, reply: Any, wish: Dict[str, Any], plan: Dict[str, Any]) -> None:
        if reply is self._reply:
            self._reply = None
            if wish["project"] == self._project.path:
                self._take(plan)
            if self._isOutdated:
                self._ask()

    def _onNotPlanned(self, reply: Any, problem: Problem) -> None:
        if reply is self._reply:
            self._reply = None
            self._onFailed(problem)

    def _wish(self) -> Dict[str, Any]:
        """Return what a run is asked for, without its duration."""
        parent, settings = _chosen(self._ui.parentComboBox), self._ui.settingsLineEdit.text.split()
        wish: Dict[str, Any] = {"project": self._project.path}
        return {**wish, **({"parent": parent} if parent else {}), **({"settings": settings} if settings else {})}

    def _onMeasure(self) -> None:
        if self._measure.job is not None:
            self._measure.cancel()
            return
        self._measure.follow(EngineJob(self._engine, "runs/plan", {**self._wish(), "measure": True}).start())

    def _onMeasured(self, _job: Any, plan: Dict[str, Any]) -> None:
        self._measure.say("")
        self._take(plan)

    def _onStart(self) -> None:
        wish = {
            "preset": _chosen(self._ui.presetComboBox) or USUAL_PRESET,
            "promotes": self._ui.promotesCheckBox.checked,
        }
        self._isStarting = True
        self._say(_("Starting the run"))
        wish = {**self._wish(), **wish, **annotatorParams()}
        reply = self._engine.request("runs/start", wish)
        reply.succeeded.connect(lambda answer: self._onStarted(wish["project"], answer))
        reply.failed.connect(self._onNotStarted)

    def _onStarted(self, path: str, answer: Dict[str, Any]) -> None:
        self._isStarting = False
        if path != self._project.path:
            self._show()  # the run of another project is found when that one is opened
            return
        going = _("The run goes on in the background, also when Slicer is closed.")
        self._say(" ".join([going, *answer.get("notes", [])]))
        self._watch.follow(answer["run"])

    def _onNotStarted(self, problem: Problem) -> None:
        self._onFailed(problem)
        self._watch.look()  # perhaps because a run that somebody else started is under way

    def _onFailed(self, problem: Problem) -> None:
        self._isStarting = False
        self._log.add(problem.detail)
        self._say(str(problem))

    def _onRunChanged(self) -> None:
        isRunning = self._watch.isRunning()
        if self._wasRunning and not isRunning:
            self._ui.trainingStatusLabel.text = ""
            self._ask()  # what a run would use is different now
        self._wasRunning = isRunning
        self._show()

    def _take(self, plan: Dict[str, Any]) -> None:
        self._plan = plan
        box, chosen = self._ui.presetComboBox, _chosen(self._ui.presetComboBox) or USUAL_PRESET
        fillChoices(box, [(describePreset(preset), preset["name"]) for preset in plan.get("presets", [])])
        selectChoice(box, chosen)
        purposes = [f"{presetName(preset)}: {preset['purpose']}" for preset in plan.get("presets", [])]
        box.toolTip = "\n".join([_("How long the model learns."), *purposes])
        self._show()

    def _say(self, text: str) -> None:
        self._ui.trainingStatusLabel.text = text
        self._log.add(text)
        self._show()

    def _show(self) -> None:
        ui, plan = self._ui, self._plan if self._project.isOpen() else {}
        isRunning = self._watch.isRunning()
        reason = self._obstacle() or plan.get("problem") or ""
        isMeasured = all(preset.get("seconds") is not None for preset in plan.get("presets", []))
        ui.planFrame.setVisible(self._project.isOpen() and not isRunning)
        ui.startRunButton.setVisible(self._project.isOpen() and not isRunning)
        ui.startRunButton.enabled = bool(plan) and not reason and not self._isStarting and not self._slot.isTaken()
        hint = _("Train in the background on the labeled scans, with the unlabeled ones beside them.")
        ui.startRunButton.toolTip = reason or hint
        ui.planLabel.setVisible(not isRunning)
        ui.planLabel.text = reason or describePlan(plan)
        ui.measureButton.setVisible(self._measure.job is not None or not isMeasured)
        self._measure.update(reason, _("Take a few training steps to see how long a run lasts here; takes seconds."))

    def _obstacle(self) -> str:
        """Return why nothing can be planned at all, empty when it can."""
        if self._engine.state == READY and not self._engine.can("runs/plan"):
            return _("The engine is older than this module and cannot train; update the engine.")
        return "" if self._project.isOpen() else _("Open a project first; its labeled scans teach the model.")


def _chosen(comboBox: Any) -> str:
    return str(comboBox.itemData(comboBox.currentIndex) or "") if comboBox.currentIndex >= 0 else ""
