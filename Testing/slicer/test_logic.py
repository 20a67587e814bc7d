"""Scripting: `VQSegLogic().segment(...)`, waiting and not waiting."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import qt
import slicer

from VQSegUI.Engine import Cancelled
from VQSegUI.Logic import VQSegLogic
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps


def test_waiting_returns_the_proposal_while_slicer_stays_alive(make_engine: Any, make_volume: Any, voxels: Any) -> None:
    beats: list[float] = []
    timer = qt.QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start()
    volume = make_volume()

    proposal = VQSegLogic(engine=make_engine("--slow")).segment(volume, model="fake", wait=True)

    np.testing.assert_array_equal(voxels(proposal, "Dense", volume), slicer.util.arrayFromVolume(volume) > 500)
    assert len(beats) > 20


def test_waiting_raises_what_went_wrong(make_engine: Any, make_volume: Any) -> None:
    with pytest.raises(Problem, match="no CT") as raised:
        VQSegLogic(engine=make_engine()).segment(make_volume(), model="fails", wait=True)

    assert raised.value.detail == "values 0..255"


def test_waiting_ends_when_the_scene_is_closed(make_engine: Any, make_volume: Any) -> None:
    qt.QTimer.singleShot(800, lambda: slicer.mrmlScene.Clear(0))

    with pytest.raises(Problem, match="scene was closed"):
        VQSegLogic(engine=make_engine("--slow")).segment(make_volume(), model="fake", wait=True)


def test_without_waiting_a_job_tells_how_it_goes(make_engine: Any, make_volume: Any, wait_until: Any) -> None:
    job = VQSegLogic(engine=make_engine()).segment(make_volume(), model="fake")
    told, done = [], []
    job.progressed.connect(lambda fraction, stage, _left: told.append((fraction, stage)))
    job.finished.connect(done.append)

    wait_until(lambda: done)

    fractions = [fraction for fraction, _stage in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {"Starting the engine", "Sending the scan", "Segmenting", "Adding Dense", "Done"} <= {s for _f, s in told}
    assert job.result["device"] == "cpu"


def test_cancel_at_any_moment_ends_with_cancelled_and_nothing_in_the_scene(
    make_engine: Any, make_volume: Any, wait_until: Any
) -> None:
    logic = VQSegLogic(engine=make_engine())
    stages = ("Starting the engine", "Sending the scan", "Segmenting", "Adding Dense")
    volume = make_volume()
    for stage in stages:
        problems: list[Problem] = []
        if stage == "Starting the engine":
            logic.engine.stop()
        slicer.util.arrayFromVolumeModified(volume)
        job = logic.segment(volume, model="fake")
        job.failed.connect(problems.append)
        job.progressed.connect(lambda _f, now, _l, job=job, stage=stage: job.cancel() if now == stage else None)
        wait_until(lambda problems=problems: problems)

        assert isinstance(problems[0], Cancelled), stage
        assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == [], stage


def test_scripts_find_unsure_places_and_refine(make_engine: Any, make_volume: Any, edit: Any, voxels: Any) -> None:
    logic, volume = VQSegLogic(engine=make_engine()), make_volume()

    overlay = logic.findUnsure(volume, model="fake", wait=True)
    proposal = logic.segment(volume, model="fake", wait=True)
    painted = np.zeros((12, 20, 30), bool)
    painted[0, 0, 0] = True
    edit(proposal, "Dense", volume, painted)
    refined = logic.refine(proposal, wait=True)

    assert slicer.util.arrayFromVolume(overlay).max() == 100
    assert np.argwhere(voxels(refined, "Dense", volume))[0].tolist() == [0, 0, 0]
    chosen = logic.refine(proposal, slices=[4], wait=True)
    assert not voxels(chosen, "Dense", volume)[0].any()
    scan = slicer.util.arrayFromVolume(volume)
    np.testing.assert_array_equal(voxels(chosen, "Dense", volume)[4], scan[4] > 500)


def test_a_model_that_is_sure_everywhere_gives_no_overlay(make_engine: Any, make_volume: Any) -> None:
    assert VQSegLogic(engine=make_engine("--sure")).findUnsure(make_volume(), model="fake", wait=True) is None


def test_refining_without_corrections_says_what_to_do(make_engine: Any, make_volume: Any) -> None:
    logic = VQSegLogic(engine=make_engine())
    proposal = logic.segment(make_volume(), model="fake", wait=True)

    for slices in (None, []):
        with pytest.raises(Problem, match="Correct a slice first"):
            logic.refine(proposal, slices=slices, wait=True)


def test_what_does_not_come_from_vqseg_is_not_refined(make_engine: Any, make_volume: Any) -> None:
    foreign = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Foreign")
    foreign.SetReferenceImageGeometryParameterFromVolumeNode(make_volume())

    with pytest.raises(Problem, match="'Foreign' does not come from VQSeg"):
        VQSegLogic(engine=make_engine()).refine(foreign)


def test_an_older_engine_says_so(make_engine: Any, make_volume: Any) -> None:
    with pytest.raises(Problem, match="older than this module"):
        VQSegLogic(engine=make_engine("--old")).findUnsure(make_volume(), model="fake", wait=True)


def test_no_volume_is_said_at_once(make_engine: Any) -> None:
    for method in (VQSegLogic(engine=make_engine()).segment, VQSegLogic(engine=make_engine()).findUnsure):
        with pytest.raises(Problem, match="No volume was given"):
            method(None, model="fake")


def test_the_parameter_node_is_the_scenes() -> None:
    node = VQSegLogic().getParameterNode()

    assert node.GetScene() is slicer.mrmlScene
    assert node.GetSingletonTag() == "VQSeg"


def test_steps_run_one_per_turn_and_report_a_problem(wait_until: Any) -> None:
    done: list[Any] = []

    def work() -> Any:
        done.append("first")
        yield
        problem = Problem("Stop.")
        raise problem

    steps = Steps(work())
    steps.failed.connect(done.append)
    steps.start()
    assert done == []

    wait_until(lambda: len(done) == 2)

    assert str(done[1]) == "Stop."
    assert not steps.isRunning()


def test_a_step_with_a_programming_error_ends_as_failed_not_as_finished(wait_until: Any, capfd: Any) -> None:
    told: list[Any] = []

    def work() -> Any:
        yield
        yield {}["a name that Slicer lacks"]

    steps = Steps(work())
    steps.finished.connect(lambda: told.append("finished"))
    steps.failed.connect(told.append)
    steps.start()
    wait_until(lambda: told)
    slicer.app.processEvents()

    assert [str(each) for each in told] == [
        "Something unexpected went wrong; Slicer's error log (menu View) says what."
    ]
    assert "a name that Slicer lacks" in capfd.readouterr().err


def test_a_signal_calls_in_order_until_it_is_disconnected() -> None:
    signal, heard = Signal(), []
    signal.connect(heard.append)
    signal.connect(lambda value: heard.append(-value))
    signal.emit(1)
    signal.disconnect(heard.append)
    signal.disconnect(print)
    signal.emit(2)

    assert heard == [1, -1, -2]
