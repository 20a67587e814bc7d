"""One step of training: loss, gradients, weights, teacher."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning_fabric import Fabric

from VQSegLib.errors import VQSegError
from VQSegLib.methods.base import Batch, Method, StepResult
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.schedule import build_optimizer, learning_rate


class OptimizerStep:
    """Trains a method step by step, in the precision and on the processes of a run.

    Args:
        fabric: Device, precision and processes.
        method: What is trained; moved to the device.
        config: The run.
    """

    def __init__(self, fabric: Fabric, method: Method[Any], config: TrainingConfig) -> None:
        self._fabric, self._method, self._config = fabric, method, config
        optimizer = build_optimizer(method, config.optimizer, fabric.device)
        self._module, self._optimizer = fabric.setup(method, optimizer)

    def take(self, batch: Batch, step: int) -> tuple[StepResult, float]:
        """Train on one batch and move the teacher; return the method's answer and the learning rate.

        Args:
            batch: Patches of this process.
            step: Steps taken before, from 0; it also seeds what the method draws.

        Raises:
            VQSegError: Loss or gradient is no longer finite.
        """
        config, fabric = self._config, self._fabric
        rate = learning_rate(step, config.max_steps, config.optimizer)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        torch.manual_seed((config.seed * 1_000_003 + step) * 1009 + fabric.global_rank)
        self._module.train()
        result: StepResult = self._module(batch.to(fabric.device), step)
        self._stop_unless_finite(result.loss.detach(), "loss", step)
        fabric.backward(result.loss)
        self._clip_gradients(step)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._method.after_step(step)
        return result, rate

    def state(self) -> dict[str, Any]:
        """Return what the optimizer and the loss scale remember."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken.

        Raises:
            KeyError, TypeError, ValueError or RuntimeError: It is the state of another run.
        """
        self._optimizer.load_state_dict(state["optimizer"])
        self._fabric.strategy.precision.load_state_dict(state.get("precision", {}))

    def _clip_gradients(self, step: int) -> None:
        if self._config.optimizer.gradient_clip is None:
            return
        norm = self._fabric.clip_gradients(
            self._module, self._optimizer, max_norm=self._config.optimizer.gradient_clip, error_if_nonfinite=False
        )
        # With float16 an overflow is part of finding the loss scale: the scaler skips such a step.
        if norm is not None and self._config.device.precision != "16-mixed":
            self._stop_unless_finite(norm, "gradient", step)

    def _stop_unless_finite(self, value: torch.Tensor, name: str, step: int) -> None:
        if not math.isfinite(float(value)):
            msg = (
                f"Training diverged: the {name} is not finite at step {step}; lower optimizer.learning_rate "
                f"(now {self._config.optimizer.learning_rate}) or use precision '32-true' and start again."
            )
            raise VQSegError(msg)
