"""What can be asked about the cases of a project."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.project_service import ProjectService
from VQSegLib.request_helpers import patient_of

if TYPE_CHECKING:
    from VQSegLib.project.cases import CaseRecord
    from VQSegLib.project.folder import Project
    from VQSegLib.project.review import Review
    from VQSegLib.project_results import CaseList, CaseSummary, OpenedCase
    from VQSegLib.submission import Submission


class CaseService(ProjectService):
    """Answers requests about cases."""

    def list_cases(self, path: Path, *, state: str | None = None, split: str | None = None) -> CaseList:
        """List the cases of a project, optionally only those of one state or split.

        Raises:
            ProjectError: The project cannot be read, or ``state`` or ``split`` is not known.
        """
        from VQSegLib.project.cases import CaseState, Split, parse_choice
        from VQSegLib.project_results import CaseList, count_states, summarize_case

        wanted_state, wanted_split = parse_choice(CaseState, state), parse_choice(Split, split)
        project = self.open_project(path)
        listing, labels = project.list_cases(), project.labels
        cases = tuple(
            summarize_case(record, labels)
            for record in listing.records
            if wanted_state in (None, record.state) and wanted_split in (None, record.split)
        )
        return CaseList(cases=cases, counts=count_states(listing.records), damaged=listing.damaged)

    def show_case(self, path: Path, case_id: str) -> tuple[CaseRecord, CaseSummary]:
        """Return everything known about a case.

        Raises:
            ProjectError: There is no such case, or it is damaged.
        """
        from VQSegLib.project_results import summarize_case

        project = self.open_project(path)
        record = project.case(case_id)
        return record, summarize_case(record, project.labels)

    def add_case(
        self,
        path: Path,
        image: Path,
        label: Path,
        *,
        review: Review,
        split: str | None = None,
        same_patient_as: str | None = None,
        is_revision: bool = False,
    ) -> CaseRecord:
        """Add a scan with its label map; see :meth:`VQSegLib.project.folder.Project.add_case`.

        Raises:
            UserError: One sentence about why it is refused; nothing was written.
        """
        from VQSegLib.image_files import load_label_map, load_volume

        project = self.open_project(path)
        patient_id = patient_of(project, same_patient_as)
        volumes = load_volume(image), load_label_map(label)
        return project.add_case(*volumes, split=split, patient_id=patient_id, review=review, is_revision=is_revision)

    def relabel_case(self, path: Path, case_id: str, label: Path, review: Review) -> CaseRecord:
        """Accept a label map as the next revision of a case.

        Raises:
            UserError: One sentence about why it is refused; nothing was written.
        """
        from VQSegLib.image_files import load_label_map

        return self.open_project(path).revise_case(case_id, load_label_map(label), review)

    def submit_case(self, path: Path, submission: Submission, before_commit: Callable[[], None]) -> CaseSummary:
        """Accept what a person drew on a scan that is in memory; see :func:`VQSegLib.submission.submit`.

        Raises:
            UserError: One sentence about why it is refused; nothing was written.
        """
        from VQSegLib.project_results import summarize_case
        from VQSegLib.submission import submit

        project = self.open_project(path)
        return summarize_case(submit(project, submission, before_commit), project.labels)

    def open_case(self, path: Path, case_id: str) -> OpenedCase:
        """Load a case to look at it or to correct it.

        Raises:
            UserError: There is no such case, or its files are damaged.
        """
        from VQSegLib.project_results import OpenedCase, summarize_case

        project = self.open_project(path)
        record, labels = project.case(case_id), project.labels
        return OpenedCase(
            summary=summarize_case(record, labels),
            image=project.load_image(case_id),
            label=project.load_label(case_id) if record.is_labeled else None,
            labels=labels,
        )

    def exclude_cases(self, path: Path, case_ids: Collection[str]) -> tuple[CaseRecord, ...]:
        """Leave cases out of everything until they are included again; all of them or none.

        Raises:
            ProjectError: There is no such case, or it cannot be written.
        """
        project = self._with_cases(path, case_ids)
        return tuple(project.exclude_case(case_id) for case_id in case_ids)

    def include_cases(self, path: Path, case_ids: Collection[str]) -> tuple[CaseRecord, ...]:
        """Take excluded cases back.

        Raises:
            ProjectError: There is no such case, or it cannot be written.
        """
        project = self._with_cases(path, case_ids)
        return tuple(project.include_case(case_id) for case_id in case_ids)

    def remove_cases(self, path: Path, case_ids: Collection[str]) -> None:
        """Remove cases with all their files.

        Raises:
            ProjectError: There is no such case, or it cannot be removed.
        """
        project = self._with_cases(path, case_ids)
        for case_id in case_ids:
            project.remove_case(case_id)

    def _with_cases(self, path: Path, case_ids: Collection[str]) -> Project:
        """Open a project and make sure that it has all these cases, readable or not."""
        project = self.open_project(path)
        for case_id in case_ids:
            project.require_case(case_id)
        return project
