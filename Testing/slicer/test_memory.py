"""What is done is given back: PythonQt keeps alive whatever is connected to a timer or a process that lives."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest
import qt
import slicer

from VQSegUI.Engine import READY, STOPPED
from VQSegUI.Logic import VQSegLogic
from VQSegUI.SetupProcess import SetupProcess
from VQSegUI.Steps import Steps


@pytest.fixture
def freed(wait_until: Any) -> Any:
    """Wait until an object is gone."""

    def wait(reference: Any) -> None:
        def is_gone() -> bool:
            gc.collect()
            return reference() is None

        wait_until(is_gone, seconds=5)

    return wait


def test_the_tests_slicer_keeps_what_is_connected_to_a_timer(freed: Any) -> None:
    class Clock:
        def __init__(self) -> None:
            self.timer = qt.QTimer()
            self.timer.timeout.connect(self.strike)

        def strike(self) -> None:
            """Ring."""

    clock = Clock()
    reference, timer = weakref.ref(clock), clock.timer
    del clock
    gc.collect()
    assert reference() is not None

    timer.timeout.disconnect(reference().strike)
    freed(reference)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_steps_are_freed(freed: Any, wait_until: Any, is_stopped: bool) -> None:
    done: list[bool] = []
    steps = Steps(each for each in range(1000 if is_stopped else 3))
    steps.finished.connect(lambda: done.append(True))
    steps.start()
    if is_stopped:
        slicer.app.processEvents()
        steps.stop()
    else:
        wait_until(lambda: done)
    reference = weakref.ref(steps)
    steps.stop()
    assert not steps.isRunning()
    del steps

    freed(reference)


def test_a_segmentation_holds_on_to_no_scan(make_engine: Any, make_volume: Any, freed: Any, wait_until: Any) -> None:
    done: list[Any] = []
    job = VQSegLogic(engine=make_engine()).segment(make_volume(), model="fake")
    job.finished.connect(done.append)
    wait_until(lambda: done)
    reference = weakref.ref(job)
    del job

    freed(reference)


@pytest.mark.parametrize("end", ["stop", "stopNow", "die"])
def test_an_ended_worker_is_freed(make_engine: Any, freed: Any, wait_until: Any, end: str) -> None:
    engine = make_engine()
    engine.start()
    wait_until(lambda: engine.state == READY)
    reference = weakref.ref(engine._process)

    if end == "die":
        engine._process.kill()
        wait_until(lambda: engine.state != READY)
    else:
        getattr(engine, end)()
        assert engine.state == STOPPED

    freed(reference)


@pytest.mark.parametrize("program", [sys.executable, "no-such-program"])
def test_a_program_that_ended_is_freed(freed: Any, wait_until: Any, program: str) -> None:
    ends: list[Any] = []
    process = SetupProcess()
    process.ended.connect(lambda *values: ends.append(values))
    process.start([program, "-c", "print(1)"], slicer.util.startupEnvironment())
    wait_until(lambda: ends)
    process.stop()
    reference = weakref.ref(process)
    del process

    freed(reference)
