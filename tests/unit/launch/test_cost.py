"""What a launch has cost, from Nextflow's trace."""

import pytest
from evalflow.launch.cost import read_cost, read_made_twice
from evalflow.plan.model import JobResources, Plan, RunEntry

RUN = "forecaster-abcd-12345678/87654321"
PLAN = Plan.model_construct(
    inits_at_once=4,
    runs=[
        RunEntry.model_construct(run_id=run_id, resources=JobResources(gpu=gpus))
        for run_id, gpus in ((RUN, 2), ("other/1", None), ("x", None))
    ],
)
HOUR = 3_600_000


def write_trace(path, *rows: dict):
    base = {"tag": f"{RUN} 202401010000", "status": "COMPLETED", "start": "0", "complete": str(HOUR), "cpus": "3"}
    base |= {"realtime": str(HOUR // 2), "exit": "0", "workdir": str(path.parent)}
    (path.parent / ".command.begin").touch()
    lines = ["\t".join(base)] + ["\t".join((base | row).values()) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "cpu", "gpu", "failed_cpu", "failed_gpu"),
    [
        ({}, 1.5, 1.0, 0, 0),
        ({"tag": f"{RUN} 202401010000+2"}, 1.5, 3.0, 0, 0),  # three at a time
        ({"tag": f"{RUN} 202401010000+9"}, 1.5, 4.0, 0, 0),  # of ten, four at a time
        ({"status": "FAILED"}, 1.5, 1.0, 1.5, 1.0),
        ({"status": "ABORTED", "realtime": "-"}, 3.0, 2.0, 3.0, 2.0),  # killed: from its start to when that was seen
        ({"status": "FAILED", "exit": "-", "realtime": "-"}, 3.0, 2.0, 3.0, 2.0),  # left no status
        ({"status": "FAILED", "exit": "-", "workdir": "/nowhere"}, 0, 0, 0, 0),  # cancelled while it waited
        ({"status": "CACHED"}, 0, 0, 0, 0),
        ({"tag": "other/1 202401010000"}, 1.5, 0, 0, 0),
        ({"tag": "-"}, 1.5, 0, 0, 0),
        ({"tag": RUN}, 1.5, 0, 0, 0),  # not a task that makes forecasts
    ],
)
def test_tasks_cost_what_they_asked_for_as_long_as_they_held_it(tmp_path, row, cpu, gpu, failed_cpu, failed_gpu):
    cost = read_cost(write_trace(tmp_path / "trace", row), PLAN)
    assert cost == {
        "cpu_hours": cpu, "gpu_hours": gpu, "failed_cpu_hours": failed_cpu, "failed_gpu_hours": failed_gpu,
    }  # fmt: skip


def test_all_attempts_count(tmp_path):
    trace = write_trace(tmp_path / "trace", {"status": "FAILED"}, {}, {"tag": "-"})
    assert read_cost(trace, PLAN) == {
        "cpu_hours": 4.5, "gpu_hours": 2.0, "failed_cpu_hours": 1.5, "failed_gpu_hours": 1.0,
    }  # fmt: skip


def test_what_was_made_twice(tmp_path):
    for name, text in (
        ("one", f"{RUN} 202401010000 1800 2\n{RUN} 202401020000 1800 2\n"),
        ("two", "a/b 202401010000 9 0\n"),
    ):
        (tmp_path / name).write_text(text)
    assert read_made_twice([tmp_path / "one", tmp_path / "two"]) == {"forecasts": 3, "gpu_hours": 2.0}
    assert read_made_twice([]) == {"forecasts": 0, "gpu_hours": 0}
