"""Two things never share an id silently: the plan stops and shows both."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from evalflow import identity
from evalflow import runs as naming
from evalflow.digests import canonical, digest
from evalflow.errors import UserError
from evalflow.runs import merge_runs
from evalflow.store.files import to_json
from support.ids import forecaster


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
    monkeypatch.setattr(naming, "run_specific_hash", lambda identity: "00000000")
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
