"""Find the pairs of files to compare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from VQSegLib.errors import UserError

LABEL_MAP_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


@dataclass(frozen=True)
class FilePair:
    """Two label maps of one case."""

    case_id: str
    prediction: Path
    reference: Path


@dataclass(frozen=True)
class MatchedFiles:
    """Pairs in order of their name, and the names that stayed alone."""

    pairs: tuple[FilePair, ...]
    without_prediction: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()


def match_files(prediction: Path, reference: Path) -> MatchedFiles:
    """Pair two files, or the files of two folders by their name without the suffix (``case7.nii.gz``, ``case7.nrrd``).

    Args:
        prediction: File or folder.
        reference: File or folder, the same kind.

    Raises:
        UserError: A path does not exist, one is a folder and the other a file, a name occurs twice in a folder, or no
            name occurs in both folders.
    """
    for path in (prediction, reference):
        if not path.exists():
            msg = f"There is no file or folder '{path}'; check the path."
            raise UserError(msg)
    if prediction.is_dir() != reference.is_dir():
        folder, file = (prediction, reference) if prediction.is_dir() else (reference, prediction)
        msg = f"Compare two files or two folders: '{folder}' is a folder and '{file}' is a file."
        raise UserError(msg)
    if not prediction.is_dir():
        return MatchedFiles((FilePair(_get_stem(reference) or reference.name, prediction, reference),))
    return _match_folders(prediction, reference)


def _match_folders(prediction: Path, reference: Path) -> MatchedFiles:
    predictions, references = _list_label_maps(prediction), _list_label_maps(reference)
    shared = sorted(predictions.keys() & references.keys())
    if not shared:
        msg = (
            f"No label map in '{prediction}' ({_show_names(predictions)}) has the name of one in '{reference}' "
            f"({_show_names(references)}); files are matched by name, suffixes {', '.join(LABEL_MAP_SUFFIXES)}."
        )
        raise UserError(msg)
    return MatchedFiles(
        tuple(FilePair(name, predictions[name], references[name]) for name in shared),
        without_prediction=tuple(sorted(references.keys() - predictions.keys())),
        without_reference=tuple(sorted(predictions.keys() - references.keys())),
    )


def _list_label_maps(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem = _get_stem(path)
        if not stem or not path.is_file():
            continue
        if stem in files:
            msg = f"'{folder}' holds '{files[stem].name}' and '{path.name}': keep one label map per case name."
            raise UserError(msg)
        files[stem] = path
    return files


def _get_stem(path: Path) -> str:
    """Return the name without its label-map suffix; empty for another kind of file or a hidden one."""
    if path.name.startswith("."):
        return ""
    suffix = next((suffix for suffix in LABEL_MAP_SUFFIXES if path.name.lower().endswith(suffix)), None)
    return path.name[: -len(suffix)] if suffix else ""


def _show_names(files: dict[str, Path]) -> str:
    names = [path.name for path in files.values()]
    if not names:
        return "no label maps"
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
