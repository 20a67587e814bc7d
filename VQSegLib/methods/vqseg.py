"""VQ-Seg (NeurIPS 2025, arXiv 2601.10124): mean teacher with perturbed codes, dual branch and feature adapter.

``L = L_labeled + w(t) L_unlabeled + lambda_r L_reconstruction + lambda_a L_align + lambda_vq L_vq + lambda_use L_use``.
The paper's objective has no term that trains the codebook map; ``L_vq`` is SimVQ's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.methods.base import Batch, StepResult
from VQSegLib.methods.cutmix import mix_with_flipped
from VQSegLib.methods.losses import masked_pseudo_labels, segmentation_loss, sigmoid_rampup
from VQSegLib.methods.mean_teacher import TeacherMethod
from VQSegLib.methods.vqseg_config import VQSegConfig
from VQSegLib.models.code_perturbation import calibrate_temperature, measure_perturbation, perturb_codes
from VQSegLib.models.codebook_usage import compute_codebook_usage
from VQSegLib.models.feature_adapter import FeatureAdapter, alignment_loss
from VQSegLib.models.foundation import FoundationTeacher, build_teacher, check_disjoint
from VQSegLib.models.usage_loss import usage_loss
from VQSegLib.models.vector_quantizer import Quantized

_ALIGNMENT_RAMP = 0.1
"""Share of training over which the PFA weight grows: at chance 5 L_align is forty times the cross-entropy."""


class _Views(NamedTuple):
    """The student's view of a batch: one encoder pass, cut into labeled, strong and weak."""

    images: Tensor
    features: list[Tensor]
    quantized: Quantized | None
    labeled: slice
    strong: slice
    weak: slice

    def cut(self, part: slice) -> tuple[list[Tensor], Tensor]:
        """Return encoder maps and post-quantization features of one part."""
        last = self.quantized.quantized if self.quantized else self.features[-1]
        if part == slice(0, len(self.images)):  # on the way back, a cut that takes all would copy every map
            return self.features, last
        return [level[part] for level in self.features], last[part]


