"""Picture and table of what `learning_curve.py` found::

python experiments/loop/plot.py OUT/results.json docs/pictures/openkbp_loop.png
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

NAMES = {"vqseg": "semi-supervised (VQ-Seg)", "supervised": "supervised"}

Groups = dict[str, dict[int, list[float]]]
"""Mean Dice of each seed, by method and number of corrected scans."""


def mean_dice(scores: dict[str, dict[str, float]]) -> float:
    """Return the mean over patients of the mean over structures."""
    return float(np.mean([np.mean(list(one.values())) for one in scores.values()]))


def group(runs: list[dict[str, Any]]) -> Groups:
    """Return the scores of all runs, seeds together."""
    found: Groups = defaultdict(lambda: defaultdict(list))
    for run in runs:
        found[run["method"]][run["corrected"]].append(mean_dice(run["dice"]))
    return found


def draw(groups: Groups, parent: float, path: Path) -> None:
    """Draw mean and standard deviation over seeds against the number of corrected scans."""
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axhline(parent, color="gray", linestyle=":", label="weak model before fine-tuning")
    for shift, (method, counts) in zip((-0.06, 0.06), groups.items(), strict=True):
        places = np.array(sorted(counts))
        means = [np.mean(counts[count]) for count in places]
        spread = [np.std(counts[count], ddof=1) if len(counts[count]) > 1 else 0 for count in places]
        axes.errorbar(places + shift, means, yerr=spread, marker="o", capsize=4, label=NAMES[method])
    axes.set(xlabel="corrected scans in the queue", ylabel="mean Dice, 5 test patients outside the project")
    axes.set_xticks(sorted({count for counts in groups.values() for count in counts}))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def print_table(runs: list[dict[str, Any]], groups: Groups) -> None:
    """Print one line per number of corrected scans, and the means per structure, as Markdown."""
    print("| corrected scans | " + " | ".join(NAMES[method] for method in groups) + " | seeds |")
    print("|---" * (len(groups) + 2) + "|")
    for count in sorted({count for counts in groups.values() for count in counts}):
        cells = [_show(counts.get(count, [])) for counts in groups.values()]
        print(
            f"| {count} | {' | '.join(cells)} | {', '.join(str(len(one.get(count, []))) for one in groups.values())} |"
        )
    names = list(next(iter(runs[0]["dice"].values())))
    print("\n| method, corrected scans | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for method, counts in groups.items():
        for count in sorted(counts):
            chosen = [run["dice"] for run in runs if (run["method"], run["corrected"]) == (method, count)]
            cells = [np.mean([one[name] for dice in chosen for one in dice.values()]) for name in names]
            print(f"| {NAMES[method]}, {count} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")


def _show(values: list[float]) -> str:
    if not values:
        return "not run"
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    results = json.loads(options.results.read_text(encoding="utf-8"))
    parent, groups = mean_dice(results["parent"]["dice"]), group(results["runs"])
    draw(groups, parent, options.picture)
    print(f"Weak model: {parent:.3f}\n")
    print_table(results["runs"], groups)


if __name__ == "__main__":
    main()
