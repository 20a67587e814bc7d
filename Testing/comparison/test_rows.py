"""Rows of the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from VQSegLib.comparison.rows import TABLE_1, Row, choose_rows, load_rows
from VQSegLib.errors import ConfigError
from VQSegLib.methods import METHODS
from VQSegLib.training.presets import PRESETS


def test_the_whole_table_has_every_method() -> None:
    assert choose_rows(["all"]) == TABLE_1
    assert {row.method for row in TABLE_1} == (set(METHODS) - {"nnunet_recipe"}) | {"nnunet"}
    assert {row.method for row in TABLE_1} <= {*METHODS, *PRESETS}
    assert [row.name for row in TABLE_1 if row.all_labels] == ["UNet-F", "nnU-Net recipe-F"]


def test_methods_are_chosen_by_name() -> None:
    assert [row.name for row in choose_rows(["vqseg", "supervised"])] == ["UNet-F", "UNet-S", "VQ-Seg"]


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'magic' is not known; choose 'all' or some of abd, arco"):
        choose_rows(["bcp", "magic"])


def test_rows_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    rows = [{"name": "VQ-Seg + QPM", "method": "vqseg", "settings": ["method.dual_branch=false"]}]
    file.write_text(json.dumps(rows), encoding="utf-8")
    (row,) = load_rows(file)
    assert row.settings == ("method.dual_branch=false",)
    assert row.folder_name == "vq-seg-qpm"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "must be some"),
        ('[{"name": "A", "method": "bcp"}, {"name": "a!", "method": "abd"}]', "given twice: a"),
        ('[{"name": "A"}]', "method"),
        ("{", "not valid"),
        (None, "cannot be read"),
    ],
)
def test_wrong_rows_are_refused(text: str | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        load_rows(file)


def test_folder_names_are_plain() -> None:
    assert Row(name="ABD (3-D port)", method="abd").folder_name == "abd-3-d-port"
    assert Row(name="→", method="abd").folder_name == "row"
