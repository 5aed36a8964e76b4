"""The plan: its shape, what of it is stored, what is left to do; and that a damaged store is reported or repaired."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from evalflow import lookup as lookup_module
from evalflow.digests import hash_file
from evalflow.environment import image
from evalflow.environment import lock as locking
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.environment.image import build_image
from evalflow.environment.lock import lock_requirements
from evalflow.environment.seal import seal_environment
from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError
from evalflow.inference.prepare import prepare_run
from evalflow.inference.spec import RunSpec
from evalflow.launch.summary import write_summary
from evalflow.plan import plan as planning
from evalflow.plan.describe import describe_plan
from evalflow.plan.experiment import output_folder
from evalflow.plan.model import Plan
from evalflow.plan.options import Options
from evalflow.plan.plan import code_digest, write_plan
from evalflow.plan.stored import Stored
from evalflow.plan.writable import check_writable
from evalflow.requirements import read_lock
from evalflow.store.files import describe_file, to_json
from evalflow.store.layout import ENVIRONMENT_SEAL, FORECAST_SEAL, LOCK, METADATA, RUN_FILE, image_name, proof_of

BIN = Path(__file__).parents[3] / "bin"


# --- a store with everything in it --------------------------------------------------------------------------------


def store_environment(env: dict, patch: pytest.MonkeyPatch, seal: bool = True) -> None:
    """Make an environment of a plan with the functions that do so, but for what uv and mksquashfs would do."""
    spec, folder = env["spec"], Path(env["spec"]["folder"])
    lock = folder / LOCK
    for module in (image, locking):
        patch.setattr(module, "find_python", lambda *_, **__: ("3.11.7", sys.executable))
    patch.setattr(locking, "run_uv", lambda *_, **__: f"{' '.join(spec['extra_requirements'])}\n")
    patch.setattr(image, "_make_venv", lambda *_, **__: None)
    patch.setattr(image, "_check_imports", lambda *_, **__: None)
    patch.setattr(image, "_squash", lambda venv, image: image.write_text("an image of a venv"))
    get_checkpoint(EnvironmentSpec(**spec))
    lock_requirements(EnvironmentSpec(**spec), folder / METADATA)
    build_image(EnvironmentSpec(**spec), lock)
    if seal:
        image_id = read_lock(lock)["image_id"]
        seal_environment(EnvironmentSpec(**spec), Path(spec["images"]) / image_name(image_id, squash=True))


def store_forecast(
    run: dict, init_time: str, files: tuple[str, ...] = ("a.grib", "grib/b.grib", "forecast.log")
) -> Path:
    """Make a forecast of a plan, of files that are none, and return its folder."""
    base = Path(run["store"]) / "runs" / run["run_id"]
    if not (base / RUN_FILE).exists():
        prepare_run(RunSpec(**run["spec"]), Path(run["store"]).parent / "work")
    for name in files:
        path = base / init_time / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} of {init_time}")
    proofs = {name: describe_file(base / init_time / name) for name in files}
    about = {"run_id": run["run_id"], "init_time": init_time, "sha256": run["spec"]["sha256"], "files": proofs}
    (base / init_time / FORECAST_SEAL).write_text(to_json(about))
    return base / init_time


@pytest.fixture
def stored(experiment):
    """Return an experiment with a downscaler and all its environments and forecasts in the store."""
    entry = {
        "runner": "onnx",
        "checkpoint": "other.onnx",
        "steps": "0/24/1",
        "forecaster": experiment.data["runs"][0]["forecaster"],
    }
    experiment.data["runs"].append({"temporal_downscaler": entry})
    plan = experiment.plan()
    with pytest.MonkeyPatch.context() as patch:
        for env in plan["envs"]:
            store_environment(env, patch)
    for run in plan["runs"]:
        for init_time in plan["init_times"]:
            store_forecast(run, init_time)
    return experiment


def folder_of(plan: dict, index: int = 0) -> Path:
    return Path(plan["envs"][index]["spec"]["folder"])


def image_of(plan: dict) -> Path:
    """Return the image of the first environment."""
    return Path(os.path.realpath(folder_of(plan) / "venv.squashfs"))


def snapshot(root: Path) -> dict:
    """Return everything below `root`: kind, times and content."""
    found = {}
    for path in root.rglob("*"):
        stat = path.lstat()
        content = (
            os.readlink(path)
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else sorted(os.listdir(path))
        )
        found[str(path.relative_to(root))] = (stat.st_mode, stat.st_ino, stat.st_mtime_ns, content)
    return found


def contents(root: Path) -> list:
    """Return what all files below `root` hold, whatever they are called."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted((path.read_bytes(), path.stat().st_ino) for path in files)


def states(plan: dict) -> dict[str, bool]:
    return {env["env_id"]: env["complete"] for env in plan["envs"]}


# --- shape --------------------------------------------------------------------------------------------------------


def test_plan_json_has_the_documented_shape(stored, tmp_path):
    """What the plan is read for outside: see docs/output.md."""
    stored.data["runs"] += [{"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6"}}]
    write_plan(Plan(**stored.plan()), tmp_path / "sub" / "plan.json")
    assert os.listdir(tmp_path / "sub") == ["plan.json"]
    plan = json.loads((tmp_path / "sub" / "plan.json").read_text())
    assert re.fullmatch(r"experiment_[0-9a-f]{8}", plan["experiment_id"])
    assert plan["init_times"] == ["202401010000", "202401011200", "202401020000"]
    env_ids = [env["env_id"] for env in plan["envs"]]
    assert [env_id.split("-")[0] for env_id in env_ids] == ["forecaster", "temporal_downscaler"]
    keys = ("env_id", "model_type", "label", "candidate")
    runs = [{key: run[key] for key in keys} for run in plan["runs"]]
    assert runs == [
        {"env_id": env_ids[0], "model_type": "forecaster", "label": "first", "candidate": True},
        {
            "env_id": env_ids[1],
            "model_type": "temporal_downscaler",
            "label": plan["runs"][1]["run_id"],
            "candidate": True,
        },
    ]
    (baseline,) = plan["baselines"]
    assert re.fullmatch(r"baseline-[0-9a-f]{8}", baseline["baseline_id"]) and baseline["label"] == "EPS"
    assert plan["forecasts"] == [
        {"run_id": run["run_id"], "init_time": init_time, "complete": True}
        for run in plan["runs"]
        for init_time in plan["init_times"]
    ]
    assert plan["tasks"] == [] and plan["warnings"] == []


