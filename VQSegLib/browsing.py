"""Looking for folders on the machine the engine runs on, which may not be the user's own."""

from __future__ import annotations

import os
import string
from pathlib import Path

from VQSegLib.documents import Document
from VQSegLib.errors import UserError


class FolderEntry(Document):
    """One folder in a list."""

    name: str
    path: str
    is_project: bool


class FolderList(Document):
    """Answer to ``folders/list``."""

    path: str
    parent: str | None
    is_project: bool
    is_writable: bool
    separator: str
    folders: tuple[FolderEntry, ...]
    roots: tuple[str, ...]
    home: str


def list_folders(path: Path | None) -> FolderList:
    """List the visible subfolders of a folder, the home folder by default.

    Raises:
        UserError: There is no such folder, or it cannot be read.
    """
    folder = (Path.home() if path is None else path.expanduser()).absolute()
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as exc:
        msg = f"The folder '{folder}' cannot be read ({exc.strerror}); choose another one."
        raise UserError(msg) from exc
    found = (folder / name for name in names)
    return FolderList(
        path=str(folder),
        parent=None if folder.parent == folder else str(folder.parent),
        is_project=_is_project(folder),
        is_writable=os.access(folder, os.W_OK),
        separator=os.sep,
        folders=tuple(FolderEntry(name=one.name, path=str(one), is_project=_is_project(one)) for one in found),
        roots=_roots(),
        home=str(Path.home()),
    )


def _is_project(folder: Path) -> bool:
    try:
        return (folder / "project.json").is_file()
    except OSError:
        return False


def _roots() -> tuple[str, ...]:
    if os.name != "nt":
        return ("/",)
    return tuple(f"{letter}:\\" for letter in string.ascii_uppercase if Path(f"{letter}:\\").exists())
