"""A training run gives way to scans: real processes, real files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from VQSegLib import device_turns
from VQSegLib.device_turns import RunTurns, clinicians_turn, machine_folder
from VQSegLib.errors import Cancelled
from VQSegLib.leftovers import temporary_name

ROOT = Path(__file__).resolve().parent.parent
STEP_SECONDS = 0.3
RUN = f"""
import sys, time
from VQSegLib.device_turns import RunTurns
def say(text):
    print(text, flush=True)
turns = RunTurns(lambda: say("waiting"), lambda: say("going on"))
while True:
    turns.give_way(lambda: False)
    say("step")
    time.sleep({STEP_SECONDS})
"""
SCAN = """
import time
from VQSegLib.device_turns import clinicians_turn
with clinicians_turn():
    print("mine", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "Müllers Rechner"))


@pytest.fixture
def start() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    processes = []

    def run(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONUTF8": "1"},
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


def read_until(process: subprocess.Popen[str], word: str) -> None:
    """Read what a process says until it says ``word``."""
    assert process.stdout is not None
    while process.stdout.readline().strip() != word:
        assert process.poll() is None


def test_a_scan_waits_for_one_step_and_the_run_for_the_scan(start: Callable[[str], subprocess.Popen[str]]) -> None:
    """A plain lock would starve the scan: the run takes it again in the same millisecond."""
    run = start(RUN)
    told: list[float] = []
    for _ in range(5):
        read_until(run, "step")
        asked = time.monotonic()
        with clinicians_turn(lambda: told.append(time.monotonic())):
            waited = time.monotonic() - asked
            read_until(run, "waiting")
            ended = time.monotonic()
            time.sleep(2 * STEP_SECONDS)
        assert waited < STEP_SECONDS + 0.5
        read_until(run, "going on")
        assert time.monotonic() - ended >= 2 * STEP_SECONDS, "The run took a step while a scan had the device."
    assert told


def test_two_scans_do_not_wait_for_each_other() -> None:
    with clinicians_turn():
        started = time.monotonic()
        with clinicians_turn(lambda: pytest.fail("waited")):
            pass
        assert time.monotonic() - started < 1


def test_the_mark_of_a_scan_that_was_killed_counts_for_nothing(start: Callable[[str], subprocess.Popen[str]]) -> None:
    scan = start(SCAN)
    read_until(scan, "mine")
    waits: list[bool] = []
    turns = RunTurns(lambda: waits.append(True), lambda: None)
    polls = iter(range(1000))
    turns.give_way(lambda: next(polls) > 3)
    assert waits
    scan.kill()
    scan.wait()
    turns.give_way(lambda: False)
    assert [path.name for path in (machine_folder() / "turns").iterdir()] == ["run.lock"]
    turns.let_go()


def test_waiting_can_be_cancelled_and_leaves_no_mark() -> None:
    turns = RunTurns(lambda: None, lambda: None)
    turns.give_way(lambda: False)

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled), clinicians_turn(stop_if_cancelled=cancel):
        pytest.fail("The run had not let go.")
    assert not list((machine_folder() / "turns").glob(".vqseg-*"))
    turns.let_go()


def test_on_a_processor_a_scan_begins_beside_the_last_step(start: Callable[[str], subprocess.Popen[str]]) -> None:
    run = start(RUN.replace(str(STEP_SECONDS), "2"))
    read_until(run, "step")
    asked = time.monotonic()
    with clinicians_turn(lambda: pytest.fail("waited"), shares_step=True):
        assert time.monotonic() - asked < 1
        read_until(run, "waiting")
    read_until(run, "going on")


def test_a_run_that_does_not_react_cannot_keep_a_clinician_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_turns, "_LONGEST_WAIT_SECONDS", 0.2)
    turns = RunTurns(lambda: None, lambda: None)
    turns.give_way(lambda: False)
    started = time.monotonic()
    with clinicians_turn():
        assert 0.2 <= time.monotonic() - started < 2
    turns.let_go()


def test_a_run_that_shall_stop_does_not_wait() -> None:
    turns = RunTurns(lambda: pytest.fail("waited"), lambda: None)
    (machine_folder() / "turns" / temporary_name()).touch()
    turns.give_way(lambda: True)


def test_a_folder_that_cannot_be_made_does_not_keep_a_scan_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    with clinicians_turn(lambda: pytest.fail("waited")):
        pass


def test_segmenting_leaves_a_mark_while_it_works(
    tiny_model: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from VQSegLib.inference.predictor import Predictor
    from VQSegLib.service import Service

    seen: list[int] = []
    predict = Predictor.predict

    def look(*arguments: object, **options: object) -> object:
        seen.append(len(list((machine_folder() / "turns").glob(".vqseg-*"))))
        return predict(*arguments, **options)

    monkeypatch.setattr(Predictor, "predict", look)
    Service().segment(scan, str(tiny_model), tmp_path / "out.nii.gz")
    assert seen == [1]
    assert not list((machine_folder() / "turns").glob(".vqseg-*"))
