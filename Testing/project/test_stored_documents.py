"""A document is read again whenever its file may have changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from VQSegLib.documents import Document
from VQSegLib.errors import ProjectError
from VQSegLib.project.stored_documents import DocumentReader


class Note(Document):
    """A small document."""

    format_version: int = 1
    text: str


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A note."""
    path = tmp_path / "note.json"
    path.write_text(Note(text="a").model_dump_json(), encoding="utf-8")
    return path


def test_two_changes_within_one_tick_of_the_clock_are_told_apart(file: Path) -> None:
    reader = DocumentReader(Note)
    stat = file.stat()
    assert reader.read(file).text == "a"
    with file.open("r+b") as stream:  # the same file, size and time
        stream.write(Note(text="b").model_dump_json().encode())
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert reader.read(file).text == "b"


def test_old_file_is_read_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(file, (0, 0))
    reader = DocumentReader(Note)
    first = reader.read(file)
    monkeypatch.setattr(Path, "read_bytes", lambda _path: pytest.fail("it was read again"))
    assert reader.read(file) is first


def test_missing_damaged_and_wrong_files_are_told_apart(file: Path) -> None:
    reader = DocumentReader(Note)
    with pytest.raises(FileNotFoundError):
        reader.read(file.with_name("missing.json"))
    for content, words in (
        ("{", "damaged"),
        ('{"format_version": 2}', "format version 2"),
        ("{}", "damaged|version None"),
    ):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ProjectError, match=words):
            reader.read(file)
    file.write_text('{"format_version": 1, "text": 3}', encoding="utf-8")
    with pytest.raises(ProjectError, match="field 'text'"):
        reader.read(file)
