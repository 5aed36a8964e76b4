"""`-profile slurm` on a real Slurm: what jobs ask for, what they get, and what becomes of those that fail."""

import json
import os
import re
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from support.paths import PROJECT
from support.slurm import DEMO_CONFIG, sampled, shell_first

IN_THE_LAUNCH = {"MAKE_PLAN", "PREPARE_RUN", "SEAL_ENVIRONMENT"}


def entry(config: dict, index: int) -> dict:
    return config["runs"][index]["forecaster"]


def logs(slurm_workspace, label: str) -> dict[str, str]:
    """Return init_time → log of the forecasts of the run with this label."""
    (run_id,) = [run["run_id"] for run in slurm_workspace.plan()["runs"] if run["label"].split()[0] == label]
    return {path.parent.name: path.read_text() for path in slurm_workspace.store.glob(f"runs/{run_id}/*/forecast.log")}


def devices(log: str) -> list[str]:
    return re.search(r"^CUDA_VISIBLE_DEVICES=(.*)$", log, re.M)[1].split(",")


def test_the_demo_runs_as_jobs(cluster, demo):
    """The environment is built in a job, forecasts are published, and trivial steps are no jobs."""
    slurm_workspace, result = demo
    assert result.tasks == {
        "MAKE_PLAN": 1, "GET_CHECKPOINT": 2, "LOCK_REQUIREMENTS": 2, "BUILD_IMAGE": 1, "SEAL_ENVIRONMENT": 2,
        "PREPARE_RUN": 3, "RUN_FORECAST": 12,
        "DEFINE_DOMAIN": 1, "COPY_TRUTH": 1, "VERIFY": 5, "COMPARE_SAMPLES": 1, "AGGREGATE": 1,
        "PREPARE_SHOWCASE": 1, "DRAW_SHOWCASE": 1, "SHOW_SHOWCASE": 1, "MAKE_REPORT": 1,
    }, result.text  # fmt: skip
    jobs = slurm_workspace.jobs(cluster)
    assert len(jobs) == 30 and {job.state for job in jobs} == {"COMPLETED"}
    ids = {str(job.id) for job in jobs}
    in_jobs = {row["process"].split(":")[-1] for row in slurm_workspace.trace() if row["native_id"] in ids}
    assert in_jobs == set(result.tasks) - IN_THE_LAUNCH
    assert not [job for job in cluster.jobs() if any(name in job["JobName"] for name in IN_THE_LAUNCH)]
    (build,) = slurm_workspace.jobs(cluster, "BUILD_IMAGE")
    assert (build["NumCPUs"], build["MinMemoryCPU"], build["TimeLimit"]) == ("2", "4G", "02:00:00")
    assert len(list(slurm_workspace.store.glob("runs/*/*/*/forecast.json"))) == 12
    assert list(slurm_workspace.store.glob("images/*.squashfs"))


def test_a_second_launch_computes_nothing(cluster, demo):
    """It looks at what is stored, and finds that all is there."""
    slurm_workspace, _ = demo
    before = {path: path.stat().st_mtime_ns for path in slurm_workspace.store.rglob("*") if path.is_file()}
    result = slurm_workspace.launch("--target", "experiment", config=DEMO_CONFIG)
    looks = dict.fromkeys(("MAKE_PLAN", "DEFINE_DOMAIN", "COMPARE_SAMPLES", "AGGREGATE", "MAKE_REPORT"), 1)
    looks |= dict.fromkeys(("PREPARE_SHOWCASE", "SHOW_SHOWCASE"), 1)
    assert result.status == 0 and result.tasks == looks, result.text
    assert before == {path: path.stat().st_mtime_ns for path in slurm_workspace.store.rglob("*") if path.is_file()}