def test_paths_in_the_plan_are_absolute_and_where_things_are(experiment):
    wheel = experiment.write("wheels/a-1.0-py3-none-any.whl", "wheel")
    experiment.data["runs"][0]["forecaster"]["extra_requirements"] = ["wheels/a-1.0-py3-none-any.whl"]
    plan = experiment.plan()
    env, run = plan["envs"][0]["spec"], plan["runs"][0]["spec"]
    assert env["checkpoint"]["location"] == str(experiment.folder / "model.onnx")
    assert env["extra_requirements"] == [str(wheel)]
    assert (
        yaml.safe_load(run["config"])["input"]["grib"]
        == run["files"]["analyses.grib"]
        == str(experiment.folder / "analyses.grib")
    )
    assert plan["config"] == str(experiment.folder / "experiment.yaml")
    assert plan["store"] == f"{plan['outdir']}/data" and os.path.isabs(plan["outdir"])


@pytest.mark.parametrize("order", [("beside", "launch", "project"), ("launch", "project"), ("project",)])
def test_relative_paths_are_looked_up_beside_the_config_then_in_the_launch_folder_then_in_the_project(
    experiment, order, tmp_path, monkeypatch
):
    places = {"beside": experiment.folder, "launch": experiment.launch, "project": tmp_path}
    monkeypatch.setattr(lookup_module, "PROJECT", tmp_path)
    for name in order:
        (places[name] / "sub").mkdir()
        for file in ("model.onnx", "input.grib", "archive"):
            (places[name] / "sub" / file).write_text(name)
        (places[name] / "sub" / "inference.yaml").write_text("grib: input.grib")
    entry = {"runner": "onnx", "checkpoint": "sub/model.onnx", "config": "sub/inference.yaml", "steps": "0/6/6"}
    baseline = {"label": "A", "root": "sub/archive", "steps": "0/6/6"}
    plan = experiment.plan({**experiment.data, "runs": [{"forecaster": entry}, {"baseline": baseline}]})
    first = places[order[0]] / "sub"
    assert plan["envs"][0]["spec"]["checkpoint"]["location"] == str(first / "model.onnx")
    assert yaml.safe_load(plan["runs"][0]["spec"]["config"]) == {"grib": str(first / "input.grib")}
    assert plan["baselines"][0]["root"] == str(first / "archive")


OUTPUT_ROOTS = {
    # output_root (or --outdir), folders that exist → where output goes
    "new": ("out", [], "launch/out"),
    "in the launch folder": ("out", ["launch/out"], "launch/out"),
    "beside the config": ("out", ["config/out", "launch/out"], "config/out"),
    "in the project": ("out", ["project/out"], "project/out"),
    "trailing slash": ("out/", [], "launch/out"),
    "absolute": ("{root}/elsewhere/out", ["launch/out"], "elsewhere/out"),
    "in the home folder": ("~/out", [], "home/out"),
}


@pytest.mark.parametrize(("name", "existing", "expected"), OUTPUT_ROOTS.values(), ids=OUTPUT_ROOTS)
def test_where_output_goes(experiment, name, existing, expected, monkeypatch):
    root = experiment.folder.parent
    monkeypatch.setattr(lookup_module, "PROJECT", root / "project")
    monkeypatch.setenv("HOME", str(root / "home"))
    for folder in existing:
        (root / folder).mkdir(parents=True)
    experiment.data["locations"] = {"output_root": name.format(root=root)}
    assert experiment.plan()["outdir"] == str(root / expected)


@pytest.mark.parametrize("outdir", ["given", "./given/", "{launch}/given"])
def test_outdir_goes_before_output_root_and_starts_in_the_launch_folder(experiment, outdir):
    (experiment.folder / "given").mkdir()
    plan = experiment.plan(outdir=Path(outdir.format(launch=experiment.launch)))
    assert plan["outdir"] == str(experiment.launch / "given")
    stub = experiment.plan(outdir=Path("given"), stub=True)
    assert stub["outdir"] == str(experiment.launch / "given" / "stub"), "a store of its own"


FILES_IN_THE_WAY = {
    # output_root (or --outdir), file in the launch folder
    "itself": ("out", "out"),
    "above": ("out/of/reach", "out"),
    "its data": ("out", "out/data"),
    "the runs in its data": ("out", "out/data/runs"),
}


@pytest.mark.parametrize("option", [True, False], ids=["--outdir", "locations.output_root"])
@pytest.mark.parametrize(("name", "file"), FILES_IN_THE_WAY.values(), ids=FILES_IN_THE_WAY)
def test_a_file_where_output_would_go_is_refused(experiment, name, file, option):
    path = experiment.launch / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    experiment.data["locations"] = {"output_root": "elsewhere" if option else name}
    with pytest.raises(UserError) as caught:
        experiment.plan(outdir=Path(name) if option else None)
    key = "--outdir" if option else "locations.output_root"
    assert str(caught.value) == f"{key}: {path}: is not a folder; name one, or a place where one can be made"


def test_a_link_to_nowhere_is_no_place_for_output(experiment):
    (experiment.launch / "out").symlink_to("nowhere")
    with pytest.raises(UserError, match="^--outdir: .*/out: is not a folder; "):
        experiment.plan(outdir=Path("out"))


EXPERIMENT_NAMES = {
    # config_label, or name of the config → first part of the experiment_id
    "two words": "two-words",
    "É": "experiment",
    "Été 2024": "t-2024",
    "–x": "x",
    "é.-x": "x",
    "…": "experiment",
    "_x": "_x",
    "x.y-": "x.y-",
}


@pytest.mark.parametrize(("label", "name"), EXPERIMENT_NAMES.items())
def test_an_experiment_id_is_fit_for_a_folder_and_a_command_line(experiment, label, name):
    labelled = experiment.plan({**experiment.data, "config_label": label})
    named = experiment.plan(name=f"{label}.yaml")
    assert labelled["experiment_id"] == named["experiment_id"]
    assert re.fullmatch(rf"{re.escape(name)}_[0-9a-f]{{8}}", named["experiment_id"])


