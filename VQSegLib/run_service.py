"""What can be asked about training runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from VQSegLib.errors import ProjectError
from VQSegLib.model_service import find_project_model
from VQSegLib.project_service import ProjectService
from VQSegLib.request_helpers import never

if TYPE_CHECKING:
    from VQSegLib.project.folder import Project
    from VQSegLib.runs.documents import RunPlan, RunSummary
    from VQSegLib.runs.folder import RunFolder
    from VQSegLib.runs.start import RunRequest

FROM_NOTHING = "none"
"""In place of a parent: random weights."""
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class RunWish:
    """A run as a person asks for it.

    Attributes:
        preset: How long; None for the usual choice.
        parent: Model of the project, model file, name of a shipped model or ``none``; None for the one in use.
        method: Training method; None for the usual choice.
        name: Name of the new model; None makes one.
        settings: Single values of the configuration; they win.
        promotes: Use the new model if the rule says so.
        asked_by: Name to be recorded.
    """

    preset: str | None = None
    parent: str | None = None
    method: str | None = None
    name: str | None = None
    settings: Sequence[str] = ()
    promotes: bool = True
    asked_by: str | None = None


class RunService(ProjectService):
    """Answers requests about runs; a run itself is a process of its own."""

    def plan_run(self, path: Path, wish: RunWish, *, is_measured: bool = False) -> RunPlan:
        """Say what a run would use, how long each preset takes here, or why it cannot be started.

        Raises:
            ProjectError: There is no project.
        """
        from VQSegLib.errors import UserError
        from VQSegLib.runs.documents import RunPlan
        from VQSegLib.runs.estimate import describe_plan

        project = self.open_project(path)
        try:
            request = _build_request(project, wish)
        except UserError as mistake:
            return RunPlan(problem=str(mistake))
        return describe_plan(project, request, is_measured=is_measured)

    def start_run(self, path: Path, wish: RunWish) -> tuple[RunSummary, tuple[str, ...]]:
        """Start a run that goes on when this process ends.

        Returns:
            The run, and what the user should know about it.

        Raises:
            UserError: One sentence about why it cannot begin; nothing stays behind.
        """
        from VQSegLib.runs.start import start_run

        project = self.open_project(path)
        run, notes = start_run(project, _build_request(project, wish))
        return run.summarize(), notes

    def list_runs(self, path: Path) -> list[RunSummary]:
        """List the runs of a project, the oldest first.

        Raises:
            ProjectError: There is no project, or a run's documents are damaged.
        """
        from VQSegLib.runs.folder import find_runs

        return [run.summarize() for run in find_runs(self.open_project(path).path)]

    def show_run(self, path: Path, run_id: str, first_event: int = 0) -> tuple[RunSummary, list[dict[str, Any]], int]:
        """Return a run, its events from ``first_event`` on, and the number of the next event.

        Raises:
            ProjectError: There is no such run.
        """
        run = self._find_run(path, run_id)
        events, following = run.events(first_event)
        return run.summarize(), events, following

    def read_run_log(self, path: Path, run_id: str, count: int) -> list[str]:
        """Return the last lines that the process of a run wrote, at most ``count``.

        Raises:
            ProjectError: There is no such run, or its log cannot be read.
        """
        from VQSegLib.runs.documents import LOG_FILE
        from VQSegLib.runs.log import read_last_lines

        return read_last_lines(self._find_run(path, run_id).path / LOG_FILE, count)

    def watch_run(
        self, path: Path, run_id: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[tuple[RunSummary, list[dict[str, Any]]]]:
        """Yield a run and its new events now and then, until it is no longer under way.

        Raises:
            ProjectError: There is no such run.
        """
        from VQSegLib.runs.documents import RunState

        run, following = self._find_run(path, run_id), 0
        while not cancelled():
            summary = run.summarize()
            events, following = run.events(following)
            yield summary, events
            if summary.state != RunState.RUNNING:
                return
            time.sleep(_POLL_SECONDS)

    def stop_run(self, path: Path, run_id: str, *, is_for_good: bool = False) -> RunSummary:
        """Ask a run to save its state and end.

        Args:
            path: Project folder.
            run_id: The run.
            is_for_good: It will not be resumed; what only an unfinished run needs is removed.

        Raises:
            ProjectError: There is no such run, or it is over.
        """
        run = self._find_run(path, run_id)
        run.ask_to_stop(is_for_good=is_for_good)
        return run.summarize()

    def resume_run(self, path: Path, run_id: str) -> RunSummary:
        """Let a run that was paused, interrupted or failed go on from its last state.

        Raises:
            ProjectError: There is no such run, or it cannot go on.
        """
        from VQSegLib.runs.start import resume_run

        run = self._find_run(path, run_id)
        resume_run(self.open_project(path), run)
        return run.summarize()

    def _find_run(self, path: Path, run_id: str) -> RunFolder:
        from VQSegLib.runs.folder import find_run

        return find_run(self.open_project(path).path, run_id)


def _build_request(project: Project, wish: RunWish) -> RunRequest:
    from VQSegLib.runs.presets import DEFAULT_PRESET, Wish
    from VQSegLib.runs.start import RunRequest

    parent: Path | None
    if wish.parent == FROM_NOTHING:
        parent = None
    elif wish.parent is not None:
        parent = find_project_model(project, wish.parent)
    else:
        parent = project.models.active_path()
        if parent is None:
            msg = (
                "No model is in use in this project, so say which one to start from: a model of the project, a model "
                f"file, a shipped model, or '{FROM_NOTHING}' for random weights."
            )
            raise ProjectError(msg)
    return RunRequest(
        parent=parent,
        wish=Wish(preset=wish.preset or DEFAULT_PRESET, method=wish.method, settings=wish.settings),
        name=wish.name,
        promotes=wish.promotes,
        asked_by=wish.asked_by,
    )
