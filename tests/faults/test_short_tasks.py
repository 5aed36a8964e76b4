"""Launches of many short tasks end: Nextflow's counts of free CPUs, which drift, do not hold them back (nextflow#7597)."""

import subprocess

import pytest
from support.paths import PROJECT

SHORT_TASKS = PROJECT / "tests" / "data" / "pipelines" / "short_tasks.nf"


@pytest.mark.parametrize("number", range(20))
def test_a_launch_of_many_short_tasks_ends(tmp_path, number):
    """With counts that decide, some of these wait for ever."""
    command = ["nextflow", "-C", str(PROJECT / "nextflow.config"), "run", str(SHORT_TASKS), "-profile", "local"]
    done = subprocess.run([*command, "--tasks", "400"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "ended: 400 short tasks" in done.stdout, done.stdout[-2000:]
