"""Predictions of every method on the same test slices, from the runs of a benchmark.

The slices follow from a rule: patients evenly spread over the test set, of each the slice with the largest lesion::

    python experiments/lidc/visual_grid.py lidc_slices.npz BENCHMARK --labeled 10% --output docs/pictures/lidc_grid.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.comparison.opening import open_data
from VQSegLib.comparison.plan import ALL_LABELS, Run
from VQSegLib.comparison.rows import TABLE_1, Row, load_rows
from VQSegLib.evaluation.overlap import dice
from VQSegLib.inference.predictor import Predictor
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.volume import Array


def choose_slices(data: BenchmarkData, count: int) -> list[tuple[str, int]]:
    """Return case and slice of ``count`` patients, evenly spread over the test set."""
    records = [data.test[(2 * n + 1) * len(data.test) // (2 * count)] for n in range(count)]
    areas = [data.source.load_label(record.case_id).array.sum((1, 2)) for record in records]
    return [(record.case_id, int(area.argmax())) for record, area in zip(records, areas, strict=True)]


def predict_all(
    data: BenchmarkData, rows: tuple[Row, ...], folder: Path, budget: str, slices: list[tuple[str, int]]
) -> dict[str, list[Array]]:
    """Return the masks ``(J, I)`` of every row that has a finished run of seed 0."""
    found = {}
    for row in rows:
        run = Run(row, ALL_LABELS if row.all_labels else budget, 0, 0)
        model = folder / "runs" / run.folder_name / "model.safetensors"
        if not model.is_file():
            continue
        predictor = Predictor(load_checkpoint(model), device="cpu")
        found[row.name] = [predictor.predict(data.source.load_image(case)).label_map.array[k] for case, k in slices]
    return found


def draw(data: BenchmarkData, masks: dict[str, list[Array]], slices: list[tuple[str, int]], path: Path) -> None:
    """Draw a row of pictures per method: the reference in yellow, the method's lesion in red."""
    figure = Figure(figsize=(1.3 * len(slices) + 1, 1.35 * len(masks)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(masks), len(slices), squeeze=False)
    for line, (name, predicted) in zip(grid, masks.items(), strict=True):
        for axes, mask, (case, k) in zip(line, predicted, slices, strict=True):
            reference = data.source.load_label(case).array[k]
            axes.imshow(data.source.load_image(case).array[k], cmap="gray", vmin=0, vmax=255)
            for shape, color in ((reference, "gold"), (mask, "red")):
                if shape.any():
                    axes.contour(shape, [0.5], colors=color, linewidths=0.8)
            axes.set(xticks=[], yticks=[])
            axes.text(2, 122, f"{dice(mask == 1, reference == 1):.2f}", color="white", fontsize=7)
        line[0].set_ylabel(name, fontsize=7)
    figure.savefig(path, dpi=75)


def main() -> None:
    """Read the command line, predict and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--labeled", default="10%")
    parser.add_argument("--slices", type=int, default=7)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    data = open_data(options.data)
    rows = load_rows(options.rows) if options.rows else TABLE_1
    slices = choose_slices(data, options.slices)
    masks = predict_all(data, rows, options.benchmark, options.labeled, slices)
    if not masks:
        parser.error(f"no finished run with {options.labeled} labels in {options.benchmark}")
    draw(data, masks, slices, options.output)


if __name__ == "__main__":
    main()
