"""Training methods: one class per method behind one interface."""

from __future__ import annotations

from typing import Any

from VQSegLib.methods.abd import ABD, ABDConfig
from VQSegLib.methods.arco import ARCO, ARCOConfig
from VQSegLib.methods.base import Method
from VQSegLib.methods.bcp import BCP, BCPConfig
from VQSegLib.methods.dropout import DropoutConfig, DropoutPerturbation
from VQSegLib.methods.mcnet import MCNet, MCNetConfig
from VQSegLib.methods.nnunet_recipe import NnUNetRecipe, NnUNetRecipeConfig
from VQSegLib.methods.ssnet import SSNet, SSNetConfig
from VQSegLib.methods.supervised import Supervised, SupervisedConfig
from VQSegLib.methods.uamt import UAMT, UAMTConfig
from VQSegLib.methods.unimatch_v1 import UniMatchV1, UniMatchV1Config
from VQSegLib.methods.unimatch_v2 import UniMatchV2, UniMatchV2Config
from VQSegLib.methods.vqseg import VQSeg
from VQSegLib.methods.vqseg_config import VQSegConfig
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.models.network import VQSegNet

METHODS: dict[str, type[Method[Any]]] = {
    "supervised": Supervised,
    "nnunet_recipe": NnUNetRecipe,
    "uamt": UAMT,
    "mcnet": MCNet,
    "ssnet": SSNet,
    "bcp": BCP,
    "arco": ARCO,
    "abd": ABD,
    "unimatch_v1": UniMatchV1,
    "unimatch_v2": UniMatchV2,
    "dropout": DropoutPerturbation,
    "vqseg": VQSeg,
}
"""Every method by the name used in configurations, on the command line and in the panel."""

AnyMethodConfig = (
    SupervisedConfig
    | NnUNetRecipeConfig
    | UAMTConfig
    | MCNetConfig
    | SSNetConfig
    | BCPConfig
    | ARCOConfig
    | ABDConfig
    | UniMatchV1Config
    | UniMatchV2Config
    | DropoutConfig
    | VQSegConfig
)


def build_method(
    config: AnyMethodConfig, student: VQSegNet, preprocessing: PreprocessingConfig, max_steps: int
) -> Method[Any]:
    """Build the method a configuration names around ``student``."""
    return METHODS[config.name](config, student, preprocessing, max_steps)


__all__ = ["METHODS", "AnyMethodConfig", "Method", "build_method"]
