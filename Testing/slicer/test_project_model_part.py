"""Which model Segment uses when the open project changes its own: it follows, or stays and says so."""

from __future__ import annotations

from typing import Any

import pytest
import slicer

PROJECT = "/data/Köpfe mit model"
WEAK = f"{PROJECT}/models/model-1.safetensors"


@pytest.fixture(autouse=True)
def quick_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask about a run fifty times a second."""
    monkeypatch.setattr("VQSegUI.RunWatch.POLL_MILLISECONDS", 20)


@pytest.fixture
def opened(panel: Any, make_volume: Any) -> Any:
    made = panel()
    made.open(make_volume())
    made.trainingCollapsibleButton.collapsed = made.modelsCollapsibleButton.collapsed = False
    return made


def open_project(opened: Any, wait_until: Any) -> None:
    opened.widget.project.open(PROJECT)
    wait_until(lambda: opened.modelComboBox.findData(PROJECT) >= 0 and opened.startRunButton.enabled)


def choose(opened: Any, model: str) -> None:
    """Choose a model as a person does, also one that stands there already."""
    row = opened.modelComboBox.findData(model)
    assert row >= 0
    opened.modelComboBox.setCurrentIndex(row)
    opened.modelComboBox.activated.emit(row)


def train(opened: Any, wait_until: Any) -> None:
    """Let a run make a better model, which the project uses by itself."""
    wait_until(lambda: opened.startRunButton.enabled)
    opened.startRunButton.click()
    wait_until(lambda: opened.widget.project.activeModel() == "model-2")
    wait_until(lambda: opened.modelComboBox.findText("weak 2 (in use in Köpfe mit model)") >= 0)


def said(opened: Any) -> str:
    return "" if opened.projectModelLabel.isHidden() else opened.projectModelLabel.text


def test_who_chose_no_model_uses_that_of_the_project(opened: Any, wait_until: Any) -> None:
    assert (opened.parameters.model, said(opened)) == ("fake", "")
    open_project(opened, wait_until)

    assert opened.parameters.model == PROJECT
    assert said(opened).startswith("Segment uses 'weak', the model of the project 'Köpfe mit model', because no other")
    assert opened.useProjectModelButton.isHidden()
    assert opened.segment().GetAttribute("VQSeg.Model") == WEAK


def test_a_model_that_was_chosen_stays_until_the_project_s_is_taken(opened: Any, wait_until: Any) -> None:
    choose(opened, "fake")
    open_project(opened, wait_until)
    assert opened.parameters.model == "fake"
    assert (
        said(opened) == "The project 'Köpfe mit model' uses 'weak'; Segment stays with 'Thresholds', as chosen above."
    )
    opened.useProjectModelButton.click()

    assert opened.parameters.model == PROJECT
    assert said(opened) == ""
    assert opened.useProjectModelButton.isHidden()


def test_segment_follows_the_project_and_says_so(opened: Any, wait_until: Any) -> None:
    open_project(opened, wait_until)
    choose(opened, PROJECT)
    train(opened, wait_until)
    wait_until(lambda: said(opened).startswith("Segment uses 'weak 2' from now on, in place of 'weak', because"))
    assert opened.segment().GetAttribute("VQSeg.Model") == f"{PROJECT}/models/model-2.safetensors"

    opened.rollBackButton.click()
    wait_until(lambda: said(opened).startswith("Segment uses 'weak' from now on, in place of 'weak 2', because"))
    assert opened.segment().GetAttribute("VQSeg.Model") == WEAK
    choose(opened, "fake")
    choose(opened, PROJECT)
    assert said(opened) == ""  # it is no news any more


def test_the_earlier_model_stays_when_it_was_chosen_by_its_file(opened: Any, wait_until: Any) -> None:
    open_project(opened, wait_until)
    opened.widget.addModelFile(WEAK)
    wait_until(lambda: opened.parameters.model == WEAK)
    assert said(opened) == ""  # it is the model that the project uses
    train(opened, wait_until)
    wait_until(lambda: "uses 'weak 2'; Segment stays with 'weak'" in said(opened))

    assert opened.parameters.model == WEAK
    assert not opened.useProjectModelButton.isHidden()
    assert opened.segment().GetAttribute("VQSeg.Model") == WEAK


def test_a_roll_back_leaves_a_model_of_another_kind_alone(opened: Any, wait_until: Any) -> None:
    open_project(opened, wait_until)
    train(opened, wait_until)
    choose(opened, "fake")
    wait_until(lambda: opened.rollBackButton.enabled)
    opened.rollBackButton.click()
    wait_until(lambda: "uses 'weak'; Segment stays with 'Thresholds'" in said(opened))

    assert opened.parameters.model == "fake"


def test_a_project_that_is_closed_takes_its_model_away_and_that_is_said(opened: Any, wait_until: Any) -> None:
    open_project(opened, wait_until)
    opened.widget.project.close()
    wait_until(lambda: opened.parameters.model == "fake")

    assert said(opened) == "Segment uses 'Thresholds' from now on, because 'weak' is not listed any more."
    slicer.mrmlScene.Clear(0)
    assert opened.parameters.model == "fake"
