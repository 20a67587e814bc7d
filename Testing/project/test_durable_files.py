"""Documents are replaced whole, folders appear whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from VQSegLib.project import durable_files


def test_text_is_replaced_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    durable_files.write_text(file, "old\n")
    durable_files.write_text(file, "neu: ä\n")
    assert file.read_bytes() == "neu: ä\n".encode()
    assert list(tmp_path.iterdir()) == [file]


def test_failed_write_keeps_the_older_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "case.json"
    durable_files.write_text(file, "old")

    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        durable_files.write_text(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_folder_takes_its_final_name(tmp_path: Path) -> None:
    (tmp_path / "building").mkdir()
    (tmp_path / "building" / "file").write_text("x")
    durable_files.rename_folder(tmp_path / "building", tmp_path / "done")
    assert (tmp_path / "done" / "file").read_text() == "x"
    assert not (tmp_path / "building").exists()


def test_folder_that_may_not_be_renamed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Path] = []

    def refuse(path: Path, _target: Path) -> None:
        tries.append(path)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        durable_files.rename_folder(tmp_path / "a", tmp_path / "b")
    assert len(tries) == 1 or os.name == "nt"


def test_hash_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert durable_files.hash_file(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()
