"""Ids: what changes them, and what must not."""

import hashlib
import os
import platform
import re
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import pytest
from evalflow import identity
from evalflow.config.runs import ForecasterConfig, RunConfig
from evalflow.digests import canonical, digest, file_digest
from evalflow.errors import UserError
from evalflow.identity import RECIPE_VERSION, flat_id, merge_runs, register_run
from evalflow.lookup import Lookup
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.files import to_json
from evalflow.yamlio import dump_yaml
from hypothesis import given, settings
from hypothesis import strategies as st


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


NOTHING: set[str] = set()
EXPERIMENT = {"experiment"}
RUN = {"run", "experiment"}
ENV = {"env", "run", "experiment"}


def differences(before, after) -> set[str]:
    """Return which ids differ: of the environments, of the runs, of the experiment. Their order does not count."""
    names = [(sorted(ids.envs), sorted(ids.runs), ids.experiment) for ids in (before, after)]
    return {kind for kind, one, other in zip(("env", "run", "experiment"), *names, strict=True) if one != other}


# --- what the config says -----------------------------------------------------------------------------------------

INLINE = {"input": {"grib": "analyses.grib"}, "physics": "physics.yaml", "scale": 1.0}
PROFILE = {
    "executor": "slurm",
    "global_resources": {"gpus": 1},
    "default_resources": {"slurm_partition": "a", "cpus_per_task": 1, "mem_mb_per_cpu": 1, "runtime": 1},
    "jobs": 1,
}
DEFAULT_PARAMS = ["T_2M", "TD_2M", "SP_10M", "PS", "PMSL", "TOT_PREC6"]
CONFIG_CHANGES = {
    # what is changed: its place (below the run where it starts with a dot) and new value, and which ids change with it
    "inference config": ({".config": {**INLINE, "scale": 2.0}}, RUN),
    "inference config left out": ({".config": ...}, RUN),
    "inference config inline instead of in a file": ({".config": INLINE}, NOTHING),
    "steps": ({".steps": "0/120/6"}, RUN),
    "first step": ({".steps": "6/24/6"}, RUN),
    "distance of steps": ({".steps": "0/24/3"}, RUN),
    "zeros in steps": ({".steps": "0/0024/6"}, NOTHING),
    "an end of steps off the grid": ({".steps": "0/29/6"}, NOTHING),
    "requirements": ({".requirements": ["numpy>=1.0"]}, ENV),
    "version of a requirement": ({".requirements": ["numpy>=1.1", "scipy"]}, ENV),
    "order of requirements": ({".requirements": ["scipy", "numpy>=1.0"]}, NOTHING),
    "spelling of requirements": ({".requirements": ["Numpy >=1.0", " SciPy"]}, NOTHING),
    "a requirement repeated": ({".requirements": ["numpy>=1.0", "scipy", "SCIPY"]}, NOTHING),
    "extra_requirements": ({".extra_requirements": ["scipy<2"]}, ENV),
    "extra_requirements, empty": ({".extra_requirements": []}, NOTHING),
    "runner": ({".runner": "command", ".command": "model --to {output}"}, ENV),
    "python": ({".python": "3.11"}, ENV),
    "disable_local_eccodes_definitions": ({".disable_local_eccodes_definitions": True}, ENV),
    "a default spelled out": ({".disable_local_eccodes_definitions": False}, NOTHING),
    "checkpoint": ({".checkpoint": "other.onnx"}, ENV),
    "another way to write the checkpoint's path": ({".checkpoint": "./../config/model.onnx"}, NOTHING),
    "label": ({".label": "second"}, NOTHING),
    "label left out": ({".label": ...}, NOTHING),
    "inference_resources": ({".inference_resources": {"gpu": 1, "runtime": "2h"}}, NOTHING),
    "squash_venv": ({".squash_venv": False}, NOTHING),
    "description": ({"description": "Another text"}, NOTHING),
    "output_root": ({"locations.output_root": "elsewhere"}, NOTHING),
    "profile": ({"profile": PROFILE}, NOTHING),
    "showcase": ({"showcase": {"params": ["PS"]}}, NOTHING),
    "dashboard": ({"experiment.dashboard.stratification": ["region"]}, NOTHING),
    "last date": ({"dates.end": "2024-01-03T00:00"}, EXPERIMENT),
    "blacklist": ({"dates.blacklist": ["2024-01-01T12:00"]}, EXPERIMENT),
    "an end of dates off the grid": ({"dates.end": "2024-01-02T11:59"}, NOTHING),
    "the same dates as a list": ({"dates": ["2024-01-02", "2024-01-01T00:00:00Z", "2024-01-01T12:00"]}, NOTHING),
    "truth": ({"truth": {"label": "Analysis", "root": "/archive/analysis.zarr"}}, EXPERIMENT),
    "params": ({"experiment.params": ["T_2M"]}, EXPERIMENT),
    "default params spelled out": ({"experiment.params": DEFAULT_PARAMS}, NOTHING),
    "thresholds": ({"experiment.thresholds": {"T_2M": {"lt": [273.15]}}}, EXPERIMENT),
    "regions": ({"experiment.stratification": {"regions": ["alps"], "root": "/archive/regions"}}, EXPERIMENT),
    "lapse_rate_correction": ({"lapse_rate_correction": False}, EXPERIMENT),
}


