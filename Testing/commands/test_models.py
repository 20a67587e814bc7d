"""`vqseg models`: list, show, import and verify."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def test_models_of_a_folder_are_listed(run_cli, tiny_model: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_model, tmp_path / "good.safetensors")
    (tmp_path / "bad.safetensors").write_text("no model")
    result = run_cli("models", "list", tmp_path)
    assert result.returncode == 0
    bad, good = result.stdout.splitlines()
    assert bad.startswith("bad: cannot be used")
    assert good == "good: 2-D, 2 structures"
    listed = json.loads(run_cli("models", "list", tmp_path, "--json").stdout)
    assert [model["name"] for model in listed] == [None, "tiny"]


def test_empty_folder_is_said(run_cli, tmp_path: Path) -> None:
    assert run_cli("models", "list", tmp_path).stdout == "No model files.\n"


def test_card_is_shown(run_cli, tiny_model: Path) -> None:
    text = run_cli("models", "show", tiny_model).stdout
    assert "Research use only" in text
    assert "2 Cord, 5 Larynx" in text
    card = json.loads(run_cli("models", "show", tiny_model, "--json").stdout)
    assert card["labels"]["labels"][1]["value"] == 5


def test_whole_model_is_verified_and_damaged_one_refused(
    run_cli, assert_mistake, tiny_model: Path, tmp_path: Path
) -> None:
    verified = json.loads(run_cli("models", "verify", tiny_model, "--json").stdout)
    assert verified["name"] == "tiny"
    assert verified["sha256"] in run_cli("models", "verify", tiny_model).stdout
    content = bytearray(tiny_model.read_bytes())
    content[-10] ^= 1
    (tmp_path / "changed.safetensors").write_bytes(content)
    assert_mistake(run_cli("models", "verify", tmp_path / "changed.safetensors"), "changed.safetensors")


def test_import_of_a_file_that_is_no_checkpoint_is_refused(run_cli, assert_mistake, tmp_path: Path) -> None:
    (tmp_path / "released.pth").write_text("no checkpoint")
    result = run_cli(
        "models", "import", tmp_path / "released.pth", "--output", tmp_path / "m.safetensors", "--name", "x"
    )
    assert_mistake(result, "released.pth")
    assert not (tmp_path / "m.safetensors").exists()


def test_import_refuses_another_ending(run_cli, assert_mistake, tmp_path: Path) -> None:
    result = run_cli("models", "import", tmp_path / "r.pth", "--output", tmp_path / "m.pth", "--name", "x")
    assert_mistake(result, ".safetensors")
