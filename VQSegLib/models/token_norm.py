"""Projection of features into code space, and the norm that keeps their scale there."""

from __future__ import annotations

from torch import Tensor, nn


class TokenNorm(nn.Module):
    """Batch norm over tokens, without parameters, scaled so that latents have a mean squared length of one.

    Features and codes then share a scale whatever the encoder does. Normalizing each token alone is not enough: the
    features' common direction grew until 3 of 1,024 codes took all tokens within 100 steps.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.statistics = nn.BatchNorm1d(dim, affine=False)
        self.scale = dim**-0.5

    def forward(self, z: Tensor) -> Tensor:
        """Normalize ``(B, C, *spatial)`` per channel."""
        normalized: Tensor = self.statistics(z.flatten(2)) * self.scale
        return normalized.reshape(z.shape)


class Pointwise(nn.Module):
    """Linear map over channels of ``(B, C, *spatial)``, any number of spatial axes; optionally normalized."""

    def __init__(self, dim_in: int, dim_out: int, *, normalize: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(dim_in, dim_out)
        self.norm: nn.Module = TokenNorm(dim_out) if normalize else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        """Return ``(B, dim_out, *spatial)``."""
        out: Tensor = self.norm(self.linear(z.movedim(1, -1)).movedim(-1, 1))
        return out
