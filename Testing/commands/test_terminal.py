"""What goes to stderr while a command runs."""

from __future__ import annotations

import pytest

from VQSegLib.commands import terminal


def test_log_file_gets_a_line_now_and_then_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    with terminal.shown_progress() as on_progress:
        for second in range(65):
            now[0] = float(second)
            on_progress(second / 100, "Segmenting", None)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["30% Segmenting", "60% Segmenting"]


def test_bar_is_shown_on_a_terminal_and_vanishes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with terminal.shown_progress() as on_progress:
        on_progress(0.5, "Segmenting", 61.0)
    shown = capsys.readouterr().err
    assert "Segmenting" in shown
    assert "0:01:01 left" in shown