@pytest.mark.parametrize(("stem", "name"), [(".hidden", "hidden"), ("-x", "x"), (250 * "x", 200 * "x")])
def test_the_name_of_a_config_may_be_any(experiment, stem, name):
    assert experiment.plan(name=f"{stem}.yaml")["experiment_id"].rpartition("_")[0] == name


# --- tasks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_tasks_hold_each_missing_forecast_once(experiment, size):
    experiment.data["dates"] = {"start": "2024-01-01", "end": "2024-01-03", "frequency": "6h"}
    experiment.data["runs"].append({"forecaster": {"runner": "onnx", "checkpoint": "model.onnx", "steps": "0/6/6"}})
    plan = experiment.plan(inits_per_task=size)
    done = {plan["init_times"][index] for index in (0, 3, 4)}
    for init_time in done:
        store_forecast(plan["runs"][0], init_time)
    plan = experiment.plan(inits_per_task=size)
    for run in plan["runs"]:
        tasks = [task["init_times"] for task in plan["tasks"] if task["run_id"] == run["run_id"]]
        expected = [time for time in plan["init_times"] if run is not plan["runs"][0] or time not in done]
        assert sum(tasks, []) == expected, "each once and in order"
        assert all(len(task) == size for task in tasks[:-1]) and 1 <= len(tasks[-1]) <= size
    assert len({task["id"] for task in plan["tasks"]}) == len(plan["tasks"])
    complete = {entry["init_time"] for entry in plan["forecasts"] if entry["complete"]}
    assert complete == done


def test_a_task_is_called_by_its_run_and_init_times_whatever_else_is_left_to_do(experiment):
    """Its id is part of what Nextflow's cache knows it by."""
    experiment.data["dates"] = {"start": "2024-01-01", "end": "2024-01-01T12:00", "frequency": "6h"}
    plan = experiment.plan(inits_per_task=2, inits_at_once=4)
    first, second = plan["tasks"]
    run_id = plan["runs"][0]["run_id"]
    assert (first["id"], first["at_once"]) == (f"{run_id} 202401010000+1", 2)
    assert (second["id"], second["at_once"]) == (f"{run_id} 202401011200", 1)
    for init_time in first["init_times"]:
        store_forecast(plan["runs"][0], init_time)
    assert experiment.plan(inits_per_task=2, inits_at_once=4)["tasks"] == [second]


def test_adding_a_day_leaves_one_day_to_do(stored):
    stored.data["dates"]["end"] = "2024-01-03T00:00"
    plan = stored.plan(inits_per_task=10)
    assert [task["init_times"] for task in plan["tasks"]] == 2 * [["202401021200", "202401030000"]]


NEEDED = {
    # target, what is stored → whether environments, and runs, are needed; number of tasks
    "environments, nothing stored": ("environments", False, (True, False, 0)),
    "environments, all stored": ("environments", True, (True, False, 0)),
    "forecasts, nothing stored": ("forecasts", False, (True, True, 6)),
    "forecasts, all stored": ("forecasts", True, (False, False, 0)),
    "experiment, nothing stored": ("experiment", False, (True, True, 6)),
    "experiment, all stored": ("experiment", True, (False, False, 0)),
    "sandbox, nothing stored": ("sandbox", False, (True, True, 0)),
    "sandbox, all stored": ("sandbox", True, (True, True, 0)),
}


@pytest.mark.parametrize(("target", "whole", "expected"), NEEDED.values(), ids=NEEDED)
def test_what_is_needed(stored, target, whole, expected, tmp_path):
    plan = stored.plan(target=target, outdir=None if whole else tmp_path)
    envs, runs, tasks = expected
    assert [env["needed"] for env in plan["envs"]] == 2 * [envs]
    assert [run["needed"] for run in plan["runs"]] == 2 * [runs]
    assert len(plan["tasks"]) == tasks
    assert set(states(plan).values()) == {whole}


def test_a_run_whose_forecasts_are_all_stored_needs_no_environment(stored):
    plan = stored.plan()
    (folder_of(plan) / ENVIRONMENT_SEAL).unlink()
    (Path(plan["store"]) / "runs" / plan["runs"][1]["run_id"] / plan["init_times"][0] / FORECAST_SEAL).unlink()
    plan = stored.plan()
    assert [(env["complete"], env["needed"]) for env in plan["envs"]] == [(False, False), (True, True)]
    assert [run["needed"] for run in plan["runs"]] == [False, True]


def test_a_forecaster_that_only_a_downscaler_needs_makes_what_that_one_lacks(stored):
    candidate = stored.data["runs"].pop(0)
    plan = stored.plan()
    source, refined = plan["runs"]
    first, second, _ = plan["init_times"]
    for run, init_time in ((source, first), (source, second), (refined, second)):
        (Path(plan["store"]) / "runs" / run["run_id"] / init_time / FORECAST_SEAL).unlink()
    about = {"init_times": [second], "at_once": 1, "resources": {}}
    tasks = [
        {"id": f"{run['run_id']} {second}", "run_id": run["run_id"], **about, **more}
        for run, more in ((source, {}), (refined, {"forecaster": source["run_id"]}))
    ]
    assert stored.plan(inits_per_task=5)["tasks"] == tasks
    stored.data["runs"].append(candidate)
    assert stored.plan(inits_per_task=5)["tasks"][0]["init_times"] == [first, second], (
        "a candidate makes all of its own"
    )


# --- stored forecasts ---------------------------------------------------------------------------------------------


