"""Training from the panel, with a worker that only says that it trains: what a person sees and clicks."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import qt
import slicer
from fake_runs import LONG_STEPS, STEPS

from VQSegUI.CurvePlot import NODE_ATTRIBUTE
from VQSegUI.RunWatch import RunWatch

PROJECT = "/data/Köpfe mit model"


@pytest.fixture(autouse=True)
def quick_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask about a run fifty times a second."""
    monkeypatch.setattr("VQSegUI.RunWatch.POLL_MILLISECONDS", 20)


@pytest.fixture
def open_project(panel: Any, wait_until: Any) -> Any:
    """Open a project in a new panel."""

    def open_panel(*options: str, **environment: str) -> Any:
        opened = panel(*options, **environment)
        opened.widget.enter()
        opened.trainingCollapsibleButton.collapsed = False
        wait_until(lambda: opened.engine.state == "ready")
        opened.widget.project.open(PROJECT)
        wait_until(opened.widget.project.isOpen)
        wait_until(lambda: "Looking" not in opened.planLabel.text)
        return opened

    return open_panel


def start(opened: Any, wait_until: Any) -> None:
    wait_until(lambda: opened.startRunButton.enabled)
    opened.startRunButton.click()
    wait_until(lambda: opened.widget._watch.run is not None)


def let_pass(wait_until: Any, milliseconds: int) -> None:
    clock = qt.QElapsedTimer()
    clock.start()
    wait_until(lambda: clock.elapsed() > milliseconds)


def log(opened: Any) -> str:
    return opened.logText.toPlainText()


def curve(kind: str, column: str) -> list[float]:
    """Return a curve as the scene has it."""
    (node,) = [
        each for each in slicer.util.getNodesByClass("vtkMRMLTableNode") if each.GetAttribute(NODE_ATTRIBUTE) == kind
    ]
    values = node.GetTable().GetColumnByName(column)
    return [values.GetValue(row) for row in range(values.GetNumberOfTuples())] if values is not None else []


def ours(class_name: str) -> list[Any]:
    return [node for node in slicer.util.getNodesByClass(class_name) if node.GetAttribute(NODE_ATTRIBUTE)]


def layout() -> int:
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement()


def test_what_a_run_would_use_is_said_before_it_starts(open_project: Any) -> None:
    opened = open_project()

    for words in ("8 labeled", "12 unlabeled", "2 labeled scans are held out", "Method: vqseg"):
        assert words in opened.planLabel.text
    assert opened.parentComboBox.currentText == "Model in use (weak)"
    assert opened.presetComboBox.currentText == "Standard: 1000 steps"
    assert opened.measureButton.isVisible()
    assert opened.startRunButton.enabled


def test_the_time_is_measured_on_request(open_project: Any, wait_until: Any) -> None:
    opened = open_project()
    opened.measureButton.click()
    wait_until(lambda: "about" in opened.presetComboBox.currentText)

    assert opened.presetComboBox.currentText == "Standard: 1000 steps, about 7 min"
    assert not opened.measureButton.isVisible()
    assert "Standard: after a few new scans" in opened.presetComboBox.toolTip
    assert opened.trainingStatusLabel.text == ""


@pytest.mark.parametrize(
    ("options", "settings", "parent", "sentence"),
    [
        (["--no-labels"], "", "", "no labeled case"),
        ([], "nonsense=1", "", "no setting 'nonsense'"),
        ([], "", "fake", "knows other structures"),
    ],
)
def test_one_sentence_says_why_a_run_cannot_start(
    open_project: Any, wait_until: Any, options: list[str], settings: str, parent: str, sentence: str
) -> None:
    opened = open_project(*options)
    opened.settingsLineEdit.text = settings
    opened.settingsLineEdit.editingFinished.emit()
    wait_until(lambda: opened.parentComboBox.findData("fake") >= 0)
    opened.parentComboBox.setCurrentIndex(opened.parentComboBox.findData(parent))
    wait_until(lambda: sentence in opened.planLabel.text)

    assert not opened.startRunButton.enabled
    assert sentence in opened.startRunButton.toolTip


def test_a_run_is_started_with_what_the_person_chose(open_project: Any, wait_until: Any) -> None:
    opened = open_project("--frozen")
    opened.presetComboBox.setCurrentIndex(opened.presetComboBox.findData("quick"))
    opened.promotesCheckBox.checked = False
    opened.parentComboBox.setCurrentIndex(opened.parentComboBox.findData("none"))
    start(opened, wait_until)

    spec = opened.widget._watch.run["spec"]
    assert (spec["preset"], spec["promotes"], spec["parent"]) == ("quick", False, "none")
    assert not opened.startRunButton.isVisible()
    assert opened.pauseRunButton.isVisible()


