"""What runs again after a change: the matrix that this project exists for.

The plan says what a launch will do; two launches prove that a launch does what its plan says.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from support.launches import Workspace, copy_project, copy_workspace, entry_of


class ToDo(NamedTuple):
    """What a plan says is left to do: environments to build, runs to prepare, forecasts to make."""

    environments: int
    runs: int
    forecasts: int


def to_do(plan: dict) -> ToDo:
    environments = [env for env in plan["envs"] if env["needed"] and not env["complete"]]
    runs = [run for run in plan["runs"] if run["needed"]]
    return ToDo(len(environments), len(runs), sum(len(task["init_times"]) for task in plan["tasks"]))


def promised(plan: dict) -> dict[str, int]:
    """Return process → tasks of the launch of a plan, but for images: locks say whether there is one already."""
    left = to_do(plan)
    tasks = dict.fromkeys(("GET_CHECKPOINT", "LOCK_REQUIREMENTS", "SEAL_ENVIRONMENT"), left.environments)
    tasks |= {"MAKE_PLAN": 1, "PREPARE_RUN": left.runs, "RUN_FORECAST": len(plan["tasks"])}
    return {process: number for process, number in tasks.items() if number}


# --- changes of which nothing runs again ------------------------------------------------------------------------------


def nothing(workspace):
    pass


def no_work(workspace):
    shutil.rmtree(workspace.root / "launch", ignore_errors=True)


def labels_and_resources(workspace):
    def change(config):
        config["description"] = "other words"
        config["config_label"] = "other"
        entry_of(config, 0)["label"] = "renamed"
        entry_of(config, 1)["inference_resources"] = {
            "slurm_partition": "other",
            "cpus_per_task": 2,
            "gpu": 0,
            "runtime": "3h",
        }

    workspace.edit(change)


def touched(workspace):
    for path in (workspace.root / "exp").rglob("*"):
        os.utime(path)


def moved(workspace):
    exp = workspace.root / "exp"
    (exp / "elsewhere").mkdir()
    (exp / "models" / "one.py").rename(exp / "elsewhere" / "renamed.py")
    (exp / "analyses.grib").rename(exp / "elsewhere" / "a.grib")
    (exp / "one.yaml").rename(exp / "elsewhere" / "one-moved.yaml")
    for path in (exp / "elsewhere" / "one-moved.yaml", exp / "two.yaml"):
        path.write_text(path.read_text().replace("analyses.grib", str(exp / "elsewhere" / "a.grib")))

    def change(config):
        entry_of(config, 0)["checkpoint"] = str(exp / "elsewhere" / "renamed.py")
        entry_of(config, 0)["config"] = "elsewhere/one-moved.yaml"

    workspace.edit(change)


def rewrite_with_other_words(path: Path) -> None:
    """Say the same in other words: reversed keys, quotes everywhere, comments."""
    data = yaml.safe_load(path.read_text())

    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    text = yaml.dump(turned(data), sort_keys=False, default_flow_style=True, width=10_000)
    path.write_text(f"# a comment\n{text}\n# another\n")


def words(workspace):
    rewrite_with_other_words(workspace.config_file)
    (inference,) = (workspace.root / "exp").rglob("one*.yaml")
    rewrite_with_other_words(inference)
    text = workspace.config_file.read_text()
    assert "'1996-01-15T00:00'" in text
    workspace.config_file.write_text(text.replace("'1996-01-15T00:00'", "1996-01-15T00:00"))


def images_removed(workspace):
    """All forecasts are there: a store whose images were removed to save space stays as it is."""
    shutil.rmtree(workspace.store / "images")


CHANGES = [nothing, no_work, labels_and_resources, touched, moved, words]


@pytest.mark.parametrize("change", [*CHANGES, images_removed])
def test_nothing_runs_again(workspace, change):
    change(workspace)
    assert to_do(workspace.plan()) == (0, 0, 0)


def test_nothing_runs_again_from_another_folder(workspace, tmp_path):
    elsewhere = tmp_path / "somewhere" / "else"
    elsewhere.mkdir(parents=True)
    assert to_do(workspace.plan(cwd=elsewhere)) == (0, 0, 0)


def test_a_launch_after_which_nothing_ran_again(workspace, tmp_path):
    """All of these changes at once, from another folder. Only the report is drawn anew."""
    before = workspace.tree()
    for change in CHANGES:
        change(workspace)
    result = workspace.launch("--target", "experiment", cwd=tmp_path / "somewhere" / "else")
    assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1, "MAKE_REPORT": 1}), result.text
    assert workspace.tree() == before and before


# --- changes of which something runs again ----------------------------------------------------------------------------


def an_inference_value(workspace):
    path = workspace.root / "exp" / "one.yaml"
    path.write_text(path.read_text().replace("offset: 0", "offset: 1"))


def the_steps(workspace):
    workspace.edit(lambda config: entry_of(config, 1).update(steps="0/12/6"))


def one_more_date(workspace):
    workspace.edit(lambda config: config["dates"].append("1996-01-16T00:00"))


def a_requirement(workspace):
    """An environment of its own, whose image has one more package."""
    workspace.edit(lambda config: entry_of(config, 0).update(extra_requirements=["six==1.17.0"]))


def a_requirement_that_locks_to_the_same_packages(workspace):
    """An environment of its own, whose image is there."""
    workspace.edit(lambda config: entry_of(config, 1).update(extra_requirements=["numpy>=1"]))


def another_checkpoint_at_the_same_path(workspace):
    checkpoint = workspace.root / "exp" / "models" / "one.py"
    stat = checkpoint.stat()
    checkpoint.write_text(checkpoint.read_text().replace("checkpoint one", "checkpoint ONE"))
    os.utime(checkpoint, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same path, size and time


def a_second_run_in_the_same_environment(workspace):
    (workspace.root / "exp" / "three.yaml").write_text("analyses: analyses.grib\noffset: 7\n")
    more = {"label": "third", "config": "three.yaml"}
    workspace.edit(lambda config: config["runs"].append({"forecaster": {**entry_of(config, 0), **more}}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (an_inference_value, ToDo(0, 1, 2)),
        (the_steps, ToDo(0, 1, 2)),
        (one_more_date, ToDo(0, 2, 2)),
        (a_requirement, ToDo(1, 1, 2)),
        (a_requirement_that_locks_to_the_same_packages, ToDo(1, 1, 2)),
        (another_checkpoint_at_the_same_path, ToDo(1, 1, 2)),
        (a_second_run_in_the_same_environment, ToDo(0, 1, 2)),
    ],
)
def test_this_runs_again_and_nothing_else(workspace, change, expected):
    change(workspace)
    assert to_do(workspace.plan()) == expected


def test_a_launch_does_what_its_plan_says(workspace):
    before = workspace.tree()
    a_second_run_in_the_same_environment(workspace)
    a_requirement(workspace)
    a_requirement_that_locks_to_the_same_packages(workspace)
    plan = workspace.plan()
    assert to_do(plan) == (2, 3, 6)  # the third run is in what was the first one's environment, which is there
    result = workspace.launch()
    assert result.status == 0, result.text
    assert result.tasks == {**promised(plan), "BUILD_IMAGE": 1}, result.text
    assert before.items() <= workspace.tree().items(), "what was there stays as it was"
    assert workspace.complete() == 6


# --- changes of the code ----------------------------------------------------------------------------------------------


@pytest.fixture
def own_project(finished, tmp_path) -> Workspace:
    """The workspace, with a copy of the project that a test may edit."""
    workspace = copy_workspace(finished, tmp_path)
    workspace.project = copy_project(tmp_path / "project")
    return workspace


def test_code_that_makes_forecasts_counts_by_its_declared_version(own_project):
    package = own_project.project / "bin" / "evalflow"
    code = package / "inference" / "proof.py"
    code.write_text(code.read_text() + "\n# touched\n")
    assert to_do(own_project.plan()) == (0, 0, 0)
    runner = package / "runners" / "command.py"
    assert "version=1" in runner.read_text()
    runner.write_text(runner.read_text().replace("version=1", "version=2"))
    assert to_do(own_project.plan()) == (0, 2, 4)