def rewrite(path: Path, change) -> None:
    """Change the JSON of a file."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


FORECAST_DAMAGE = {
    # what happens to a forecast's folder, and what is said of it
    "a file cut": (lambda folder: cut(folder / "a.grib"), "a.grib has 19 bytes instead of 22"),
    "a file longer": (lambda folder: (folder / "a.grib").write_text(99 * "a"), "a.grib has 99 bytes instead of 22"),
    "a file emptied": (lambda folder: (folder / "grib/b.grib").write_text(""), "grib/b.grib has 0 bytes instead of"),
    "a file missing": (lambda folder: (folder / "grib/b.grib").unlink(), "grib/b.grib is missing"),
    "the log missing": (lambda folder: (folder / "forecast.log").unlink(), "forecast.log is missing"),
    "forecast.json empty": (lambda folder: (folder / FORECAST_SEAL).write_text(""), "forecast.json is not whole"),
    "forecast.json cut": (lambda folder: cut(folder / FORECAST_SEAL), "forecast.json is not whole"),
    "forecast.json garbage": (
        lambda folder: (folder / FORECAST_SEAL).write_bytes(b"\xff\x00"),
        "forecast.json is not whole",
    ),
    "forecast.json another JSON": (
        lambda folder: (folder / FORECAST_SEAL).write_text("[]"),
        "forecast.json is not whole",
    ),
    "no file listed": (
        lambda folder: rewrite(folder / FORECAST_SEAL, lambda data: data.update(files={})),
        "forecast.json is not whole",
    ),
    "files that are a list": (
        lambda folder: rewrite(folder / FORECAST_SEAL, lambda data: data.update(files=["a.grib"])),
        "forecast.json is not whole",
    ),
    "a proof without a size": (
        lambda folder: rewrite(folder / FORECAST_SEAL, lambda data: data["files"]["a.grib"].pop("size")),
        "forecast.json is not whole",
    ),
    "forecast.json missing": (lambda folder: (folder / FORECAST_SEAL).unlink(), "forecast.json is missing"),
}


@pytest.mark.parametrize(("harm", "said"), FORECAST_DAMAGE.values(), ids=FORECAST_DAMAGE)
def test_a_damaged_forecast_is_reported_and_set_aside(stored, harm, said):
    plan = stored.plan()
    run, init_time = plan["runs"][0], plan["init_times"][1]
    folder = Path(plan["store"]) / "runs" / run["run_id"] / init_time
    harm(folder)
    damaged = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (warning,) = stored.plan()["warnings"]
    assert warning.startswith(f"{folder}: {said}") and warning.endswith("; to be moved aside and made again")
    plan = stored.plan(repair=True)
    entries = [(entry["run_id"], entry["init_time"]) for entry in plan["forecasts"] if not entry["complete"]]
    assert entries == [(run["run_id"], init_time)]
    about = {"init_times": [init_time], "at_once": 1, "resources": {}}
    assert plan["tasks"] == [{"id": f"{run['run_id']} {init_time}", "run_id": run["run_id"], **about}]
    (aside,) = folder.parent.glob(f"{init_time}.bad-*")
    assert plan["warnings"] == [warning.replace("to be moved aside and", f"moved aside to {aside.name}, to be")]
    assert not folder.exists(), "a whole one can take its name"
    assert {path.relative_to(aside): path.read_bytes() for path in aside.rglob("*") if path.is_file()} == damaged
    assert stored.plan(repair=True)["warnings"] == []


def flip(path: Path) -> None:
    """Change one byte of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def test_verify_store_finds_a_flipped_byte_of_a_forecast(stored):
    plan = stored.plan()
    folder = Path(plan["store"]) / "runs" / plan["runs"][0]["run_id"] / plan["init_times"][2]
    flip(folder / "grib" / "b.grib")
    assert stored.plan()["tasks"] == []
    plan = stored.plan(verify_store=True)
    assert [(task["run_id"], task["init_times"]) for task in plan["tasks"]] == [
        (plan["runs"][0]["run_id"], [folder.name])
    ]
    assert len(plan["warnings"]) == 1 and "its digest differs" in plan["warnings"][0]


def test_a_forecast_that_is_no_folder_is_not_complete(stored):
    plan = stored.plan()
    base = Path(plan["store"]) / "runs" / plan["runs"][0]["run_id"]
    stored.data["dates"]["end"] = "2024-01-02T12:00"
    (base / "202401021200").write_text("a file")
    plan = stored.plan()
    assert [task["init_times"] for task in plan["tasks"]] == 2 * [["202401021200"]]


# --- stored environments ------------------------------------------------------------------------------------------


def test_a_missing_environment_is_not_complete_and_nothing_is_said(experiment):
    (env,) = experiment.plan(repair=True)["envs"]
    assert env["complete"] is False and "image_id" not in env
    assert experiment.plan()["warnings"] == []


def test_a_whole_environment_is_complete_even_by_its_digests(stored):
    for options in ({}, {"verify_store": True}, {"repair": True}, {"verify_store": True, "repair": True}):
        plan = stored.plan(**options)
        assert set(states(plan).values()) == {True} and plan["warnings"] == []
        assert {env["image_id"] for env in plan["envs"]} == {image_of(plan).stem}


SEAL = ENVIRONMENT_SEAL
ENVIRONMENT_DAMAGE = {
    # what happens to an environment (its folder, its image), and what is said of it
    "env.json empty": (lambda folder, image: (folder / SEAL).write_text(""), "env.json is not whole"),
    "env.json cut": (lambda folder, image: cut(folder / SEAL), "env.json is not whole"),
    "env.json garbage": (lambda folder, image: (folder / SEAL).write_bytes(b"\xff\x00{"), "env.json is not whole"),
    "env.json another JSON": (lambda folder, image: (folder / SEAL).write_text("{}"), "env.json is not whole"),
    "env.json a list": (lambda folder, image: (folder / SEAL).write_text("[]"), "env.json is not whole"),
    "env.json without files": (
        lambda folder, image: rewrite(folder / SEAL, lambda data: data.update(files={})),
        "env.json is not whole",
    ),
    "env.json without image_id": (
        lambda folder, image: rewrite(folder / SEAL, lambda data: data.pop("image_id")),
        "env.json is not whole",
    ),
    "env.json with half a proof": (
        lambda folder, image: rewrite(folder / SEAL, lambda data: data["files"]["venv.squashfs"].pop("sha256")),
        "env.json is not whole",
    ),
    "lock cut": (lambda folder, image: cut(folder / "requirements.txt"), "requirements.txt has "),
    "lock missing": (lambda folder, image: (folder / "requirements.txt").unlink(), "requirements.txt cannot be read"),
    "metadata missing": (lambda folder, image: (folder / "anemoi.json").unlink(), "anemoi.json cannot be read"),
    "link to the image missing": (
        lambda folder, image: (folder / "venv.squashfs").unlink(),
        "venv.squashfs is missing",
    ),
    "image cut": (lambda folder, image: cut(image), "has 15 bytes instead of 18"),
    "image emptied": (lambda folder, image: image.write_text(""), "has 0 bytes instead of 18"),
    "image missing": (lambda folder, image: image.unlink(), "squashfs is missing"),
    "proof of the image emptied": (
        lambda folder, image: proof_of(image).write_text(""),
        "squashfs.json is missing or not whole",
    ),
    "proof of another image": (
        lambda folder, image: rewrite(proof_of(image), lambda data: data.update(sha256=64 * "0")),
        "is another one",
    ),
}
OF_THE_IMAGE = {name for name in ENVIRONMENT_DAMAGE if "image" in name and not name.startswith(("env.json", "link"))}


