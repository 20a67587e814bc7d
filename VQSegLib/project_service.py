"""What can be asked about a project as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.request_helpers import never, stopper, without_time
from VQSegLib.service_results import OnProgress

if TYPE_CHECKING:
    from VQSegLib.labels import LabelTable
    from VQSegLib.project.document import ProjectDocument
    from VQSegLib.project.folder import Project
    from VQSegLib.project_results import ProjectCheck, ProjectSummary


class ProjectService:
    """Answers requests about projects; one that was opened before is known and opens faster."""

    def __init__(self) -> None:
        super().__init__()
        self._projects: dict[Path, Project] = {}

    def create_project(self, path: Path, *, labels: LabelTable, modality: str, window: tuple[float, float]) -> Project:
        """Make a new project folder; ``window`` is the lowest and highest HU used.

        Raises:
            UserError: The label table or the folder cannot be used.
        """
        from VQSegLib.project.folder import Project

        return Project.create(path, labels, modality, window)

    def open_project(self, path: Path) -> Project:
        """Open a project folder and repair what a crash left behind.

        Raises:
            ProjectError: There is no project, or it is damaged.
        """
        from VQSegLib.project.folder import Project

        known = self._projects.get(path)
        if known is None:
            known = self._projects[path] = Project.open(path)
        else:
            known.repair()
        return known

    def summarize_project(self, path: Path) -> ProjectSummary:
        """Open a project and say what is in it.

        Raises:
            ProjectError: There is no project, or it is damaged.
        """
        from VQSegLib.project.cases import Split
        from VQSegLib.project_results import ProjectSummary, count_states

        project = self.open_project(path)
        listing, document = project.list_cases(), project.document
        current = project.models.active().current
        return ProjectSummary(
            path=str(path),
            labels=document.labels,
            modality=document.modality,
            intensity_window=document.intensity_window,
            counts=count_states(listing.records),
            held_out=sum(one.split == Split.HELD_OUT and one.is_labeled for one in listing.records),
            damaged=listing.damaged,
            active_model=None if current is None else current.model_id,
            repairs=project.repairs,
        )

    def check_project(
        self, path: Path, *, on_progress: OnProgress | None = None, cancelled: Callable[[], bool] = never
    ) -> ProjectCheck:
        """Read every file of a project and say what is wrong.

        Raises:
            ProjectError: There is no project, or its folder cannot be read.
            Cancelled: ``cancelled`` answered True.
        """
        from VQSegLib.project.check import check_project
        from VQSegLib.project_results import ProjectCheck

        project = self.open_project(path)
        report = check_project(project, on_progress=without_time(on_progress), before_case=stopper(cancelled))
        return ProjectCheck(cases=report.cases, repairs=project.repairs, problems=report.problems, notes=report.notes)

    def change_project(self, path: Path, change: Callable[[ProjectDocument], ProjectDocument]) -> ProjectDocument:
        """Change the label table or window of a project; see :mod:`VQSegLib.project.document`.

        Raises:
            ProjectError: The change is not allowed or cannot be written.
        """
        return self.open_project(path).change_document(change)
