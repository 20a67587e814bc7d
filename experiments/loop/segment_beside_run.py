"""How long Segment takes without a training run, beside one that gives way, and beside one that does not know of it.

The three take turns, so that a busy machine slows all of them; without a run means that its process is suspended::

    python experiments/loop/segment_beside_run.py --times 7
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import torch

from VQSegLib import scan_service
from VQSegLib.image_files import load_label_map, load_volume
from VQSegLib.resources import find_model, load_label_table, resources_folder
from VQSegLib.run_service import RunWish
from VQSegLib.runs.folder import RunFolder, find_run
from VQSegLib.service import Service
from VQSegLib.volume import Volume

MODEL = "vqseg-openkbp-headneck"
DEMO = resources_folder() / "demo"
SETTINGS = ("device.threads=2", "data.workers=0", "log_interval=1", "data.patch_size=[64,48,48]")


def start(service: Service, path: Path) -> RunFolder:
    """Start a run of the shipped model in a new project and wait for its first steps."""
    service.create_project(path, labels=load_label_table("openkbp_head_neck"), modality="CT", window=(-200.0, 500.0))
    project = service.open_project(path)
    for image in sorted((DEMO / "loop" / "corrected").glob("*_image.nii.gz"))[:2]:
        contours = load_label_map(image.with_name(image.name.replace("_image", "_label")))
        project.add_case(load_volume(image), contours, split="train")
    project.add_case(load_volume(next((DEMO / "loop" / "unlabeled").glob("*.nii.gz"))), None)
    summary, _ = service.start_run(path, RunWish(parent=MODEL, preset="thorough", settings=SETTINGS))
    run = find_run(path, summary.run_id)
    while len(run.events()[0]) < 3:
        time.sleep(0.5)
    return run


def measure(service: Service, scan: Volume, run: RunFolder, times: int) -> dict[str, list[float]]:
    """Return seconds of each kind."""
    seconds: dict[str, list[float]] = {
        "without a run": [],
        "beside a run that gives way": [],
        "beside one that does not": [],
    }
    status = run.status
    process = psutil.Process(0 if status is None else status.pid)
    plain = scan_service.clinicians_turn
    for _ in range(times):
        process.suspend()
        seconds["without a run"].append(segment(service, scan))
        process.resume()
        time.sleep(4)
        seconds["beside a run that gives way"].append(segment(service, scan))
        time.sleep(4)
        scan_service.clinicians_turn = lambda *_, **__: contextlib.nullcontext()
        seconds["beside one that does not"].append(segment(service, scan))
        scan_service.clinicians_turn = plain
    return seconds


def segment(service: Service, scan: Volume) -> float:
    """Return the seconds of one segmentation with the model in memory."""
    begun = time.perf_counter()
    service.segment_volume(scan, str(find_model(MODEL)), device="cpu")
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    torch.set_num_threads(2)
    service, scan = Service(), load_volume(DEMO / "image.nii.gz")
    segment(service, scan)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        run = start(service, project)
        seconds = measure(service, scan, run, times)
        steps = [event["seconds_per_step"] for event in run.events()[0] if event["event"] == "step"]
        service.stop_run(project, run.path.name, is_for_good=True)
        while service.list_runs(project)[0].state == "running":
            time.sleep(0.2)
    for name, values in seconds.items():
        print(f"{name:30s} median {statistics.median(values):.2f} s, {min(values):.2f} to {max(values):.2f} s")
    print(f"{'a training step':30s} median {statistics.median(steps):.2f} s ({len(steps)} steps)")


if __name__ == "__main__":
    main()
