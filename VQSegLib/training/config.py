"""Everything a training run is told: one document, saved beside the run and on the model card."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from VQSegLib.documents import Document
from VQSegLib.methods import AnyMethodConfig
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig


class OptimizerConfig(Document):
    """Optimizer and its polynomial schedule ``lr (1 - step / max_steps)^0.9``."""

    kind: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    encoder_factor: float = Field(
        default=1, gt=0, description="Factor on the encoder's learning rate; small for pre-trained encoders."
    )
    weight_decay: float = Field(default=1e-2, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD only.")
    nesterov: bool = Field(default=False, description="SGD only; nnU-Net and ARCO use it.")
    poly_power: float = Field(default=0.9, ge=0, description="0 keeps the learning rate constant.")
    warmup_steps: int = Field(default=100, ge=0, description="Steps over which the learning rate grows linearly.")
    gradient_clip: float | None = Field(default=1.0, gt=0, description="Largest norm of the gradient; null: no clip.")


class AugmentationConfig(Document):
    """Weak view: geometry, the same for image and target. Strong view: intensity changes on top of it."""

    rotation_degrees: float = Field(default=15, ge=0, le=180)
    scale: float = Field(default=0.15, ge=0, lt=1, description="Largest relative change of size.")
    mirror_left_right: bool = Field(
        default=True, description="Mirror across the sagittal plane; labels named left and right by code are swapped."
    )
    labeled_intensity: float = Field(
        default=0.5, ge=0, le=1, description="Share of labeled patches that also get the intensity changes below."
    )
    brightness: float = Field(default=0.1, ge=0, description="Largest shift of a strong view, in units of its std.")
    contrast: float = Field(default=0.25, ge=0, lt=1)
    gamma: float = Field(default=0.3, ge=0, lt=1)
    noise: float = Field(default=0.1, ge=0, description="Largest standard deviation of added noise.")
    blur_voxels: float = Field(default=1.0, ge=0, description="Largest sigma of the Gaussian blur.")


class DataConfig(Document):
    """Patches and batches."""

    patch_size: tuple[int, ...] = Field(default=(64, 64, 64), description="(k, j, i) in 3-D, (j, i) in 2-D.")
    batch_labeled: int = Field(default=2, ge=1)
    batch_unlabeled: int = Field(default=2, ge=1)
    foreground_probability: float = Field(
        default=0.67, ge=0, le=1, description="Share of labeled patches centred near a voxel of a randomly drawn label."
    )
    workers: int = Field(default=1, ge=0, description="Processes that cut and augment patches; 0: in the training one.")


class DeviceConfig(Document):
    """Where and how to compute; passed to lightning Fabric."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(default=1, ge=1)
    num_nodes: int = Field(default=1, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    threads: int | None = Field(default=None, ge=1, description="CPU threads; null: PyTorch's choice.")


class TrainingConfig(Document):
    """One training run."""

    name: str = Field(default="model", min_length=1, description="Name of the model that results.")
    description: str = ""
    parent: str | None = Field(
        default=None, description="Model file (absolute, or relative to the run folder) to start from; null: random."
    )
    method: Annotated[AnyMethodConfig, Field(discriminator="name")]
    network: NetworkConfig
    preprocessing: PreprocessingConfig
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig)
    data: DataConfig = Field(default_factory=DataConfig)
    device: DeviceConfig = Field(default_factory=DeviceConfig)
    max_steps: int = Field(default=10_000, ge=1)
    validation_interval: int = Field(default=500, ge=1, description="Steps between validations and saved states.")
    log_interval: int = Field(default=10, ge=1, description="Steps averaged into one logged line.")
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> TrainingConfig:
        dims = self.network.spatial_dims
        if len(self.data.patch_size) != dims:
            msg = f"data.patch_size needs {dims} numbers for a {dims}-D network, given {self.data.patch_size}"
            raise ValueError(msg)
        if dims == 3 and self.network.in_channels != 1:
            msg = f"a 3-D network has one input channel, given in_channels={self.network.in_channels}"
            raise ValueError(msg)
        if self.method.uses_unlabeled:
            self.method.check_batch(self.data.batch_labeled, self.data.batch_unlabeled)
        return self
