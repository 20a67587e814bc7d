"""Which build suits a computer, from what the NVIDIA driver's program prints."""

from __future__ import annotations

import pytest

from VQSegUI.EngineCatalog import EngineCatalog
from VQSegUI.EngineGpu import Gpu, readGpus, suggestBuild

LINUX = EngineCatalog(platformTag="linux-x86_64", python="3.12").builds()
MAC = EngineCatalog(platformTag="macos-arm64", python="3.12").builds()


def test_answer_of_the_drivers_program_is_read() -> None:
    text = "NVIDIA H100 80GB HBM3, 580.95.05, 9.0\nQuadro P400, 535.183.01, 6.1\n"
    assert readGpus(text) == [Gpu("NVIDIA H100 80GB HBM3", 580, 9.0), Gpu("Quadro P400", 535, 6.1)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "a,b,c",
        "[N/A], [N/A], [N/A]",
    ],
)
def test_other_text_lists_no_gpu(text: str) -> None:
    assert readGpus(text) == []


@pytest.mark.parametrize(
    ("gpus", "build", "reason"),
    [
        ([], "cpu", "no NVIDIA GPU"),
        ([Gpu("RTX 4090", 580, 8.9)], "cuda", "RTX 4090"),
        ([Gpu("RTX 4090", 535, 8.9)], "cpu", "driver 535 is too old"),
        ([Gpu("GTX 1080", 580, 6.1)], "cpu", "GTX 1080 is too old"),
        ([Gpu("GTX 1080", 580, 6.1), Gpu("T4", 580, 7.5)], "cuda", "T4"),
    ],
)
def test_build_follows_gpu_and_driver(gpus: list[Gpu], build: str, reason: str) -> None:
    suggestion = suggestBuild(LINUX, gpus)
    assert suggestion.build == build
    assert reason in suggestion.reason


def test_mac_has_one_build() -> None:
    assert suggestBuild(MAC, [Gpu("RTX 4090", 580, 8.9)]).build == "cpu"
