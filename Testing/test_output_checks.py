"""An output that cannot or must not be written is refused before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from VQSegLib.errors import UserError
from VQSegLib.output_checks import check_output_file


@pytest.mark.parametrize("name", ["new.nii.gz", "NEW.NII.GZ", "Kopf 1.nrrd"])
def test_new_file_is_accepted(tmp_path: Path, name: str) -> None:
    check_output_file(tmp_path / name, (".nii.gz", ".nrrd"), source=tmp_path / "scan.nii.gz", overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_input_under_another_name_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_text("scan")
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "scan.nii.gz")
    with pytest.raises(UserError, match="input itself"):
        check_output_file(tmp_path / "link.nii.gz", (".nii.gz",), source=tmp_path / "scan.nii.gz", overwrite=True)
