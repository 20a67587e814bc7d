"""How long a training step takes on this machine: measured, and remembered from earlier runs."""

from __future__ import annotations

import json
import platform
import time
from hashlib import sha256

import torch

from VQSegLib.atomic_files import write_text
from VQSegLib.device_turns import machine_folder
from VQSegLib.inference.device import resolve_device
from VQSegLib.methods import build_method
from VQSegLib.methods.base import Batch
from VQSegLib.models.network import build_network
from VQSegLib.models.precision import autocasting
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.schedule import build_optimizer
from VQSegLib.training.splits import uses_unlabeled

_TIMED_STEPS = 3
_LONGEST_SECONDS = 20.0
_FILE = "step-times.json"
_DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def recall_step_seconds(config: TrainingConfig) -> float | None:
    """Return what a step of such a run took here last time, None if that is not known."""
    seconds = _read().get(_key(config))
    return seconds if isinstance(seconds, float) else None


def remember_step_seconds(config: TrainingConfig, seconds: float) -> None:
    """Keep the measured time of a step for the next estimate."""
    machine_folder().mkdir(parents=True, exist_ok=True)
    write_text(machine_folder() / _FILE, json.dumps({**_read(), _key(config): seconds}, indent=1))


def measure_step_seconds(config: TrainingConfig) -> float:
    """Return the shortest of a few training steps on noise, on the device and in the precision a run would use.

    Raises:
        ConfigError: The machine lacks the device.
    """
    device, dtype = resolve_device(config.device.accelerator), _DTYPES[config.device.precision]
    with torch.random.fork_rng():
        network = build_network(config.method.adapt_network(config.network))
        method = build_method(config.method, network, config.preprocessing, config.max_steps).to(device)
        optimizer = build_optimizer(method, config.optimizer, device)
        batch = _draw_batch(config).to(device)
        method.train()
        begun = time.perf_counter()
        taken: list[float] = []
        last = config.max_steps - 1
        while len(taken) <= _TIMED_STEPS and time.perf_counter() - begun < _LONGEST_SECONDS:
            started = time.perf_counter()
            with autocasting(device, dtype):
                loss = method(batch, last).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            method.after_step(last)
            if device.type == "cuda":
                torch.cuda.synchronize()
            taken.append(time.perf_counter() - started)
    return min(taken)


def _draw_batch(config: TrainingConfig) -> Batch:
    patch, data = config.data.patch_size, config.data
    labeled = torch.randn(data.batch_labeled, config.network.in_channels, *patch)
    target = torch.randint(config.network.num_classes, (data.batch_labeled, *patch))
    if not uses_unlabeled(config):
        return Batch(labeled, target)
    weak = torch.randn(data.batch_unlabeled, config.network.in_channels, *patch)
    views = config.method.strong_views
    return Batch(labeled, target, weak, torch.stack([torch.randn_like(weak) for _ in range(views)]) if views else None)


def _key(config: TrainingConfig) -> str:
    """Return what the time of a step depends on, in short."""
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.machine()
    method = config.method.model_dump_json(exclude={"pretraining_steps", "rampup_steps"})
    parts = (config.network, config.data, config.device)
    content = f"{device}{torch.get_num_threads()}{uses_unlabeled(config)}{method}"
    return sha256((content + "".join(part.model_dump_json() for part in parts)).encode()).hexdigest()[:16]


def _read() -> dict[str, object]:
    try:
        found = json.loads((machine_folder() / _FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
