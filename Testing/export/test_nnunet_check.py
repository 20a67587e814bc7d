"""nnU-Net's own integrity check accepts the export; it runs in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from VQSegLib.export.formats import export_cases

PACKAGES = ("nnunetv2", "torch==2.13.0")


@pytest.fixture(scope="module")
def nnunet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of nnU-Net's programs; VQSEG_NNUNET_ENV names an environment to use again."""
    environment = Path(os.environ.get("VQSEG_NNUNET_ENV") or tmp_path_factory.mktemp("nnunet"))
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    if not list(programs.glob("nnUNetv2_plan_and_preprocess*")):
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        # In one command: otherwise a CUDA build of torch comes in.
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet", *PACKAGES]
        if subprocess.run(install, check=False).returncode:
            pytest.skip("nnU-Net could not be installed; is there a network?")
    return programs


def check_integrity(nnunet: Path, raw: Path) -> subprocess.CompletedProcess[str]:
    folders = {"nnUNet_raw": str(raw)}
    for name in ("nnUNet_preprocessed", "nnUNet_results"):
        folders[name] = str(raw.with_name(name))
    command = [str(nnunet / "nnUNetv2_plan_and_preprocess"), "-d", "123", "--verify_dataset_integrity", "--no_pp"]
    return subprocess.run(
        [*command, "-npfp", "1"],
        env={**os.environ, **folders, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=1200,
    )


@pytest.mark.slow
def test_export_passes_the_integrity_check_of_nnunet(filled: SimpleNamespace, nnunet: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    export_cases(
        filled.project,
        raw / "Dataset123_Heads",
        "nnunet",
        case_ids=None,
        series=None,
        before_case=lambda _number, _case: None,
    )
    result = check_integrity(nnunet, raw)
    assert "verify_dataset_integrity Done" in result.stdout, result.stdout + result.stderr
    assert result.returncode == 0, result.stderr
    assert "warning" not in result.stdout.lower()
    next((raw / "Dataset123_Heads" / "labelsTr").iterdir()).unlink()
    assert check_integrity(nnunet, raw).returncode != 0
