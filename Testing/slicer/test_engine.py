"""Starting, asking, stopping the engine: every way it can fail is one sentence, and nothing waits for ever."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

from VQSegLib.wire import WireArray
from VQSegUI.Engine import BROKEN, READY, STOPPED, Cancelled, Engine
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.EngineSource import EngineSource
from VQSegUI.Problem import Problem

FAKE = str(Path(__file__).with_name("fake_worker.py"))


class Outcome:
    """What came of a reply."""

    def __init__(self, reply: Any) -> None:
        self.result, self.problem, self.answers = None, None, 0
        reply.succeeded.connect(lambda result: self._take(result, None))
        reply.failed.connect(lambda problem: self._take(None, problem))

    def _take(self, result: Any, problem: Any) -> None:
        self.result, self.problem, self.answers = result, problem, self.answers + 1


def command(*arguments: str) -> Any:
    """A source that gives one command line."""
    return type("Source", (), {"command": lambda _self: EngineCommand(arguments)})()


def python(code: str) -> Any:
    return command(sys.executable, "-c", code)


def test_a_request_starts_the_engine_and_is_answered(make_engine: Any, wait_until: Any) -> None:
    engine = make_engine()
    outcome = Outcome(engine.request("models/list"))

    wait_until(lambda: outcome.answers)

    assert [model["id"] for model in outcome.result["models"]] == ["fake", "broken"]
    assert engine.state == READY
    assert engine.information["version"] == "0.fake"


def test_text_between_messages_goes_to_the_log(make_engine: Any, wait_until: Any) -> None:
    engine, logged = make_engine("--noisy"), []
    engine.logged.connect(logged.append)

    outcome = Outcome(engine.request("models/list"))
    wait_until(lambda: outcome.answers)

    assert outcome.result is not None
    assert "a library says hello" in "".join(logged)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (command("no-such-program-anywhere", "worker"), "'no-such-program-anywhere' was not found"),
        (python("import no_such_package"), "package 'no_such_package' is missing"),
        (python("import sys; sys.exit(7)"), "ended at once"),
    ],
    ids=["no program", "no package", "exit"],
)
def test_an_engine_that_does_not_start_says_why(source: Any, words: str, wait_until: Any) -> None:
    engine = Engine(source)
    outcome = Outcome(engine.request("models/list"))

    wait_until(lambda: outcome.answers)

    assert words in str(outcome.problem)
    assert engine.state == BROKEN
    assert engine.problem is outcome.problem
    assert engine.processID() == 0


def test_an_engine_that_says_nothing_is_given_up(wait_until: Any) -> None:
    engine = Engine(python("import time; time.sleep(60)"))
    engine._startTimer.setInterval(300)
    outcome = Outcome(engine.request("models/list"))
    wait_until(lambda: engine.processID())
    process_id = engine.processID()

    wait_until(lambda: outcome.answers)

    assert "did not answer within" in str(outcome.problem)
    wait_until(lambda: not _is_running(process_id))


def test_an_engine_of_another_protocol_is_refused(wait_until: Any) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(Path(FAKE).parent)!r}]; import fake_worker as f; "
        "f.Worker.initialize = lambda self, r: f.Failure(r.id, -32000, 'Install the same version on both sides.'); "
        "sys.argv = ['x']; f.main()"
    )
    engine = Engine(python(code))
    outcome = Outcome(engine.request("models/list"))

    wait_until(lambda: outcome.answers)

    assert str(outcome.problem) == "Install the same version on both sides."
    assert engine.state == BROKEN


def test_a_broken_engine_can_be_started_again(make_engine: Any, wait_until: Any) -> None:
    engine = make_engine()
    good, engine._source = engine._source, command("no-such-program-anywhere")
    engine.start()
    wait_until(lambda: engine.state == BROKEN)

    engine._source = good
    engine.start()

    wait_until(lambda: engine.state == READY)
    assert engine.problem is None


def test_without_a_command_the_request_fails_with_what_to_do(wait_until: Any) -> None:
    engine = Engine(EngineSource())
    outcome = Outcome(engine.request("models/list"))

    wait_until(lambda: outcome.answers)

    assert "install it, or give the command" in str(outcome.problem)


def test_stopping_fails_what_is_unanswered_and_ends_the_process(make_engine: Any, wait_until: Any) -> None:
    engine = make_engine("--slow")
    Outcome(engine.request("models/list"))
    wait_until(lambda: engine.state == READY)
    process_id = engine.processID()
    unanswered = Outcome(engine.request("segment", {"volume": "none", "model": "fake"}))

    engine.stop()

    assert isinstance(unanswered.problem, Cancelled)
    assert engine.state == STOPPED
    wait_until(lambda: not _is_running(process_id))
    assert unanswered.answers == 1


def test_a_waiting_request_can_be_cancelled(make_engine: Any, wait_until: Any) -> None:
    engine = make_engine()
    reply = engine.request("models/list")
    outcome = Outcome(reply)

    reply.cancel()
    wait_until(lambda: engine.state == READY)

    assert isinstance(outcome.problem, Cancelled)
    assert outcome.answers == 1


def test_a_command_is_typed_with_quotation_marks_and_kept() -> None:
    source = EngineSource()
    source.settings.setValue("command", f"  '{sys.executable}' -m 'Größe und Form' ")

    assert EngineSource().command().arguments == (sys.executable, "-m", "Größe und Form")
    source.settings.setValue("command", "'/opt/python -m")
    with pytest.raises(Problem, match="quotation mark"):
        source.command()


def test_the_engine_gets_the_environment_slicer_was_started_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicer.util, "startupEnvironment", lambda: {"HOME": "/home/x", "PYTHONPATH": "/old"})
    environment = EngineCommand(("python",), {"PYTHONPATH": "/private folder"}).processEnvironment()

    assert environment.value("PYTHONPATH") == "/private folder"
    assert environment.value("HOME") == "/home/x"
    assert sorted(environment.keys()) == ["HOME", "PYTHONPATH"]


def test_ssh_is_started_so_that_it_fails_instead_of_asking() -> None:
    ssh = EngineCommand(("ssh", "me@gpu01", "vqseg", "worker"))

    assert ssh.remoteHost == "gpu01"
    assert "BatchMode=yes" in " ".join(ssh.startable())
    assert EngineCommand(("python", "-m", "VQSegLib.worker")).remoteHost is None


def _is_running(process_id: int) -> bool:
    slicer.app.processEvents()
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_message_larger_than_a_piece_arrives_whole_and_in_order(make_engine: Any, wait_until: Any) -> None:
    engine = make_engine()
    array = np.random.default_rng(0).integers(-1000, 1000, (20, 512, 512), dtype=np.int16)
    geometry = {"shape_kji": [20, 512, 512], "affine_ijk_to_ras": np.eye(4).tolist()}
    answers: list[Any] = []
    engine.request("volume/open", {"geometry": geometry, "dtype": "<i2"})
    engine.request("volume/slab", {"volume": "volume-1", "start_k": 0, "array": WireArray.from_numpy(array)})
    reply = engine.request("volume/read", {"volume": "volume-1", "start_k": 0, "stop_k": 20})
    reply.succeeded.connect(answers.append)
    wait_until(lambda: answers)

    received = answers[0]["array"]
    np.testing.assert_array_equal(np.frombuffer(received.data, received.dtype).reshape(received.shape), array)
