"""Representations a class is told apart from: one first-in-first-out bank per class."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NegativeBank(nn.Module):
    """Fixed-size queues of vectors; part of the training state.

    Args:
        classes: Number of classes.
        size: Vectors kept per class.
        width: Width of a vector.
    """

    vectors: Tensor
    filled: Tensor
    position: Tensor

    def __init__(self, classes: int, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(classes, size, width))
        self.register_buffer("filled", torch.ones(classes, dtype=torch.long))
        self.register_buffer("position", torch.ones(classes, dtype=torch.long) % size)
        self.vectors[:, 0] = torch.randn(classes, width)

    @torch.no_grad()
    def add(self, label: int, vectors: Tensor) -> None:
        """Add the vectors ``(n, width)``; beyond the bank's size a random part of them."""
        size = self.vectors.shape[1]
        if len(vectors) > size:
            vectors = vectors[torch.randperm(len(vectors), device=vectors.device)[:size]]
        places = (int(self.position[label]) + torch.arange(len(vectors), device=vectors.device)) % size
        self.vectors[label, places] = vectors.to(self.vectors.dtype)
        self.position[label] = (self.position[label] + len(vectors)) % size
        self.filled[label] = (self.filled[label] + len(vectors)).clamp_max(size)

    def of(self, label: int) -> Tensor:
        """Return the vectors kept for a class."""
        return self.vectors[label, : int(self.filled[label])]
