"""Which build suits this computer's GPU; asked of the NVIDIA driver's own program. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Mapping, Optional

from VQSegUI.EngineCatalog import EngineBuild
from VQSegUI.Translation import _

QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader")


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU.

    Attributes:
        name: Its product name.
        driver: First number of the driver's version.
        capability: Its compute capability, such as 8.6.
    """

    name: str
    driver: int
    capability: float


@dataclass(frozen=True)
class Suggestion:
    """The build that suits this computer.

    Attributes:
        build: Its name.
        reason: Why, in one sentence.
    """

    build: str
    reason: str


def readGpus(output: str) -> List[Gpu]:
    """Return the GPUs that the answer to ``QUERY`` lists; anything else in it is ignored."""
    pattern = r"^\s*([^,]+?)\s*,\s*(\d+)[\d.]*\s*,\s*(\d+\.\d+)\s*$"
    found = (re.match(pattern, line) for line in output.splitlines())
    return [Gpu(match.group(1), int(match.group(2)), float(match.group(3))) for match in found if match]


def suggestBuild(builds: Mapping[str, EngineBuild], gpus: Optional[List[Gpu]]) -> Suggestion:
    """Return which build to install; ``gpus`` None or empty when there is no NVIDIA driver."""
    cuda = builds.get("cuda")
    if cuda is None or not gpus:
        return Suggestion("cpu", _("no NVIDIA GPU was found"))
    gpu = max(gpus, key=lambda one: one.capability)
    if gpu.capability < cuda.minimumCapability:
        reason = _("{gpu} is too old for the CUDA build (compute capability {has}, {needs} needed)")
        return Suggestion("cpu", reason.format(gpu=gpu.name, has=gpu.capability, needs=cuda.minimumCapability))
    if gpu.driver < cuda.minimumDriver:
        reason = _("the NVIDIA driver {has} is too old for the CUDA build; update it to {needs} or later")
        return Suggestion("cpu", reason.format(has=gpu.driver, needs=cuda.minimumDriver))
    return Suggestion("cuda", gpu.name)
