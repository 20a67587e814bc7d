"""Training methods: one class per method behind one interface."""

from __future__ import annotations

from VQSegLib.methods.base import Method
from VQSegLib.methods.supervised import Supervised, SupervisedConfig
from VQSegLib.methods.vqseg import VQSeg
from VQSegLib.methods.vqseg_config import VQSegConfig
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.models.network import VQSegNet

METHODS: dict[str, type[Supervised] | type[VQSeg]] = {"supervised": Supervised, "vqseg": VQSeg}
"""Every method by the name used in configurations, on the command line and in the panel."""

AnyMethodConfig = SupervisedConfig | VQSegConfig


def build_method(
    config: AnyMethodConfig, student: VQSegNet, preprocessing: PreprocessingConfig, max_steps: int
) -> Method:
    """Build the method a configuration names around ``student``."""
    if isinstance(config, VQSegConfig):
        return VQSeg(config, student, preprocessing, max_steps)
    return Supervised(config, student, preprocessing, max_steps)


__all__ = ["METHODS", "AnyMethodConfig", "Method", "build_method"]
