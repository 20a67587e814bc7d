"""Foundation teachers: frozen, pre-trained, and apart from the student they guide (see :mod:`.feature_adapter`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn

from VQSegLib.errors import ConfigError
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.models.foundation_ct import AstraCtTeacher
from VQSegLib.models.foundation_dinov2 import Dinov2Teacher
from VQSegLib.models.foundation_frozen import DEFAULT_NUM_SLICES, TeacherFeatures
from VQSegLib.models.foundation_imagenet import ImageNetTeacher

__all__ = ["FoundationTeacher", "TeacherFeatures", "build_teacher", "check_disjoint"]

_ALLOWED = "'dinov2:<local folder or hub id>', 'astra-ct', 'efficientnet-lite0'"


class FoundationTeacher(Protocol):
    """A frozen feature extractor. It must not be an ``nn.Module``, so that no student can adopt its weights."""

    name: str
    """What the model card says about it."""

    teacher_dim: int
    """Channels of its features."""

    def features(self, images: Tensor) -> TeacherFeatures:
        """Return the features of network inputs ``(B, C, J, I)`` or ``(B, 1, K, J, I)``, without gradient."""

    def tensors(self) -> Iterator[Tensor]:
        """Yield every weight and buffer."""


def build_teacher(
    name_or_path: str, preprocessing: PreprocessingConfig, num_slices: int = DEFAULT_NUM_SLICES
) -> FoundationTeacher:
    """Build the teacher a training configuration names in ``foundation_teacher``.

    Args:
        name_or_path: ``dinov2:<local folder or hub id>``, ``astra-ct`` or ``efficientnet-lite0``.
        preprocessing: How the network input was made from HU; the teacher undoes it.
        num_slices: Slices looked at in a 3-D patch.

    Raises:
        ConfigError: Another name, or a package that is not installed.
        ModelFileError: Weights that are missing, unsafe, incomplete or damaged; a teacher is never random.
    """
    kind, _, source = name_or_path.partition(":")
    if kind == "dinov2" and source:
        return Dinov2Teacher(source, preprocessing, num_slices)
    if name_or_path == "astra-ct":
        return AstraCtTeacher.from_package(preprocessing, num_slices)
    if name_or_path == "efficientnet-lite0":
        return ImageNetTeacher.from_package(preprocessing, num_slices)
    msg = (
        f"The foundation teacher '{name_or_path}' is not known; allowed are {_ALLOWED}; "
        "correct foundation_teacher, or leave it out and switch the feature adapter off."
    )
    raise ConfigError(msg)


def check_disjoint(teacher: FoundationTeacher, student_module: nn.Module) -> None:
    """Make sure that training the student cannot change the teacher.

    Raises:
        ConfigError: They share the memory of a tensor.
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in teacher.tensors()} - {0}
    for name, tensor in [*student_module.named_parameters(), *student_module.named_buffers()]:
        if tensor.untyped_storage().data_ptr() in own:
            msg = (
                f"The student's tensor '{name}' is also one of the foundation teacher '{teacher.name}'; it must "
                "stay separate: load its weights a second time instead of handing over the student's encoder."
            )
            raise ConfigError(msg)
