"""Which project is open, through engine starts, failures and sessions."""

from __future__ import annotations

from typing import Any

import slicer

from VQSegUI.ProjectState import PROJECT_KEY, ProjectState


class Ear:
    """Hears what the state says."""

    def __init__(self, state: ProjectState) -> None:
        self.changes, self.problems = 0, []
        state.changed.connect(self._on_changed)
        state.failed.connect(lambda problem: self.problems.append(str(problem)))

    def _on_changed(self) -> None:
        self.changes += 1


def test_an_opened_project_is_remembered_and_opened_again_by_the_next_session(
    make_engine: Any, wait_until: Any
) -> None:
    state = ProjectState(make_engine())
    state.open("/projects/with model")
    wait_until(state.isOpen)

    assert state.activeModel() == "model-1"
    later = ProjectState(make_engine())
    assert (later.path, later.isOpen()) == ("/projects/with model", False)
    later._engine.start()
    wait_until(later.isOpen)


def test_a_project_that_cannot_be_opened_leaves_the_open_one_as_it_is(make_engine: Any, wait_until: Any) -> None:
    state = ProjectState(make_engine())
    state.open("/projects/mine")
    wait_until(state.isOpen)
    ear = Ear(state)

    state.open("/projects/missing")
    wait_until(lambda: ear.problems)

    assert ear.problems == ["There is no project in '/projects/missing'; choose another folder."]
    assert (state.path, state.isOpen(), ear.changes) == ("/projects/mine", True, 0)


def test_a_remembered_project_that_is_gone_is_told_and_stays_chosen(make_engine: Any, wait_until: Any) -> None:
    slicer.app.settings().setValue(PROJECT_KEY, "/projects/missing")
    state = ProjectState(make_engine())
    ear = Ear(state)

    state._engine.start()
    wait_until(lambda: ear.problems)

    assert (state.path, state.isOpen()) == ("/projects/missing", False)


def test_a_created_project_is_open(make_engine: Any, wait_until: Any) -> None:
    state = ProjectState(make_engine())
    ear = Ear(state)

    state.create("/projects/new", {"labels": []}, intensity_window=[-160, 240])
    wait_until(state.isOpen)

    assert (state.path, state.information["labels"]) == ("/projects/new", {"labels": []})
    state.create("/projects/new", "openkbp_head_neck")
    wait_until(lambda: ear.problems)
    assert ear.problems == ["'/projects/new' is a project already; open it."]
    assert state.isOpen()


def test_only_the_last_wish_counts(make_engine: Any, wait_until: Any) -> None:
    state = ProjectState(make_engine())
    ear = Ear(state)

    state.open("/projects/first")
    state.open("/projects/second")
    wait_until(state.isOpen)
    state.close()
    state.open("/projects/third")
    state.close()
    wait_until(lambda: not state._engine._replies)

    assert (state.path, state.isOpen(), ear.changes, ear.problems) == ("", False, 3, [])


def test_an_old_engine_knows_no_projects(make_engine: Any, wait_until: Any) -> None:
    state = ProjectState(make_engine("--old"))
    ear = Ear(state)
    state._engine.start()
    wait_until(lambda: state._engine.state == "ready")

    state.open("/projects/mine")

    assert ear.problems == ["The engine is older than this module and knows no projects; update it."]


def test_what_is_known_survives_a_killed_engine_and_is_read_again(make_engine: Any, wait_until: Any) -> None:
    import os
    import signal

    state = ProjectState(make_engine())
    state.open("/projects/mine")
    wait_until(state.isOpen)
    ear = Ear(state)

    os.kill(state._engine.processID(), getattr(signal, "SIGKILL", signal.SIGTERM))
    wait_until(lambda: ear.changes == 1)

    assert (state.isOpen(), ear.problems) == (True, [])