class VQSeg(TeacherMethod[VQSegConfig]):
    """Method ``vqseg``; see :class:`VQSegConfig` for the switches."""

    temperature: Tensor

    def build_parts(self) -> None:
        """Add teacher, temperature of QPM, and the foundation teacher with its adapter where PFA is on."""
        super().build_parts()
        self.register_buffer("temperature", torch.zeros((), dtype=torch.float64))
        # The foundation teacher is no module: it is neither trained, averaged nor saved with the run.
        self.foundation: FoundationTeacher | None = None
        if self.config.foundation_teacher is not None:
            self.foundation = build_teacher(self.config.foundation_teacher, self.preprocessing)
            check_disjoint(self.foundation, self.student)
            dims = self.student.config.spatial_dims
            self.adapter = FeatureAdapter(self.student.feature_dim, self.foundation.teacher_dim, dims)

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return the whole objective for one batch."""
        logs: dict[str, float] = {}
        if not self.config.needs_unlabeled(step, self.max_steps):
            views = self._encode([batch.labeled])
            terms = {"loss/supervised": self.config.labeled_weight * self._supervised(views, batch)}
            terms |= self._reconstruction(views, 0)
        else:
            views, terms = self._semi_supervised(batch, step, logs)
        terms |= self._alignment(views, step)
        terms |= self._codebook_terms(views, logs)
        return StepResult.of(terms, logs)

    def _semi_supervised(self, batch: Batch, step: int, logs: dict[str, float]) -> tuple[_Views, dict[str, Tensor]]:
        """Return the student's views and the supervised, consistency and reconstruction terms."""
        config = self.config
        with torch.no_grad():
            teacher_logits = self.teacher(batch.weak)
        pseudo_label, logs["ssl/mask_ratio"] = masked_pseudo_labels(teacher_logits, config.confidence_threshold)
        strong, strong_labels = self._strong_views(batch.strong, pseudo_label)
        weak = [batch.weak] if config.student_sees_weak else []
        views = self._encode([batch.labeled, strong, *weak])
        weight = config.consistency_weight * sigmoid_rampup(step - config.pretraining_steps, config.rampup_steps)
        logs["ssl/consistency_weight"] = weight
        logits = self._decode(views, step, logs)
        labeled = segmentation_loss(logits[views.labeled], batch.target, config.segmentation_loss)
        consistency = [(logits[views.strong], strong_labels)]
        if len(logits) > views.strong.stop:
            consistency.append((logits[views.weak], pseudo_label))
        losses = [segmentation_loss(*pair, config.segmentation_loss, count_ignored=True) for pair in consistency]
        terms = {"loss/supervised": config.labeled_weight * labeled}
        terms["loss/consistency"] = weight * torch.stack(losses).mean()
        return views, terms | self._reconstruction(views, weight)

    def _strong_views(self, strong: Tensor, pseudo_label: Tensor) -> tuple[Tensor, Tensor]:
        """Return strong views ``(V * B, C, *spatial)`` and their pseudo-labels, CutMix applied where it is on."""
        views = [(view, pseudo_label) for view in strong]
        if self.config.cutmix:
            views = [mix_with_flipped(view, label) for view, label in views]
        return torch.cat([image for image, _ in views]), torch.cat([label for _, label in views])

    def _encode(self, parts: list[Tensor]) -> _Views:
        """Encode and quantize all the student sees in one pass: labeled, then strong and weak patches if given."""
        images = torch.cat(parts)
        features = self.student.encode(images)
        first = len(parts[0])
        second = first + (len(parts[1]) if len(parts) > 1 else 0)
        return _Views(
            images,
            features,
            self.student.quantize(features),
            slice(0, first),
            slice(first, second),
            slice(second, len(images)),
        )

    def _supervised(self, views: _Views, batch: Batch) -> Tensor:
        features, quantized = views.cut(views.labeled)
        logits = self.student.decode(features, quantized, views.images.shape[2:])
        return segmentation_loss(logits, batch.target, self.config.segmentation_loss)

    def _decode(self, views: _Views, step: int, logs: dict[str, float]) -> Tensor:
        """Return logits of labeled, strong and (where QPM works on it) weak patches, perturbed where QPM says so.

        One pass, as the peers decode their views: a pass of its own per view would give every view its own batch
        statistics, and the teacher, which runs on their average, those of none.
        """
        config, size = self.config, views.images.shape[2:]
        perturb = config.qpm and step >= config.qpm_warmup * self.max_steps
        if not perturb:
            features, quantized = views.cut(slice(0, views.strong.stop))
            return self.student.decode(features, quantized, size)
        part = views.weak if config.qpm_on == "weak" else views.strong
        features, clean = views.cut(slice(0, part.stop))
        quantized = torch.cat([clean[: part.start], self._perturbed(views, part, step, logs)])
        logits = self.student.decode(features, quantized, size)
        if step % config.code_perturbation.refresh_steps == 0:
            with torch.no_grad():
                change = (self.student.decode(features, clean, size) - logits)[part].abs().float().mean()
            logs["vq/perturbation_logit_change"] = float(change)
        return logits

    def _perturbed(self, views: _Views, part: slice, step: int, logs: dict[str, float]) -> Tensor:
        """Return post-quantization features of ``part`` with perturbed codes, straight-through to the features."""
        quantizer, quantized = self.student.quantizer, views.quantized
        if quantizer is None or quantized is None:
            msg = "QPM without a quantizer"
            raise RuntimeError(msg)
        config = self.config.code_perturbation
        codes = quantized.codes
        if config.temperature is not None:
            self.temperature.fill_(config.temperature)
        elif step % config.refresh_steps == 0 or self.temperature == 0:
            self.temperature.fill_(calibrate_temperature(codes, quantized.indices.unique(), config))
        before = quantized.indices[part]
        after = perturb_codes(before, codes, config, float(self.temperature))
        change, jump = measure_perturbation(before, after, codes.detach())
        logs |= {"vq/perturbation_rate": change, "vq/perturbation_jump": jump}
        return quantizer.requantize(quantized.latents[part], F.embedding(after, codes))

    def _reconstruction(self, views: _Views, unlabeled_weight: float) -> dict[str, Tensor]:
        """Return L1 of the image decoder on labeled and clean unlabeled patches (dual branch)."""
        if not self.config.dual_branch:
            return {}
        labeled = views.labeled.stop
        images = torch.cat([views.images[views.labeled], views.images[views.weak]])
        quantized = torch.cat([views.cut(views.labeled)[1], views.cut(views.weak)[1]])
        error = (self.student.reconstruct(quantized, images.shape[2:]).float() - images).abs()
        total = error[:labeled].mean()
        if len(error) > labeled:
            total = total + unlabeled_weight * error[labeled:].mean()
        return {"loss/reconstruction": self.config.reconstruction_weight * total}

    def _alignment(self, views: _Views, step: int) -> dict[str, Tensor]:
        """Return the patch-wise InfoNCE against the foundation teacher on labeled and clean unlabeled patches (PFA)."""
        if self.foundation is None:
            return {}
        parts = [views.labeled, views.weak]
        images = torch.cat([views.images[part] for part in parts])
        quantized = torch.cat([views.cut(part)[1] for part in parts])
        target = self.foundation.features(images).features
        loss = alignment_loss(self.adapter(quantized, tuple(target.shape[2:])), target)
        weight = self.config.alignment_weight * min(1.0, (step + 1) / (_ALIGNMENT_RAMP * self.max_steps))
        return {"loss/alignment": weight * loss}

    def _codebook_terms(self, views: _Views, logs: dict[str, float]) -> dict[str, Tensor]:
        """Return codebook, commitment and usage loss, and log how the codebook is used."""
        quantizer, quantized = self.student.quantizer, views.quantized
        if quantizer is None or quantized is None:
            return {}
        usage = compute_codebook_usage(quantized.indices, quantizer.codebook_size)
        logs |= {"vq/perplexity": usage.perplexity, "vq/active_codes": usage.active_codes}
        terms = {"vq/commitment": self.config.vq_weight * quantized.commitment_loss}
        if self.config.usage_weight:
            terms["vq/usage"] = self.config.usage_weight * usage_loss(quantized.latents, quantized.codes)
        return terms
