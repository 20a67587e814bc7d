"""Long requests about a scan that was sent: segment, uncertainty, refine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from VQSegLib.label_crops import crop_labels, paste_masks
from VQSegLib.scan_service import ScanService
from VQSegLib.service_results import SegmentedVolume
from VQSegLib.worker.arrays import BoxParams, MaskParams, Params, to_wire_label
from VQSegLib.worker.job import Job
from VQSegLib.worker.unsure_places import describe_uncertainty
from VQSegLib.worker.volumes import ReceivedVolume, VolumeStore

Answer = dict[str, Any]
Work = Callable[[Job], Answer]
"""A long request whose parameters are fine; it reports to the job and asks it whether to stop."""
LongRequest = Callable[[dict[str, Any]], Work]


class SegmentParams(Params):
    """Parameters of ``segment``."""

    volume: str
    model: str
    device: str = "auto"
    roi: BoxParams | None = None


class UncertaintyParams(SegmentParams):
    """Parameters of ``uncertainty``."""

    samples: Annotated[int, Field(ge=1, le=64)] = 8


class RefineParams(SegmentParams):
    """Parameters of ``refine``; a label without voxels may be left out."""

    labels: tuple[MaskParams, ...]
    slices_k: tuple[Annotated[int, Field(ge=0)], ...]


class ScanRequests:
    """The long requests about one scan, by name.

    Attributes:
        long: Methods that return the work to do, one at a time.
    """

    def __init__(self, service: ScanService, volumes: VolumeStore) -> None:
        """Serve a service.

        Args:
            service: What does the work.
            volumes: Scans that were sent.
        """
        self._service, self._volumes = service, volumes
        self.long: dict[str, LongRequest] = {
            "segment": self._segment,
            "uncertainty": self._uncertainty,
            "refine": self._refine,
        }

    def _segment(self, params: dict[str, Any]) -> Work:
        asked = SegmentParams.model_validate(params)
        received = self._volumes.find(asked.volume)
        roi = None if asked.roi is None else asked.roi.to_box()

        def work(job: Job) -> Answer:
            job.report(0.0, "Checking the scan")
            segmented = self._service.segment_volume(
                received.get(),
                asked.model,
                roi=roi,
                device=asked.device,
                on_progress=job.report,
                cancelled=job.is_cancelled,
            )
            return describe_segmentation(_remember(received, asked.model, segmented))

        return work

    def _uncertainty(self, params: dict[str, Any]) -> Work:
        asked = UncertaintyParams.model_validate(params)
        received = self._volumes.find(asked.volume)
        roi = None if asked.roi is None else asked.roi.to_box()

        def work(job: Job) -> Answer:
            job.report(0.0, "Checking the scan")
            unsure, segmented = self._service.estimate_uncertainty(
                received.get(),
                asked.model,
                samples=asked.samples,
                roi=roi,
                device=asked.device,
                on_progress=job.report,
                cancelled=job.is_cancelled,
            )
            return {**describe_uncertainty(unsure), **_describe_run(segmented)}

        return work

    def _refine(self, params: dict[str, Any]) -> Work:
        asked = RefineParams.model_validate(params)
        received = self._volumes.find(asked.volume)
        roi = None if asked.roi is None else asked.roi.to_box()
        masks = [label.to_mask() for label in asked.labels]

        def work(job: Job) -> Answer:
            job.report(0.0, "Checking the scan")
            volume = received.get()
            segmented = self._service.refine_volume(
                volume,
                asked.model,
                volume.with_array(paste_masks(masks, volume.shape_kji)),
                asked.slices_k,
                proposal=received.find_answer(asked.model),
                roi=roi,
                device=asked.device,
                on_progress=job.report,
                cancelled=job.is_cancelled,
            )
            answer = describe_segmentation(_remember(received, asked.model, segmented, is_refined=True))
            return {**answer, "slices_k": sorted(set(asked.slices_k))}

        return work


def describe_segmentation(segmented: SegmentedVolume) -> Answer:
    """Return the answer to ``segment``: every label as a cropped mask."""
    crops = crop_labels(segmented.label_map.array, segmented.model.labels)
    return {"labels": [to_wire_label(crop) for crop in crops], **_describe_run(segmented)}


def _describe_run(segmented: SegmentedVolume) -> Answer:
    return {
        "seconds": round(segmented.seconds, 3),
        "seconds_by_stage": {stage: round(seconds, 3) for stage, seconds in segmented.seconds_by_stage.items()},
        "device": segmented.device,
        "precision": segmented.precision,
        "notes": list(segmented.notes),
    }


def _remember(
    received: ReceivedVolume, model: str, segmented: SegmentedVolume, *, is_refined: bool = False
) -> SegmentedVolume:
    """Keep what is answered: a refinement also learns from what a person erased of it."""
    received.keep_answer(model, segmented.label_map, is_refined=is_refined)
    return segmented