def test_the_curves_move_while_the_run_goes_on(open_project: Any, wait_until: Any) -> None:
    opened = open_project()
    before = layout()
    start(opened, wait_until)
    opened.curvesButton.click()
    wait_until(lambda: len(curve("losses", "loss/total")) >= 20)
    seen = len(curve("losses", "Step"))
    assert layout() != before
    wait_until(lambda: len(curve("losses", "Step")) > seen)
    opened.curvesComboBox.setCurrentIndex(1)
    wait_until(lambda: opened.widget._watch.run["state"] == "finished")

    assert curve("losses", "Step") == list(range(1, STEPS + 1))
    assert curve("dice", "dice") == [1 - 8 / (step + 10) for step in range(20, STEPS + 1, 20)]
    legends = {node.GetName() for node in ours("vtkMRMLPlotSeriesNode")}
    assert legends == {"Total", "Supervised", "Consistency", "Mean", "Dense", "Airy"}
    shown = slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID()
    assert slicer.mrmlScene.GetNodeByID(shown).GetTitle() == "Validation Dice of 'weak 2'"
    opened.curvesButton.click()
    assert layout() == before
    assert not ours("vtkMRMLTableNode")
    assert not ours("vtkMRMLPlotChartNode")
    assert not ours("vtkMRMLPlotSeriesNode")


def test_the_run_is_described_in_words_and_each_stage_is_logged_once(open_project: Any, wait_until: Any) -> None:
    opened = open_project()
    start(opened, wait_until)
    wait_until(lambda: "about 20 s left" in opened.runLabel.text)
    assert "'weak 2': Training. Step 50 of 100" in opened.runLabel.text
    assert "Loss 0.283. Validation Dice 0.840." in opened.runLabel.text
    assert opened.runProgressBar.value == 50
    wait_until(lambda: "not worse by the rule" in opened.runLabel.text)

    assert log(opened).count("Run 'weak 2': Training") == 1
    assert not opened.runProgressBar.isVisible()
    assert not opened.pauseRunButton.isVisible()
    wait_until(lambda: opened.startRunButton.enabled)
    wait_until(lambda: opened.parentComboBox.currentText == "Model in use (weak 2)")


def test_the_log_of_the_run_is_fetched_while_somebody_looks_at_it(open_project: Any, wait_until: Any) -> None:
    opened = open_project()
    start(opened, wait_until)
    wait_until(lambda: opened.widget._watch.events.next >= 20)
    assert opened.runLogText.toPlainText() == ""
    assert opened.runLogText.readOnly
    opened.runLogCollapsibleButton.collapsed = False
    wait_until(lambda: "Step 60" in opened.runLogText.toPlainText())
    assert opened.runLogText.toPlainText().startswith("Preparing the scans\nStep 1\n")
    bar = opened.runLogText.verticalScrollBar()
    assert bar.value == bar.maximum > 0
    bar.value = 3
    wait_until(lambda: opened.widget._watch.run["state"] == "finished")

    assert opened.runLogText.toPlainText().endswith(f"Step {STEPS}")  # what it wrote last is seen, too
    assert bar.value == 3  # who scrolled up stays there
    opened.widget.project.close()
    assert opened.runLogText.toPlainText() == ""


def test_the_log_of_a_run_that_is_over_is_read_on_request_and_is_bounded(open_project: Any, wait_until: Any) -> None:
    opened = open_project("--long")
    start(opened, wait_until)
    wait_until(lambda: opened.widget._watch.run["state"] == "finished")
    opened.runLogCollapsibleButton.collapsed = False
    wait_until(lambda: opened.runLogText.toPlainText())

    lines = opened.runLogText.toPlainText().splitlines()
    assert (len(lines), lines[-1]) == (200, f"Step {LONG_STEPS + STEPS}")


def test_pause_and_resume_give_the_same_curve(open_project: Any, wait_until: Any) -> None:
    opened = open_project()
    start(opened, wait_until)
    opened.curvesButton.click()
    wait_until(lambda: len(curve("losses", "Step")) >= 30)
    opened.pauseRunButton.click()
    wait_until(lambda: opened.pauseRunButton.text == "Resume" and opened.pauseRunButton.enabled)
    let_pass(wait_until, 150)
    asked = opened.engine._lastID
    let_pass(wait_until, 150)
    assert opened.engine._lastID == asked  # nothing is asked about a run that does not move
    opened.pauseRunButton.click()
    wait_until(lambda: opened.widget._watch.run["state"] == "finished")

    assert curve("losses", "Step") == list(range(1, STEPS + 1))


