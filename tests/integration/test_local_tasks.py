"""Tasks on this machine: no more than it has, and no launch that waits for what Nextflow's drifting counts say is free."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from support.paths import PROJECT

CPUS = len(os.sched_getaffinity(0))
GB = 1024**3


def memory_of_the_machine() -> int:
    """Return the bytes that programs here may use: the machine's, or those of the control group that we are in."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        name = "memory.max" if not controllers else "memory.limit_in_bytes"
        for place in (path, "/"):
            file = Path(f"/sys/fs/cgroup/{controllers}{place}/{name}")
            limits += [int(file.read_text())] if file.exists() and file.read_text().strip().isdigit() else []
    return min(limits)


MEMORY = memory_of_the_machine()


def resolved(*arguments: str, folder: Path) -> dict[str, str]:
    """Return the settings of a launch as Nextflow resolves them: name → the text of the value."""
    command = ["nextflow", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    lines = re.findall(r"^(\S+) = (.*)$", done.stdout, re.M)
    return {name.replace("'", ""): value.strip("'") for name, value in lines}


@pytest.fixture(scope="module")
def local_settings(tmp_path_factory) -> dict[str, str]:
    return resolved("config", "-flat", "-profile", "local", str(PROJECT), folder=tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="module")
def slurm_settings(tmp_path_factory) -> dict[str, str]:
    return resolved("config", "-flat", "-profile", "slurm", str(PROJECT), folder=tmp_path_factory.mktemp("slurm"))


def test_no_task_asks_for_more_than_the_machine_has(local_settings):
    assert local_settings["process.resourceLimits"] == f"[cpus:{CPUS}, memory:'{MEMORY} B']"


def test_tasks_at_a_time_are_what_the_machine_has_room_for(local_settings):
    assert int(local_settings["executor.queueSize"]) == max(1, min(CPUS, MEMORY // (2 * GB)))
    assert int(local_settings["process.withLabel:build.maxForks"]) == max(1, min(CPUS // 2, MEMORY // (8 * GB)))
    assert int(local_settings["process.withLabel:forecast.maxForks"]) == max(1, min(CPUS, MEMORY // (4 * GB)))
    assert "executor.$local.queueSize" not in local_settings, "-queue-size counts"


@pytest.mark.parametrize(("at_once", "counts"), [("2", 2), ("0", 1), ("'many'", 1)])
def test_forecasts_made_at_once_count_as_many(tmp_path, at_once, counts):
    """What is no number from 1 on is for the check of parameters to refuse: the config must not fail before that."""
    configs = "".join(f"includeConfig '{PROJECT}/conf/{name}.config'\n" for name in ("base", "local"))
    (tmp_path / "my.config").write_text(f"params.inits_at_once = {at_once}\n{configs}")
    forks = resolved("-C", "my.config", "config", "-flat", folder=tmp_path)["process.withLabel:forecast.maxForks"]
    assert int(forks) == max(1, min(CPUS, MEMORY // (4 * GB)) // counts)


def test_steps_inside_a_slurm_launch_have_a_queue_of_their_own(slurm_settings, local_settings):
    assert slurm_settings["process.withLabel:launch.executor"] == "local"
    assert slurm_settings["executor.$local.queueSize"] == local_settings["executor.queueSize"]
    assert (slurm_settings["executor.queueSize"], slurm_settings["executor.$local.pollInterval"]) == ("200", "200 ms")


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_drifting_counts_never_decide(profile, request):
    """What Nextflow takes for free is far above what all tasks of a launch together can ask for (nextflow#7597)."""
    settings = request.getfixturevalue(f"{profile}_settings")
    assert int(settings["executor.$local.cpus"]) >= 100_000
    assert settings["executor.$local.memory"] == "1000 TB"


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_what_a_profile_adds_replaces_nothing(profile, request):
    """In a profile of Nextflow 24.10, a block takes the place of the one in base.config."""
    settings = request.getfixturevalue(f"{profile}_settings")
    for label in ("build", "forecast"):
        assert {f"process.withLabel:{label}.{name}" for name in ("cpus", "memory", "time")} <= settings.keys()


def test_refused_submissions_are_tried_again_by_every_nextflow(slurm_settings):
    """24.10 and 25.04 read one name, later versions the other."""
    assert slurm_settings["executor.submit.retry.reason"] == slurm_settings["executor.retry.reason"]
    assert "Unable to contact slurm controller" in slurm_settings["executor.retry.reason"]