def below_first_run(changes: dict) -> dict:
    return {f"runs.0.forecaster{place}" if place.startswith(".") else place: value for place, value in changes.items()}


@pytest.mark.parametrize(("changes", "changed"), CONFIG_CHANGES.values(), ids=CONFIG_CHANGES)
def test_these_ids_change_with_the_config(experiment, changes, changed):
    after = experiment.ids(experiment.changed(below_first_run(changes)))
    assert differences(experiment.ids(), after) == changed


def test_command_is_of_the_run_whether_text_or_list(experiment):
    def ids(command):
        return experiment.ids(
            experiment.changed({"runs.0.forecaster.runner": "command", "runs.0.forecaster.command": command})
        )

    assert ids("model --to {output}") == ids(["model", "--to", "{output}"])
    assert differences(ids("model --to {output}"), ids("model --fast --to {output}")) == RUN


TEXT = """\
description: A config as people write it
dates:
  - 2024-01-01T00:00
  - 2024-01-02
runs:
  - forecaster:
      runner: onnx
      checkpoint: model.onnx
      steps: 0/120/6
      requirements: [numpy>=1.0, scipy]
      extra_requirements:
        - protobuf
      config:
        start: 2024-01-01
        scale: 1.0
        clip: {low: 0, high: 10}
  - baseline:
      label: EPS
      root: /archive/EPS
      steps: 0/120/6
locations:
  output_root: output
"""
SPELLINGS = {
    "comments": ("      steps:", "      # the lead times\n      steps:"),
    "blank lines": ("locations:", "\n\nlocations:"),
    "quotes": ("checkpoint: model.onnx", "checkpoint: 'model.onnx'"),
    "quotes of steps": ("steps: 0/120/6", 'steps: "0/120/6"'),
    "zeros in steps": ("steps: 0/120/6", "steps: 0/0120/6"),
    "quotes of a date": ("- 2024-01-02", '- "2024-01-02"'),
    "an hour spelled out": ("- 2024-01-02", "- 2024-01-02T00:00"),
    "quotes of a date in the inference config": ("start: 2024-01-01", 'start: "2024-01-01"'),
    "quotes of a key": ("      runner: onnx", '      "runner": onnx'),
    "block style": ("requirements: [numpy>=1.0, scipy]", "requirements:\n        - numpy>=1.0\n        - scipy"),
    "flow style": ("extra_requirements:\n        - protobuf", "extra_requirements: [protobuf]"),
    "order of keys": ("scale: 1.0\n        clip: {low: 0, high: 10}", "clip: {high: 10, low: 0}\n        scale: 1.0"),
    "order of dates": ("  - 2024-01-01T00:00\n  - 2024-01-02\n", "  - 2024-01-02\n  - 2024-01-01T00:00\n"),
    "an anchor": ("low: 0, high: 10", "low: &zero 0, high: 10"),
    "a trailing slash of a root": ("/archive/EPS", "/archive/EPS/"),
    "doubled slashes": ("/archive/EPS", "/archive//./EPS"),
}


@pytest.mark.parametrize(("before", "after"), SPELLINGS.values(), ids=SPELLINGS)
def test_spelling_changes_nothing(experiment, before, after):
    assert before in TEXT
    other = TEXT.replace(before, after)
    assert experiment.ids(other) == experiment.ids(TEXT)
    plans = [experiment.plan(text) for text in (TEXT, other)]
    assert plans[0]["verification"]["sources"] == plans[1]["verification"]["sources"]


# --- what the config points at ------------------------------------------------------------------------------------