def test_repeated_events_replace_the_earlier_ones(open_project: Any, wait_until: Any) -> None:
    opened = open_project("--frozen")
    start(opened, wait_until)
    opened.curvesButton.click()
    watch = opened.widget._watch
    wait_until(lambda: watch._timer.isActive())
    watch._timer.stop()
    events = [{"event": "step", "step": step, "loss/total": float(step)} for step in range(1, 6)]
    watch._onShown({"run": watch.run, "events": events, "first_event": 0, "next_event": 5})
    again = [{"event": "step", "step": 3, "loss/total": 30.0}]
    watch._onShown({"run": watch.run, "events": again, "first_event": 2, "next_event": 3})

    assert curve("losses", "loss/total") == [1.0, 2.0, 30.0]
    assert watch.events.next == 3


@pytest.mark.parametrize(
    ("for_good", "words"), [(False, "The run pauses as soon as"), (True, "The run stops for good")]
)
def test_a_run_that_still_takes_a_step_says_what_will_be(
    open_project: Any, wait_until: Any, for_good: bool, words: str
) -> None:
    opened = open_project("--frozen")
    start(opened, wait_until)
    part, run = opened.widget._training._run, opened.widget._watch.run
    part._onAnswer({"run": run}, {"for_good": for_good})

    assert opened.trainingStatusLabel.text.startswith(words)


def test_stop_for_good_asks_first(open_project: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_project("--frozen")
    start(opened, wait_until)
    answers = [False, True]
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_, **__: answers.pop(0))
    opened.stopRunButton.click()
    let_pass(wait_until, 100)
    assert opened.widget._watch.run["state"] == "running"
    opened.stopRunButton.click()
    wait_until(lambda: opened.widget._watch.run["state"] == "stopped")

    assert "Stopped for good" in opened.runLabel.text
    assert not opened.stopRunButton.isVisible()


def test_a_run_goes_on_without_the_worker_and_is_found_again(
    open_project: Any, wait_until: Any, tmp_path: Path
) -> None:
    opened = open_project("--frozen", FAKE_RUNS=str(tmp_path / "runs.json"))
    start(opened, wait_until)
    wait_until(lambda: opened.widget._watch._timer.isActive())
    states: list[str] = []
    opened.engine.stateChanged.connect(lambda: states.append(opened.runLabel.text))
    os.kill(opened.engine.processID(), getattr(signal, "SIGKILL", signal.SIGTERM))
    wait_until(lambda: any("found again" in text for text in states))
    wait_until(lambda: opened.engine.state == "ready" and opened.widget._watch._timer.isActive())

    assert opened.widget._watch.run["state"] == "running"
    assert "engine is not running" not in opened.runLabel.text
    assert opened.pauseRunButton.enabled


