"""Class prototypes in a projected feature space, as SS-Net contrasts voxels with them (after Alonso et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

WIDTH = 32
"""Width of projected features."""
PER_CLASS = 32
"""Prototypes kept per class."""


class PrototypeMemory(nn.Module):
    """Projects voxels, remembers trustworthy ones per class, and says how far others are from them.

    Args:
        feature_dim: Width of the decoder's finest map.
        classes: Number of classes, background included; background is never remembered.
        released: Behave as the released code: remember the voxels with the lowest scores, which its comment calls the
            highest, and give all of them the same weight, because it normalizes over an axis of length one.
    """

    vectors: Tensor
    filled: Tensor

    def __init__(self, feature_dim: int, classes: int, *, released: bool) -> None:
        super().__init__()
        self.released = released
        self.projection = nn.Sequential(
            nn.Linear(feature_dim, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)
        )
        self.prediction = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)
        )
        self.feature_scores = nn.ModuleList(_build_selector() for _ in range(classes))
        self.memory_scores = nn.ModuleList(_build_selector() for _ in range(classes))
        self.register_buffer("vectors", torch.zeros(classes, PER_CLASS, WIDTH))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.long))

    @torch.no_grad()
    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Overwrite the prototypes of every foreground class that occurs.

        Args:
            features: ``(n, feature_dim)`` of labeled voxels that were segmented correctly.
            labels: ``(n,)`` their class.
        """
        for label in range(1, len(self.filled)):
            chosen = features[labels == label]
            if not len(chosen):
                continue
            vectors = _without_training(self.projection, chosen)
            if len(vectors) > PER_CLASS:
                scores = _without_training(self.memory_scores[label], vectors)[:, 0]
                vectors = vectors[scores.topk(PER_CLASS, largest=not self.released).indices]
            self.vectors[label, : len(vectors)] = vectors
            self.filled[label] = len(vectors)

    def distance(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted mean of 1 - cosine between voxels and their class's prototypes, over all classes.

        Args:
            features: ``(n, feature_dim)``.
            labels: ``(n,)`` true or pseudo-class of each voxel.
        """
        total = features.sum() * 0
        # Batch norm needs two rows to know what is usual.
        if len(features) < 2:
            return total
        vectors = self.prediction(self.projection(features))
        for label in torch.unique(labels).tolist():
            count = int(self.filled[label])
            if count:
                total = total + self._class_distance(vectors[labels == label], self.vectors[label, :count], label)
        return total / len(self.filled)

    def _class_distance(self, vectors: Tensor, prototypes: Tensor, label: int) -> Tensor:
        distance = 1 - F.normalize(vectors, dim=1) @ F.normalize(prototypes, dim=1).T
        distance = distance * _weights(self.feature_scores[label], vectors)[:, None]
        if not self.released:
            distance = distance * _weights(self.memory_scores[label], prototypes)[None]
        return distance.mean()


def _build_selector() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, 1))


def _weights(selector: nn.Module, vectors: Tensor) -> Tensor:
    """Return a weight per vector with mean 1; the vectors themselves get no gradient from it."""
    rows = vectors.detach()
    scores = torch.sigmoid(selector(rows) if len(rows) > 1 else _without_training(selector, rows))[:, 0]
    return scores / scores.mean()


def _without_training(module: nn.Module, rows: Tensor) -> Tensor:
    """Return the module's answer in evaluation mode, which one row is enough for."""
    mode = module.training
    try:
        out: Tensor = module.eval()(rows)
    finally:
        module.train(mode)
    return out
