from pathlib import Path

import pytest

from VQSegLib import atomic_files
from VQSegLib.atomic_files import written_atomically


def test_the_name_appears_with_the_whole_content(tmp_path):
    path = tmp_path / "ä b.txt"
    with written_atomically(path, ".txt") as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".txt"
        assert temporary.parent == tmp_path
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with written_atomically(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_windows_readers_are_waited_for(tmp_path, monkeypatch):
    attempts = []
    original = Path.replace

    def busy_twice(self, target):
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
