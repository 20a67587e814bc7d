"""What a checkpoint needs to rebuild its network and to prepare its input: part of every model card."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from VQSegLib.documents import Document
from VQSegLib.models.backbone_config import UNetEncoderConfig, VNetEncoderConfig


class PreprocessingConfig(Document):
    """From HU in the input's geometry to network input. Axis order is (k, j, i) = (slice, row, column)."""

    spacing_mm_kji: tuple[float, float, float] | None = Field(
        default=None, description="Spacing the network was trained at; null keeps the spacing of the input."
    )
    spacing_max_mm_kji: tuple[float, float, float] | None = Field(
        default=None,
        description="Coarsest spacing seen in training: an input between spacing_mm_kji and this keeps its own "
        "spacing, axis by axis, and anything outside is resampled to the nearer bound; null: always spacing_mm_kji.",
    )
    window_low: float = Field(default=-1000.0, description="HU mapped to 0 before mean and std are applied.")
    window_high: float = Field(default=1000.0, description="HU mapped to 1 before mean and std are applied.")
    mean: tuple[float, ...] = Field(
        default=(0.5,), description="Subtracted after windowing to [0, 1]; three values repeat a slice into RGB."
    )
    std: tuple[float, ...] = Field(default=(0.5,), description="Divides after the mean; as many values as mean.")
    body_threshold_hu: float | None = Field(
        default=None, description="Voxels above it (largest component) bound the body crop; null: no crop."
    )
    patch_size: tuple[int, ...] | None = Field(
        default=None,
        description="Window of the sliding-window inference: (k, j, i) in 3-D, (j, i) in 2-D; null: all.",
    )
    overlap: float = Field(default=0.5, ge=0.0, lt=1.0, description="Share of a window shared with its neighbour.")

    def target_spacing_mm_kji(self, spacing_mm_kji: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the spacing at which the network sees an input of spacing ``spacing_mm_kji``."""
        low = self.spacing_mm_kji
        if low is None:
            return spacing_mm_kji
        high = self.spacing_max_mm_kji or low
        k, j, i = (min(max(s, a), b) for s, a, b in zip(spacing_mm_kji, low, high, strict=True))
        return (k, j, i)

    @model_validator(mode="after")
    def _check(self) -> PreprocessingConfig:
        if self.spacing_max_mm_kji is not None and (
            self.spacing_mm_kji is None
            or any(a > b for a, b in zip(self.spacing_mm_kji, self.spacing_max_mm_kji, strict=True))
        ):
            msg = f"spacing_max_mm_kji {self.spacing_max_mm_kji} needs a spacing_mm_kji that is nowhere above it"
            raise ValueError(msg)
        if self.window_high <= self.window_low:
            msg = f"window_high ({self.window_high}) must be above window_low ({self.window_low})"
            raise ValueError(msg)
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            msg = f"mean and std need one or three values each, given {len(self.mean)} and {len(self.std)}"
            raise ValueError(msg)
        return self


class ConvEncoderConfig(Document):
    """Residual convolutional encoder (and mirrored decoders) built from MONAI blocks."""

    kind: Literal["conv"] = "conv"
    channels: tuple[int, ...] = Field(
        default=(32, 64, 128, 256), min_length=1, description="Width per stage, fine to coarse; multiples of 8."
    )
    strides: tuple[tuple[int, ...], ...] = Field(
        default=((1, 1), (2, 2), (2, 2), (2, 2)), description="Stride per stage and spatial axis, fine to coarse."
    )
    norm: Literal["batch", "group"] = Field(
        default="batch",
        description="Batch norm, as V-Net and UNet of the compared methods have it; group norm for batches of one "
        "patch. Both have channels-last kernels on the CPU, instance norm does not.",
    )
    skip: bool = Field(default=True, description="Unquantized finer stages also reach the segmentation decoder.")

    @model_validator(mode="after")
    def _check(self) -> ConvEncoderConfig:
        if any(width <= 0 or (self.norm == "group" and width % 8) for width in self.channels):
            msg = (
                f"channels must be positive, and multiples of 8 for group norm with its 8 groups, given {self.channels}"
            )
            raise ValueError(msg)
        return self


class Dinov2EncoderConfig(Document):
    """DINOv2 vision transformer (transformers) with a DPT head; 2-D only."""

    kind: Literal["dinov2"] = "dinov2"
    hidden_size: int = 384
    num_layers: int = 12
    num_heads: int = 6
    patch_size: int = 14
    image_size: int = Field(default=518, description="Side the position embedding was made for, pixels.")
    layers: tuple[int, int, int, int] = Field(default=(2, 5, 8, 11), description="0-based blocks whose output is used.")
    dpt_features: int = 64
    dpt_channels: tuple[int, int, int, int] = (48, 96, 192, 384)
    weights: str | None = Field(
        default=None, description="Local folder or hub id of pre-trained weights to start training from."
    )

    @model_validator(mode="after")
    def _check(self) -> Dinov2EncoderConfig:
        if (
            list(self.layers) != sorted(set(self.layers))
            or not 0 <= self.layers[0] <= self.layers[-1] < self.num_layers
        ):
            msg = f"layers must ascend within 0..{self.num_layers - 1}, given {self.layers}"
            raise ValueError(msg)
        if self.hidden_size % self.num_heads:
            msg = f"hidden_size ({self.hidden_size}) must be a multiple of num_heads ({self.num_heads})"
            raise ValueError(msg)
        if self.image_size % self.patch_size:
            msg = f"image_size ({self.image_size}) must be a multiple of patch_size ({self.patch_size})"
            raise ValueError(msg)
        return self


class QuantizerConfig(Document):
    """Vector quantizer between encoder and decoders."""

    kind: Literal["simvq", "ema"] = "simvq"
    codebook_size: int = Field(default=1024, ge=2)
    code_dim: int = Field(default=64, ge=1, description="Width of a code; features are projected when it differs.")
    decay: float = Field(
        default=0.99,
        gt=0,
        lt=1,
        description="Of the averages of kind 'ema'. A code out of use is revived after about 3.5 / (1 - decay) steps: "
        "lower it for short trainings and where few tokens pass per step.",
    )


def _build_default_encoder(fields: dict[str, Any]) -> ConvEncoderConfig:
    """Return the default encoder with strides for the number of spatial axes given before it."""
    dims = fields.get("spatial_dims", 2)
    return ConvEncoderConfig(strides=((1,) * dims, (2,) * dims, (2,) * dims, (2,) * dims))


class NetworkConfig(Document):
    """Network: encoder, optional vector quantizer, segmentation decoder, optional image decoder."""

    spatial_dims: Literal[2, 3] = 2
    in_channels: int = Field(default=1, ge=1, description="Channels of the input; 2-D: neighbouring slices or RGB.")
    num_classes: int = Field(ge=2, description="Background included.")
    encoder: ConvEncoderConfig | Dinov2EncoderConfig | VNetEncoderConfig | UNetEncoderConfig = Field(
        default_factory=_build_default_encoder, discriminator="kind"
    )
    quantizer: QuantizerConfig | None = Field(
        default_factory=QuantizerConfig, description="null: no quantizer (vq off)."
    )
    image_decoder: bool = Field(default=False, description="Second decoder that reconstructs the input (dual branch).")

    @model_validator(mode="after")
    def _check(self) -> NetworkConfig:
        if isinstance(self.encoder, Dinov2EncoderConfig):
            if self.spatial_dims != 2:
                msg = (
                    "encoder kind 'dinov2' is 2-D; set spatial_dims to 2 or use kind 'conv' "
                    f"(given {self.spatial_dims})"
                )
                raise ValueError(msg)
            return self
        if not isinstance(self.encoder, ConvEncoderConfig):
            return self
        strides = self.encoder.strides
        if len(strides) != len(self.encoder.channels) or any(len(s) != self.spatial_dims for s in strides):
            msg = f"strides need one tuple of {self.spatial_dims} numbers per entry of channels, given {strides}"
            raise ValueError(msg)
        return self