INFERENCE = "input:\n  grib: analyses.grib\nphysics: physics.yaml\nscale: 1.0\n"
FILE_CHANGES = {
    # file, its new content, and which ids change with it
    "checkpoint": ("model.onnx", "WEIGHTS OF THE MODEL", ENV),
    "file that the inference config names": ("analyses.grib", "GRIB OF ANALYSES", RUN),
    "value in the inference config": ("inference.yaml", INFERENCE.replace("1.0", "1.5"), RUN),
    "comment in the inference config": ("inference.yaml", INFERENCE + "# a comment\n", NOTHING),
    "order in the inference config": (
        "inference.yaml",
        "scale: 1.0\n" + INFERENCE.replace("scale: 1.0\n", ""),
        NOTHING,
    ),
    "quotes in the inference config": ("inference.yaml", INFERENCE.replace("physics.yaml", "'physics.yaml'"), NOTHING),
    "steps key in the inference config": ("inference.yaml", INFERENCE + "steps: 0/240/6\n", NOTHING),
    "date key in the inference config": ("inference.yaml", INFERENCE + "date: 2020-01-01\n", NOTHING),
    "lead_time key in the inference config": ("inference.yaml", INFERENCE + "lead_time: 240\n", NOTHING),
    "date key deeper in the inference config": ("inference.yaml", INFERENCE + "more:\n  date: 2020-01-01\n", RUN),
    "value in a YAML that is named": ("physics.yaml", "alpha: 1\nbeta: 3\ntable: table.csv\n", RUN),
    "comment in a YAML that is named": ("physics.yaml", "alpha: 1 # one\nbeta: 2\ntable: table.csv\n", NOTHING),
    "order in a YAML that is named": ("physics.yaml", "table: table.csv\nbeta: 2\nalpha: 1\n", NOTHING),
    "file that a YAML names that is named": ("table.csv", "b,a", RUN),
    "file that nothing names": ("other.csv", "a,b", NOTHING),
}


@pytest.mark.parametrize(("name", "content", "changed"), FILE_CHANGES.values(), ids=FILE_CHANGES)
def test_these_ids_change_with_a_file(experiment, name, content, changed):
    before = experiment.ids()
    experiment.write(name, content)
    assert differences(before, experiment.ids()) == changed


@pytest.mark.parametrize("name", ["anemoi", "onnx", "command"])
def test_what_evalflow_sets_itself_is_no_identity(experiment, name):
    """The keys that a runner sets for each forecast, and no others, have no effect where the config says them."""
    job = ForecastRequest(Path("a"), Path("b"), Path("c"), "2024-01-01T00:00", [0, 6], 6)
    overrides = runner_named(name).overrides
    assert overrides == runner_named(name).settings(job).keys()

    def ids(config):
        changes = {
            "runner": name,
            "config": config,
            "command": ["{output}"] if name == "command" else None,
            "requirements": [],
        }
        return experiment.ids(experiment.changed({f"runs.0.forecaster.{key}": value for key, value in changes.items()}))

    before = ids({"scale": 1})
    for key in ("checkpoint", "date", "lead_time", "steps", "output"):
        after = ids({"scale": 1, key: "2020-01-01"})
        assert differences(before, after) == (NOTHING if key in overrides else RUN), key


def test_a_checkpoint_is_its_content_not_its_name(experiment):
    before = experiment.ids()
    checkpoint = experiment.folder / "model.onnx"
    os.utime(checkpoint, (1, 1))
    assert experiment.ids() == before, "touched"
    moved = experiment.launch / "elsewhere" / "renamed.ckpt"
    moved.parent.mkdir()
    checkpoint.rename(moved)
    assert experiment.ids(experiment.changed({"runs.0.forecaster.checkpoint": str(moved)})) == before, "moved"
    checkpoint.symlink_to(moved)
    assert experiment.ids() == before, "a link to it"


def test_a_named_file_is_its_content_not_its_name(experiment):
    before = experiment.ids()
    (experiment.folder / "sub").mkdir()
    (experiment.folder / "analyses.grib").rename(experiment.folder / "sub" / "renamed.grib")
    experiment.write("parameters.yml", "beta: 2\ntable: sub/t.txt\nalpha: 1\n")
    (experiment.folder / "table.csv").rename(experiment.folder / "sub" / "t.txt")
    (experiment.folder / "physics.yaml").unlink()
    experiment.write("inference.yaml", "scale: 1.0\nphysics: ./parameters.yml\ninput: {grib: sub/renamed.grib}\n")
    assert experiment.ids() == before
    absolute = str(experiment.folder / "sub" / "renamed.grib")
    experiment.write("inference.yaml", {"scale": 1.0, "physics": "parameters.yml", "input": {"grib": absolute}})
    assert experiment.ids() == before


def test_a_rewrite_of_the_same_size_at_once_is_seen(tmp_path):
    """The clock of a file system is coarse: a file may change within one of its ticks."""
    path = tmp_path / "file"
    for index in range(300):
        path.write_text(f"{index:06}")
        assert file_digest(path) == digest_of(f"{index:06}")


def test_the_digest_of_a_file_that_was_just_written_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALFLOW_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "file"
    path.write_text("content")
    file_digest(path)
    assert not (tmp_path / "cache").exists()


