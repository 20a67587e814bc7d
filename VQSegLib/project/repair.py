"""Taking back what killed writers left half done; run whenever a project is opened."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from VQSegLib.errors import ProjectError
from VQSegLib.leftovers import find_leftovers
from VQSegLib.project.case_store import CaseStore
from VQSegLib.project.held_out import align_patients
from VQSegLib.project.label_files import unregistered_files
from VQSegLib.project.writing import only_writer, told_failures

_logger = logging.getLogger(__name__)


def repair(project_folder: Path, store: CaseStore) -> tuple[str, ...]:
    """Remove what writers that are gone left behind in a project; those at work are not disturbed.

    Returns:
        One sentence for each thing put right, none if there was nothing or the folder cannot be written.
    """
    folders = (project_folder, project_folder / "cases", project_folder / "models")
    leftovers = {folder: list(find_leftovers(folder)) for folder in folders if folder.is_dir()}
    done: list[str] = []
    for folder, found in leftovers.items():
        if not found:
            continue
        try:
            with only_writer(folder), told_failures(folder):
                for leftover in found:
                    done += _take_back(leftover, store)
                if folder == store.folder:
                    done += _align(store)
        except ProjectError as exc:
            _logger.warning("The project could not be repaired: %s", exc)
    return tuple(done)


def _take_back(leftover: Path, store: CaseStore) -> Iterator[str]:
    """Undo one unfinished step."""
    case_id = "case-" + leftover.name.rpartition("-case-")[2]
    others = [one for one in leftover.parent.glob(f".vqseg-*-{case_id}") if one != leftover]
    # Another program may be at the same case: then its files are its own affair.
    if leftover.name.endswith(case_id) and store.path(case_id).is_dir() and not others:
        record = store.get(case_id)
        for file in unregistered_files(store.path(case_id), record):
            file.unlink()
            yield f"Took back '{file.name}' of {case_id}, which an interrupted program had not finished."
    if leftover.is_dir():
        shutil.rmtree(leftover)
    else:
        leftover.unlink(missing_ok=True)
    yield f"Removed '{leftover.name}' in '{leftover.parent.name}', which an interrupted program left unfinished."


def _align(store: CaseStore) -> Iterator[str]:
    """Bring all scans of held-out patients to that side, in case the program died between two of them."""
    for record in align_patients(store.list().records):
        store.write(record)
        yield f"Moved {record.case_id} to the held-out side, where the other scans of its patient are."
