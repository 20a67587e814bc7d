"""Vector quantizers: SimVQ (default) and EMA codebook, with one contract.

Both map features ``z`` of shape ``(B, dim, *spatial)`` to the nearest of ``codebook_size`` codes in a space of width
``code_dim``. Distances run in float32 with autocast off, because rounding in the argmin changes codes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.models.code_search import CodeSearch
from VQSegLib.models.config import QuantizerConfig
from VQSegLib.models.precision import product_dtype
from VQSegLib.models.token_norm import Pointwise

COMMITMENT_BETA = 0.25
"""Weight of the term that pulls features to codes (VQ-VAE, arXiv 1711.00937, eq. 3)."""


class Quantized(NamedTuple):
    """Result of a vector quantizer.

    Attributes:
        quantized: ``(B, dim, *spatial)``; straight-through: its gradient flows to the features unchanged.
        indices: ``(B, *spatial)`` int64 code of each position.
        commitment_loss: Scalar ``mean|c - sg z|^2 + 0.25 mean|z - sg c|^2``.
        latents: ``(B, *spatial, code_dim)`` features in code space, before quantization.
        codes: ``(codebook_size, code_dim)``, as of :meth:`VectorQuantizer.codes`.
    """

    quantized: Tensor
    indices: Tensor
    commitment_loss: Tensor
    latents: Tensor
    codes: Tensor


def straight_through(latents: Tensor, codes: Tensor) -> Tensor:
    """Return ``codes`` in the forward pass and the identity gradient to ``latents`` in the backward pass."""
    return latents + (codes - latents).detach()


class VectorQuantizer(nn.Module):
    """Common part of the quantizers: projections, lookup, straight-through; a subclass owns the codes.

    Args:
        dim: Channels of the features.
        config: Kind, size and width of the codebook. Features are projected when ``code_dim`` differs from ``dim``.
    """

    def __init__(self, dim: int, config: QuantizerConfig) -> None:
        super().__init__()
        self.codebook_size = config.codebook_size
        self.code_dim = config.code_dim
        same = dim == config.code_dim
        self.project_in: nn.Module = nn.Identity() if same else Pointwise(dim, config.code_dim, normalize=True)
        self.project_out: nn.Module = nn.Identity() if same else Pointwise(config.code_dim, dim, normalize=False)

    def codes(self) -> Tensor:
        """Return the codes in use, ``(codebook_size, code_dim)``."""
        raise NotImplementedError

    def codebook_loss(self, latents: Tensor, codes: Tensor) -> Tensor:
        """Return the term that trains the codes, from ``(N, D)`` latents and their codes."""
        raise NotImplementedError

    def forward(self, z: Tensor) -> Quantized:
        """Quantize ``(B, dim, *spatial)`` features."""
        dtype = product_dtype(z.device)
        with torch.autocast(z.device.type, enabled=False):
            latents = self.project_in(z.float()).movedim(1, -1)
            flat = latents.reshape(-1, self.code_dim)
            if self.training:
                self.prepare(flat.detach())
            codebook = self.codes()
            flat_indices = CodeSearch(codebook, dtype).find(flat)
            chosen = F.embedding(flat_indices, codebook)
            loss = self.codebook_loss(flat, chosen) + COMMITMENT_BETA * F.mse_loss(flat, chosen.detach())
            quantized = self.requantize(latents, chosen.reshape(latents.shape))
            if self.training:
                self.learn(flat.detach(), flat_indices)
        return Quantized(quantized, flat_indices.reshape(latents.shape[:-1]), loss, latents, codebook)

    def prepare(self, latents: Tensor) -> None:
        """Hook before the lookup of ``(N, D)`` latents in training mode; sets up codes that need data."""

    def learn(self, latents: Tensor, indices: Tensor) -> None:
        """Hook after the lookup in training mode; moves codes that no gradient trains."""

    def requantize(self, latents: Tensor, codes: Tensor) -> Tensor:
        """Return ``(B, dim, *spatial)`` features for given codes, straight-through to the latents.

        Args:
            latents: ``(B, *spatial, code_dim)``, see :class:`Quantized`.
            codes: Same shape; the codes to decode, for example perturbed ones.
        """
        return self._to_features(straight_through(latents, codes))

    def indices_to_features(self, indices: Tensor) -> Tensor:
        """Return the ``(B, dim, *spatial)`` features of ``(B, *spatial)`` indices; inverse of the assignment."""
        return self._to_features(F.embedding(indices, self.codes()))

    def _to_features(self, codes: Tensor) -> Tensor:
        """Return ``(B, dim, *spatial)`` of ``(B, *spatial, code_dim)`` in float32."""
        with torch.autocast(codes.device.type, enabled=False):
            out: Tensor = self.project_out(codes.movedim(-1, 1))
        return out


class SimVQ(VectorQuantizer):
    """Frozen Gaussian codebook behind one learnable linear map (SimVQ, arXiv 2411.02038).

    Every code moves with every step, so no code dies. The map is trained by the codebook loss alone.
    """

    codebook: Tensor

    def __init__(self, dim: int, config: QuantizerConfig) -> None:
        super().__init__(dim, config)
        self.register_buffer("codebook", torch.randn(self.codebook_size, self.code_dim) / math.sqrt(self.code_dim))
        self.projection = nn.Linear(self.code_dim, self.code_dim)

    def codes(self) -> Tensor:
        """Return the projected codebook, ``(codebook_size, code_dim)``."""
        # In float32 whatever autocast says: the caller may stand outside of forward.
        with torch.autocast(self.codebook.device.type, enabled=False):
            codes: Tensor = self.projection(self.codebook)
        return codes

    def codebook_loss(self, latents: Tensor, codes: Tensor) -> Tensor:
        """Return the mean squared distance of the codes to the detached latents."""
        return F.mse_loss(codes, latents.detach())


class EMAQuantizer(VectorQuantizer):
    """Codebook of exponential moving averages of the features assigned to each code.

    Laplace-smoothed counts (VQ-VAE-2, arXiv 1906.00446, appendix A.1). Codes are set from real features on the first
    training batches, and codes that fell out of use are replaced by features of the batch.
    """

    smoothing = 1e-5
    dead_fraction = 0.03
    """A code whose average count falls below this share of the mean count is replaced."""

    codebook: Tensor
    counts: Tensor
    sums: Tensor
    initialized: Tensor

    def __init__(self, dim: int, config: QuantizerConfig) -> None:
        super().__init__(dim, config)
        self.decay = config.decay
        self.register_buffer("codebook", torch.randn(self.codebook_size, self.code_dim) / math.sqrt(self.code_dim))
        self.register_buffer("counts", torch.ones(self.codebook_size))
        self.register_buffer("sums", self.codebook.clone())
        self.register_buffer("initialized", torch.zeros((), dtype=torch.bool))

    def codes(self) -> Tensor:
        """Return the codebook, ``(codebook_size, code_dim)``."""
        return self.codebook

    def codebook_loss(self, latents: Tensor, codes: Tensor) -> Tensor:
        """Return 0: the averages train the codes, no gradient does."""
        del codes
        return latents.new_zeros(())

    @torch.no_grad()
    def prepare(self, latents: Tensor) -> None:
        """Set all codes from the first batch."""
        if not self.initialized:
            self._replace(torch.arange(self.codebook_size, device=latents.device), latents)
            self.initialized.fill_(value=True)

    @torch.no_grad()
    def learn(self, latents: Tensor, indices: Tensor) -> None:
        """Move the averages and revive dead codes."""
        batch_counts = torch.bincount(indices, minlength=self.codebook_size).to(self.counts)
        batch_sums = torch.zeros_like(self.sums).index_add_(0, indices, latents)
        self.counts.lerp_(batch_counts, 1 - self.decay)
        self.sums.lerp_(batch_sums, 1 - self.decay)
        total = self.counts.sum()
        smooth = (self.counts + self.smoothing) / (total + self.codebook_size * self.smoothing) * total
        self.codebook.copy_(self.sums / smooth.unsqueeze(1))
        dead = (self.counts < self.dead_fraction * total / self.codebook_size).nonzero().squeeze(1)
        if dead.numel():
            self._replace(dead, latents)

    def _replace(self, which: Tensor, latents: Tensor) -> None:
        """Set codes ``which`` to random rows of ``latents``, with the mean count."""
        rows = torch.randint(latents.shape[0], (which.numel(),), device=latents.device)
        mean_count = self.counts.mean().clamp_min(self.smoothing)
        self.codebook[which] = latents[rows].to(self.codebook)
        self.counts[which] = mean_count
        self.sums[which] = self.codebook[which] * mean_count


def build_quantizer(dim: int, config: QuantizerConfig) -> VectorQuantizer:
    """Build the quantizer named by ``config.kind`` for features of ``dim`` channels."""
    return {"simvq": SimVQ, "ema": EMAQuantizer}[config.kind](dim, config)
