"""A training step the way the authors' released trainer takes it, written here anew: the slow side of a ratio.

Labeled and strong patches pass one after the other, the codebook is projected in every pass, all distances of tokens to
codes are kept for the usage loss, codes are perturbed in a loop, and everything is float32.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.benchmarks.perturbation import perturb_in_a_loop
from VQSegLib.methods.base import Batch
from VQSegLib.methods.cutmix import draw_boxes, paste
from VQSegLib.methods.vqseg_config import release_preset
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.precision import autocasting
from VQSegLib.models.vector_quantizer import COMMITMENT_BETA, VectorQuantizer

_CONFIDENCE = 0.95
_LABELED_WEIGHT, _CODEBOOK_WEIGHT = 5.0, 0.1


class ReleasedStep:
    """Student, teacher and optimizer of the released trainer."""

    def __init__(self, student: VQSegNet, quantizer: VectorQuantizer, dtype: torch.dtype) -> None:
        """Take over a network.

        Args:
            student: Network to train.
            quantizer: Its quantizer, without projections around its codes.
            dtype: bfloat16 turns autocast on; the release has none.
        """
        self._student, self._quantizer, self._dtype = student.train(), quantizer, dtype
        self._teacher = copy.deepcopy(student).eval().requires_grad_(requires_grad=False)
        self._optimizer = torch.optim.AdamW(student.parameters(), lr=5e-6, weight_decay=0.01)
        self._perturbation = release_preset().code_perturbation
        self._steps = 0

    def take(self, batch: Batch) -> float:
        """Take one step; return its loss."""
        with autocasting(batch.labeled.device, self._dtype):
            loss = self._loss(batch)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._steps += 1
        decay = min(1 - 1 / self._steps, 0.996)
        with torch.no_grad():
            for mean, value in zip(self._teacher.parameters(), self._student.parameters(), strict=True):
                mean.copy_(mean * decay + value * (1 - decay))
        return float(loss.detach())

    def _loss(self, batch: Batch) -> Tensor:
        weak, strong = batch.unlabeled_weak, batch.unlabeled_strong
        if weak is None or strong is None:
            msg = "the released step needs unlabeled patches"
            raise RuntimeError(msg)
        with torch.no_grad():
            confidence, pseudo_label = self._teacher(weak).softmax(1).max(1)
        boxes = [draw_boxes(len(weak), weak.shape[2:], weak.device) for _ in strong]
        mixed = [paste(inside, view, view.flip(0)) for inside, view in zip(boxes, strong, strict=True)]
        logits, codebook = self._forward(batch.labeled, perturb=False)
        of_strong, of_strong_codebook = self._forward(torch.cat(mixed), perturb=True)
        consistency = torch.zeros((), device=weak.device)
        for inside, one in zip(boxes, of_strong.chunk(len(boxes)), strict=True):
            each = F.cross_entropy(one.float(), paste(inside, pseudo_label, pseudo_label.flip(0)), reduction="none")
            consistency = consistency + (each * (paste(inside, confidence, confidence.flip(0)) >= _CONFIDENCE)).mean()
        supervised = F.cross_entropy(logits.float(), batch.target)
        total = _LABELED_WEIGHT * supervised + consistency / len(boxes)
        return total / 2 + _CODEBOOK_WEIGHT * (codebook + of_strong_codebook)

    def _forward(self, images: Tensor, *, perturb: bool) -> tuple[Tensor, Tensor]:
        """Return logits and the sum of codebook, commitment and usage loss."""
        features = self._student.encode(images)
        tokens = features[-1].float().movedim(1, -1)
        flat, codes = tokens.reshape(-1, tokens.shape[-1]), self._quantizer.codes()
        distances = flat.square().sum(1, keepdim=True) - 2 * flat @ codes.T + codes.square().sum(1)
        indices = distances.argmin(1)
        chosen = F.embedding(indices, codes)
        loss = F.mse_loss(chosen, flat.detach()) + COMMITMENT_BETA * F.mse_loss(flat, chosen.detach())
        share = (-distances).softmax(1)
        entropy = -(share * (share + 1e-10).log()).sum(1).mean()
        mean_share = share.mean(0)
        loss = loss + entropy + (mean_share * (mean_share + 1e-10).log()).sum()
        if perturb:
            indices = perturb_in_a_loop(indices, codes.detach(), self._perturbation, 1.0)
            chosen = F.embedding(indices, codes)
        quantized = (flat + (chosen - flat).detach()).reshape(tokens.shape).movedim(-1, 1)
        return self._student.decode(features, quantized, images.shape[2:]), loss
