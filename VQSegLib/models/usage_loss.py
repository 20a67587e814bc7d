"""Usage loss of the VQ-Seg release: sharp per token, spread over the batch."""

from __future__ import annotations

import torch
from torch import Tensor

_MAX_TOKENS = 1024
"""Tokens looked at per call; the full soft assignment of a batch would not fit beside a codebook of 16,384."""


def usage_loss(latents: Tensor, codes: Tensor) -> Tensor:
    """Return ``mean_n H(q(.|z_n)) - H(mean_n q(.|z_n))`` with ``q = softmax_k(-|z - c_k|^2)``.

    Args:
        latents: ``(..., D)`` features in code space.
        codes: ``(K, D)``.

    Returns:
        Scalar in ``[-ln K, 0]``; its gradient reaches features and codes.
    """
    with torch.autocast(latents.device.type, enabled=False):
        flat = latents.float().reshape(-1, latents.shape[-1])
        flat = flat[:: max(1, -(-flat.shape[0] // _MAX_TOKENS))]
        codes = codes.float()
        # |z|^2 is the same for all codes, so neither q nor its entropy, ln(sum e^l) - sum q l, changes without it.
        logits = torch.addmm(-codes.square().sum(1), flat, codes.T, alpha=2)
        share = logits.softmax(1)
        sharpness = (logits.logsumexp(1) - (share * logits).sum(1)).mean()
        loss: Tensor = sharpness - torch.special.entr(share.mean(0).clamp_min(1e-20)).sum()
    return loss
