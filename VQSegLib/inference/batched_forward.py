"""Run a computation over windows in batches, with smaller batches when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from VQSegLib.box import Triple
from VQSegLib.errors import ModelFileError
from VQSegLib.inference.device import is_out_of_memory, release_cached_memory
from VQSegLib.inference.window_reader import WindowReader

logger = logging.getLogger(__name__)


class WindowComputation(NamedTuple):
    """What is computed for every window.

    Attributes:
        forward: From input ``(B, C, *sides)`` float32 on the device, and the first index ``(k, j, i)`` of each of its
            windows, to ``(B, channels, *sides)``.
        channels: Channels of the answer.
    """

    forward: Callable[[torch.Tensor, Sequence[Triple]], torch.Tensor]
    channels: int


class BatchedForward:
    """Forward passes on one device.

    Attributes:
        batch_size: Windows per pass; halved each time memory runs out.
        notes: Sentences for the user about halving.
    """

    def __init__(self, computation: WindowComputation, device: torch.device, batch_size: int) -> None:
        """Prepare to run.

        Args:
            computation: Its network must be on the device already.
            device: Where to run.
            batch_size: Windows per pass to begin with.
        """
        self._computation = computation
        self._device = device
        self.batch_size = batch_size
        self.notes: list[str] = []

    def run(
        self, reader: WindowReader, starts: Sequence[Triple], window_kji: Triple
    ) -> Iterator[tuple[Sequence[Triple], torch.Tensor]]:
        """Yield batches of windows with their float32 answers ``(B, channels, K, J, I)``.

        Raises:
            ModelFileError: If the network answers another shape.
            RuntimeError: Out of memory with a single window (also as MemoryError), or any other failure of torch.
        """
        done = 0
        while done < len(starts):
            batch = starts[done : done + self.batch_size]
            try:
                answer = self._forward(reader.read(batch, window_kji), batch)
            except (RuntimeError, MemoryError) as error:
                if len(batch) == 1 or not is_out_of_memory(error):
                    raise
                answer = None
            if answer is None:  # outside the handler, where the tensors of the failed pass are free again
                self._halve(len(batch))
                continue
            yield batch, answer.reshape(len(batch), self._computation.channels, *window_kji)
            done += len(batch)

    def _forward(self, images: torch.Tensor, starts: Sequence[Triple]) -> torch.Tensor | None:
        # no_grad, not inference_mode: what a network caches here may be needed by the next training step.
        with torch.no_grad():
            answer = self._computation.forward(images.to(self._device), starts).float()
        expected = (images.shape[0], self._computation.channels, *images.shape[2:])
        if tuple(answer.shape) != expected:
            msg = f"The network answers {tuple(answer.shape)} instead of {expected}; this model cannot be used."
            raise ModelFileError(msg)
        return answer

    def _halve(self, tried: int) -> None:
        self.batch_size = tried // 2
        release_cached_memory(self._device)
        note = f"Memory of {self._device} was short, so {self.batch_size} windows were computed at a time."
        self.notes = [note]
        logger.warning(note)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode and give each of its modules its own mode back afterwards."""
    was_training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in was_training:
            module.training = mode
