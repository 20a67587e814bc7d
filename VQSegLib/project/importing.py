"""Adding many cases at once: by a pattern for the images and one for the label maps, or by folders of scans."""

from __future__ import annotations

import functools
import glob
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from VQSegLib.errors import UserError
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.project.cases import CaseRecord, Split
from VQSegLib.project.folder import Project
from VQSegLib.project.scan_sources import ScanSource, find_scans


@dataclass(frozen=True)
class ImportResult:
    """What an import did; keys come from file names and are known to the user only.

    Attributes:
        imported: Source key to case id, in order.
        failed: Source key to one sentence that says why it was not imported.
        is_stopped: Whether it was stopped before the end; what was imported until then stays.
    """

    imported: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    is_stopped: bool = False


Add = Callable[[], CaseRecord]
"""Loads and adds one case."""


def import_cases(
    project: Project,
    images: str,
    labels: str | None,
    *,
    split: Split | str | None = None,
    keys: Collection[str] | None = None,
    on_progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ImportResult:
    """Add every image that matches a pattern, with its label map; a file that fails does not stop the others.

    Args:
        project: Project to add the cases to.
        images: Pattern with one ``*``, for example ``'scans/*_image.nii.gz'`` or ``'dicom/*'`` for DICOM folders.
        labels: Pattern whose ``*`` stands for the same key, or None to import images only.
        split: Split of all imported cases; None for the rule of the project (every fifth labeled patient is held out).
        keys: Only these keys; None for all.
        on_progress: Called with the fraction done and the key that comes next.
        cancelled: Polled before every case.

    Raises:
        UserError: A pattern is not valid, nothing matches, or a wanted key matches no image.
    """
    image_paths = _match(images, "image")
    label_paths = None if labels is None else _match(labels, "label")
    if keys is not None:
        image_paths = _restrict(image_paths, keys, images)

    def add(key: str) -> CaseRecord:
        if label_paths is not None and key not in label_paths:
            msg = f"No label map matches '{labels}'; import it without labels to use it as an unlabeled scan."
            raise UserError(msg)
        label = None if label_paths is None else load_label_map(label_paths[key])
        return project.add_case(load_volume(image_paths[key]), label, split=split)

    adders: dict[str, Add] = {key: functools.partial(add, key) for key in sorted(image_paths)}
    return _add_all(adders, on_progress, cancelled)


def add_scans(
    project: Project,
    paths: Sequence[Path],
    *,
    split: Split | str | None = None,
    patient_id: str | None = None,
    on_progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ImportResult:
    """Add scans without label maps; a scan that fails does not stop the others.

    DICOM series of one patient id that are added together count as one patient; the id itself is not stored.

    Args:
        project: Project to add the scans to.
        paths: Image files, DICOM files (each stands for its series) or folders, which are searched through.
        split: As in :func:`import_cases`.
        patient_id: Patient of an earlier case to whom all these scans belong.
        on_progress: Called with the fraction done and the scan that comes next.
        cancelled: Polled before every scan.

    Raises:
        UserError: A path does not exist, or no scan is found.
    """
    patients: dict[str, str] = {}

    def add(source: ScanSource) -> CaseRecord:
        patient = patient_id or patients.get(source.patient or "")
        record = project.add_case(load_volume(source.path), None, split=split, patient_id=patient)
        if source.patient is not None:
            patients[source.patient] = record.patient_id
        return record

    adders: dict[str, Add] = {}
    for source in find_scans(paths):
        key = source.name if source.name not in adders else str(source.path)
        adders[key] = functools.partial(add, source)
    return _add_all(adders, on_progress, cancelled)


def _add_all(
    adders: dict[str, Add], on_progress: Callable[[float, str], None] | None, cancelled: Callable[[], bool]
) -> ImportResult:
    imported: dict[str, str] = {}
    failed: dict[str, str] = {}
    for number, (key, add) in enumerate(adders.items()):
        if cancelled():
            return ImportResult(imported, failed, is_stopped=True)
        if on_progress is not None:
            on_progress(number / len(adders), f"Scan {number + 1} of {len(adders)}")
        try:
            imported[key] = add().case_id
        except UserError as exc:
            failed[key] = str(exc)
    return ImportResult(imported, failed)


def _match(pattern: str, what: str) -> dict[str, Path]:
    """Return key to path for every file or folder that matches."""
    expanded = str(Path(pattern).expanduser())
    if expanded.count("*") != 1:
        msg = f"The {what} pattern '{pattern}' must hold exactly one * (the case's key), as in 'scans/*_{what}.nii.gz'."
        raise UserError(msg)
    before, after = expanded.split("*")
    found = glob.glob(f"{glob.escape(before)}*{glob.escape(after)}")  # noqa: PTH207 - the pattern may be absolute
    if not found:
        msg = (
            f"No {what} matches '{pattern}'; check the folder and put the pattern in quotes so the shell leaves the *."
        )
        raise UserError(msg)
    return {path[len(before) : len(path) - len(after)]: Path(path) for path in found}


def _restrict(paths: dict[str, Path], keys: Collection[str], pattern: str) -> dict[str, Path]:
    """Keep the wanted keys; a wanted key without image is a mistake."""
    missing = sorted(set(keys) - paths.keys())
    if missing:
        msg = f"No image matches '{pattern}' for the key{'s' if len(missing) > 1 else ''} {', '.join(missing[:10])}."
        raise UserError(msg)
    return {key: paths[key] for key in keys}
