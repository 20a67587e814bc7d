"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from VQSegLib import atomic_files
from VQSegLib.atomic_files import publish, rename_folder, sync_folder, write_text, written_atomically


def test_the_name_appears_with_the_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "ä b.txt"
    with written_atomically(path, ".txt") as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".txt"
        assert temporary.parent == tmp_path
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_can_be_built_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    with written_atomically(tmp_path / "case" / "a", folder=tmp_path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
    assert (tmp_path / "case" / "a").read_text() == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "case"]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with written_atomically(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_replaced_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    write_text(file, "old\n")
    write_text(file, "neu: ä\n")
    assert file.read_bytes() == "neu: ä\n".encode()
    assert list(tmp_path.iterdir()) == [file]


def test_failed_write_keeps_the_older_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "case.json"
    write_text(file, "old")

    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_new_file_never_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_hard_links: bool) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    if not has_hard_links:
        monkeypatch.setattr(os, "link", refuse, raising=False)
    for number in (1, 2):
        (tmp_path / f"temporary {number}").write_text(f"{number}")
    publish(tmp_path / "temporary 1", tmp_path / "label")
    with pytest.raises(FileExistsError):
        publish(tmp_path / "temporary 2", tmp_path / "label")
    assert (tmp_path / "label").read_text() == "1"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["label", "temporary 2"]


def test_new_file_that_appeared_meanwhile_is_kept(tmp_path: Path) -> None:
    def write() -> None:
        with written_atomically(tmp_path / "model", is_new=True) as temporary:
            temporary.write_text("mine")
            (tmp_path / "model").write_text("theirs")

    with pytest.raises(FileExistsError):
        write()
    assert (tmp_path / "model").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_folder_takes_its_final_name(tmp_path: Path) -> None:
    (tmp_path / "building").mkdir()
    (tmp_path / "building" / "file").write_text("x")
    rename_folder(tmp_path / "building", tmp_path / "done")
    assert (tmp_path / "done" / "file").read_text() == "x"
    assert not (tmp_path / "building").exists()


def test_folder_that_may_not_be_renamed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Path] = []

    def refuse(path: Path, _target: Path) -> None:
        tries.append(path)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        rename_folder(tmp_path / "a", tmp_path / "b")
    assert len(tries) == 1 or os.name == "nt"


@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed on Windows")
def test_folder_of_a_share_that_cannot_be_flushed_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = errno.EINVAL

    def fail(_handle: int) -> None:
        raise OSError(reason, "refused")

    monkeypatch.setattr(os, "fsync", fail)
    sync_folder(tmp_path)
    reason = errno.EIO
    with pytest.raises(OSError, match="refused"):
        sync_folder(tmp_path)


def test_windows_readers_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []
    original = Path.replace

    def busy_twice(self: Path, target: Path) -> Path:
        attempts.append(target)
        if len(attempts) < 3:
            raise PermissionError
        return original(self, target)

    monkeypatch.setattr(Path, "replace", busy_twice)
    monkeypatch.setattr(atomic_files, "_IS_WINDOWS", True)
    with written_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"
    monkeypatch.setattr(atomic_files, "_IS_WINDOWS", False)
    attempts.clear()
    with pytest.raises(PermissionError), written_atomically(tmp_path / "b.txt") as temporary:
        temporary.write_text("new")
