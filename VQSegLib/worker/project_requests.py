"""Requests about projects as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from VQSegLib.browsing import list_folders
from VQSegLib.labels import Code, LabelTable
from VQSegLib.project_service import ProjectService
from VQSegLib.worker.arrays import Params
from VQSegLib.worker.case_params import ProjectParams
from VQSegLib.worker.job import Job
from VQSegLib.worker.scan_requests import Answer, LongRequest, Work

if TYPE_CHECKING:
    from VQSegLib.project.document import ProjectDocument


class FolderParams(Params):
    """Parameters of ``folders/list``; without a path the home folder is listed."""

    path: str | None = None


class CreateParams(ProjectParams):
    """Parameters of ``projects/create``; labels are a table or the name of a shipped one."""

    labels: LabelTable | str
    modality: str = "CT"
    intensity_window: tuple[float, float] = (-1000.0, 1000.0)


class ChangeLabelsParams(ProjectParams):
    """Parameters of ``projects/labels``: one change of the label table."""

    change: Literal["add", "rename", "remove", "reorder"]
    value: int = 0
    values: tuple[int, ...] = ()
    name: str = ""
    color: tuple[int, int, int] | None = None
    category: Code | None = None
    type: Code | None = None
    modifier: Code | None = None

    def to_change(self) -> Callable[[ProjectDocument], ProjectDocument]:
        """Return what makes the change."""
        from VQSegLib.project import document

        codes = {"category": self.category, "type": self.type, "modifier": self.modifier}
        return {
            "add": lambda it: document.add_label(it, self.name, self.color, **codes),
            "rename": lambda it: document.rename_label(it, self.value, self.name),
            "remove": lambda it: document.remove_label(it, self.value),
            "reorder": lambda it: document.reorder_labels(it, self.values),
        }[self.change]


class ProjectRequests:
    """The requests about projects as a whole, by name.

    Attributes:
        quick: Methods that answer in milliseconds, in the order they are asked.
        background: Methods that return work to do beside a long request.
    """

    def __init__(self, service: ProjectService) -> None:
        """Serve a service."""
        self._service = service
        self.quick: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "folders/list": self._list_folders,
            "projects/create": self._create,
            "projects/open": self._open,
            "projects/labels": self._change_labels,
        }
        self.background: dict[str, LongRequest] = {"projects/check": self._check}

    def _list_folders(self, params: dict[str, Any]) -> Answer:
        path = FolderParams.model_validate(params).path
        return list_folders(None if path is None else Path(path)).model_dump(mode="json")

    def _create(self, params: dict[str, Any]) -> Answer:
        from VQSegLib.resources import load_label_table

        asked = CreateParams.model_validate(params)
        table = load_label_table(asked.labels) if isinstance(asked.labels, str) else asked.labels
        path = Path(asked.project)
        self._service.create_project(path, labels=table, modality=asked.modality, window=asked.intensity_window)
        return self._service.summarize_project(path).model_dump(mode="json")

    def _open(self, params: dict[str, Any]) -> Answer:
        path = Path(ProjectParams.model_validate(params).project)
        return self._service.summarize_project(path).model_dump(mode="json")

    def _change_labels(self, params: dict[str, Any]) -> Answer:
        asked = ChangeLabelsParams.model_validate(params)
        document = self._service.change_project(Path(asked.project), asked.to_change())
        return {"labels": document.labels.model_dump(mode="json")["labels"]}

    def _check(self, params: dict[str, Any]) -> Work:
        path = Path(ProjectParams.model_validate(params).project)

        def work(job: Job) -> Answer:
            report = self._service.check_project(path, on_progress=job.report, cancelled=job.is_cancelled)
            return report.model_dump(mode="json")

        return work
