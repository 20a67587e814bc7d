"""``vqseg benchmark``: methods on one footing, and both sides of every ratio of speed, measured in one run."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from VQSegLib.commands.benchmark_methods import benchmark_methods
from VQSegLib.commands.terminal import print_result, shown_progress

if TYPE_CHECKING:
    from VQSegLib.benchmarks.report import Report

app = typer.Typer(help="Compare methods, and measure speed against others and the machine's own limits.")


class WorkloadChoice(StrEnum):
    """What is segmented."""

    SHIPPED = "shipped"
    RELEASED = "released"


class ClockChoice(StrEnum):
    """How time is measured."""

    WALL = "wall"
    PROCESSOR = "processor"


JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RepeatsOption = Annotated[int, typer.Option(min=1, help="Repetitions; the best counts, all are in the JSON.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")]


app.command("methods")(benchmark_methods)


@app.command("interactive")
def interactive(repeats: RepeatsOption = 3, as_json: JsonOption = False) -> None:
    """Time what a user waits for: start, click to mask, uncertainty, refine, cancel, transfer."""
    from VQSegLib.benchmarks.interactive import InteractiveSettings, benchmark_interactive

    with shown_progress() as on_progress:
        report = benchmark_interactive(InteractiveSettings(repeats=repeats), on_progress)
    _print(report, as_json)


@app.command("inference")
def inference(
    workload: Annotated[
        WorkloadChoice | None, typer.Option(help="The shipped 3-D model or the released 2-D architecture; else both.")
    ] = None,
    slices: Annotated[int | None, typer.Option(min=1, help="Only that many slices from the scan's middle.")] = None,
    repeats: RepeatsOption = 3,
    device: DeviceOption = "auto",
    clock: Annotated[
        ClockChoice, typer.Option(help="processor: seconds of one thread (OMP_NUM_THREADS=1) on a busy machine.")
    ] = ClockChoice.WALL,
    as_json: JsonOption = False,
) -> None:
    """Segment one scan with one network through VQSeg, a plain loop, MONAI and nnU-Net."""
    from VQSegLib.benchmarks.inference import InferenceSettings, benchmark_inference
    from VQSegLib.benchmarks.workloads import WORKLOADS

    settings = InferenceSettings(
        workloads=tuple(WORKLOADS) if workload is None else (workload.value,),
        slices=slices,
        repeats=repeats,
        device=device,
        clock=clock.value,
    )
    with shown_progress() as on_progress:
        report = benchmark_inference(settings, on_progress)
    _print(report, as_json)


@app.command("perturbation")
def perturbation(repeats: RepeatsOption = 3, device: DeviceOption = "auto", as_json: JsonOption = False) -> None:
    """Perturb the codes of a training batch, here and in a loop over codes; test that both follow one law."""
    from VQSegLib.benchmarks.perturbation import PerturbationSettings, benchmark_perturbation

    with shown_progress() as on_progress:
        report = benchmark_perturbation(PerturbationSettings(repeats=repeats, device=device), on_progress)
    _print(report, as_json)


def _print(report: Report, as_json: bool) -> None:
    print_result(report.model_dump_json(indent=2) if as_json else str(report))
