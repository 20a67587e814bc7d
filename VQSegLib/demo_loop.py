"""The demo of the whole loop: scans are segmented, corrected, queued and learned from; the better model is used.

The clinical contours of each scan play the clinician who corrects the weak model's proposal. The weak model has seen
none of the scans.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.errors import UserError
from VQSegLib.request_helpers import never, stopper
from VQSegLib.resources import load_label_table, resources_folder
from VQSegLib.run_service import RunWish
from VQSegLib.service import Service

if TYPE_CHECKING:
    from VQSegLib.runs.documents import RunSummary
    from VQSegLib.service_results import OnProgress

LABELS = "openkbp_head_neck"
WINDOW_HU = (-200.0, 500.0)
PRESET = "quick"
_SETTINGS = ("validation_interval=100", "log_interval=5", "data.patch_size=[48,48,48]")
_PICTURES = ("before", "after")


@dataclass(frozen=True)
class LoopResult:
    """What the demo made.

    Attributes:
        run: The run with its comparison.
        project: The project.
        before: Picture of a held-out patient with the weak model.
        after: The same with the new model.
        seconds: Wall time.
    """

    run: RunSummary
    project: Path
    before: Path
    after: Path
    seconds: float


def run_loop_demo(
    output: Path,
    *,
    overwrite: bool = False,
    on_progress: OnProgress = lambda *_: None,
    cancelled: Callable[[], bool] = never,
) -> LoopResult:
    """Segment, correct, queue, fine-tune, compare, promote.

    Args:
        output: Folder for project and pictures; must not exist or be empty.
        overwrite: Replace the project and the pictures of an earlier demo.
        on_progress: Told how far the demo is.
        cancelled: Polled between the parts; the run is stopped then.

    Raises:
        UserError: The demo files are missing, or ``output`` cannot be used.
        Cancelled: ``cancelled`` answered True.
    """
    started, service, stop = time.perf_counter(), Service(), stopper(cancelled)
    folder = _find_files()
    if overwrite:
        _remove_earlier(service, output)
    _make_folder(output)
    project = output / "project"
    service.create_project(project, labels=load_label_table(LABELS), modality="CT", window=WINDOW_HU)
    service.promote_model(project, str(folder / "weak.safetensors"))
    _queue(service, project, folder, on_progress, stop)
    summary, _ = service.start_run(project, RunWish(preset=PRESET, settings=_SETTINGS))
    summary = _wait(service, project, summary, on_progress, cancelled)
    pictures = _draw(service, project, folder, output, summary)
    return LoopResult(summary, project, *pictures, time.perf_counter() - started)


def _queue(service: Service, project: Path, folder: Path, on_progress: OnProgress, stop: Callable[[], None]) -> None:
    """Segment the labeled scans with the weak model and queue what the clinician makes of the proposals."""
    from VQSegLib.image_files import load_label_map, load_volume
    from VQSegLib.project.review import Review

    opened = service.open_project(project)
    trained = _find_scans(folder / "corrected")
    scans = [*trained, *_find_scans(folder / "held_out"), folder.parent / "image.nii.gz"]
    for number, path in enumerate(scans):
        stop()
        on_progress(0.2 * number / len(scans), f"Segmenting and correcting scan {number + 1} of {len(scans)}", None)
        image, contours = load_volume(path), load_label_map(_find_contours(path))
        proposed = service.segment_volume(image, str(project))
        review = Review(
            origin="corrected",
            annotator_id="clinical contours",
            model_id=proposed.model.card.name,
            model_sha256=proposed.model.sha256,
            proposal=proposed.label_map,
        )
        # Said for each scan, because five labeled patients alone would give the rule one held-out patient to judge by.
        split = "train" if path in trained else "held_out"
        opened.add_case(image, contours, split=split, review=review)
    for path in _find_scans(folder / "unlabeled"):
        stop()
        opened.add_case(load_volume(path), None)


def _find_scans(folder: Path) -> list[Path]:
    return sorted(folder.glob("*image.nii.gz"))


def _find_contours(scan: Path) -> Path:
    return scan.with_name(scan.name.replace("image.nii.gz", "label.nii.gz"))


def _wait(
    service: Service, project: Path, begun: RunSummary, on_progress: OnProgress, cancelled: Callable[[], bool]
) -> RunSummary:
    """Watch the run until it ends; stop it if the demo is stopped."""
    from VQSegLib.runs.documents import RunState

    now = begun
    for now, _ in service.watch_run(project, begun.run_id, cancelled):
        fraction = now.step / max(1, now.steps)
        on_progress(0.2 + 0.75 * fraction, f"{now.stage}: step {now.step} of {now.steps}", now.seconds_left)
    if cancelled():
        service.stop_run(project, begun.run_id, is_for_good=True)
        stopper(cancelled)()
    if now.state != RunState.FINISHED:
        raise UserError(now.stage)
    return now


def _draw(service: Service, project: Path, folder: Path, output: Path, summary: RunSummary) -> tuple[Path, Path]:
    """Draw a held-out patient as both models see it."""
    from VQSegLib.evaluation.overlay import save_overlay
    from VQSegLib.image_files import load_label_map, load_volume

    path = folder.parent / "image.nii.gz"
    image, contours = load_volume(path), load_label_map(_find_contours(path))
    models, labels = service.open_project(project).models, load_label_table(LABELS)
    new = summary.result.model_id if summary.result else None
    pictures = []
    for name, model_id in zip(_PICTURES, (summary.spec.parent_id, new), strict=True):
        segmented = service.segment_volume(image, str(models.path(model_id or "")))
        title = f"Held-out OpenKBP patient, {name} fine-tuning: model (solid) and clinical contours (dashed)"
        pictures.append(output / f"{name}.png")
        save_overlay(pictures[-1], image, segmented.label_map, contours, labels, title=title)
    return pictures[0], pictures[1]


def _find_files() -> Path:
    folder = resources_folder() / "demo" / "loop"
    if not (folder / "weak.safetensors").is_file():
        msg = (
            f"The weak model and the scans of this demo are missing in '{folder}'; run the demo from a complete copy "
            "of the repository."
        )
        raise UserError(msg)
    return folder


def _remove_earlier(service: Service, output: Path) -> None:
    """Remove what an earlier demo made; a folder that holds anything else stays as it is, to be refused."""
    from VQSegLib.runs.documents import RunState

    project, pictures = output / "project", [output / f"{name}.png" for name in _PICTURES]
    if output.is_dir() and not set(output.iterdir()) <= {project, *pictures}:
        return
    if (project / "project.json").is_file():
        for run in service.list_runs(project):
            if run.state == RunState.RUNNING:
                msg = (
                    f"The run of an earlier demo is under way in '{project}'; wait for it, or stop it with "
                    f"`vqseg runs stop` and {run.run_id}."
                )
                raise UserError(msg)
        shutil.rmtree(project, ignore_errors=True)
    for picture in pictures:
        picture.unlink(missing_ok=True)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
        is_empty = not any(path.iterdir())
    except OSError as exc:
        msg = f"The folder '{path}' cannot be made ({exc.strerror}); choose another with --output."
        raise UserError(msg) from exc
    if not is_empty:
        msg = f"The folder '{path}' holds something already; choose another with --output, or give --overwrite."
        raise UserError(msg)
