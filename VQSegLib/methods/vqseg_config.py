"""Settings of method ``vqseg`` and its two presets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from VQSegLib.methods.losses import SegmentationLoss
from VQSegLib.methods.mean_teacher import TeacherConfig
from VQSegLib.models.code_perturbation import CodePerturbationConfig
from VQSegLib.models.config import NetworkConfig


class VQSegConfig(TeacherConfig):
    """VQ-Seg (NeurIPS 2025, arXiv 2601.10124). Defaults are the paper's; :func:`release_preset` is the released code.

    ``vq``, ``qpm``, ``dual_branch`` and ``pfa`` give the rows of the paper's ablation (Table 2).
    """

    name: Literal["vqseg"] = "vqseg"
    strong_views: int = Field(default=1, ge=1, le=2)
    vq: bool = Field(default=True, description="Quantize the encoder output.")
    qpm: bool = Field(default=True, description="Perturb the student's codes of unlabeled patches (QPM).")
    dual_branch: bool = Field(default=True, description="Second decoder that reconstructs the image (DB).")
    pfa: bool = Field(default=False, description="Align features with a frozen foundation teacher (PFA).")
    foundation_teacher: str | None = Field(
        default=None, description="Teacher of pfa: 'dinov2:/folder', 'astra-ct' or 'efficientnet-lite0'; never random."
    )
    code_perturbation: CodePerturbationConfig = Field(default_factory=CodePerturbationConfig)
    qpm_on: Literal["weak", "strong"] = Field(
        default="weak",
        description="View whose codes are perturbed: the clean one (paper) or the strong ones (release).",
    )
    qpm_warmup: float = Field(default=0.05, ge=0, le=1, description="Share of training without QPM: codes still move.")
    segmentation_loss: SegmentationLoss = Field(default="ce", description="The paper uses cross-entropy.")
    confidence_threshold: float | None = Field(
        default=None, gt=0, lt=1, description="Pseudo-labels below it are ignored; null: none (paper), release 0.95."
    )
    cutmix: bool = Field(default=False, description="Paste boxes between strong views (release).")
    inference: Literal["student", "teacher"] = Field(
        default="teacher", description="Network that is scored and kept; the average scores higher on validation."
    )
    labeled_weight: float = Field(default=1, ge=0)
    consistency_weight: float = Field(default=1, ge=0, description="Weight of the unlabeled terms (paper: lambda_u).")
    pretraining_steps: int = Field(
        default=0,
        ge=0,
        description="Steps on labeled patches alone (segmentation, reconstruction, codebook) before the unlabeled "
        "terms begin, as BCP pre-trains: a new network's pseudo-labels are all background, at half the cost of a step.",
    )
    rampup_steps: int = Field(
        default=0, ge=0, description="Steps over which consistency_weight then grows; 0: at once."
    )
    reconstruction_weight: float = Field(default=1, ge=0, description="Weight of the image branch's L1 (paper: 1).")
    alignment_weight: float = Field(default=5, ge=0, description="Weight of PFA (paper: lambda_a); grows over 10 %.")
    vq_weight: float = Field(default=1, ge=0, description="Weight of codebook and commitment loss.")
    usage_weight: float = Field(default=0, ge=0, le=0.1, description="Weight of the release's usage loss.")

    @model_validator(mode="after")
    def _check(self) -> VQSegConfig:
        parts = [name for name in ("qpm", "dual_branch", "pfa") if getattr(self, name)]
        if not self.vq and parts:
            msg = f"{', '.join(parts)} work on quantized features; switch them off too or keep vq on"
            raise ValueError(msg)
        if self.pfa != (self.foundation_teacher is not None):
            msg = "pfa and foundation_teacher go together: set both or neither"
            raise ValueError(msg)
        return self

    @property
    def student_sees_weak(self) -> bool:
        """Whether the student encodes the weak view of unlabeled patches."""
        return (self.qpm and self.qpm_on == "weak") or self.dual_branch or self.pfa

    def needs_unlabeled(self, step: int, max_steps: int) -> bool:
        """Return whether pretraining on labeled patches is over."""
        del max_steps
        return step >= self.pretraining_steps

    def adapt_network(self, network: NetworkConfig) -> NetworkConfig:
        """Return the network with quantizer and image decoder as the switches say."""
        quantizer = network.quantizer if self.vq else None
        if self.vq and quantizer is None:
            msg = "vq is on but the network has no quantizer; set network.quantizer or switch vq off"
            raise ValueError(msg)
        return network.model_copy(update={"quantizer": quantizer, "image_decoder": self.dual_branch})


def release_preset() -> VQSegConfig:
    """Return the settings of the authors' released trainer (script-Yang/VQ-Seg, January 2026).

    Its loss is ``(5 L_x + L_u) / 2 + 0.1 (L_vq + L_use)``; QPM draws from ``exp(-d^2)`` at temperature 1 over all
    codes.
    """
    return VQSegConfig(
        strong_views=2,
        dual_branch=False,
        code_perturbation=CodePerturbationConfig(
            perturbation_rate=0.1, distance="squared", temperature=1.0, top_m=None
        ),
        qpm_on="strong",
        qpm_warmup=0,
        confidence_threshold=0.95,
        cutmix=True,
        ema_decay=0.996,
        labeled_weight=2.5,
        consistency_weight=0.5,
        vq_weight=0.1,
        usage_weight=0.1,
    )
