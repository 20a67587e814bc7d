"""The run folders of a project: which runs there are, where they stand, and asking one to stop."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from VQSegLib.atomic_files import write_text
from VQSegLib.documents import DocumentT, parse_document
from VQSegLib.errors import ProjectError
from VQSegLib.leftovers import find_leftovers, is_running, machine_key
from VQSegLib.project.review import utc_now
from VQSegLib.project.writing import told_failures
from VQSegLib.runs.documents import (
    RESULT_FILE,
    SPEC_FILE,
    STATUS_FILE,
    STOP_FILE,
    RunResult,
    RunSpec,
    RunState,
    RunStatus,
    RunSummary,
)
from VQSegLib.training.events import read_events
from VQSegLib.training.run_files import BEST_FILE, CACHE_FOLDER, MODEL_FILE, STATE_FILE

_SILENT_SECONDS = 120.0
"""A run on another machine cannot be asked; after this silence it counts as interrupted."""
PAUSE, STOP = "pause", "stop"


class RunFolder:
    """One run of a project.

    Attributes:
        path: Its folder.
    """

    def __init__(self, path: Path) -> None:
        """Use ``path``."""
        self.path = path

    @property
    def spec(self) -> RunSpec:
        """What was asked for.

        Raises:
            ProjectError: ``spec.json`` is missing or damaged.
        """
        found = self._read(RunSpec, SPEC_FILE)
        if found is None:
            msg = f"'{self.path}' is no run (no {SPEC_FILE}); list the runs with `vqseg runs list`."
            raise ProjectError(msg)
        return found

    @property
    def result(self) -> RunResult | None:
        """How the run ended, None as long as it may go on."""
        return self._read(RunResult, RESULT_FILE)

    @property
    def status(self) -> RunStatus | None:
        """What its process said last."""
        return self._read(RunStatus, STATUS_FILE)

    def summarize(self) -> RunSummary:
        """Return where the run stands now.

        Raises:
            ProjectError: A document of the run is damaged.
        """
        spec, status, result = self.spec, self.status, self.result
        state = _judge(status, result)
        return RunSummary(
            run_id=spec.run_id,
            state=state,
            stage=_describe(state, status, result),
            step=0 if status is None else status.step,
            steps=0 if status is None else status.steps,
            seconds_left=status.seconds_left if status is not None and state == RunState.RUNNING else None,
            spec=spec,
            result=result,
        )

    def events(self, first: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return the events from number ``first`` on, and the number of the one that comes next.

        A run that was interrupted writes its last events again; whoever asks for more than there are gets all.
        """
        events = read_events(self.path)
        start = first if first <= len(events) else 0
        return events[start:], len(events)

    def write(self, document: RunSpec | RunStatus | RunResult) -> None:
        """Write one of the run's documents."""
        name = {RunSpec: SPEC_FILE, RunStatus: STATUS_FILE, RunResult: RESULT_FILE}[type(document)]
        write_text(self.path / name, document.model_dump_json(indent=2))

    def ask_to_stop(self, *, is_for_good: bool) -> None:
        """Ask the process to end, which it does before its next step; the run may be over for good then.

        Raises:
            ProjectError: The run is over already, or it is paused and shall be paused.
        """
        state = self.summarize().state
        if state in (RunState.FINISHED, RunState.STOPPED) or (state != RunState.RUNNING and not is_for_good):
            msg = f"Run '{self.path.name}' is {state}, so there is nothing to stop."
            raise ProjectError(msg)
        with told_failures(self.path):
            if state == RunState.RUNNING:
                write_text(self.path / STOP_FILE, STOP if is_for_good else PAUSE)
            else:
                self.write(stopped_result())
                self.clear_up()

    def asked_to_stop(self) -> str | None:
        """Return how the run was asked to end, None if it was not."""
        try:
            return (self.path / STOP_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def clear_for_resume(self) -> None:
        """Forget how the run ended, and what its process left half-written if it was killed."""
        for file in (self.path / STOP_FILE, self.path / RESULT_FILE, *find_leftovers(self.path)):
            file.unlink(missing_ok=True)

    def clear_up(self) -> None:
        """Remove what only an unfinished run needs: prepared scans, weights and state."""
        shutil.rmtree(self.path / CACHE_FOLDER, ignore_errors=True)
        names = (STATE_FILE, BEST_FILE, MODEL_FILE, STOP_FILE)
        for file in (*(self.path / name for name in names), *find_leftovers(self.path)):
            file.unlink(missing_ok=True)

    def _read(self, cls: type[DocumentT], name: str) -> DocumentT | None:
        file = self.path / name
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            msg = f"'{file}' cannot be read ({exc.strerror}); check the permissions of the project folder."
            raise ProjectError(msg) from exc
        return parse_document(cls, text, f"'{file}'", ProjectError)


def stopped_result() -> RunResult:
    """Return the end of a run that was stopped for good."""
    return RunResult(state=RunState.STOPPED, ended=utc_now(), sentence="Stopped for good, as asked.")


def find_runs(project_path: Path) -> Iterator[RunFolder]:
    """Yield the runs of a project, the oldest first, without those of `vqseg train`.

    Raises:
        ProjectError: A run's ``spec.json`` is damaged.
    """
    found = [RunFolder(path.parent) for path in (project_path / "runs").glob(f"*/{SPEC_FILE}")]
    yield from sorted(found, key=lambda run: (run.spec.created, run.spec.run_id))


def find_run(project_path: Path, run_id: str) -> RunFolder:
    """Return a run by its id, or the latest one for ``latest``.

    Raises:
        ProjectError: There is no such run.
    """
    runs = {run.path.name: run for run in find_runs(project_path)}
    if run_id == "latest" and runs:
        return list(runs.values())[-1]
    if run_id not in runs:
        msg = f"The project has no run '{run_id}'; it has: {', '.join(runs) or 'none'}."
        raise ProjectError(msg)
    return runs[run_id]


def _judge(status: RunStatus | None, result: RunResult | None) -> RunState:
    if status is not None and _is_alive(status):
        return RunState.RUNNING
    if result is not None:
        return RunState(result.state)
    return RunState.PAUSED if status is not None and status.is_paused else RunState.INTERRUPTED


def _is_alive(status: RunStatus) -> bool:
    if status.is_paused:
        return False
    if status.machine == machine_key():
        return is_running(status.pid, status.started)
    return time.time() - status.updated < _SILENT_SECONDS


def _describe(state: RunState, status: RunStatus | None, result: RunResult | None) -> str:
    if state == RunState.RUNNING and status is not None:
        return status.stage
    if result is not None:
        return result.sentence
    if state == RunState.PAUSED:
        return "Paused as asked; it can be resumed."
    return "Interrupted: its process is gone, for example because the machine was restarted; it can be resumed."
