"""Requests about the cases of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from VQSegLib.label_crops import crop_labels
from VQSegLib.pool_service import PoolService
from VQSegLib.wire import WireArray
from VQSegLib.worker.arrays import to_wire_label
from VQSegLib.worker.case_params import (
    AddCaseParams,
    AddScansParams,
    CaseParams,
    CasesParams,
    ExportParams,
    ListCasesParams,
    NextParams,
    ReadParams,
    to_submission,
)
from VQSegLib.worker.job import Job
from VQSegLib.worker.scan_requests import Answer, LongRequest, Work
from VQSegLib.worker.volumes import ReceivedVolume, VolumeStore


class CaseRequests:
    """The requests about cases, by name.

    Attributes:
        quick: Methods that answer in milliseconds, in the order they are asked.
        long: Methods that return the work to do, one at a time, because they need the device.
        handover: Methods that return work with one scan that a person waits for, beside everything else.
        background: Methods that return work with many cases, beside a long request, one after the other.
    """

    def __init__(self, service: PoolService, volumes: VolumeStore) -> None:
        """Serve a service.

        Args:
            service: What does the work.
            volumes: Scans that were sent; an opened case becomes one of them.
        """
        self._service, self._volumes = service, volumes
        self.quick: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "cases/list": self._list_cases,
            "cases/show": self._show_case,
            "cases/exclude": self._exclude,
            "cases/include": self._include,
            "cases/remove": self._remove,
            "volume/read": self._read_volume,
        }
        self.long: dict[str, LongRequest] = {"cases/next": self._find_next}
        self.handover: dict[str, LongRequest] = {"cases/add": self._add_case, "cases/open": self._open_case}
        self.background: dict[str, LongRequest] = {"cases/add_scans": self._add_scans, "cases/export": self._export}

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

    def _add_case(self, params: dict[str, Any]) -> Work:
        from VQSegLib.project.case_checks import ConfirmationNeeded

        asked = AddCaseParams.model_validate(params)
        received = self._volumes.find(asked.volume)
        # Now: the person may segment the scan again while it waits.
        proposal = None if asked.model is None else received.find_proposal(asked.model)

        def work(job: Job) -> Answer:
            job.report(0.0, "Checking the scan")
            submission = to_submission(asked, received.get(), proposal)
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
