"""Networks of the compared methods, so that figures can be held against published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from VQSegLib.documents import Document


class VNetEncoderConfig(Document):
    """V-Net as UA-MT and its successors train it on the left atrium (Yu et al., MICCAI 2019, arXiv 1907.07034).

    Convolutions of 3 with batch norm and ReLU, no residuals; 2-stride convolutions between the stages; additive skips.
    9.45 million parameters with the default widths in 3-D.
    """

    kind: Literal["vnet"] = "vnet"
    channels: tuple[int, ...] = Field(
        default=(16, 32, 64, 128, 256), min_length=2, description="Width per stage, fine to coarse."
    )
    convolutions: tuple[int, ...] = Field(
        default=(1, 2, 3, 3, 3), description="Convolutions per stage; the decoder mirrors them."
    )
    dropout: float = Field(
        default=0.5, ge=0, lt=1, description="Channel dropout after the last stage and before the head."
    )
    skip: bool = Field(default=True, description="Finer stages also reach the segmentation decoder.")

    @model_validator(mode="after")
    def _check(self) -> VNetEncoderConfig:
        _check_stages("convolutions", self.convolutions, self.channels)
        return self


class UNetEncoderConfig(Document):
    """2-D UNet of the SSL4MIS family (github HiLab-git/SSL4MIS), which ACDC figures are published with.

    Two convolutions of 3 with batch norm and LeakyReLU per stage, max pooling, skips joined by concatenation.
    """

    kind: Literal["unet"] = "unet"
    channels: tuple[int, ...] = Field(
        default=(16, 32, 64, 128, 256), min_length=2, description="Width per stage, fine to coarse."
    )
    dropout: tuple[float, ...] = Field(
        default=(0.05, 0.1, 0.2, 0.3, 0.5), description="Dropout between the two convolutions of each encoder stage."
    )
    skip: bool = Field(default=True, description="Finer stages also reach the segmentation decoder.")

    @model_validator(mode="after")
    def _check(self) -> UNetEncoderConfig:
        _check_stages("dropout", self.dropout, self.channels)
        return self


def _check_stages(name: str, values: Sequence[float], channels: Sequence[int]) -> None:
    """Refuse a setting per stage that does not have one value for each of them."""
    if len(values) != len(channels):
        msg = f"{name} needs one number per stage of channels ({len(channels)}), given {tuple(values)}"
        raise ValueError(msg)
