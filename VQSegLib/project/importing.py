"""Importing many cases at once by a pattern for the images and one for the label maps."""

from __future__ import annotations

import glob
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.errors import UserError
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.project.cases import Split
from VQSegLib.project.folder import Project


@dataclass(frozen=True)
class ImportResult:
    """What an import did; keys are the parts of the file names matched by ``*``, known to the user only.

    Attributes:
        imported: Source key to case id, in order of the keys.
        failed: Source key to one sentence that says why it was not imported.
    """

    imported: dict[str, str]
    failed: dict[str, str]


def import_cases(
    project: Project,
    images: str,
    labels: str | None,
    *,
    split: Split | str | None = None,
    keys: Collection[str] | None = None,
    on_progress: Callable[[float, str], None] | None = None,
) -> ImportResult:
    """Add every image that matches a pattern, with its label map; a file that fails does not stop the others.

    Args:
        project: Project to add the cases to.
        images: Pattern with one ``*``, for example ``'scans/*_image.nii.gz'`` or ``'dicom/*'`` for DICOM folders.
        labels: Pattern whose ``*`` stands for the same key, or None to import images only.
        split: Split of all imported cases; None for the rule of the project (every fifth labeled patient is held out).
        keys: Only these keys; None for all.
        on_progress: Called with the fraction done and the key that comes next.

    Raises:
        UserError: A pattern is not valid, nothing matches, or a wanted key matches no image.
    """
    image_paths = _match(images, "image")
    label_paths = {} if labels is None else _match(labels, "label")
    if keys is not None:
        image_paths = _restrict(image_paths, keys, images)
    imported: dict[str, str] = {}
    failed: dict[str, str] = {}
    for number, (key, path) in enumerate(sorted(image_paths.items())):
        if on_progress is not None:
            on_progress(number / len(image_paths), key)
        if labels is not None and key not in label_paths:
            failed[key] = f"No label map matches '{labels}'; import it without labels to use it as an unlabeled scan."
            continue
        try:
            label = None if labels is None else load_label_map(label_paths[key])
            imported[key] = project.add_case(load_volume(path), label, split=split).case_id
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