@pytest.mark.parametrize("name", ENVIRONMENT_DAMAGE)
def test_a_damaged_environment_is_only_reported_without_repair(stored, name):
    harm, said = ENVIRONMENT_DAMAGE[name]
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    harm(folder, image_of(plan))
    before = snapshot(root)
    plan = stored.plan()
    assert states(plan)[folder.name] is False
    assert any(warning.startswith(f"{folder}: ") and said in warning for warning in plan["warnings"])
    assert all("a launch moves it aside" in text for text in plan["warnings"] if text.startswith(f"{folder}: "))
    assert snapshot(root) == before, "nothing is touched"


@pytest.mark.parametrize("name", ENVIRONMENT_DAMAGE)
def test_a_damaged_environment_is_set_aside_with_repair_and_nothing_is_deleted(stored, name):
    harm, said = ENVIRONMENT_DAMAGE[name]
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    image = image_of(plan)
    harm(folder, image)
    left = {path.name for path in folder.iterdir() if not path.is_dir()}
    before = contents(root)
    plan = stored.plan(repair=True)

    assert contents(root) == before, "nothing is deleted, nothing is copied"
    assert states(plan)[folder.name] is False
    assert states(plan)[folder_of(plan, 1).name] is (name not in OF_THE_IMAGE), (
        "only what shares the damage is set aside"
    )
    assert any(text.startswith(f"{folder}: ") and said in text for text in plan["warnings"])
    (aside,) = folder.parent.glob(f"{folder.name}.bad-*")
    assert {path.name for path in aside.iterdir()} == left
    assert [path.name for path in folder.iterdir()] == [plan["runs"][0]["run_id"].split("/")[1]], "its runs stay"
    assert all(entry["complete"] for entry in plan["forecasts"]) and plan["tasks"] == []
    if name in OF_THE_IMAGE and "proof of another" not in name:
        assert not image.exists() and not proof_of(image).exists()

    again = stored.plan(repair=True)
    assert again["warnings"] == [] and states(again) == states(plan)


@pytest.mark.parametrize("part", ["anemoi.json", "requirements.txt", "image"])
def test_verify_store_finds_a_flipped_byte_of_an_environment(stored, part):
    plan = stored.plan()
    folder = folder_of(plan)
    flip(image_of(plan) if part == "image" else folder / part)
    assert states(stored.plan())[folder.name] is True
    plan = stored.plan(verify_store=True)
    assert states(plan)[folder.name] is False
    assert any("its digest differs" in warning for warning in plan["warnings"])


def test_two_environments_that_share_a_damaged_image_are_both_set_aside_and_the_image_once(stored):
    plan = stored.plan()
    image = image_of(plan)
    assert image == Path(os.path.realpath(folder_of(plan, 1) / "venv.squashfs")), "they share it"
    cut(image)
    plan = stored.plan(repair=True)
    assert set(states(plan).values()) == {False}
    asides = sorted(path.name for path in image.parent.iterdir())
    assert len(asides) == 2 and all(re.match(rf"{image.name}(\.json)?\.bad-", name) for name in asides)
    assert len(list(folder_of(plan).parent.glob("*.bad-*"))) == 2


UNSEALED_DAMAGE = {
    # what happens to an environment that is not sealed → the file that is set aside
    "lock cut": (lambda folder: cut(folder / "requirements.txt"), "requirements.txt"),
    "lock empty": (lambda folder: (folder / "requirements.txt").write_text(""), "requirements.txt"),
    "lock with another header": (
        lambda folder: (folder / "requirements.txt").write_text(
            (folder / "requirements.txt").read_text().replace("3.11", "3.12")
        ),
        "requirements.txt",
    ),
    "metadata empty": (lambda folder: (folder / "anemoi.json").write_text(""), "anemoi.json"),
    "checkpoint empty": (
        lambda folder: ((folder / "inference-last.ckpt").unlink(), (folder / "inference-last.ckpt").touch()),
        "inference-last.ckpt",
    ),
}


@pytest.mark.parametrize(("harm", "name"), UNSEALED_DAMAGE.values(), ids=UNSEALED_DAMAGE)
def test_of_an_unsealed_environment_only_what_is_bad_is_set_aside(stored, harm, name):
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    (folder / SEAL).unlink()
    harm(folder)
    kept = {path.name for path in folder.iterdir()} - {name}

    before = snapshot(root)
    plan = stored.plan()
    assert plan["warnings"] == [f"{folder / name}: damaged; a launch moves it aside"]
    assert snapshot(root) == before

    before = contents(root)
    plan = stored.plan(repair=True)
    assert states(plan)[folder.name] is False and len(plan["warnings"]) == 1
    assert contents(root) == before
    (aside,) = folder.glob(f"{name}.bad-*")
    assert {path.name for path in folder.iterdir()} == kept | {aside.name}


def test_an_unsealed_environment_that_is_whole_so_far_stays(experiment, monkeypatch):
    store_environment(experiment.plan()["envs"][0], monkeypatch, seal=False)
    root = Path(experiment.plan()["store"])
    before = snapshot(root)
    plan = experiment.plan(repair=True, verify_store=True)
    assert set(states(plan).values()) == {False} and plan["warnings"] == []
    assert snapshot(root) == before


