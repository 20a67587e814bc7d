"""State files: whole, readable without running code."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from VQSegLib.errors import ProjectError
from VQSegLib.training.run_state import load_tensors, save_tensors


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code in a state file was run')",)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    content = {"step": 3, "best": -math.inf, "weights": {"a.b": torch.arange(3.0)}, "average": {"loss": [1.0, 2.0]}}
    save_tensors(tmp_path / "state.pt", content)
    loaded = load_tensors(tmp_path / "state.pt")
    assert torch.equal(loaded.pop("weights")["a.b"], content.pop("weights")["a.b"])
    assert loaded == content
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_failed_write_keeps_the_older_state(tmp_path: Path) -> None:
    save_tensors(tmp_path / "state.pt", {"step": 1})
    with pytest.raises(AttributeError):
        save_tensors(tmp_path / "state.pt", {"step": lambda: 2})
    assert load_tensors(tmp_path / "state.pt") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"step": _Bomb()}, tmp_path / "state.pt")
    with pytest.raises(ProjectError, match="is damaged"):
        load_tensors(tmp_path / "state.pt")


def test_a_missing_or_broken_state_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"'state.pt' is missing in .*; start it again in a new folder"):
        load_tensors(tmp_path / "state.pt")
    (tmp_path / "state.pt").write_bytes(b"")
    with pytest.raises(ProjectError, match="is damaged"):
        load_tensors(tmp_path / "state.pt")


@pytest.mark.parametrize("error", [RuntimeError("unexpected pos 64 vs 0"), OSError(28, "No space left on device")])
def test_a_full_disk_is_told_and_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    save_tensors(tmp_path / "state.pt", {"step": 1})

    def fail(_content: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(ProjectError, match=r"cannot be written .* check free space, then resume"):
        save_tensors(tmp_path / "state.pt", {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert load_tensors(tmp_path / "state.pt") == {"step": 1}
