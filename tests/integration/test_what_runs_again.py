"""What runs again after a change: the matrix that this project exists for. Tasks are counted in real launches."""

import os
import shutil
from pathlib import Path

import pytest
import yaml


def entry(config: dict, index: int) -> dict:
    return config["runs"][index]["forecaster"]


def rewrite_with_other_words(path: Path) -> None:
    """Say the same in other words: reversed keys, quotes everywhere, comments."""
    data = yaml.safe_load(path.read_text())

    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    text = yaml.dump(turned(data), sort_keys=False, default_flow_style=True, width=10_000)
    path.write_text(f"# a comment\n{text}\n# another\n")


def nothing(workspace):
    pass


def no_work(workspace):
    shutil.rmtree(workspace.root / "launch", ignore_errors=True)


def labels_and_resources(workspace):
    def change(config):
        config["description"] = "other words"
        config["config_label"] = "other"
        entry(config, 0)["label"] = "renamed"
        entry(config, 1)["inference_resources"] = {
            "slurm_partition": "other",
            "cpus_per_task": 2,
            "gpu": 0,
            "runtime": "3h",
        }

    workspace.edit(change)


def words(workspace):
    rewrite_with_other_words(workspace.config_file)
    rewrite_with_other_words(workspace.root / "exp" / "one.yaml")
    text = workspace.config_file.read_text()
    assert "'1996-01-15T00:00'" in text
    workspace.config_file.write_text(text.replace("'1996-01-15T00:00'", "1996-01-15T00:00"))


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
        entry(config, 0)["checkpoint"] = str(exp / "elsewhere" / "renamed.py")
        entry(config, 0)["config"] = "elsewhere/one-moved.yaml"

    workspace.edit(change)


@pytest.mark.parametrize("change", [nothing, no_work, labels_and_resources, words, touched, moved])
def test_nothing_runs_again(workspace, change):
    before = workspace.tree()
    change(workspace)
    result = workspace.launch()
    assert result.status == 0, result.text
    assert result.tasks == {"MAKE_PLAN": 1}, result.text
    assert workspace.tree() == before


def test_nothing_runs_again_from_another_folder(workspace, tmp_path):
    elsewhere = tmp_path / "somewhere" / "else"
    elsewhere.mkdir(parents=True)
    result = workspace.launch(cwd=elsewhere)
    assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1}), result.text


def test_an_inference_value_runs_that_runs_forecasts(workspace):
    path = workspace.root / "exp" / "one.yaml"
    path.write_text(path.read_text().replace("offset: 0", "offset: 1"))
    result = workspace.launch()
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts) == (0, 2), result.text


def test_steps_run_that_runs_forecasts(workspace):
    workspace.edit(lambda config: entry(config, 1).update(steps="0/12/6"))
    result = workspace.launch()
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts) == (0, 2), result.text


def test_one_more_date_runs_one_forecast_per_run(workspace):
    workspace.edit(lambda config: config["dates"].append("1996-01-16T00:00"))
    result = workspace.launch()
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts) == (0, 2), result.text


def test_a_requirement_builds_that_environment(workspace):
    workspace.edit(lambda config: entry(config, 0).update(extra_requirements=["six==1.17.0"]))
    result = workspace.launch()
    assert result.status == 0, result.text
    assert result.tasks == {
        "MAKE_PLAN": 1, "GET_CHECKPOINT": 1, "LOCK_REQUIREMENTS": 1, "BUILD_IMAGE": 1, "SEAL_ENVIRONMENT": 1,
        "PREPARE_RUN": 1, "RUN_FORECAST": 2,
    }, result.text  # fmt: skip


def test_a_requirement_that_locks_to_the_same_packages_builds_no_image(workspace):
    workspace.edit(lambda config: entry(config, 0).update(extra_requirements=["numpy>=1"]))
    result = workspace.launch()
    assert result.status == 0, result.text
    assert result.ran("LOCK_REQUIREMENTS", "SEAL_ENVIRONMENT") == 2, result.text
    assert (result.ran("BUILD_IMAGE"), result.forecasts) == (0, 2), result.text


def test_another_checkpoint_at_the_same_path(workspace):
    checkpoint = workspace.root / "exp" / "models" / "one.py"
    stat = checkpoint.stat()
    checkpoint.write_text(checkpoint.read_text().replace("checkpoint one", "checkpoint ONE"))
    os.utime(checkpoint, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same path, size and time
    result = workspace.launch()
    assert result.status == 0, result.text
    assert result.ran("GET_CHECKPOINT", "LOCK_REQUIREMENTS", "SEAL_ENVIRONMENT") == 3, result.text
    assert (result.ran("BUILD_IMAGE"), result.forecasts) == (0, 2), result.text


def test_a_second_run_in_the_same_environment(workspace):
    (workspace.root / "exp" / "three.yaml").write_text("analyses: analyses.grib\noffset: 7\n")

    def change(config):
        config["runs"].append({"forecaster": {**entry(config, 0), "label": "third", "config": "three.yaml"}})

    workspace.edit(change)
    result = workspace.launch()
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts) == (0, 2), result.text


@pytest.fixture
def own_project(workspace, tmp_path):
    """The workspace, launched with a copy of the project that a test may edit."""
    copy = tmp_path / "project"
    for name in ("main.nf", "nextflow.config", "modules", "conf", "bin", "config", "assets"):
        source = workspace.project / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    workspace.project = copy
    return workspace


def test_code_that_makes_forecasts_counts_by_its_declared_version(own_project):
    code = own_project.project / "bin" / "evalflow" / "forecast.py"
    code.write_text(code.read_text() + "\n# touched\n")
    result = own_project.launch()
    assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1}), result.text

    runners = own_project.project / "bin" / "evalflow" / "runners" / "__init__.py"
    runners.write_text(runners.read_text().replace("version=1", "version=2"))
    result = own_project.launch()
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts) == (0, 4), result.text
