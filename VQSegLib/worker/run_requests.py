"""Requests about training runs and about the models of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from VQSegLib.run_service import RunWish
from VQSegLib.worker.arrays import Params
from VQSegLib.worker.job import Job

if TYPE_CHECKING:
    from VQSegLib.service import Service

Answer = dict[str, Any]
Work = Callable[[Job], Answer]


class ProjectParams(Params):
    """Parameters of a request about a project as a whole."""

    project: str


class PlanParams(ProjectParams):
    """Parameters of ``runs/plan``."""

    parent: str | None = None
    method: str | None = None
    settings: tuple[str, ...] = ()
    measure: bool = False


class StartParams(ProjectParams):
    """Parameters of ``runs/start``."""

    preset: str | None = None
    parent: str | None = None
    method: str | None = None
    name: str | None = None
    settings: tuple[str, ...] = ()
    promotes: bool = True
    annotator_id: str | None = None


class RunParams(ProjectParams):
    """Parameters of a request about one run; ``latest`` names the last one."""

    run: str


class ShowRunParams(RunParams):
    """Parameters of ``runs/show``; ``first_event`` is ``next_event`` of the answer before.

    With ``log_lines`` the answer holds as many lines of the end of the run's log.
    """

    first_event: Annotated[int, Field(ge=0)] = 0
    log_lines: Annotated[int, Field(ge=0, le=1000)] = 0


class StopParams(RunParams):
    """Parameters of ``runs/stop``; without ``for_good`` the run is paused."""

    for_good: bool = False


class CompareParams(ProjectParams):
    """Parameters of ``models/compare``; without ``old`` the model in use."""

    new: str
    old: str | None = None
    device: str = "auto"


class PromoteParams(ProjectParams):
    """Parameters of ``models/promote``; a reason is needed only against the rule."""

    model: str
    annotator_id: str | None = None
    reason: str | None = None


class RollBackParams(ProjectParams):
    """Parameters of ``models/rollback``."""

    annotator_id: str | None = None
    reason: str | None = None


class ExportParams(ProjectParams):
    """Parameters of ``models/export``; the path is one of the machine the worker runs on."""

    model: str
    output: str


class RunRequests:
    """The requests about runs and a project's models, by name.

    Attributes:
        quick: Methods that answer in milliseconds, in the order they are asked.
        background: Methods that return work to do beside a long request, one after the other.
    """

    def __init__(self, service: Service) -> None:
        """Serve a service."""
        self._service = service
        self.quick: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "runs/list": self._list_runs,
            "runs/show": self._show_run,
            "runs/stop": self._stop_run,
            "models/shelf": self._list_shelf,
            "models/rollback": self._roll_back,
        }
        self.background: dict[str, Callable[[dict[str, Any]], Work]] = {
            "runs/plan": self._plan_run,
            "runs/start": self._start_run,
            "runs/resume": self._resume_run,
            "models/compare": self._compare,
            "models/promote": self._promote,
            "models/export": self._export,
        }

    def _list_runs(self, params: dict[str, Any]) -> Answer:
        runs = self._service.list_runs(Path(ProjectParams.model_validate(params).project))
        return {"runs": [run.model_dump(mode="json") for run in runs]}

    def _show_run(self, params: dict[str, Any]) -> Answer:
        asked = ShowRunParams.model_validate(params)
        summary, events, following = self._service.show_run(Path(asked.project), asked.run, asked.first_event)
        answer = {
            "run": summary.model_dump(mode="json"),
            "events": events,
            "first_event": following - len(events),
            "next_event": following,
        }
        if asked.log_lines:
            answer["log"] = self._service.read_run_log(Path(asked.project), asked.run, asked.log_lines)
        return answer

    def _stop_run(self, params: dict[str, Any]) -> Answer:
        asked = StopParams.model_validate(params)
        summary = self._service.stop_run(Path(asked.project), asked.run, is_for_good=asked.for_good)
        return {"run": summary.model_dump(mode="json")}

    def _list_shelf(self, params: dict[str, Any]) -> Answer:
        models, active = self._service.list_shelf(Path(ProjectParams.model_validate(params).project))
        return {
            "models": [model.model_dump(mode="json") for model in models],
            "history": [decision.model_dump(mode="json") for decision in active.history],
            "can_roll_back": active.can_roll_back,
        }

    def _roll_back(self, params: dict[str, Any]) -> Answer:
        asked = RollBackParams.model_validate(params)
        active = self._service.roll_back_model(Path(asked.project), decided_by=asked.annotator_id, reason=asked.reason)
        return {
            "active_model": None if active.current is None else active.current.model_id,
            "history": [decision.model_dump(mode="json") for decision in active.history],
            "can_roll_back": active.can_roll_back,
        }

    def _plan_run(self, params: dict[str, Any]) -> Work:
        asked = PlanParams.model_validate(params)
        wish = RunWish(parent=asked.parent, method=asked.method, settings=asked.settings)

        def work(job: Job) -> Answer:
            job.report(0.0, "Measuring a training step" if asked.measure else "Looking at the project")
            plan = self._service.plan_run(Path(asked.project), wish, is_measured=asked.measure)
            return plan.model_dump(mode="json")

        return work

    def _start_run(self, params: dict[str, Any]) -> Work:
        asked = StartParams.model_validate(params)
        wish = RunWish(
            preset=asked.preset,
            parent=asked.parent,
            method=asked.method,
            name=asked.name,
            settings=asked.settings,
            promotes=asked.promotes,
            asked_by=asked.annotator_id,
        )

        def work(job: Job) -> Answer:
            job.report(0.0, "Preparing the run")
            job.begin_last_step()
            summary, notes = self._service.start_run(Path(asked.project), wish)
            return {"run": summary.model_dump(mode="json"), "notes": list(notes)}

        return work

    def _resume_run(self, params: dict[str, Any]) -> Work:
        asked = RunParams.model_validate(params)

        def work(job: Job) -> Answer:
            job.begin_last_step()
            summary = self._service.resume_run(Path(asked.project), asked.run)
            return {"run": summary.model_dump(mode="json")}

        return work

    def _compare(self, params: dict[str, Any]) -> Work:
        asked = CompareParams.model_validate(params)

        def work(job: Job) -> Answer:
            found = self._service.compare_models(
                Path(asked.project),
                asked.new,
                asked.old,
                device=asked.device,
                on_progress=job.report,
                cancelled=job.is_cancelled,
            )
            return {"comparison": found.model_dump(mode="json")}

        return work

    def _promote(self, params: dict[str, Any]) -> Work:
        asked = PromoteParams.model_validate(params)

        def work(job: Job) -> Answer:
            done = self._service.promote_model(
                Path(asked.project),
                asked.model,
                decided_by=asked.annotator_id,
                reason=asked.reason,
                on_progress=job.report,
                cancelled=job.is_cancelled,
                before_commit=job.begin_last_step,
            )
            return done.model_dump(mode="json")

        return work

    def _export(self, params: dict[str, Any]) -> Work:
        asked = ExportParams.model_validate(params)

        def work(job: Job) -> Answer:
            job.begin_last_step()
            written = self._service.export_model(Path(asked.project), asked.model, Path(asked.output))
            return {"output": str(written)}

        return work