def test_digests_are_read_from_the_cache_until_the_file_is_touched(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("content")
    monkeypatch.setattr("evalflow.digests._SETTLED_SECONDS", -1)
    reads = []
    monkeypatch.setattr("evalflow.digests.hash_file", lambda path: reads.append(path) or digest_of(path.read_text()))
    assert file_digest(path) == file_digest(path) == digest_of("content")
    assert len(reads) == 1
    path.write_text("another")
    assert file_digest(path) == digest_of("another")


@pytest.mark.parametrize("garbage", ["", "garbage", "0 1 2", "\x00", f"{64 * '0'} {64 * '1'}"])
def test_a_broken_digest_cache_only_costs_time(garbage, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("content")
    monkeypatch.setattr("evalflow.digests._SETTLED_SECONDS", -1)
    monkeypatch.setenv("EVALFLOW_CACHE", str(tmp_path / "cache"))
    assert file_digest(path) == digest_of("content")
    (entry,) = (tmp_path / "cache" / "digests").iterdir()
    entry.write_text(garbage)
    assert file_digest(path) == digest_of("content")
    monkeypatch.setenv("EVALFLOW_CACHE", "/proc/nowhere")
    assert file_digest(path) == digest_of("content")


def test_a_wheel_is_its_content_not_its_folder(experiment):
    def ids(name):
        return experiment.ids(experiment.changed({"runs.0.forecaster.extra_requirements": [name]}))

    for folder, content in {"one": "wheel", "two": "wheel", "three": "other"}.items():
        experiment.write(f"{folder}/model-1.0-py3-none-any.whl", content)
    one, two, three = (ids(f"{folder}/model-1.0-py3-none-any.whl") for folder in ("one", "two", "three"))
    assert one == two
    assert differences(one, three) == ENV
    experiment.write("two/model-1.0-py3-none-any.whl", "other")
    assert ids("two/model-1.0-py3-none-any.whl") == three


def test_the_launch_folder_does_not_matter(experiment, tmp_path, monkeypatch):
    before = experiment.ids()
    monkeypatch.chdir(tmp_path)
    assert experiment.ids(launch=tmp_path) == before
    for name in ("model.onnx", "analyses.grib", "table.csv"):
        (tmp_path / name).write_text("something else of the same name in the launch folder")
    assert experiment.ids(launch=tmp_path) == before


def test_the_name_of_the_config_is_the_label_of_the_experiment_only(experiment):
    first, second = experiment.ids(name="first.yaml"), experiment.ids(name="a second: try.yaml")
    assert (first.envs, first.runs) == (second.envs, second.runs)
    assert first.experiment.removeprefix("first_") == second.experiment.removeprefix("a-second-try_")
    labelled = experiment.ids({**experiment.data, "config_label": "my test"}).experiment
    assert labelled == "my-test_" + first.experiment.removeprefix("first_")


# --- platform, versions, the form of ids --------------------------------------------------------------------------


def test_the_form_of_ids(experiment):
    ids = experiment.ids()
    model_id = digest_of("weights of the model")[:4]
    assert re.fullmatch(rf"forecaster-{model_id}-[0-9a-f]{{8}}", ids.envs[0])
    assert re.fullmatch(rf"{ids.envs[0]}/[0-9a-f]{{8}}", ids.runs[0])
    assert re.fullmatch(r"experiment_[0-9a-f]{8}", ids.experiment)
    assert flat_id(ids.runs[0]) == ids.runs[0].replace("/", "-")


def test_ids_stay_what_they_are_from_release_to_release(experiment, monkeypatch):
    """Whoever changes these ids on purpose: everybody's stores are built again."""
    monkeypatch.setattr(identity, "target_platform", lambda: "linux-x86_64")
    ids = experiment.ids()
    assert (ids.runs, ids.experiment) == (["forecaster-ffef-801756de/6f331c11"], "experiment_c578f122")


def test_the_platform_is_part_of_the_environment(experiment, monkeypatch):
    before = experiment.ids()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert differences(before, experiment.ids()) == ENV


def test_the_recipe_is_part_of_the_environment(experiment, monkeypatch):
    before = experiment.ids()
    monkeypatch.setattr(identity, "RECIPE_VERSION", RECIPE_VERSION + 1)
    assert differences(before, experiment.ids()) == ENV


def test_the_version_of_the_runner_is_part_of_the_run(experiment, monkeypatch):
    before = experiment.ids()
    named = identity.runner_named
    newer = lambda name: replace(named(name), version=named(name).version + 1)  # noqa: E731
    monkeypatch.setattr(identity, "runner_named", newer)
    assert differences(before, experiment.ids()) == RUN


class NewerForecaster(ForecasterConfig):
    """A forecaster of some later release, with a field that is new."""

    new: int = 5


def test_a_new_optional_field_renames_nothing(experiment, monkeypatch):
    lookup = Lookup(experiment.folder, experiment.launch)

    def register(model, **fields):
        config = model.model_validate({**experiment.data["runs"][0]["forecaster"], **fields})
        (run,) = register_run("forecaster", config, lookup, "runs[0].forecaster").values()
        return run.env_id, run.run_id

    known = register(ForecasterConfig)
    assert register(NewerForecaster) == known
    assert register(NewerForecaster, new=5) == known
    env_id, run_id = register(NewerForecaster, new=6)
    assert env_id == known[0] and run_id != known[1]

    monkeypatch.setattr(RunConfig, "ENV_FIELDS", RunConfig.ENV_FIELDS | {"new"})
    assert register(NewerForecaster) == known
    assert register(NewerForecaster, new=6)[0] != known[0]

    monkeypatch.setattr(RunConfig, "ENV_FIELDS", RunConfig.ENV_FIELDS - {"new"})
    monkeypatch.setattr(RunConfig, "HASH_EXCLUDE", RunConfig.HASH_EXCLUDE | {"new"})
    assert register(NewerForecaster, new=6) == known


def test_every_field_of_a_run_is_of_the_environment_of_the_run_or_of_neither(experiment):
    """The identity contract as a whole: a field that is added without a thought shows here."""
    assert set(RunConfig.model_fields) - RunConfig.ENV_FIELDS - RunConfig.HASH_EXCLUDE == {"config", "steps", "command"}


# --- several runs -------------------------------------------------------------------------------------------------

FORECASTER = {"runner": "onnx", "checkpoint": "model.onnx", "steps": "0/24/6"}
DOWNSCALER = {"runner": "onnx", "checkpoint": "other.onnx", "steps": "0/24/1"}


def forecaster(**fields) -> dict:
    return {"forecaster": {**FORECASTER, **fields}}


def downscaler(of: dict | None = None, **fields) -> dict:
    return {"temporal_downscaler": {**DOWNSCALER, **fields, **(of or {})}}


def baseline(**fields) -> dict:
    return {"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6", **fields}}


def test_a_downscaler_carries_its_forecaster_in_its_ids(experiment):
    experiment.data["runs"] = [downscaler(forecaster())]
    source, refined = experiment.plan()["runs"]
    assert [run["candidate"] for run in (source, refined)] == [False, True]
    assert refined["forecaster"] == source["run_id"]
    assert re.fullmatch(rf"temporal_downscaler-[0-9a-f]{{4}}-[0-9a-f]{{8}}-on-{source['env_id']}", refined["env_id"])

    experiment.data["runs"] = [downscaler()]
    (alone,) = experiment.plan()["runs"]
    assert re.fullmatch(r"temporal_downscaler-[0-9a-f]{4}-[0-9a-f]{8}-on-analysis", alone["env_id"])
    assert "forecaster" not in alone


DEPENDENCY_CHANGES = {
    "environment of the forecaster": ({"extra_requirements": ["numpy<2"]}, ENV),
    "steps of the forecaster": ({"steps": "0/48/6"}, RUN),
    "inference config of the forecaster": ({"config": {"scale": 2}}, RUN),
    "label of the forecaster": ({"label": "another"}, NOTHING),
    "resources of the forecaster": ({"inference_resources": {"gpu": 1}}, NOTHING),
}


@pytest.mark.parametrize(("fields", "changed"), DEPENDENCY_CHANGES.values(), ids=DEPENDENCY_CHANGES)
def test_a_downscaler_is_another_one_on_another_forecaster(experiment, fields, changed):
    def ids(source):
        experiment.data["runs"] = [downscaler(source)]
        return experiment.ids()

    before, after = ids(forecaster()), ids(forecaster(**fields))
    assert differences(before, after) == changed
    assert (before.runs[-1] != after.runs[-1]) == bool(changed)
    assert (before.envs[-1] != after.envs[-1]) == (changed == ENV)


def test_an_environment_of_a_downscaler_is_another_one_by_its_digest_too(experiment):
    digests = set()
    for source in (forecaster(), forecaster(python="3.11"), None):
        experiment.data["runs"] = [downscaler(source)]
        digests.add(experiment.plan()["envs"][-1]["spec"]["sha256"])
    assert len(digests) == 3


def test_neither_does_a_downscaler_change_its_forecaster(experiment):
    experiment.data["runs"] = [forecaster()]
    alone = experiment.ids()
    experiment.data["runs"] = [downscaler(forecaster())]
    assert experiment.ids().runs[0] == alone.runs[0]


def test_the_same_model_is_another_environment_as_forecaster_and_as_downscaler(experiment):
    experiment.data["runs"] = [forecaster()]
    (one,) = experiment.ids().envs
    experiment.data["runs"] = [downscaler(checkpoint="model.onnx")]
    (other,) = experiment.ids().envs
    assert one.split("-")[2] != other.split("-")[2]


def test_a_dependency_never_demotes_or_relabels_a_candidate(experiment):
    candidate = forecaster(label="candidate", inference_resources={"gpu": 1})
    entries = [candidate, downscaler(forecaster(label="dependency"), label="downscaler")]
    for order in (entries, entries[::-1]):
        experiment.data["runs"] = order
        runs = experiment.plan()["runs"]
        seen = {run["label"]: (run["candidate"], run["resources"]) for run in runs}
        assert seen == {"candidate": (True, {"gpu": 1}), "downscaler": (True, {})}
        assert [run["model_type"] for run in runs] == ["forecaster", "temporal_downscaler"], "dependencies come first"


def test_two_downscalers_share_their_forecaster(experiment):
    experiment.data["runs"] = [downscaler(forecaster(label="one")), downscaler(forecaster(label="two"), steps="0/12/1")]
    plan = experiment.plan()
    assert [run["model_type"] for run in plan["runs"]] == ["forecaster"] + 2 * ["temporal_downscaler"]
    assert len(plan["envs"]) == 2, "both downscalers run in one environment"
    source = plan["runs"][0]
    assert (source["candidate"], source["label"]) == (False, "one")
    assert [run["forecaster"] for run in plan["runs"][1:]] == 2 * [source["run_id"]]


def test_a_run_named_twice_is_one_run(experiment):
    once = [forecaster(label="one")]
    experiment.data["runs"] = once
    ids = experiment.ids()
    experiment.data["runs"] = [*once, forecaster(label="two", requirements=[], squash_venv=True)]
    assert experiment.ids() == ids
    (run,) = experiment.plan()["runs"]
    assert run["label"] == "one"


def test_runs_of_one_environment_share_it(experiment):
    experiment.data["runs"] = [forecaster(), forecaster(steps="0/48/6"), forecaster(config={"scale": 2})]
    ids = experiment.ids()
    assert len(ids.envs) == 1 and len(set(ids.runs)) == 3


def test_the_order_of_runs_changes_nothing(experiment):
    entries = [forecaster(label="a"), forecaster(steps="0/12/6"), downscaler(forecaster()), baseline()]
    seen = set()
    for order in permutations(entries):
        experiment.data["runs"] = list(order)
        ids = experiment.ids()
        seen.add((frozenset(ids.envs), frozenset(ids.runs), ids.experiment))
    assert len(seen) == 1


def test_a_forecaster_that_is_a_candidate_as_well_makes_another_experiment(experiment):
    experiment.data["runs"] = [downscaler(forecaster())]
    alone = experiment.ids()
    experiment.data["runs"] = [downscaler(forecaster()), forecaster()]
    assert differences(alone, experiment.ids()) == EXPERIMENT


def test_ids_are_the_same_in_every_process(experiment):
    entry = forecaster(requirements=["a[x,y,z]<4,>=1,!=2", "b", "c", "d"], extra_requirements=["e", "f", "g"])
    experiment.data["runs"] = [entry, *(baseline(label=name, root=f"/archive/{name}") for name in "abcdef")]
    config = experiment.write("experiment.yaml", experiment.data)
    command = [Path(__file__).parents[2] / "bin" / "plan.py", "--config", config, "--launch_dir", experiment.launch]
    seen = set()
    for seed in "0123":
        environment = {**os.environ, "EVALFLOW_VENV": sys.prefix, "PYTHONHASHSEED": seed}
        seen.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(seen) == 1


EXPERIMENT_CHANGES = {
    "another run": ([forecaster(), forecaster(steps="0/12/6"), baseline()], True),
    "no baseline": ([forecaster()], True),
    "another baseline": ([forecaster(), baseline(), baseline(label="IFS", root="/archive/IFS")], True),
    "label of the baseline": ([forecaster(), baseline(label="Ensemble")], False),
    "root of the baseline": ([forecaster(), baseline(root="/archive/IFS")], True),
    "label of the run": ([forecaster(label="another"), baseline()], False),
    "a run twice": ([forecaster(), forecaster(), baseline()], False),
    "a baseline twice, labelled differently": ([forecaster(), baseline(), baseline(label="again")], False),
}


@pytest.mark.parametrize(("runs", "differs"), EXPERIMENT_CHANGES.values(), ids=EXPERIMENT_CHANGES)
def test_participants_make_the_experiment(experiment, runs, differs):
    experiment.data["runs"] = [forecaster(), baseline()]
    before = experiment.ids().experiment
    experiment.data["runs"] = runs
    assert (experiment.ids().experiment != before) == differs


BASELINE_CHANGES = {
    "label": ({"label": "Ensemble"}, False),
    "root": ({"root": "/archive/other"}, True),
    "trailing slash of the root": ({"root": "/archive/EPS/"}, False),
    "steps": ({"steps": "0/48/6"}, True),
    "distance of steps": ({"steps": "0/24/12"}, True),
    "zeros in steps": ({"steps": "0/024/6"}, False),
    "an end of steps off the grid": ({"steps": "0/29/6"}, False),
    "member": ({"member": "mean"}, True),
    "member by number": ({"member": 3}, True),
    "default member": ({"member": "000"}, False),
    "another name of the default member": ({"member": "control"}, False),
}


@pytest.mark.parametrize(("fields", "differs"), BASELINE_CHANGES.values(), ids=BASELINE_CHANGES)
def test_a_baseline_is_what_is_read_of_it(experiment, fields, differs):
    def plan(**fields):
        experiment.data["runs"] = [forecaster(), baseline(**fields)]
        return experiment.plan()

    one, other = plan(), plan(**fields)
    assert re.fullmatch(r"baseline-[0-9a-f]{8}", one["verification"]["sources"][-1]["source_id"])
    assert (one["verification"]["sources"][-1]["source_id"] != other["verification"]["sources"][-1]["source_id"]) == differs
    assert (one["experiment_id"] != other["experiment_id"]) == differs


@pytest.mark.parametrize("section", ["truth.root", "experiment.stratification.root", "baseline.root"])
def test_a_trailing_slash_of_a_folder_changes_nothing(experiment, section, tmp_path):
    def ids(folder):
        data = experiment.changed({"truth": {"label": "A", "root": "/a"}})
        data["experiment"] = {"stratification": {"regions": ["alps"], "root": f"{tmp_path}/regions"}}
        data["baseline"] = {"label": "B", "root": "/c", "steps": "0/6/6"}
        *parents, last = section.split(".")
        node = data
        for key in parents:
            node = node[key]
        node[last] = str(folder)
        data["runs"] = [*data["runs"], {"baseline": data.pop("baseline")}]
        return experiment.ids(data)

    for folder in ("there", "regions"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "alps.shp").touch()
    for folder in (f"{tmp_path}/there", *(["/not/there"] if "stratification" not in section else [])):
        assert ids(folder) == ids(f"{folder}/") == ids(folder.replace("/", "//").removeprefix("/"))


# --- two things never share a folder silently ---------------------------------------------------------------------


def test_two_environments_of_one_id_stop_the_plan_with_both_shown(experiment, monkeypatch):
    monkeypatch.setattr(identity, "env_entry_hash", lambda identity: "00000000")
    experiment.data["runs"] = [forecaster(), forecaster(python="3.11", steps="0/12/6")]
    with pytest.raises(UserError) as caught:
        experiment.ids()
    first, one, other = str(caught.value).splitlines()
    assert re.fullmatch("forecaster-[0-9a-f]{4}-00000000: two different things have the same id; .*", first)
    assert '"python"' not in one and '"python":"3.11"' in other


def test_short_ids_are_noticed(experiment, monkeypatch):
    monkeypatch.setattr(identity, "ID_LENGTH", 1)
    experiment.data["runs"] = [forecaster(steps=f"0/{6 * number}/6") for number in range(1, 18)]
    with pytest.raises(UserError, match="two different things have the same id"):
        experiment.ids()


def test_two_runs_of_one_id_stop_the_plan_with_both_shown(experiment, monkeypatch):
    monkeypatch.setattr(identity, "run_specific_hash", lambda identity: "00000000")
    experiment.data["runs"] = [forecaster(steps="0/24/6"), forecaster(steps="0/12/6")]
    with pytest.raises(UserError) as caught:
        experiment.ids()
    first, one, other = str(caught.value).splitlines()
    assert first.startswith("forecaster-") and "/00000000: two different things have the same id" in first
    assert '"steps":[0,24,6]' in one and '"steps":[0,12,6]' in other


STORED = {
    # file in the store, below data/runs → its content, given the run's own identities
    "env.json": lambda env, run: {"identity": {**env, "recipe": "another"}, "sha256": "0", "files": {}},
    "run.json": lambda env, run: {"identity": {**run, "steps": "others"}, "sha256": "0"},
}


@pytest.mark.parametrize("name", STORED)
def test_a_stored_identity_that_differs_stops_the_plan_with_both_shown(experiment, name):
    plan = experiment.plan()
    env, run = plan["envs"][0], plan["runs"][0]
    folder = Path(plan["store"]) / "runs" / (env["env_id"] if name == "env.json" else run["run_id"])
    folder.mkdir(parents=True)
    stored = STORED[name](env["spec"]["identity"], run["spec"]["identity"])
    (folder / name).write_text(to_json(stored))
    with pytest.raises(UserError) as caught:
        experiment.plan(repair=True)
    first, one, other = str(caught.value).splitlines()
    planned = (env if name == "env.json" else run)["spec"]["identity"]
    assert folder.name in first
    assert canonical(stored["identity"]) in one and digest(stored["identity"]) in one
    assert canonical(planned) in other and digest(planned) in other
    assert (folder / name).exists(), "nothing is moved"


def test_a_stored_forecast_of_another_run_stops_the_plan_with_both_shown(experiment):
    plan = experiment.plan()
    run = plan["runs"][0]
    folder = Path(plan["store"]) / "runs" / run["run_id"] / plan["init_times"][0]
    folder.mkdir(parents=True)
    (folder / "forecast.json").write_text(to_json({"sha256": 64 * "a", "files": {"a": {"size": 1, "sha256": "0"}}}))
    with pytest.raises(UserError, match="another run") as caught:
        experiment.plan(repair=True)
    assert 64 * "a" in str(caught.value) and run["spec"]["sha256"] in str(caught.value)


def test_merging_runs_refuses_a_collision():
    one, other = (SimpleNamespace(run_identity={"number": number}, candidate=True) for number in (1, 2))
    with pytest.raises(UserError, match="the same id"):
        merge_runs({"id": one}, {"id": other})


# --- laws ---------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def shuffled(data, random):
    """Return `data` with the keys of every mapping in another order."""
    if isinstance(data, list):
        return [shuffled(item, random) for item in data]
    if not isinstance(data, dict):
        return data
    keys = list(data)
    random.shuffle(keys)
    return {key: shuffled(data[key], random) for key in keys}


@given(JSON, st.randoms(use_true_random=False))
def test_canonical_form_does_not_know_the_order_of_keys(data, random):
    assert canonical(shuffled(data, random)) == canonical(data)
    assert digest(shuffled(data, random)) == digest(data)


@given(JSON, JSON)
def test_canonical_form_tells_data_apart(one, other):
    assert (canonical(one) == canonical(other)) == (repr(sorted_keys(one)) == repr(sorted_keys(other)))


def sorted_keys(data):
    if isinstance(data, list):
        return [sorted_keys(item) for item in data]
    return {key: sorted_keys(data[key]) for key in sorted(data)} if isinstance(data, dict) else data


def test_canonical_form_takes_keys_of_all_kinds():
    assert canonical({500: "u", "z": 1, None: 2, True: 3, 0.5: 4}) == canonical(
        {True: 3, "z": 1, 0.5: 4, None: 2, 500: "u"}
    )


steps = st.builds("{}/{}/{}".format, st.integers(0, 12), st.integers(12, 240), st.integers(1, 12))
packages = st.lists(st.sampled_from(["numpy", "scipy>=1", "torch==2.1", "a[b]<3"]), unique=True, max_size=3)
keys = st.sampled_from(["input", "scale", "more", "date", "patch", "path"])
run_entries = st.fixed_dictionaries(
    {"runner": st.just("onnx"), "checkpoint": st.sampled_from(["model.onnx", "other.onnx"]), "steps": steps},
    optional={
        "label": st.sampled_from(["one", "two"]),
        "requirements": packages,
        "extra_requirements": packages,
        "python": st.sampled_from(["3.11", "3.12"]),
        "disable_local_eccodes_definitions": st.booleans(),
        "squash_venv": st.booleans(),
        "config": st.just("inference.yaml")
        | st.dictionaries(
            keys, st.dictionaries(keys, SCALARS, max_size=3) | SCALARS | st.just("physics.yaml"), max_size=4
        ),
    },
)
baselines = st.fixed_dictionaries(
    {"label": st.uuids().map(str), "root": st.sampled_from(["/a", "/b"]), "steps": steps},
    optional={"member": st.sampled_from(["mean", "control", 7])},
)
items = (
    st.fixed_dictionaries({"forecaster": run_entries})
    | st.fixed_dictionaries({"temporal_downscaler": run_entries})
    | st.builds(
        lambda entry, source: {"temporal_downscaler": {**entry, "forecaster": source}},
        run_entries,
        run_entries,
    )
    | st.fixed_dictionaries({"baseline": baselines})
)
configs = st.fixed_dictionaries(
    {
        "description": st.just("drawn"),
        "dates": st.just({"start": "2024-01-01", "end": "2024-01-02", "frequency": "6h"}) | st.just(["2024-01-01"]),
        "runs": st.lists(items, min_size=1, max_size=3),
    },
    optional={
        "truth": st.fixed_dictionaries({"label": st.just("A"), "root": st.sampled_from(["/a.zarr", "/b.zarr"])}),
        "experiment": st.fixed_dictionaries(
            {}, optional={"params": st.just(["T_2M"]), "thresholds": st.just({"T_2M": {"lt": [1], "gt": [2, 3.5]}})}
        ),
        "lapse_rate_correction": st.booleans(),
    },
)


@pytest.fixture(scope="module")
def one_experiment(new_experiment):
    return new_experiment()


@settings(max_examples=60)
@given(config=configs, random=st.randoms(use_true_random=False))
def test_the_order_of_keys_and_runs_changes_no_id(one_experiment, config, random):
    before = one_experiment.ids(config)
    other = shuffled(config, random)
    assert one_experiment.ids(other) == before
    random.shuffle(other["runs"])
    assert not differences(before, one_experiment.ids(other))
    assert not differences(before, one_experiment.ids(dump_yaml(other) + "# a comment\n"))


@settings(max_examples=40)
@given(config=configs)
def test_ids_are_all_different_and_names_of_folders(one_experiment, config):
    ids = one_experiment.ids(config)
    assert len(set(ids.envs)) == len(ids.envs) and len(set(ids.runs)) == len(ids.runs)
    assert all(re.fullmatch(r"[a-z0-9_-]+", env_id) for env_id in ids.envs)
    assert all(re.fullmatch(r"[a-z0-9_-]+/[0-9a-f]{8}", run_id) for run_id in ids.runs)
