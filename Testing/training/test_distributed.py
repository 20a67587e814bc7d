"""Devices that are not there, and training in two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from VQSegLib.errors import ConfigError
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.project.folder import Project
from VQSegLib.training.config import DeviceConfig, TrainingConfig
from VQSegLib.training.distributed import agree, build_fabric
from VQSegLib.training.events import read_events

ROOT = Path(__file__).resolve().parents[2]
TRAIN = """
import sys
from pathlib import Path
from VQSegLib.project.folder import Project
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.trainer import Trainer

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    config = TrainingConfig.model_validate_json((folder / "config.json").read_bytes())
    Trainer(Project.open(Path(sys.argv[2])), config, folder / "run").run()
"""


def test_the_devices_asked_for_must_be_there() -> None:
    with pytest.raises(ConfigError, match="'mps' is not supported"):
        build_fabric(DeviceConfig(accelerator="mps"))
    with pytest.raises(ConfigError, match=r"device.devices is 99, but .* usable here; lower it"):
        build_fabric(DeviceConfig(accelerator="cuda", devices=99))


def test_threads_are_set_and_one_process_decides_alone() -> None:
    before = torch.get_num_threads()
    try:
        fabric = build_fabric(DeviceConfig(accelerator="cpu", threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert fabric.world_size == 1
    assert agree(fabric, decision=True)
    assert not agree(fabric, decision=False)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="PyTorch's Windows wheels have no libuv for the launcher")
def test_two_processes_train_one_model(
    project: Project, make_config: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    config = make_config("vqseg", device={"devices": 2}, max_steps=4, validation_interval=2)
    (tmp_path / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "train.py", str(tmp_path), str(project.path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    events = read_events(tmp_path / "run")
    assert [(event["event"], event["step"]) for event in events] == [
        ("step", 2),
        ("validation", 2),
        ("step", 4),
        ("validation", 4),
    ]
    assert load_checkpoint(tmp_path / "run" / "model.safetensors").card.training is not None
