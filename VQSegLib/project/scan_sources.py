"""Finding the scans in files and folders, DICOM or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.dicom_header import is_dicom_file
from VQSegLib.dicom_series import find_image_series
from VQSegLib.errors import UserError
from VQSegLib.image_files import READABLE_SUFFIXES

_FILE_SUFFIXES = tuple(suffix for suffix in READABLE_SUFFIXES if suffix != ".dcm")


@dataclass(frozen=True)
class ScanSource:
    """One scan to be loaded.

    Attributes:
        path: What :func:`VQSegLib.image_files.load_volume` takes.
        name: What the user calls it; stored nowhere.
        patient: Key that scans of one patient share within this search; None if it is not known. Stored nowhere.
    """

    path: Path
    name: str
    patient: str | None = None


def find_scans(paths: Sequence[Path]) -> list[ScanSource]:
    """Return the scans that files and folders hold, each once, in order; folders are searched through.

    Raises:
        UserError: A path does not exist, or no scan is found.
    """
    found: dict[Path, ScanSource] = {}
    for path in paths:
        if not path.exists():
            msg = f"'{path}' does not exist; give image files, DICOM folders or folders that hold them."
            raise UserError(msg)
        for source in _search(path, path) if path.is_dir() else [ScanSource(path, path.name)]:
            found.setdefault(source.path.resolve(), source)
    if not found:
        shown = ", ".join(f"'{path}'" for path in paths)
        msg = f"No scan was found in {shown}; give DICOM folders or {', '.join(_FILE_SUFFIXES)} files."
        raise UserError(msg)
    return list(found.values())


def _search(folder: Path, root: Path) -> Iterator[ScanSource]:
    entries = sorted(folder.iterdir())
    files = [entry for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    for file in files:
        if file.name.lower().endswith(_FILE_SUFFIXES):
            yield ScanSource(file, str(file.relative_to(root)))
    if any(is_dicom_file(file) for file in files):
        for series in find_image_series(folder):
            place = str(folder.relative_to(root)) if folder != root else folder.name
            yield ScanSource(Path(series.files[0]), f"{place} ({Path(series.files[0]).name})", series.patient or None)
    for entry in entries:
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _search(entry, root)
