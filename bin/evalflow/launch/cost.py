"""What a launch has cost, by Nextflow's trace: the CPU and GPU hours of its jobs."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from evalflow.plan.model import Plan

_TAG = re.compile(r"(?P<run_id>\S+) \d{12}(?:\+(?P<more>\d+))?")
"""The tag of a task that makes forecasts: run, first init time, how many more."""
_MS_PER_HOUR = 3_600_000


def _milliseconds(row: dict[str, str]) -> int:
    """Return how long a task ran.

    Of a task that left no status, it is how long Nextflow thought that it ran, which is up to
    `exitReadTimeout` too long.
    """
    if not row["exit"].isdigit() and not (Path(row["workdir"]) / ".command.begin").exists():
        return 0  # cancelled while it waited
    if row["realtime"].isdigit():
        return int(row["realtime"])
    if row["start"].isdigit() and row["complete"].isdigit():
        return int(row["complete"]) - int(row["start"])
    return 0


def read_cost(trace: Path, plan: Plan) -> dict[str, float]:
    """Return `cpu_hours` and `gpu_hours` of a launch's tasks, and the hours of failed attempts.

    Tasks count with the CPUs and GPUs that they asked for: that is what a cluster charges.

    Parameters
    ----------
    trace : Nextflow's trace file, with raw values: a row per attempt
    plan : the plan of the launch
    """
    gpus_of = {run.run_id: run.resources.gpu or 0 for run in plan.runs}
    cost = dict.fromkeys(("cpu_hours", "gpu_hours", "failed_cpu_hours", "failed_gpu_hours"), 0.0)
    with open(trace, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["status"] == "CACHED":
                continue
            hours = _milliseconds(row) / _MS_PER_HOUR
            tag = _TAG.fullmatch(row["tag"])
            together = min(plan.inits_at_once, int(tag["more"] or 0) + 1) if tag else 0
            spent = {
                "cpu_hours": hours * int(row["cpus"]),
                "gpu_hours": hours * together * (gpus_of.get(tag["run_id"], 0) if tag else 0),
            }
            for name, value in spent.items():
                cost[name] += value
                if row["status"] != "COMPLETED":
                    cost[f"failed_{name}"] += value
    return cost


def read_made_twice(files: Iterable[Path]) -> dict[str, float]:
    """Return the `forecasts` and `gpu_hours` that another launch had stored when ours were made."""
    rows = [line.split() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {
        "forecasts": len(rows),
        "gpu_hours": sum(float(seconds) * int(gpus) for _, _, seconds, gpus in rows) / 3600,
    }