def test_of_an_unsealed_environment_a_damaged_image_is_set_aside(experiment, monkeypatch):
    plan = experiment.plan()
    store_environment(plan["envs"][0], monkeypatch, seal=False)
    (image,) = (Path(plan["store"]) / "images").glob("*.squashfs")
    cut(image)
    plan = experiment.plan(repair=True)
    assert any(warning.startswith(f"{image}: ") for warning in plan["warnings"])
    assert not image.exists() and not proof_of(image).exists()
    store_environment(plan["envs"][0], monkeypatch)
    assert set(states(experiment.plan(verify_store=True)).values()) == {True}, "it can be built again"


def test_an_image_that_another_launch_is_finishing_is_left_alone(experiment, monkeypatch):
    plan = experiment.plan()
    store_environment(plan["envs"][0], monkeypatch, seal=False)
    (image,) = (Path(plan["store"]) / "images").glob("*.squashfs")
    proof_of(image).unlink()
    plan = experiment.plan(repair=True)
    assert image.exists() and plan["warnings"] == []


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_the_link_to_a_checkpoint_that_was_moved_is_mended(stored, sealed, how):
    plan = stored.plan()
    folder, root = folder_of(plan), Path(plan["store"])
    if not sealed:
        (folder / SEAL).unlink()
    moved = stored.folder / "moved.onnx"
    (stored.folder / "model.onnx").rename(moved)
    if how == "replaced":
        (stored.folder / "model.onnx").write_text("weights of some other model")
    for entry in (stored.data["runs"][0]["forecaster"], stored.data["runs"][1]["temporal_downscaler"]["forecaster"]):
        entry["checkpoint"] = str(moved)
    said = f"{folder / 'inference-last.ckpt'}: its target was moved or changed; the same checkpoint is at {moved}"

    before = snapshot(root)
    plan = stored.plan()
    assert plan["warnings"] == [said] and states(plan)[folder.name] is sealed
    assert snapshot(root) == before

    plan = stored.plan(repair=True)
    assert plan["warnings"] == [said] and states(plan)[folder.name] is sealed
    assert (folder / "inference-last.ckpt").read_text() == "weights of the model"
    assert stored.plan()["warnings"] == []


def test_a_damaged_environment_is_built_again_and_whole_then(stored, monkeypatch):
    plan = stored.plan()
    image_of(plan).unlink()
    plan = stored.plan(repair=True)
    for env in plan["envs"]:
        store_environment(env, monkeypatch)
    plan = stored.plan(verify_store=True)
    assert set(states(plan).values()) == {True} and plan["warnings"] == []


def test_an_environment_set_aside_is_never_used(stored):
    plan = stored.plan()
    (folder_of(plan) / SEAL).write_text("")
    stored.plan(repair=True)
    (aside,) = folder_of(plan).parent.glob("*.bad-*")
    assert aside.name not in json.dumps([*stored.plan()["envs"], *stored.plan()["runs"]])


def test_a_store_that_may_not_be_changed_is_said(stored, monkeypatch):
    plan = stored.plan()
    (folder_of(plan) / SEAL).write_text("")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match="env.json is not whole, and it cannot be moved aside: Permission denied"):
        Stored(Path(plan["store"]), Options(None, stored.launch, repair=True)).check_environment(
            plan["envs"][0]["env_id"], *_run_and_squash(stored)
        )


def _run_and_squash(experiment) -> tuple:
    from evalflow.config.model import load_config
    from evalflow.identity import collect_all_runs
    from evalflow.lookup import Lookup

    config = load_config(experiment.folder / "experiment.yaml")
    runs = collect_all_runs(config, Lookup(experiment.folder, experiment.launch))
    return next(iter(runs.values())), True


@pytest.mark.parametrize("part", ["data", "data/runs", "data/images"])
def test_parts_of_the_store_may_be_on_another_disk(experiment, part, tmp_path, monkeypatch):
    link = Path(experiment.data["locations"]["output_root"]) / part
    link.parent.mkdir(parents=True)
    (tmp_path / "far" / "disk").mkdir(parents=True)
    link.symlink_to(tmp_path / "far" / "disk")
    (env,) = experiment.plan()["envs"]
    store_environment(env, monkeypatch)
    plan = experiment.plan(verify_store=True, repair=True)
    assert set(states(plan).values()) == {True} and plan["warnings"] == []
    cut(image_of(plan))
    plan = experiment.plan(repair=True)
    assert set(states(plan).values()) == {False}
    store_environment(env, monkeypatch)
    assert set(states(experiment.plan()).values()) == {True}


@pytest.mark.parametrize("squash", [True, False])
def test_squash_venv_false_of_one_run_counts_for_its_environment(experiment, squash):
    first = experiment.data["runs"][0]["forecaster"]
    experiment.data["runs"].append({"forecaster": {**first, "steps": "0/6/6", "squash_venv": squash}})
    (env,) = experiment.plan()["envs"]
    assert env["spec"]["squash_venv"] is squash


# --- bin/plan.py --------------------------------------------------------------------------------------------------


def plan_script(*words, **options) -> subprocess.CompletedProcess:
    environment_variables = {**os.environ, "EVALFLOW_VENV": sys.prefix}
    command = [BIN / "plan.py", *map(str, words)]
    return subprocess.run(command, env=environment_variables, capture_output=True, text=True, **options)


def test_help_says_what_every_option_does():
    result = plan_script("--help")
    assert result.returncode == 0 and result.stderr == ""
    for option in (
        "config",
        "outdir",
        "output",
        "target",
        "inits_per_task",
        "launch_dir",
        "verify_store",
        "repair",
        "stub",
    ):
        assert re.search(rf"^  --{option} .*[A-Z]", result.stdout, re.MULTILINE) or f"--{option} " in result.stdout, (
            option
        )
    assert "Nothing is built or downloaded." in result.stdout


