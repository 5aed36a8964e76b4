"""The names of forecasts in real launches: Nextflow makes them, and nothing that goes wrong with them costs a forecast."""

import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from support import killed
from support.environments import needs_root
from support.launches import Workspace, copy_project, copy_workspace

SCRATCH = "process { withLabel: forecast { scratch = true } }"


@pytest.fixture
def without_forecasts(undisturbed, tmp_path) -> Workspace:
    """A quick workspace whose environments are there, and no forecast."""
    workspace = copy_workspace(undisturbed, tmp_path)
    for name in workspace.store.glob("runs/*/*"):
        if name.is_dir():
            shutil.rmtree(name)
    return workspace


def begun(workspace: Workspace) -> Counter:
    return Counter(line[3] for line in killed.journal(workspace) if line[0] == "begin")


def own_scripts(workspace: Workspace, **scripts: str) -> None:
    """Let a workspace use a copy of the project in which shell scripts come before, or in the place of, some of bin/.

    `{real}` is the script that is there.
    """
    copy = copy_project(workspace.root / "project")
    for name, text in scripts.items():
        script = copy / "bin" / f"{name}.py"
        real = script.with_name(f"real_{name}.py")
        script.rename(real)
        script.write_text(f"#!/bin/sh\n{text.format(real=real)}\n")
        script.chmod(0o755)
    workspace.project = copy


def names(workspace: Workspace) -> list[Path]:
    return sorted(workspace.store.glob("runs/*/*/[0-9]*"))


def test_nextflow_makes_the_names_and_a_forecast_is_copied_out_as_the_manual_says(
    without_forecasts, undisturbed, tmp_path
):
    own_scripts(without_forecasts, summarize="exit 0")
    result = killed.launch(without_forecasts)
    assert result.status == 0, result.text
    assert len(names(without_forecasts)) == 6 and without_forecasts.tree() == undisturbed.tree()
    for name in names(without_forecasts):
        assert re.fullmatch(rf"\.made/{name.name}\.[0-9a-f]{{8}}", os.readlink(name))
    copied = tmp_path / "copied"
    subprocess.run(["cp", "-rL", str(names(without_forecasts)[0]), str(copied)], check=True)
    assert not copied.is_symlink() and (copied / "forecast.json").is_file()
    assert not [path for path in copied.rglob("*") if path.is_symlink()]


def test_the_summary_makes_the_names_that_nextflow_could_not_make(without_forecasts, undisturbed):
    """As where a launch is killed, but in this launch: a link of Nextflow's to the run's folder is taken away."""
    own_scripts(
        without_forecasts,
        summarize=f'find "{without_forecasts.store}/runs" -name "[0-9]*" -type l -delete\nexec {{real}} "$@"',
    )
    result = killed.launch(without_forecasts)
    assert result.status == 0, result.text
    assert without_forecasts.tree() == undisturbed.tree()


@needs_root
def test_names_that_cannot_be_made_end_no_job_and_the_launch_does_not_end_with_0(without_forecasts, undisturbed):
    """The run's folder becomes one that may only be read, but for the forecasts in it, while they are made."""
    stop = threading.Event()
    mounted: list[Path] = []

    def make_read_only() -> None:
        while len(list(without_forecasts.store.glob("runs/*/*/run.json"))) < 2 and not stop.is_set():
            time.sleep(0.1)
        for run in {path.parent for path in without_forecasts.store.glob("runs/*/*/run.json")}:
            for command in (["--bind", run, run], ["-o", "remount,bind,ro", run]):
                subprocess.run(["mount", *command], check=True)
            mounted.append(run)
        (without_forecasts.root / "go").touch()

    thread = threading.Thread(target=make_read_only)
    # `.made` is elsewhere: what is below a mount to read only may only be read.
    for run in {run["run_id"] for run in without_forecasts.plan()["runs"]}:
        elsewhere = without_forecasts.root / "elsewhere" / run
        elsewhere.mkdir(parents=True)
        (without_forecasts.store / "runs" / run).mkdir(parents=True)
        (without_forecasts.store / "runs" / run / ".made").symlink_to(elsewhere)
    thread.start()
    try:
        result = killed.launch(
            without_forecasts, model=f'until [ -e "{without_forecasts.root}/go" ]; do sleep 0.2; done'
        )
    finally:
        stop.set()
        thread.join()
        for run in mounted:
            subprocess.run(["umount", "-l", run], check=True)
    assert len(mounted) == 2 and begun(without_forecasts).total() == 6
    assert all(row["status"] == "COMPLETED" for row in without_forecasts.trace()), "no job was ended"
    assert result.status != 0 and names(without_forecasts) == []
    assert result.text.count("is whole, but cannot be given its name: ") == 6
    assert "Read-only file system" in result.text and "not all that was asked for is there" in result.text
    result = killed.launch(without_forecasts)
    assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1}), result.text
    assert begun(without_forecasts).total() == 6 and len(names(without_forecasts)) == 6


