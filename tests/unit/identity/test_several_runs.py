"""Ids of runs that share environments, depend on one another, or stand twice in a config."""

import os
import re
import subprocess
import sys
from itertools import permutations

import pytest
from support.ids import ENV, EXPERIMENT, NOTHING, RUN, baseline, differences, downscaler, forecaster
from support.paths import BIN


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
    command = [BIN / "plan.py", "--config", config, "--launch_dir", experiment.launch]
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
    ids = [planned["verification"]["sources"][-1]["source_id"] for planned in (one, other)]
    assert re.fullmatch(r"baseline-[0-9a-f]{8}", ids[0]) and (ids[0] != ids[1]) == differs
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
