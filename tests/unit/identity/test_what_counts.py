"""What changes an id, and what must not: the config, and the files that it points at."""

import os
from pathlib import Path

import pytest
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from support.ids import ENV, EXPERIMENT, NOTHING, RUN, differences

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
