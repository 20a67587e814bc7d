"""What can be asked about many cases at a time: taking them into a project and writing them out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.project_service import ProjectService
from VQSegLib.request_helpers import never, patient_of, stopper, without_time
from VQSegLib.service_results import ImportedCases, OnProgress

if TYPE_CHECKING:
    from VQSegLib.export.results import ExportReport
    from VQSegLib.project.importing import ImportResult


class TransferService(ProjectService):
    """Answers requests that take cases into a project or out of it, told scan by scan."""

    def add_scans(
        self,
        path: Path,
        sources: Sequence[Path],
        *,
        split: str | None = None,
        same_patient_as: str | None = None,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> ImportedCases:
        """Add scans without label maps: image files, DICOM series, or folders that hold any of these.

        Raises:
            UserError: The project cannot be used or nothing is found; single scans that fail are listed instead.
        """
        from VQSegLib.project.importing import add_scans

        project = self.open_project(path)
        result = add_scans(
            project,
            sources,
            split=split,
            patient_id=patient_of(project, same_patient_as),
            on_progress=without_time(on_progress),
            cancelled=cancelled,
        )
        return _answer(result)

    def import_cases(
        self,
        path: Path,
        images: str,
        labels: str | None = None,
        *,
        split: str | None = None,
        keys: Collection[str] | None = None,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> ImportedCases:
        """Add every image that matches a pattern, with its label map; see :mod:`VQSegLib.project.importing`.

        Raises:
            UserError: The project or a pattern cannot be used; single files that fail are listed instead.
        """
        from VQSegLib.project.importing import import_cases

        result = import_cases(
            self.open_project(path),
            images,
            labels,
            split=split,
            keys=keys,
            on_progress=without_time(on_progress),
            cancelled=cancelled,
        )
        return _answer(result)

    def export_cases(
        self,
        path: Path,
        output: Path,
        form: str,
        *,
        case_ids: Collection[str] | None = None,
        series: Path | None = None,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> ExportReport:
        """Export labeled cases; see :func:`VQSegLib.export.formats.export_cases`.

        Raises:
            UserError: One sentence about why it is refused; nothing was written.
            Cancelled: ``cancelled`` answered True; nothing was written.
        """
        from VQSegLib.export.formats import export_cases

        project, stop = self.open_project(path), stopper(cancelled)
        total = len(case_ids) if case_ids else max(1, sum(one.is_labeled for one in project.list_cases().records))

        def before_case(number: int, _case_id: str) -> None:
            stop()
            if on_progress is not None:
                on_progress(min(1.0, number / total), f"Case {number + 1}", None)

        return export_cases(project, output, form, case_ids=case_ids, series=series, before_case=before_case)


def _answer(result: ImportResult) -> ImportedCases:
    return ImportedCases(imported=result.imported, failed=result.failed, is_stopped=result.is_stopped)
