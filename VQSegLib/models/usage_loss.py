"""Usage loss of the VQ-Seg release: sharp per token, spread over the batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_MAX_TOKENS = 1024
"""Tokens looked at per call; more say little more about how codes are used."""
_MAX_ENTRIES = 1 << 22
"""Entries of the token-by-code table in one piece: 16 MiB, which stay in the processor's cache between two passes."""
_LEAST_SHARE = 1e-20


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
        loss: Tensor = _UsageLoss.apply(flat, codes.float())  # type: ignore[no-untyped-call]
    return loss


class _UsageLoss(torch.autograd.Function):
    """The loss with its gradient, which is known as soon as the loss is.

    Left to autograd, every operation on the table of tokens and codes keeps one of its own and makes two more on the
    way back: for 16,384 codes a quarter of a training step.
    """

    @staticmethod
    def forward(ctx: Any, latents: Tensor, codes: Tensor) -> Tensor:
        pieces = latents.split(max(1, _MAX_ENTRIES // len(codes)))
        squares = codes.square().sum(1)
        # |z|^2 is the same for all codes, so neither q nor its entropy, ln(sum e^l) - sum q l, changes without it.
        logits = [torch.addmm(squares, piece, codes.T, beta=-1, alpha=2) for piece in pieces]
        shares = [each.softmax(1) for each in logits]
        means = [torch.linalg.vecdot(share, each).unsqueeze(1) for share, each in zip(shares, logits, strict=True)]
        levels = torch.cat([each.logsumexp(1) for each in logits])
        mean_share = torch.stack([share.sum(0) for share in shares]).sum(0).div_(len(latents)).clamp_min_(_LEAST_SHARE)
        loss: Tensor = (levels - torch.cat(means)[:, 0]).mean() - torch.special.entr(mean_share).sum()
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*_differentiate(pieces, codes, logits, shares, means, mean_share))
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        of_latents, of_codes = ctx.saved_tensors
        return gradients[0] * of_latents, gradients[0] * of_codes


def _differentiate(
    pieces: tuple[Tensor, ...],
    codes: Tensor,
    logits: list[Tensor],
    shares: list[Tensor],
    means: list[Tensor],
    mean_share: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the gradients of latents and codes; ``logits`` and ``shares`` are used up."""
    slope = mean_share.log()
    slope = torch.where(mean_share > _LEAST_SHARE, slope + 1, 0.0)
    of_latents, of_codes = [], torch.zeros_like(codes)
    total = torch.zeros_like(mean_share)
    for piece, logit, share, mean in zip(pieces, logits, shares, means, strict=True):
        # dL/dl = q (dH/dq + mean of l - l - mean of dH/dq) / N
        gradient = logit.neg_().add_(slope).add_(mean - (share @ slope).unsqueeze(1)).mul_(share)
        of_latents.append(gradient @ codes)
        of_codes.addmm_(gradient.T, piece)
        total += gradient.sum(0)
    of_codes -= total.unsqueeze(1) * codes
    scale = 2 / sum(len(piece) for piece in pieces)
    return torch.cat(of_latents).mul_(scale), of_codes.mul_(scale)
