"""The form of ids, and what they hold besides config and files: platform, recipe, versions."""

import platform
import re
from dataclasses import replace

from evalflow import identity
from evalflow import runs as naming
from evalflow.config.runs import ForecasterConfig, RunConfig
from evalflow.identity import RECIPE_VERSION, flat_id
from evalflow.lookup import Lookup
from evalflow.runs import register_run
from support.ids import ENV, RUN, differences, digest_of


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
    named = naming.runner_named
    newer = lambda name: replace(named(name), version=named(name).version + 1)  # noqa: E731
    monkeypatch.setattr(naming, "runner_named", newer)
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