def test_a_packed_job_that_runs_out_of_time_goes_on_where_it_stopped(without_forecasts, undisturbed):
    """It is killed while it makes its last forecast; the retry takes what it had stored, without their names."""
    once = f'case "$3" in 2024-01-03*) if mkdir "{without_forecasts.root}/$name"; then kill -KILL $PPID; sleep 60; fi;; esac'
    result = killed.launch(without_forecasts, "--inits_per_task", "3", model=once)
    assert result.status == 0, result.text
    rows = [row for row in without_forecasts.trace() if "RUN_FORECAST" in row["process"]]
    assert sorted(row["status"] for row in rows) == ["COMPLETED", "COMPLETED", "FAILED", "FAILED"]
    assert sorted(begun(without_forecasts).values()) == [1, 1, 1, 1, 2, 2], "only what it was at is begun again"
    assert without_forecasts.tree() == undisturbed.tree()


def test_a_cached_task_that_no_longer_has_all_its_forecasts_is_made_good_for_those(without_forecasts, undisturbed):
    """PLAN finds none; by the time that the cached tasks are looked at, two of three of each run are back."""
    back = without_forecasts.root / "back.sh"
    own_scripts(without_forecasts, plan=f'{{real}} "$@" && {{{{ [ ! -e {back} ] || sh {back}; }}}}')
    assert killed.launch(without_forecasts, "--inits_per_task", "3").status == 0
    lines = []
    for name in names(without_forecasts):
        made = name.resolve()
        made.rename(made.with_name(f"x{made.name}"))
        name.unlink()
        lines.append(f"mv '{made.with_name(f'x{made.name}')}' '{made}'\n")
    back.write_text("".join(line for line in lines if "/20240102" not in line))
    result = killed.launch(without_forecasts, "--inits_per_task", "3", "-resume")
    assert result.status == 0, result.text
    assert (result.ran("RUN_FORECAST"), result.ran("RUN_FORECAST_ALONE")) == (0, 2), result.text
    assert len(names(without_forecasts)) == 6 and without_forecasts.tree() == undisturbed.tree()
    assert sorted(begun(without_forecasts).values()) == [1, 1, 1, 1, 2, 2]


def test_with_resume_what_is_gone_from_the_store_is_made_again_each_time(without_forecasts, undisturbed):
    assert killed.launch(without_forecasts).status == 0
    run = names(without_forecasts)[0].parent
    for number in (1, 2):
        shutil.rmtree(run)
        result = killed.launch(without_forecasts, "-resume")
        assert result.status == 0 and result.forecasts == 3, result.text
        assert (run / "run.json").exists() and begun(without_forecasts).total() == 6 + 3 * number
    assert without_forecasts.tree() == undisturbed.tree()


def test_a_store_of_folders_under_their_names_stays_valid_and_grows(undisturbed, tmp_path):
    """As evalflow 0.1 left it."""
    workspace = copy_workspace(undisturbed, tmp_path)
    for name in names(workspace):
        target = name.resolve()
        name.unlink()
        target.rename(name)
        if not os.listdir(target.parent):
            target.parent.rmdir()
    result = killed.launch(workspace, "--verify_store")
    assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1}), result.text
    assert workspace.tree().keys() == undisturbed.tree().keys()
    workspace.edit(lambda config: config["dates"].append(killed.ANOTHER_DATE))
    result = killed.launch(workspace)
    assert result.status == 0 and result.forecasts == 2, result.text
    assert [name.is_symlink() for name in names(workspace)] == [False, False, False, True] * 2


def test_scratch_of_nextflow_is_refused_and_that_of_the_node_is_used(without_forecasts, undisturbed):
    config = without_forecasts.root / "site.config"
    without_forecasts.options = ("-c", str(config))
    config.write_text(SCRATCH)
    result = killed.launch(without_forecasts)
    assert result.status != 0 and not names(without_forecasts)
    assert any("process.scratch" in line and "ext.on_node = true" in line for line in result.text.splitlines())
    config.write_text("process.scratch = true\nprocess { withLabel: forecast { ext.on_node = true } }")
    result = killed.launch(without_forecasts, model=f'pwd >> "{without_forecasts.root}/places"')
    assert result.status == 0, result.text
    places = (without_forecasts.root / "places").read_text().splitlines()
    assert len(places) == 6 and all(place.startswith(f"{without_forecasts.root}/scratch/") for place in places)
    assert without_forecasts.tree().keys() == undisturbed.tree().keys() and len(names(without_forecasts)) == 6


def test_stubs_have_names_too_and_only_in_their_own_store(without_forecasts):
    config = yaml.safe_load(without_forecasts.config_file.read_text())
    for _ in range(2):
        result = killed.launch(without_forecasts, "-stub-run")
        assert result.status == 0, result.text
        stubs = without_forecasts.root / "out" / "stub" / "data"
        assert len(list(stubs.glob("runs/*/*/[0-9]*/forecast.json"))) == 2 * len(config["dates"])
        assert len(list(stubs.glob("runs/*/*/.made/*"))) == 2 * len(config["dates"])
    assert names(without_forecasts) == []
