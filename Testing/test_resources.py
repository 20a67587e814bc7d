"""Shipped label tables and models are found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from VQSegLib import resources
from VQSegLib.errors import ModelFileError, UserError


def test_shipped_tables_are_valid_and_coded() -> None:
    names = [path.stem for path in (resources.resources_folder() / "labels").glob("*.json")]
    assert "openkbp_head_neck" in names
    for name in names:
        for label in resources.load_label_table(name).labels:
            assert label.category is not None
            assert label.type is not None


def test_paired_organs_differ_by_their_modifier() -> None:
    right, left = resources.load_label_table("openkbp_head_neck").labels[2:4]
    assert right.type == left.type
    assert (right.modifier.meaning, left.modifier.meaning) == ("Right", "Left")
    assert (right.name, left.name) == ("Right parotid gland", "Left parotid gland")


def test_model_is_found_by_path_and_by_shipped_name(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resources.find_model(str(tiny_model)) == tiny_model
    (tmp_path / "models").mkdir()
    shipped = tmp_path / "models" / "neck.safetensors"
    shipped.write_text("")
    monkeypatch.setattr(resources, "resources_folder", lambda: tmp_path)
    assert resources.find_model("neck") == shipped
    with pytest.raises(ModelFileError, match=r"shipped model \(neck\)"):
        resources.find_model("head")
    with pytest.raises(ModelFileError, match="There is no model"):
        resources.find_model("../models/neck")


def test_missing_table_is_refused() -> None:
    with pytest.raises(UserError, match="openkbp_head_neck"):
        resources.load_label_table("nothing")
