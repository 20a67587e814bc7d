"""Requests about projects and their cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from VQSegLib.browsing import list_folders
from VQSegLib.label_crops import crop_labels
from VQSegLib.labels import Code, LabelTable
from VQSegLib.pool_service import PoolService
from VQSegLib.submission import Submission
from VQSegLib.wire import WireArray
from VQSegLib.worker.arrays import Index, Params, from_extent_ijk, to_numpy, to_wire_label
from VQSegLib.worker.job import Job
from VQSegLib.worker.volumes import ReceivedVolume, VolumeStore

if TYPE_CHECKING:
    from VQSegLib.project.document import ProjectDocument

Answer = dict[str, Any]
Work = Callable[[Job], Answer]


class FolderParams(Params):
    """Parameters of ``folders/list``; without a path the home folder is listed."""

    path: str | None = None


class ProjectParams(Params):
    """Parameters of a request about a project as a whole."""

    project: str


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


class ListCasesParams(ProjectParams):
    """Parameters of ``cases/list``."""

    state: str | None = None
    split: str | None = None


class CaseParams(ProjectParams):
    """Parameters of a request about one case."""

    case: str


class CasesParams(ProjectParams):
    """Parameters of a request about several cases."""

    cases: Annotated[tuple[str, ...], Field(min_length=1)]


class DrawnParams(Params):
    """One structure; ``value`` only if it came from this project, without extent and array it has no voxels."""

    name: str
    value: Annotated[int, Field(ge=1, le=255)] | None = None
    extent_ijk: tuple[Index, Index, Index, Index, Index, Index] | None = None
    array: WireArray | None = None


class AddCaseParams(ProjectParams):
    """Parameters of ``cases/add``; without ``labels`` the scan goes to the unlabeled pool."""

    volume: str
    labels: tuple[DrawnParams, ...] | None = None
    model: str | None = None
    annotator_id: str | None = None
    started: str | None = None
    reviewed_slices_k: tuple[Index, ...] | None = None
    revises: str | None = None
    same_patient_as: str | None = None
    confirmed: tuple[Literal["empty", "overlap"], ...] = ()


class AddScansParams(ProjectParams):
    """Parameters of ``cases/add_scans``; paths are those of the machine the worker runs on."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    same_patient_as: str | None = None


class ExportParams(ProjectParams):
    """Parameters of ``cases/export``; paths are those of the machine the worker runs on."""

    output: str
    format: str
    cases: tuple[str, ...] | None = None
    series: str | None = None


class NextParams(ProjectParams):
    """Parameters of ``cases/next``; without a model the one the project uses looks at the scans."""

    model: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    device: str = "auto"


class ReadParams(Params):
    """Parameters of ``volume/read``."""

    volume: str
    start_k: Index
    stop_k: Index


