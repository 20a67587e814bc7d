"""How the codebook fills during a training: t-SNE of its codes, with share of codes in use and perplexity.

A copy of a finished run is trained again; at four moments all validation slices are encoded. Needs
``pip install scikit-learn``, which the library itself does without::

    python experiments/lidc/codebook_over_training.py lidc_slices.npz BENCHMARK/runs/vq-seg/10-percent-seed-0 \\
      --output docs/pictures/lidc_codebook.png
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from VQSegLib.comparison.data import BenchmarkData, LabelBudget
from VQSegLib.comparison.opening import open_data
from VQSegLib.inference.preprocessing import normalize
from VQSegLib.models.codebook_usage import usage_from_counts
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.trainer import Trainer

MOMENTS = 4


class Snapshots:
    """Codes and how often each is used on the validation slices, at moments of a training."""

    def __init__(self, data: BenchmarkData, config: TrainingConfig) -> None:
        images = np.concatenate([data.source.load_image(record.case_id).array for record in data.validation])
        self.images = torch.from_numpy(normalize(images.astype(np.float32), config.preprocessing)).movedim(0, 1)
        self.due = [round(part * config.max_steps / (MOMENTS - 1)) for part in range(MOMENTS)]
        self.taken: list[dict[str, Any]] = []

    @torch.no_grad()
    def take(self, step: int, network: torch.nn.Module) -> None:
        """Remember the codebook if the next moment has come."""
        if len(self.taken) == len(self.due) or step < self.due[len(self.taken)]:
            return
        was_training = network.training
        network.eval()
        indices = [network.quantize(network.encode(part)).indices.flatten() for part in self.images.split(32)]
        counts = torch.bincount(torch.cat(indices), minlength=network.quantizer.codebook_size)
        network.train(was_training)
        codes = network.quantizer.codes().clone()
        self.taken.append({"step": step, "codes": codes, "counts": counts, "usage": usage_from_counts(counts)})


def train_again(data: BenchmarkData, run: Path, labeled: int) -> Snapshots:
    """Repeat a run and return its snapshots."""
    config = TrainingConfig.model_validate_json((run / "config.json").read_bytes())
    snapshots = Snapshots(data, config)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            LabelBudget(data, labeled, validate=False),
            config,
            Path(folder) / "run",
            on_progress=lambda step, _, __: snapshots.take(step, trainer.method.student),
        )
        snapshots.take(0, trainer.method.student)
        trainer.run()
    return snapshots


def draw(snapshots: Snapshots, path: Path) -> None:
    """Draw one panel per moment: codes in use in color, by how often; the others gray. Each has its own map."""
    figure = Figure(figsize=(3.2 * MOMENTS, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, one in zip(figure.subplots(1, MOMENTS), snapshots.taken, strict=True):
        places = TSNE(perplexity=30, init="pca", random_state=0).fit_transform(one["codes"].numpy())
        counts = one["counts"].numpy()
        used = counts > 0
        axes.scatter(*places[~used].T, s=3, color="0.8")
        axes.scatter(*places[used].T, s=8, c=np.log10(counts[used]), cmap="viridis", vmin=0, vmax=3)
        usage = one["usage"]
        axes.set(xticks=[], yticks=[])
        axes.set_title(
            f"step {one['step']}: {usage.active_codes:.1%} of {len(counts)} used\nperplexity {usage.perplexity:.1f}",
            fontsize=9,
        )
    figure.savefig(path, dpi=110)


def main() -> None:
    """Read the command line, train and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path, help="Folder of a finished run with a quantizer.")
    parser.add_argument("--labeled", default="10%")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    data = open_data(options.data)
    snapshots = train_again(data, options.run, data.count_labeled(options.labeled))
    for one in snapshots.taken:
        print(one["step"], one["usage"])
    draw(snapshots, options.output)


if __name__ == "__main__":
    main()
