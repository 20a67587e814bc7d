"""What can be asked about one scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.last_model import LastModel
from VQSegLib.output_checks import check_output_file
from VQSegLib.scan_turn import scan_turn
from VQSegLib.service_results import OnProgress, SegmentationResult, SegmentedVolume, measure_labels

if TYPE_CHECKING:
    from VQSegLib.box import Box
    from VQSegLib.inference.uncertainty import Uncertainty
    from VQSegLib.volume import Volume


class ScanService:
    """Answers requests about one scan."""

    def __init__(self) -> None:
        self._last_model = LastModel()

    def segment(
        self,
        image: Path,
        model: str,
        output: Path,
        *,
        device: str = "auto",
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> SegmentationResult:
        """Segment a scan and write the label map in the scan's own geometry.

        Args:
            image: Image file or DICOM folder.
            model: Path of a model file or name of a shipped model.
            output: Label map to write.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
            overwrite: Replace ``output`` if it exists.
            on_progress: Told how far the work is.
            cancelled: Polled between batches.

        Raises:
            UserError: One sentence about the image, the model, the device or the output; nothing was written.
            Cancelled: ``cancelled`` answered True; nothing was written.
        """
        from VQSegLib.image_files import WRITABLE_SUFFIXES, load_volume, save_label_map

        started = time.perf_counter()
        check_output_file(output, WRITABLE_SUFFIXES, source=image, overwrite=overwrite)
        segmented = self.segment_volume(
            load_volume(image), model, device=device, on_progress=on_progress, cancelled=cancelled
        )
        save_label_map(output, segmented.label_map)
        card = segmented.model.card
        return SegmentationResult(
            output=str(output),
            model=card.name,
            model_sha256=segmented.model.sha256,
            device=segmented.device,
            precision=segmented.precision,
            seconds=round(time.perf_counter() - started, 3),
            notes=segmented.notes,
            labels=measure_labels(segmented.label_map, card.labels),
        )

    def segment_volume(
        self,
        volume: Volume,
        model: str,
        *,
        roi: Box | None = None,
        device: str = "auto",
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> SegmentedVolume:
        """Segment a scan that is in memory.

        Args:
            volume: CT in HU, in any orientation.
            model: Path of a model file or name of a shipped model.
            roi: Box of voxel indices of ``volume``; outside of it the result is background.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
            on_progress: Told how far the work is.
            cancelled: Polled between batches.

        Raises:
            UserError: One sentence about the model, the device or the region.
            Cancelled: ``cancelled`` answered True.
        """
        from VQSegLib.inference.predictor import Predictor

        with scan_turn(self._last_model, model, device, on_progress, cancelled) as turn:
            predictor = Predictor(turn.model, device=device)
            prediction = predictor.predict(volume, roi=roi, on_progress=on_progress, cancelled=cancelled)
            return turn.describe(prediction)

    def estimate_uncertainty(
        self,
        volume: Volume,
        model: str,
        *,
        samples: int = 8,
        roi: Box | None = None,
        device: str = "auto",
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[Uncertainty, SegmentedVolume]:
        """Say where a model is unsure about a scan that is in memory, and what it segments there.

        Args:
            volume: CT in HU, in any orientation.
            model: Path of a model file or name of a shipped model.
            samples: Decodes with perturbed codes per window.
            roi: Box of voxel indices of ``volume``; outside of it the model is sure of the background.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
            on_progress: Told how far the work is.
            cancelled: Polled between decodes.

        Raises:
            UserError: One sentence about the model, the device, the samples or the region.
            Cancelled: ``cancelled`` answered True.
        """
        from VQSegLib.inference.uncertainty import UncertaintyEstimator

        with scan_turn(self._last_model, model, device, on_progress, cancelled) as turn:
            estimator = UncertaintyEstimator(turn.model, samples=samples, device=device)
            unsure = estimator.estimate(volume, roi=roi, on_progress=on_progress, cancelled=cancelled)
            return unsure, turn.describe(unsure.prediction)

    def refine_volume(
        self,
        volume: Volume,
        model: str,
        corrected: Volume,
        corrected_slices_k: Sequence[int],
        *,
        proposal: Volume | None = None,
        roi: Box | None = None,
        device: str = "auto",
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> SegmentedVolume:
        """Segment a scan again with what its corrected slices teach; model and model file stay as they are.

        Args:
            volume: CT in HU, in any orientation.
            model: Path of a model file or name of a shipped model.
            corrected: Label map in the geometry of the scan; only the corrected slices are looked at.
            corrected_slices_k: Slices along ``k`` that are right now; the result holds them as they are.
            proposal: What the model had answered, if known: erased structures then teach, too.
            roi: Box of voxel indices of ``volume``; outside of it and of the corrected slices the result is background.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
            on_progress: Told how far the work is.
            cancelled: Polled between steps and batches.

        Raises:
            UserError: One sentence about the model, the device or the corrections.
            Cancelled: ``cancelled`` answered True.
        """
        from VQSegLib.inference.refinement import refine

        with scan_turn(self._last_model, model, device, on_progress, cancelled) as turn:
            refinement = refine(
                turn.model,
                volume,
                corrected,
                corrected_slices_k,
                proposal=proposal,
                roi=roi,
                device=device,
                on_progress=on_progress,
                cancelled=cancelled,
            )
            return turn.describe(refinement.prediction)