def test_a_new_panel_finds_the_run_of_the_old_one(open_project: Any, wait_until: Any, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs.json")
    first = open_project("--frozen", FAKE_RUNS=runs)
    start(first, wait_until)
    first.widget.cleanup()
    first.widget.cleanup = lambda: None  # "Slicer" is closed
    second = open_project(FAKE_RUNS=runs)
    wait_until(lambda: second.widget._watch.run is not None)
    assert second.widget._watch.run["run_id"] == "run-1"
    wait_until(lambda: second.widget._watch.run["state"] == "finished")


def test_a_run_that_another_slicer_started_is_found_when_start_is_refused(
    open_project: Any, wait_until: Any, tmp_path: Path
) -> None:
    runs = str(tmp_path / "runs.json")
    mine, theirs = (open_project("--frozen", FAKE_RUNS=runs) for _ in range(2))
    wait_until(lambda: mine.startRunButton.enabled)
    start(theirs, wait_until)
    mine.startRunButton.click()
    wait_until(lambda: mine.widget._watch.run is not None)

    assert "A run is under way" in mine.trainingStatusLabel.text
    assert mine.widget._watch.run["run_id"] == "run-1"
    assert mine.pauseRunButton.isVisible()


def test_of_several_runs_the_last_one_is_shown(open_project: Any, wait_until: Any, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs.json")
    first = open_project(FAKE_RUNS=runs)
    for number in ("run-1", "run-2"):
        start(first, wait_until)
        wait_until(lambda number=number: first.widget._watch.run["run_id"] == number)
        wait_until(lambda: first.widget._watch.run["state"] == "finished")
    first.widget.cleanup()
    first.widget.cleanup = lambda: None
    second = open_project(FAKE_RUNS=runs)
    wait_until(lambda: second.widget._watch.run is not None)

    assert second.widget._watch.run["run_id"] == "run-2"


def test_closing_the_project_takes_run_and_curves_away(open_project: Any, wait_until: Any) -> None:
    opened = open_project("--frozen")
    start(opened, wait_until)
    opened.curvesButton.click()
    assert ours("vtkMRMLPlotChartNode")
    opened.widget.project.close()

    assert not opened.runFrame.isVisible()
    assert not ours("vtkMRMLPlotChartNode")
    assert "Open a project first" in opened.planLabel.text
    assert not opened.widget._watch._timer.isActive()


def test_a_closed_scene_takes_the_curves_with_it_and_they_can_be_shown_again(
    open_project: Any, wait_until: Any
) -> None:
    opened = open_project("--frozen")
    start(opened, wait_until)
    opened.curvesButton.click()
    slicer.mrmlScene.Clear(0)
    assert not opened.curvesButton.checked
    assert not ours("vtkMRMLPlotChartNode")
    opened.curvesButton.click()
    assert len(ours("vtkMRMLPlotChartNode")) == 2


def test_curves_are_not_saved_with_the_scene_and_end_with_the_panel(open_project: Any, wait_until: Any) -> None:
    opened = open_project("--frozen")
    start(opened, wait_until)
    before = layout()
    opened.curvesButton.click()
    assert not any(node.GetSaveWithScene() for node in ours("vtkMRMLTableNode") + ours("vtkMRMLPlotChartNode"))
    opened.widget.exit()
    assert ours("vtkMRMLPlotChartNode")  # another module: the curves stay
    opened.widget.cleanup()
    opened.widget.cleanup = lambda: None

    assert not ours("vtkMRMLPlotChartNode")
    assert layout() == before


def test_curves_that_a_person_deleted_come_back(open_project: Any, wait_until: Any) -> None:
    opened = open_project()
    start(opened, wait_until)
    opened.curvesButton.click()
    for node in ours("vtkMRMLTableNode"):
        slicer.mrmlScene.RemoveNode(node)
    wait_until(lambda: ours("vtkMRMLTableNode"))


def test_an_older_engine_cannot_train_and_says_so(panel: Any, wait_until: Any) -> None:
    opened = panel("--old")
    opened.widget.enter()
    opened.trainingCollapsibleButton.collapsed = False
    wait_until(lambda: "older than this module" in opened.planLabel.text)

    assert not opened.startRunButton.isVisible()


def test_a_long_run_is_found_without_blocking_the_window(
    open_project: Any, wait_until: Any, heartbeat: Any, tmp_path: Path
) -> None:
    opened = open_project("--long", FAKE_RUNS=str(tmp_path / "runs.json"))
    gc.collect()  # what earlier tests left is not the panel's work
    beat = heartbeat(lambda: opened.runLabel.text)
    start(opened, wait_until)
    opened.curvesButton.click()
    wait_until(lambda: opened.widget._watch.run["state"] == "finished")
    wait_until(lambda: opened.startRunButton.enabled)

    assert len(curve("losses", "Step")) > LONG_STEPS
    seconds, _on_clock, when = beat.longest()
    assert seconds < 0.1, when


def test_a_start_that_is_answered_after_the_project_was_closed_shows_nothing(
    open_project: Any, wait_until: Any
) -> None:
    opened = open_project("--frozen")
    wait_until(lambda: opened.startRunButton.enabled)
    opened.startRunButton.click()
    opened.widget.project.close()
    let_pass(wait_until, 100)
    assert opened.widget._watch.run is None
    opened.widget.project.open(PROJECT)
    wait_until(lambda: opened.widget._watch.run is not None)  # it was started, and is found


def test_a_failing_question_is_said_once_and_asked_again(open_project: Any, wait_until: Any) -> None:
    opened = open_project("--frozen")
    start(opened, wait_until)
    watch: RunWatch = opened.widget._watch
    wait_until(lambda: watch._timer.isActive())
    watch.run = {**watch.run, "run_id": "gone"}
    asked = opened.engine._lastID
    wait_until(lambda: opened.engine._lastID > asked + 5)

    assert log(opened).count("has no such run") == 1
    assert "has no such run" in opened.trainingStatusLabel.text