def test_the_plan_goes_to_the_output_and_nothing_is_printed(experiment):
    config = experiment.write("experiment.yaml", experiment.data)
    result = plan_script("--config", config, "--output", "plan.json", cwd=experiment.launch)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert os.listdir(experiment.launch) == ["plan.json"]
    plan = json.loads((experiment.launch / "plan.json").read_text())
    assert plan == json.loads(json.dumps(experiment.plan()))


def test_without_an_output_the_table_is_printed(stored):
    plan = stored.plan()
    result = plan_script("--config", stored.folder / "experiment.yaml", cwd=stored.launch)
    assert result.returncode == 0
    assert result.stdout == describe_plan(Plan(**plan)) + "\n"
    assert plan["experiment_id"] in result.stdout and "3 of 3" in result.stdout
    assert re.search(rf"{plan['envs'][0]['env_id']} +stored", result.stdout)


def test_on_a_terminal_the_table_is_printed_too(experiment):
    config = experiment.write("experiment.yaml", experiment.data)
    ours, theirs = pty.openpty()
    command = [BIN / "plan.py", "--config", config, "--output", "plan.json"]
    options = {"cwd": experiment.launch, "env": {**os.environ, "EVALFLOW_VENV": sys.prefix}}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, **options) as process:
        os.close(theirs)
        text = b""
        try:
            while block := os.read(ours, 4096):
                text += block
        except OSError:  # how a terminal says that its other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0 and (experiment.launch / "plan.json").exists()
    assert text.decode().replace("\r\n", "\n") == describe_plan(Plan(**experiment.plan())) + "\n"


def test_warnings_go_to_the_error_stream_once(stored):
    plan = stored.plan()
    (folder_of(plan) / SEAL).write_text("")
    result = plan_script("--config", stored.folder / "experiment.yaml", "--output", stored.launch / "plan.json")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 0 and result.stdout == ""
    assert line.startswith(f"evalflow: warning: {folder_of(plan)}: env.json is not whole; a launch moves it aside")


def test_the_table_says_what_is_stored_to_build_and_not_needed(stored):
    plan = stored.plan()
    (folder_of(plan) / SEAL).unlink()
    text = describe_plan(Plan(**stored.plan()))
    assert re.search(rf"{plan['envs'][0]['env_id']} +not needed", text)
    stored.data["dates"]["end"] = "2024-01-03T00:00"
    text = describe_plan(Plan(**stored.plan()))
    assert re.search(rf"{plan['envs'][0]['env_id']} +to build", text) and "3 of 5" in text


RUN = "runs.0.forecaster."
MISTAKES = {
    # changes of the config → what is said
    "unknown key": ({"daets": 1}, [r"/experiment.yaml: daets: unknown key, did you mean dates\?"]),
    "impossible day": ({"dates": ["2024-02-30"]}, [r"/experiment.yaml: dates\[0\]: got \"2024-02-30\"; allowed: "]),
    "end before start": ({"dates.end": "2023-01-01"}, ["/experiment.yaml: dates.end: is before the start"]),
    "two mistakes": ({"daets": 1, RUN + "steps": "6/0/6"}, ["daets: unknown key", "steps: got"]),
    "missing checkpoint": (
        {RUN + "checkpoint": "no.ckpt"},
        [r"^runs\[0\].forecaster.checkpoint: no such file: no.ckpt"],
    ),
    "empty checkpoint": (
        {RUN + "checkpoint": "empty"},
        [r"runs\[0\].forecaster.checkpoint: .*/empty: the file is empty"],
    ),
    "a folder as checkpoint": ({RUN + "checkpoint": "."}, [r"runs\[0\].forecaster.checkpoint: .*: not a regular file"]),
    "an unknown source": ({RUN + "checkpoint": "gopher://a"}, ["unknown kind of checkpoint: gopher://a"]),
    "missing inference config": ({RUN + "config": "no.yaml"}, [r"^runs\[0\].forecaster.config: no such file: no.yaml"]),
    "inference config of no mapping": (
        {RUN + "config": "table.csv"},
        ["/table.csv: the inference config must be a mapping"],
    ),
    "empty inference config": ({RUN + "config": "empty"}, ["/empty: the inference config is empty"]),
    "missing wheel": (
        {RUN + "requirements": ["no.whl"]},
        [r"^runs\[0\].forecaster.requirements\[0\]: no such file: no.whl"],
    ),
    "unreadable checkpoint": ({RUN + "checkpoint": "secret"}, [r"/secret: cannot be read: Permission denied"]),
}


