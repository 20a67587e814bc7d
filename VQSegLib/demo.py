"""The demo: segment the shipped scan of one test patient and compare with the clinical contours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.errors import UserError
from VQSegLib.resources import resources_folder
from VQSegLib.service import Service

if TYPE_CHECKING:
    from VQSegLib.evaluation.results import Evaluation
    from VQSegLib.service_results import OnProgress, SegmentationResult

MODEL_NAME = "vqseg-openkbp-headneck"


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes:
        segmentation: Answer of the segment request.
        evaluation: Scores against the clinical contours.
        picture: Overlay of both in three planes.
        scores: The evaluation as JSON.
    """

    segmentation: SegmentationResult
    evaluation: Evaluation
    picture: Path
    scores: Path


def run_demo(output: Path, *, overwrite: bool = False, on_progress: OnProgress | None = None) -> DemoResult:
    """Segment, score and draw the demo scan.

    Args:
        output: Folder for the results; made if it is missing.
        overwrite: Replace the results of an earlier demo.
        on_progress: Told how far the segmentation is.

    Raises:
        UserError: The demo files are missing, or ``output`` holds results already or cannot be written.
    """
    from VQSegLib.atomic_files import write_text
    from VQSegLib.evaluation.overlay import save_overlay
    from VQSegLib.evaluation.table import format_json
    from VQSegLib.image_files import load_label_map, load_volume

    image_path, label_path = demo_file("image.nii.gz"), demo_file("label.nii.gz")
    service = Service()
    labels = service.show_model(MODEL_NAME).labels
    service.verify_model(MODEL_NAME)  # before the folder is made, so that a damaged file leaves nothing behind
    _make_folder(output)
    map_path, picture, scores = (output / name for name in ("segmentation.nii.gz", "overlay.png", "scores.json"))
    segmentation = service.segment(image_path, MODEL_NAME, map_path, overwrite=overwrite, on_progress=on_progress)
    evaluation = service.evaluate(map_path, label_path, labels=labels)
    write_text(scores, format_json(evaluation))
    title = "OpenKBP test patient: VQSeg (solid) and clinical contours (dashed)"
    image, prediction, reference = load_volume(image_path), load_label_map(map_path), load_label_map(label_path)
    save_overlay(picture, image, prediction, reference, labels, title=title)
    return DemoResult(segmentation, evaluation, picture, scores)


def demo_file(name: str) -> Path:
    """Return the path of a shipped demo file.

    Raises:
        UserError: It is missing.
    """
    path = resources_folder() / "demo" / name
    if not path.is_file():
        msg = f"The demo file '{path}' is missing; run the demo from a complete copy of the repository."
        raise UserError(msg)
    return path


def _make_folder(path: Path) -> None:
    """Make the output folder."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as exc:
        msg = f"The folder '{path}' cannot be made ({exc.strerror}); choose another with --output."
        raise UserError(msg) from exc
