"""``vqseg benchmark``: methods on one footing, and both sides of every ratio of speed, measured in one run."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from VQSegLib.commands.benchmark_methods import benchmark_methods
from VQSegLib.commands.terminal import print_result, shown_progress

if TYPE_CHECKING:
    from VQSegLib.benchmarks.report import Report
    from VQSegLib.service_results import OnProgress

app = typer.Typer(help="Compare methods, and measure speed against others and the machine's own limits.")


class WorkloadChoice(StrEnum):
    """What is segmented."""

    SHIPPED = "shipped"
    RELEASED = "released"
    RELEASED_518 = "released-518"


class ClockChoice(StrEnum):
    """How time is measured."""

    WALL = "wall"
    PROCESSOR = "processor"


JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RepeatsOption = Annotated[int, typer.Option(min=1, help="Repetitions; the best counts, all are in the JSON.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")]
PlotOption = Annotated[Path | None, typer.Option(help="Picture (.png) to draw; an existing one is replaced.")]
WorkloadOption = Annotated[
    WorkloadChoice | None,
    typer.Option(help="Shipped 3-D model, or released 2-D architecture at 224 or 518 pixels; else all."),
]
SlicesOption = Annotated[int | None, typer.Option(min=1, help="Only that many slices from the scan's middle.")]
ClockOption = Annotated[
    ClockChoice, typer.Option(help="processor: seconds of one thread (OMP_NUM_THREADS=1) on a busy machine.")
]


app.command("methods")(benchmark_methods)


@app.command("interactive")
def interactive(repeats: RepeatsOption = 3, as_json: JsonOption = False, plot: PlotOption = None) -> None:
    """Time what a user waits for: start, click to mask, uncertainty, refine, cancel, transfer."""
    from VQSegLib.benchmarks.interactive import InteractiveSettings, benchmark_interactive

    settings = InteractiveSettings(repeats=repeats)
    _run(lambda on_progress: benchmark_interactive(settings, on_progress), as_json, plot)


@app.command("inference")
def inference(
    workload: WorkloadOption = None,
    slices: SlicesOption = None,
    repeats: RepeatsOption = 3,
    device: DeviceOption = "auto",
    clock: ClockOption = ClockChoice.WALL,
    as_json: JsonOption = False,
    plot: PlotOption = None,
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
    _run(lambda on_progress: benchmark_inference(settings, on_progress), as_json, plot)


@app.command("perturbation")
def perturbation(
    repeats: RepeatsOption = 3, device: DeviceOption = "auto", as_json: JsonOption = False, plot: PlotOption = None
) -> None:
    """Perturb the codes of a training batch, here and in a loop over codes; test that both follow one law."""
    from VQSegLib.benchmarks.perturbation import PerturbationSettings, benchmark_perturbation

    settings = PerturbationSettings(repeats=repeats, device=device)
    _run(lambda on_progress: benchmark_perturbation(settings, on_progress), as_json, plot)


@app.command("training")
def training(
    repeats: RepeatsOption = 3, device: DeviceOption = "auto", as_json: JsonOption = False, plot: PlotOption = None
) -> None:
    """Take training steps of method vqseg, here and the way the authors' released trainer does."""
    from VQSegLib.benchmarks.training import TrainingSettings, benchmark_training

    settings = TrainingSettings(repeats=repeats, device=device)
    _run(lambda on_progress: benchmark_training(settings, on_progress), as_json, plot)


@app.command("growth")
def growth(device: DeviceOption = "auto", as_json: JsonOption = False, plot: PlotOption = None) -> None:
    """Segment scans of 64 to 1024 slices: time and memory must grow in a straight line."""
    from VQSegLib.benchmarks.growth import GrowthSettings, describe_growth, measure_growth
    from VQSegLib.benchmarks.plots import check_plot, save_growth

    if plot is not None:
        check_plot(plot)
    settings = GrowthSettings(device=device)
    with shown_progress() as on_progress:
        measured = measure_growth(settings, on_progress)
    if plot is not None:
        save_growth(measured, plot)
    _print(describe_growth(measured, settings), as_json)


def _run(measure: Callable[[OnProgress], Report], as_json: bool, plot: Path | None) -> None:
    """Measure with progress shown, draw if asked, print."""
    from VQSegLib.benchmarks.plots import check_plot, save_ratios

    if plot is not None:
        check_plot(plot)
    with shown_progress() as on_progress:
        report = measure(on_progress)
    if plot is not None:
        save_ratios(report, plot)
    _print(report, as_json)


def _print(report: Report, as_json: bool) -> None:
    print_result(report.model_dump_json(indent=2) if as_json else str(report))