@pytest.mark.parametrize(("changes", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_on_the_error_stream(experiment, changes, said):
    experiment.write("empty", "")
    experiment.write("secret", "secret").chmod(0)
    if "secret" in changes.values() and os.geteuid() == 0:
        pytest.skip("root reads everything")
    config = experiment.write("experiment.yaml", experiment.changed(changes))
    result = plan_script("--config", config, "--output", "plan.json", "--repair", cwd=experiment.launch)
    lines = result.stderr.splitlines()
    assert (result.returncode, result.stdout, len(lines)) == (1, "", len(said))
    assert all(line.startswith("evalflow: ") for line in lines)
    for text in said:
        assert any(re.search(text, line.removeprefix("evalflow: ")) for line in lines), lines
    assert os.listdir(experiment.launch) == []
    assert not Path(experiment.data["locations"]["output_root"]).exists()


@pytest.mark.parametrize("text", ["a: [", "- a\n", "", "runs: 1\nruns: 2\n"])
def test_what_is_no_config_is_said_in_lines_without_a_traceback(experiment, text):
    config = experiment.write("experiment.yaml", text)
    result = plan_script("--config", config, "--output", experiment.launch / "plan.json")
    assert result.returncode == 1 and result.stderr
    assert all(line.startswith(f"evalflow: {config}") for line in result.stderr.splitlines())
    assert os.listdir(experiment.launch) == []


def test_a_missing_config_is_one_line(experiment):
    result = plan_script("--config", "no.yaml", cwd=experiment.launch)
    assert (result.returncode, result.stderr) == (1, f"evalflow: {experiment.launch}/no.yaml: no such file\n")


def test_the_code_digest_follows_the_code(tmp_path, monkeypatch):
    package = tmp_path / "evalflow"
    package.mkdir()
    monkeypatch.setattr(planning, "__file__", str(package / "plan" / "plan.py"))
    (package / "planning.py").write_text("a = 1")
    one = code_digest()
    assert one == code_digest()
    (package / "planning.py").write_text("a = 2")
    two = code_digest()
    (package / "sub").mkdir()
    (package / "sub" / "more.py").write_text("")
    assert len({one, two, code_digest()}) == 3


def test_output_folder_of_an_option_is_absolute(experiment):
    from evalflow.lookup import Lookup

    assert output_folder(None, Lookup(experiment.folder, experiment.launch), Path("a/../b")) == experiment.launch / "b"


# --- size ---------------------------------------------------------------------------------------------------------

MEASURE = """
import json, resource, subprocess, sys, time
began = time.monotonic()
status = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.monotonic() - began]))
"""


@pytest.mark.parametrize("complete", [False, True], ids=["nothing stored", "all stored"])
def test_a_year_of_five_runs_is_planned_fast_and_in_little_memory(experiment, complete, capsys):
    entry = experiment.data["runs"][0]["forecaster"]
    experiment.data["runs"] = [{"forecaster": {**entry, "steps": f"0/{6 * number}/6"}} for number in range(1, 6)]
    experiment.data["dates"] = {"start": "2023-01-01", "end": "2023-12-31T18:00", "frequency": "6h"}
    plan = experiment.plan()
    assert len(plan["forecasts"]) == 7300
    if complete:
        for run in plan["runs"]:
            for init_time in plan["init_times"]:
                store_forecast(run, init_time)
    command = [BIN / "plan.py", "--config", plan["config"], "--output", experiment.launch / "plan.json"]
    # The memory of a process that pytest starts itself would count the memory of pytest.
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, command)],
        env={**os.environ, "EVALFLOW_VENV": sys.prefix},
        capture_output=True,
        text=True,
        check=True,
    )
    status, cpu, megabytes, elapsed = json.loads(result.stdout)
    with capsys.disabled():
        what = "all stored" if complete else "nothing stored"
        print(f"\nplan of 7300 forecasts, {what}: {cpu:.2f} s CPU, {elapsed:.2f} s, {megabytes:.0f} MB")
    assert status == 0 and cpu < 6 and megabytes < 200
    made = json.loads((experiment.launch / "plan.json").read_text())
    assert {entry["complete"] for entry in made["forecasts"]} == {complete}


@pytest.mark.parametrize("name", ["{a,b}", "x{1..3}y"])
def test_an_output_folder_that_nextflows_scripts_would_expand_is_refused(experiment, name):
    with pytest.raises(
        UserError, match="^--outdir: .* holds braces, which Nextflow's scripts expand; name another folder$"
    ):
        experiment.plan(outdir=Path(name))
    experiment.plan(outdir=Path("{a}*?[x]"))


# --- stores that others may not write to ------------------------------------------------------------------------------


def as_somebody_else(function) -> str:
    """Call a function as a user who is neither root nor the owner of anything, and return the UserError that it raises."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            function()
        except UserError as error:
            said = str(error)
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def shared(stored, tmp_path_factory):
    """A store, the plan of what is missing in it, and its folders; everybody may read all."""
    stored.data["dates"]["end"] = "2024-01-02T12:00"
    plan = stored.plan()
    for folder in (Path(plan["outdir"]), *Path(plan["outdir"]).parents):
        if folder == Path("/tmp") or not os.access(folder, os.W_OK) or len(folder.parts) < 3:
            break
        folder.chmod(0o755)
    folders = [path for path in Path(plan["store"]).rglob("*") if path.is_dir()]
    return plan, folders


def test_a_store_that_may_only_be_read_is_refused_before_anything_is_built(shared):
    plan, folders = shared
    for folder in folders:
        folder.chmod(0o555)
    run = Path(plan["store"]) / "runs" / plan["tasks"][0]["run_id"]
    said = as_somebody_else(lambda: check_writable(Plan(**plan)))
    missing = sum(len(task["init_times"]) for task in plan["tasks"])
    assert said.startswith(
        f"{run}: may only be read, and 0 environments and {missing} forecasts are missing in this store; "
    )
    assert missing > 0 and "--outdir" in said
    for folder in folders:
        folder.chmod(0o777)
    assert as_somebody_else(lambda: check_writable(Plan(**plan))) == "nothing"


def test_where_nothing_is_missing_nothing_has_to_be_written(shared, stored):
    plan, folders = shared
    for folder in folders:
        folder.chmod(0o555)
    whole = {**plan, "tasks": [], "runs": [run | {"needed": False} for run in plan["runs"]]}
    whole["envs"] = [env | {"needed": False} for env in plan["envs"]]
    assert as_somebody_else(lambda: check_writable(Plan(**whole))) == "nothing"


# --- what the launch leaves -------------------------------------------------------------------------------------------


def test_the_config_that_is_kept_is_the_one_that_was_planned(experiment, tmp_path):
    """A launch takes days, and the file may be edited for the next one meanwhile."""
    plan = experiment.plan()
    file = Path(plan["config"])
    before = file.read_text()
    write_plan(Plan(**plan), tmp_path / "plan.json")
    file.write_text("for: the next experiment")
    assert (write_summary(tmp_path / "plan.json", Plan(**plan), {}) / "config.yaml").read_text() == before


@pytest.mark.parametrize(("per_task", "at_once", "warned"), [(1, 4, True), (4, 4, False), (1, 1, False)])
def test_more_at_once_than_a_task_has(experiment, per_task, at_once, warned):
    plan = experiment.plan(inits_per_task=per_task, inits_at_once=at_once)
    assert any("--inits_at_once 4: no task has more than" in text for text in plan["warnings"]) == warned


def test_what_forecasts_are_made_from_is_in_the_plan_with_its_digest(experiment):
    plan = experiment.plan()
    checkpoints = {env["env_id"]: env["spec"]["checkpoint"] for env in plan["envs"]}
    for run in plan["runs"]:
        spec, checkpoint = run["spec"], checkpoints[run["env_id"]]
        assert spec["checkpoint"] == hash_file(Path(checkpoint["location"]))
        assert spec["digests"] == {path: hash_file(Path(path)) for path in spec["files"].values()} != {}