class ProjectRequests:
    """The requests about projects, by name.

    Attributes:
        quick: Methods that answer in milliseconds, in the order they are asked.
        long: Methods that return the work to do, one at a time, because they need the device.
        background: Methods that return work to do beside a long request, one after the other.
    """

    def __init__(self, service: PoolService, volumes: VolumeStore) -> None:
        """Serve a service.

        Args:
            service: What does the work.
            volumes: Scans that were sent; an opened case becomes one of them.
        """
        self._service, self._volumes = service, volumes
        self.quick: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "folders/list": self._list_folders,
            "projects/create": self._create,
            "projects/open": self._open,
            "projects/labels": self._change_labels,
            "cases/list": self._list_cases,
            "cases/show": self._show_case,
            "cases/exclude": self._exclude,
            "cases/include": self._include,
            "cases/remove": self._remove,
            "volume/read": self._read_volume,
        }
        self.long: dict[str, Callable[[dict[str, Any]], Work]] = {"cases/next": self._find_next}
        self.background: dict[str, Callable[[dict[str, Any]], Work]] = {
            "projects/check": self._check,
            "cases/add": self._add_case,
            "cases/add_scans": self._add_scans,
            "cases/open": self._open_case,
            "cases/export": self._export,
        }

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

    def _list_cases(self, params: dict[str, Any]) -> Answer:
        asked = ListCasesParams.model_validate(params)
        found = self._service.list_cases(Path(asked.project), state=asked.state, split=asked.split)
        return found.model_dump(mode="json")

    def _show_case(self, params: dict[str, Any]) -> Answer:
        asked = CaseParams.model_validate(params)
        record, summary = self._service.show_case(Path(asked.project), asked.case)
        return {"record": record.model_dump(mode="json"), "case": summary.model_dump(mode="json")}

    def _exclude(self, params: dict[str, Any]) -> Answer:
        asked = CasesParams.model_validate(params)
        return {"cases": [one.case_id for one in self._service.exclude_cases(Path(asked.project), asked.cases)]}

    def _include(self, params: dict[str, Any]) -> Answer:
        asked = CasesParams.model_validate(params)
        return {"cases": [one.case_id for one in self._service.include_cases(Path(asked.project), asked.cases)]}

    def _remove(self, params: dict[str, Any]) -> Answer:
        asked = CasesParams.model_validate(params)
        self._service.remove_cases(Path(asked.project), asked.cases)
        return {"cases": list(asked.cases)}

    def _read_volume(self, params: dict[str, Any]) -> Answer:
        asked = ReadParams.model_validate(params)
        slab = self._volumes.find(asked.volume).get().array[asked.start_k : asked.stop_k]
        return {"start_k": asked.start_k, "array": WireArray.from_numpy(slab)}

    def _check(self, params: dict[str, Any]) -> Work:
        path = Path(ProjectParams.model_validate(params).project)

        def work(job: Job) -> Answer:
            report = self._service.check_project(path, on_progress=job.report, cancelled=job.is_cancelled)
            return report.model_dump(mode="json")

        return work

    def _add_case(self, params: dict[str, Any]) -> Work:
        from VQSegLib.project.case_checks import ConfirmationNeeded

        asked = AddCaseParams.model_validate(params)
        received = self._volumes.find(asked.volume)

        def work(job: Job) -> Answer:
            job.report(0.0, "Checking the scan")
            submission = _to_submission(asked, received)
            job.report(0.2, "Writing the case")
            try:
                summary = self._service.submit_case(Path(asked.project), submission, job.begin_last_step)
            except ConfirmationNeeded as needed:
                return {"case": None, "confirm": needed.question, "sentence": str(needed)}
            return {"case": summary.model_dump(mode="json"), "confirm": None, "sentence": summary.split_reason}

        return work

    def _add_scans(self, params: dict[str, Any]) -> Work:
        asked = AddScansParams.model_validate(params)

        def work(job: Job) -> Answer:
            job.when_cancelled = "Stopped as asked; the scans added until then stay in the project."
            result = self._service.add_scans(
                Path(asked.project),
                [Path(path) for path in asked.paths],
                same_patient_as=asked.same_patient_as,
                on_progress=job.report,
                cancelled=job.is_cancelled,
            )
            return result.model_dump(mode="json")

        return work

    def _open_case(self, params: dict[str, Any]) -> Work:
        asked = CaseParams.model_validate(params)

        def work(job: Job) -> Answer:
            job.report(0.0, "Reading the case")
            opened = self._service.open_case(Path(asked.project), asked.case)
            volume = opened.image
            labels = [] if opened.label is None else crop_labels(opened.label.array, opened.labels)
            return {
                "volume": self._volumes.open(ReceivedVolume.of(volume)),
                "geometry": {"shape_kji": volume.shape_kji, "affine_ijk_to_ras": volume.affine_ijk_to_ras.tolist()},
                "dtype": volume.array.dtype.newbyteorder("<").str,
                "labels": [to_wire_label(crop) for crop in labels],
                "case": opened.summary.model_dump(mode="json"),
            }

        return work

    def _find_next(self, params: dict[str, Any]) -> Work:
        asked = NextParams.model_validate(params)

        def work(job: Job) -> Answer:
            found = self._service.find_next_scans(
                Path(asked.project),
                model=asked.model,
                limit=asked.limit,
                device=asked.device,
                on_progress=job.report,
                cancelled=job.is_cancelled,
            )
            return found.model_dump(mode="json")

        return work

    def _export(self, params: dict[str, Any]) -> Work:
        asked = ExportParams.model_validate(params)

        def work(job: Job) -> Answer:
            report = self._service.export_cases(
                Path(asked.project),
                Path(asked.output),
                asked.format,
                case_ids=asked.cases,
                series=None if asked.series is None else Path(asked.series),
                on_progress=job.report,
                cancelled=job.is_cancelled,
            )
            return report.model_dump(mode="json")

        return work


def _to_submission(asked: AddCaseParams, received: ReceivedVolume) -> Submission:
    """Return what is to be added; the proposal is the one the worker itself made for this scan."""
    from VQSegLib.project.drawn_labels import DrawnStructure
    from VQSegLib.project.label_matching import Structure

    drawn = None
    if asked.labels is not None:
        drawn = [
            DrawnStructure(
                Structure(one.name, one.value),
                None if one.extent_ijk is None else from_extent_ijk(one.extent_ijk),
                None if one.array is None else to_numpy(one.array),
            )
            for one in asked.labels
        ]
    return Submission(
        image=received.get(),
        drawn=drawn,
        model=asked.model,
        proposal=None if asked.model is None else received.find_proposal(asked.model),
        annotator_id=asked.annotator_id,
        started=asked.started,
        reviewed_slices=asked.reviewed_slices_k,
        revises=asked.revises,
        same_patient_as=asked.same_patient_as,
        confirmed=frozenset(asked.confirmed),
    )
