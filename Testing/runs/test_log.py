"""The end of a run's log, however long it is and whatever a library wrote into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from VQSegLib.errors import ProjectError
from VQSegLib.runs.log import read_last_lines


def test_the_last_lines_are_read(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert read_last_lines(log, 3) == []
    log.write_bytes("eins\r\nzwei\nfünf\n".encode() + b"\xff?")
    assert read_last_lines(log, 3) == ["zwei", "fünf", "\ufffd?"]


def test_a_large_log_is_not_read_whole(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number:06d}\n" for number in range(100_000)), encoding="utf-8")
    lines = read_last_lines(log, 100_000)
    assert lines[-1] == "line 099999"
    assert sum(len(line) + 1 for line in lines) <= 64 * 1024
    assert all(line.startswith("line ") for line in lines)  # none is cut


def test_a_log_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot be read"):
        read_last_lines(tmp_path, 3)
