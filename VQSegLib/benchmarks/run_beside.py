"""A fine-tuning run beside the worker: steps of method ``vqseg`` on noise that give way to scans as runs do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from VQSegLib.device_turns import RunTurns
from VQSegLib.inference.device import resolve_precision
from VQSegLib.kept_memory import keep_freed_memory
from VQSegLib.methods import build_method
from VQSegLib.methods.base import Batch
from VQSegLib.methods.vqseg_config import VQSegConfig
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.models.precision import autocasting
from VQSegLib.resources import find_model
from VQSegLib.runs.process import lower_priority
from VQSegLib.training.config import OptimizerConfig
from VQSegLib.training.schedule import CPU, build_optimizer

_STEPS_AT_MOST = 100_000
_STEPS_FIRST = 2
_LABELED, _UNLABELED, _SIDE = 2, 2, 64


@contextmanager
def fine_tuning_beside(model: str) -> Iterator[float]:
    """Train in another process as long as the ``with`` block lasts; yield the seconds of one undisturbed step.

    Args:
        model: Name of a shipped model or path of a model file.
    """
    command = [sys.executable, "-m", "VQSegLib.benchmarks.run_beside", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            lines = [process.stdout.readline() for _ in range(_STEPS_FIRST)] if process.stdout else []
            if not lines or not lines[-1]:
                msg = "the process that trains beside the worker ended"
                raise RuntimeError(msg)
            yield float(lines[-1])
        finally:
            process.kill()


def run(model: str) -> None:
    """Train until killed; tell the seconds of each of the first steps."""
    lower_priority()
    keep_freed_memory()
    loaded = load_checkpoint(find_model(model))
    config = VQSegConfig(dual_branch=loaded.network_config.image_decoder)
    method = build_method(config, loaded.network, loaded.preprocessing, _STEPS_AT_MOST).train()
    optimizer = build_optimizer(method, OptimizerConfig(learning_rate=1e-5))
    dtype = resolve_precision("auto", CPU)
    turns = RunTurns(lambda: None, lambda: None)
    sides = loaded.preprocessing.patch_size or (_SIDE,) * loaded.network_config.spatial_dims
    channels, classes = loaded.network_config.in_channels, loaded.network_config.num_classes
    batch = Batch(
        torch.randn(_LABELED, channels, *sides),
        torch.randint(0, classes, (_LABELED, *sides)),
        torch.randn(_UNLABELED, channels, *sides),
        torch.randn(config.strong_views, _UNLABELED, channels, *sides),
    )
    for step in range(1, _STEPS_AT_MOST):
        turns.give_way(lambda: False)
        began = time.perf_counter()
        optimizer.zero_grad()
        with autocasting(CPU, dtype):
            loss = method(batch, step).loss
        loss.backward()
        optimizer.step()
        method.after_step(step)
        if step <= _STEPS_FIRST:
            sys.stdout.write(f"{time.perf_counter() - began}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    run(sys.argv[1])