def test_jobs_get_what_their_run_asks_for(cluster, slurm_workspace):
    """Partition, time, memory, CPUs and GPUs of one run; the options of the launch for another. One job per run."""

    def change(config):
        config["dates"] = {"start": "1996-01-15T00:00", "end": "1996-01-16T12:00", "frequency": "12h"}
        entry(config, 0)["command"] = entry(config, 1)["command"] = shell_first("env | grep -E '^(CUDA|SLURM)_'")
        entry(config, 0)["inference_resources"] = {
            "slurm_partition": "gpu", "cpus_per_task": 3, "mem_mb_per_cpu": 700, "runtime": "1h30m",
            "gpu": 2, "tasks": 2,
        }  # fmt: skip

    slurm_workspace.edit(change)
    options = ["--slurm_partition", "short", "--slurm_account", "weather", "--slurm_options=--comment=nightly --nice=7"]
    result = slurm_workspace.launch("--inits_per_task", "4", *options)
    assert result.status == 0 and result.forecasts == 2, result.text
    first, second = sorted(slurm_workspace.jobs(cluster, "RUN_FORECAST"), key=lambda job: job["Partition"])
    assert (first["Partition"], first["TimeLimit"], first["MinMemoryCPU"]) == ("gpu", "01:30:00", "700M")
    assert (first["NumTasks"], first["CPUs/Task"], first["NumCPUs"], first.gpus) == ("2", "3", "6", 2)
    assert (second["Partition"], second["TimeLimit"], second["MinMemoryCPU"]) == ("short", "01:00:00", "4000M")
    assert (second["NumTasks"], second["NumCPUs"], second.gpus) == ("1", "1", 0)
    for job in (first, second):
        assert (job["Account"], job["Comment"], job["Nice"]) == ("weather", "nightly", "7")
    seen = logs(slurm_workspace, "first")
    assert len(seen) == 4 and len({log.count("SLURM_JOB_ID=") for log in seen.values()}) == 1
    assert {re.search(r"SLURM_JOB_ID=(\d+)", log)[1] for log in seen.values()} == {str(first.id)}, (
        "four inits in one job"
    )
    assert all(len(devices(log)) == 2 for log in seen.values())
    assert not any("CUDA_VISIBLE_DEVICES=" in log for log in logs(slurm_workspace, "second").values())

    # Whatever jobs ask for now, what is complete is not made again.
    other = {"runtime": "3h", "cpus_per_task": 1, "slurm_partition": "normal"}
    slurm_workspace.edit(lambda config: entry(config, 0)["inference_resources"].update(other))
    result = slurm_workspace.launch("--inits_per_task", "4", "--max_gpus", "1")
    assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1}), result.text


def test_forecasts_at_once_share_the_gpus_of_their_job(cluster, slurm_workspace, expected):
    """Four init times on a node of four GPUs: one job, each with a GPU of its own, and a node's CPUs and memory for all."""

    def change(config):
        config["runs"].pop(1)
        config["dates"] = {"start": "1996-01-15T00:00", "end": "1996-01-16T12:00", "frequency": "12h"}
        # Each waits until all four are there: one after the other, they would never end well.
        meet = f'mark="{slurm_workspace.root}/mark-$$"; touch "$mark"; '
        meet += f'for i in $(seq 600); do [ $(ls "{slurm_workspace.root}" | grep -c mark-) = 4 ] && break; sleep 0.1; done; '
        meet += f'[ $(ls "{slurm_workspace.root}" | grep -c mark-) = 4 ] || exit 9; env | grep -E "^(CUDA|OMP|SLURM_JOB_ID)"'
        entry(config, 0)["command"] = shell_first(meet)
        entry(config, 0)["inference_resources"] = {
            "slurm_partition": "gpu", "gpu": 1, "cpus_per_task": 2, "mem_mb_per_cpu": 300,
        }  # fmt: skip

    slurm_workspace.edit(change)
    result = slurm_workspace.launch("--inits_per_task", "4", "--inits_at_once", "4")
    assert result.status == 0 and result.forecasts == 1, result.text
    (job,) = slurm_workspace.jobs(cluster, "RUN_FORECAST")
    assert (job.gpus, job["NumCPUs"], job["MinMemoryCPU"]) == (4, "8", "300M")
    seen = logs(slurm_workspace, "first")
    assert len(seen) == 4 and sorted(device for log in seen.values() for device in devices(log)) == ["0", "1", "2", "3"]
    assert {re.search(r"SLURM_JOB_ID=(\d+)", log)[1] for log in seen.values()} == {str(job.id)}
    assert {re.search(r"OMP_NUM_THREADS=(\d+)", log)[1] for log in seen.values()} == {"2"}
    (first,) = slurm_workspace.store.glob("runs/*/*/199601150000")
    assert {path.name: path.read_bytes() for path in first.glob("*.grib")} == expected
    check_cost(slurm_workspace, [job])


def check_cost(slurm_workspace, jobs) -> None:
    """What the summary says of GPU hours is what the job records say: GPUs times the seconds that a job held them."""
    summaries = (slurm_workspace.root / "out" / "results").glob("*/summary.json")
    summary = max(summaries, key=lambda path: path.stat().st_mtime)
    cost = json.loads(summary.read_text())["cost"]
    held = sum(job.gpus * (seconds_of(job["EndTime"]) - seconds_of(job["StartTime"])) for job in jobs)
    gpus = sum(job.gpus for job in jobs)
    assert held - 3 * gpus <= cost["gpu_hours"] * 3600 <= held + 3 * gpus, (cost, held)


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_the_cap_on_gpus_holds_over_runs_with_different_counts(cluster, slurm_workspace):
    """The YAML's profile: its resources are the defaults, and its GPUs are never exceeded, though the node has more."""

    def change(config):
        config["dates"] = {"start": "1996-01-15T00:00", "end": "1996-01-16T12:00", "frequency": "12h"}
        entry(config, 0)["inference_resources"] = {"gpu": 2, "cpus_per_task": 1}
        for index in (0, 1):
            entry(config, index)["command"] = shell_first("env | grep ^CUDA_; sleep 3")
        config["profile"] = {
            "executor": "slurm",
            "global_resources": {"gpus": 3},
            "default_resources": {
                "slurm_partition": "gpu", "slurm_account": "climate", "cpus_per_task": 2, "mem_mb_per_cpu": 600,
                "runtime": "20m", "gpus": 1,
            },
            "jobs": 50,
            "batch_rules": {"plot": 8},
        }  # fmt: skip

    slurm_workspace.edit(change)
    with sampled(cluster) as samples:
        result = slurm_workspace.launch("--gpu_flag=--gpus=", "--slurm_partition", "short")
    assert result.status == 0 and result.forecasts == 8, result.text
    jobs = slurm_workspace.jobs(cluster, "RUN_FORECAST")
    gpus = {str(job.id): job.gpus for job in jobs}
    assert sorted(gpus.values()) == [1, 1, 1, 1, 2, 2, 2, 2]
    used = [sum(gpus.get(job, 0) for job in sample) for sample in samples]
    assert max(used) == 3, f"GPUs in use: {used}"
    spans = [(job["StartTime"], job["EndTime"], job.gpus) for job in jobs]
    for start, _, _ in spans:  # the records say the same; they count whole seconds
        assert sum(count for begin, end, count in spans if begin <= start < end) <= 3, spans
    for job in jobs:
        assert (job["Partition"], job["Account"], job["TimeLimit"]) == ("gpu", "climate", "00:20:00")
        assert (job["NumCPUs"], job["MinMemoryCPU"]) == ("2" if job.gpus == 1 else "1", "600M")
    assert {len(devices(log)) for log in logs(slurm_workspace, "first").values()} == {2}
    assert {len(devices(log)) for log in logs(slurm_workspace, "second").values()} == {1}
    check_cost(slurm_workspace, jobs)
    (warning,) = {line for line in result.text.splitlines() if line.startswith("warning: profile: ")}
    assert all(name in warning for name in ("executor", "jobs", "batch_rules"))


def test_a_model_that_fails_is_named_with_its_init_and_log(cluster, slurm_workspace):
    slurm_workspace.edit(lambda config: config["runs"].pop(1))
    result = slurm_workspace.launch(EVALFLOW_TEST_FAIL="1996-01-15T12:00")
    assert result.status != 0
    (run,) = slurm_workspace.plan()["runs"]
    lines = result.text.splitlines()
    (place,) = [place for place, line in enumerate(lines) if "the model ended with status 1" in line]
    assert lines[place].startswith(f"  {run['label']} ({run['run_id']}) 199601151200: "), result.text
    log = Path(lines[place + 1].removeprefix("    log: "))
    assert "the test wants this forecast to fail" in log.read_text()
    assert len(slurm_workspace.jobs(cluster, "RUN_FORECAST")) == 2, "a mistake is not tried again"
    assert "1 made, 0 reused, 1 missing" in result.text


@pytest.mark.parametrize("site", sorted((PROJECT / "conf" / "sites").glob("*.config")), ids=lambda path: path.stem)
def test_the_examples_of_sites_can_be_read(site, tmp_path):
    command = ["nextflow", "-c", site, "config", PROJECT, "-profile", "slurm", "-flat"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "NXF_ANSI_LOG": "false"}
    )
    assert done.returncode == 0, done.stderr
    assert "process.executor = 'slurm'" in done.stdout and "params.slurm_account = 'weather'" in done.stdout
    assert "executor.queueStatInterval = '2 min'" in done.stdout
