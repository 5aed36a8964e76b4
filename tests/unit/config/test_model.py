"""The config as a whole: what is accepted, and what is refused with the key and what is allowed."""

from pathlib import Path

import pytest
from evalflow.config.messages import problems
from evalflow.config.model import ConfigModel, config_schema, load_config
from evalflow.config.runs import RunConfig, TemporalDownscalerConfig
from evalflow.errors import UserError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.configs import BASE, CARD, changed, refused
from support.paths import PROJECT

CONFIGS = sorted((PROJECT / "tests" / "data" / "configs").glob("*.yaml"))


# What is accepted


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_in_the_style_of_evalml_are_accepted(path):
    assert load_config(path).init_times()


def test_a_config_needs_little():
    config = load_config(PROJECT / "tests" / "data" / "configs" / "minimal.yaml")
    (run,) = config.runs
    assert config.truth is None and config.profile is None and config.config_label is None
    assert config.experiment.params == ["T_2M", "TD_2M", "SP_10M", "PS", "PMSL", "TOT_PREC6"]
    assert config.locations.output_root == Path("output")
    assert (run.forecaster.runner, run.forecaster.config, run.forecaster.squash_venv) == ("anemoi", {}, True)


def test_a_validated_config_is_valid_and_the_same_again():
    config = load_config(PROJECT / "tests" / "data" / "configs" / "downscaler.yaml")
    assert ConfigModel.model_validate(config.model_dump()) == config
    assert ConfigModel.model_validate(config.model_dump(mode="json")) == config


def test_the_identity_contract_names_fields():
    assert set(RunConfig.model_fields) >= RunConfig.ENV_FIELDS
    assert set(RunConfig.model_fields) >= RunConfig.HASH_EXCLUDE
    assert not RunConfig.ENV_FIELDS & RunConfig.HASH_EXCLUDE
    of_the_run = set(TemporalDownscalerConfig.model_fields) - RunConfig.ENV_FIELDS - RunConfig.HASH_EXCLUDE
    assert of_the_run == {"steps", "config", "command", "forecaster"}


# What is refused: change, key, part of the message

UNKNOWN = "unknown key"
REFUSALS = [
    # unknown and missing keys
    ({"descripton": "x"}, "descripton", "unknown key, did you mean description?; allowed: description, config_label"),
    ({"runs.0.forecaster.chekpoint": "x"}, "runs[0].forecaster.chekpoint", "did you mean checkpoint?"),
    ({"runs.0.forecaster.inference_resources.gpuz": 1}, "runs[0].forecaster.inference_resources.gpuz", UNKNOWN),
    ({"runs.0.label": "x"}, "runs[0].label", UNKNOWN),
    ({"runs.1.baseline.lable": "x"}, "runs[1].baseline.lable", "did you mean label?"),
    ({"truth": {"label": "x", "root": "y", "path": "z"}}, "truth.path", UNKNOWN),
    ({"experiment.param": []}, "experiment.param", "did you mean params?"),
    ({"experiment.stratification.region": []}, "experiment.stratification.region", "did you mean regions?"),
    ({"experiment.dashboard.x": 1}, "experiment.dashboard.x", UNKNOWN),
    ({"experiment.scoremaps.x": 1}, "experiment.scoremaps.x", UNKNOWN),
    ({"experiment.scorecards.x": 1}, "experiment.scorecards.x", UNKNOWN),
    ({"experiment.scorecards.sections.a": CARD | {"x": 1}}, "experiment.scorecards.sections.a.x", UNKNOWN),
    ({"showcase.stations": []}, "showcase.stations", UNKNOWN),
    ({"showcase.meteograms.station": []}, "showcase.meteograms.station", UNKNOWN),
    ({"showcase.animations.fps": 1}, "showcase.animations.fps", UNKNOWN),
    ({"showcase.animations.domains": [{"name": "a", "box": 1}]}, "showcase.animations.domains[0].box", UNKNOWN),
    ({"locations.output": "x"}, "locations.output", UNKNOWN),
    ({"profile.job": 1}, "profile.job", "did you mean jobs?"),
    ({"profile.default_resources.gpu": 1}, "profile.default_resources.gpu", "did you mean gpus?"),
    ({"profile.global_resources.gpu": 1}, "profile.global_resources.gpu", UNKNOWN),
    ({"mec.x": 1}, "mec.x", UNKNOWN),
    ({"ffv2.x": 1}, "ffv2.x", UNKNOWN),
    ({"dates": {"strat": "2024-01-01"}}, "dates.strat", "did you mean start?"),
    ({"two words": 1}, '["two words"]', UNKNOWN),
    ({"description": ...}, "description", "missing"),
    ({"dates": ...}, "dates", "missing; allowed: a mapping with the keys start"),
    ({"runs": ...}, "runs", "missing"),
    ({"runs.0.forecaster.checkpoint": ...}, "runs[0].forecaster.checkpoint", "missing; allowed: text"),
    ({"runs.0.forecaster.steps": ...}, "runs[0].forecaster.steps", "missing; allowed: text such as 0/120/6"),
    ({"runs.1.baseline.root": ...}, "runs[1].baseline.root", "missing"),
    ({"dates": {"start": "2024-01-01", "end": "2024-01-02"}}, "dates.frequency", "missing; allowed: text such as 6h"),
    # wrong types
    ({"description": 5}, "description", "got 5; allowed: text in quotes"),
    ({"lapse_rate_correction": "maybe"}, "lapse_rate_correction", 'got "maybe"; allowed: auto or true or false'),
    ({"experiment": None}, "experiment", "is empty; allowed: a mapping with the keys"),
    ({"experiment.params": "T_2M"}, "experiment.params", 'got "T_2M"; allowed: a list'),
    ({"truth": "x"}, "truth", 'got "x"; allowed: a mapping with the keys label, root'),
    ({"locations.output_root": ""}, "locations.output_root", "is empty"),
    # the kinds of runs
    ({"runs": []}, "runs", "is empty; allowed: at least one item"),
    ({"runs": {}}, "runs", "got an empty mapping; allowed: a list"),
    ({"runs.0": "model.ckpt"}, "runs[0]", 'got "model.ckpt"; allowed: exactly one of forecaster'),
    ({"runs.0": {"forcaster": {}}}, "runs[0]", "holds none of these kinds, did you mean forecaster?"),
    ({"runs.0.baseline": {}}, "runs[0]", "holds forecaster and baseline; allowed: exactly one of"),
    ({"runs.0.forecaster": None}, "runs[0].forecaster", "is empty; allowed: a mapping with the keys checkpoint"),
    # dates
    ({"dates": "2024-01-01"}, "dates", "allowed: a mapping with the keys start, end, frequency, blacklist or a list"),
    ({"dates": []}, "dates", "no init time is left"),
    ({"dates": ["soon"]}, "dates[0]", 'got "soon"; allowed: an ISO-8601 date or time'),
    ({"dates": ["2024-02-30"]}, "dates[0]", "allowed: an ISO-8601 date or time"),
    ({"dates": ["2024-01-01T24:00"]}, "dates[0]", "allowed: an ISO-8601 date or time"),
    ({"dates": ["2024-01-01T00:00+01:00"]}, "dates[0]", "in UTC"),
    ({"dates": ["2024-01-01T00:00:30"]}, "dates[0]", "in whole minutes"),
    ({"dates": ["2024-01-01", 20240102]}, "dates[1]", "got 20240102"),
    (
        {"dates": {"start": "2024-01-02", "end": "2024-01-01", "frequency": "1d"}},
        "dates.end",
        "is before the start 2024-01-02T00:00",
    ),
    (
        {"dates": {"start": "2024-01-01", "end": "2024-01-01", "frequency": "1d", "blacklist": ["2024-01-01T00:00"]}},
        "dates.blacklist",
        "leaves out every init time",
    ),
    (
        {"dates": {"start": "2024-01-01", "end": "2024-01-01", "frequency": "1d", "blacklist": ["never"]}},
        "dates.blacklist[0]",
        'got "never"',
    ),
    ({"dates": {"start": "0001-01-01", "end": "9999-01-01", "frequency": "1h"}}, "dates", "more than 1000000"),
    # steps
    ({"runs.0.forecaster.steps": "0/24"}, "runs[0].forecaster.steps", "allowed: start/end/step"),
    ({"runs.0.forecaster.steps": "24/0/6"}, "runs[0].forecaster.steps", "start <= end"),
    ({"runs.0.forecaster.steps": "0/24/0"}, "runs[0].forecaster.steps", "step > 0"),
    ({"runs.0.forecaster.steps": "-6/24/6"}, "runs[0].forecaster.steps", "whole hours"),
    ({"runs.0.forecaster.steps": 24}, "runs[0].forecaster.steps", "got 24; allowed: start/end/step"),
    ({"runs.1.baseline.steps": "//"}, "runs[1].baseline.steps", "allowed: start/end/step"),
    # labels and names
    ({"config_label": "a/b"}, "config_label", "without '/'"),
    ({"config_label": ".hidden"}, "config_label", "not starting with '.'"),
    ({"config_label": "-rf"}, "config_label", "not starting with '.' or '-'"),
    ({"config_label": ""}, "config_label", "is empty"),
    ({"config_label": "x" * 201}, "config_label", "up to 200 bytes"),
    ({"config_label": "a\nb"}, "config_label", "without control characters"),
    ({"runs.0.forecaster.label": ""}, "runs[0].forecaster.label", "is empty"),
    ({"runs.0.forecaster.label": "a\nb"}, "runs[0].forecaster.label", 'got "a\\nb"; allowed: text without control'),
    ({"runs.0.forecaster.label": "a\u2028b"}, "runs[0].forecaster.label", "and line breaks"),
    ({"runs.0.forecaster.checkpoint": " "}, "runs[0].forecaster.checkpoint", "is empty"),
    ({"runs.0.forecaster.checkpoint": "a\tb"}, "runs[0].forecaster.checkpoint", "without control characters"),
    ({"runs.1.baseline.label": ""}, "runs[1].baseline.label", "is empty"),
    ({"truth": {"label": "x", "root": ""}}, "truth.root", "is empty"),
    ({"experiment.params": ["../T_2M"]}, "experiment.params[0]", "without '/'"),
    # the runner and what goes with it
    ({"runs.0.forecaster.runner": "onx"}, "runs[0].forecaster.runner", "did you mean onnx?; allowed: one of anemoi"),
    ({"runs.0.forecaster.runner": "command"}, "runs[0].forecaster.command", "missing: runner is command"),
    ({"runs.0.forecaster.command": "run {output}"}, "runs[0].forecaster.command", "has no meaning with runner anemoi"),
    ({"runs.0.forecaster.requirements": ["numpy"]}, "runs[0].forecaster.requirements", "allowed: extra_requirements"),
    ({"runs.0.forecaster.python": 3.10}, "runs[0].forecaster.python", "allowed: text in quotes such as 3.11"),
    ({"runs.0.forecaster.python": "2.7"}, "runs[0].forecaster.python", "allowed: text such as 3.11"),
    ({"runs.0.forecaster.python": ">=3.11"}, "runs[0].forecaster.python", "allowed: text such as 3.11"),
    ({"runs.0.forecaster.config": 5}, "runs[0].forecaster.config", "allowed: a mapping with text keys, or the path"),
    ({"runs.0.forecaster.config": {1: 2}}, "runs[0].forecaster.config", "a mapping with text keys"),
    ({"runs.0.forecaster.config": ""}, "runs[0].forecaster.config", "is empty"),
    # resources
    (
        {"runs.0.forecaster.inference_resources": {"gpu": 1, "gpus": 1}},
        "runs[0].forecaster.inference_resources.gpus",
        "means the same as gpu",
    ),
    (
        {"runs.0.forecaster.inference_resources.gpus": -1},
        "runs[0].forecaster.inference_resources.gpus",
        "got -1; allowed: a whole number >= 0",
    ),
    (
        {"runs.0.forecaster.inference_resources.cpus_per_task": True},
        "runs[0].forecaster.inference_resources.cpus_per_task",
        "got true; allowed: a number",
    ),
    (
        {"runs.0.forecaster.inference_resources.mem_mb_per_cpu": 0},
        "runs[0].forecaster.inference_resources.mem_mb_per_cpu",
        "allowed: a whole number >= 1",
    ),
    (
        {"runs.0.forecaster.inference_resources.runtime": "soon"},
        "runs[0].forecaster.inference_resources.runtime",
        "allowed: a time such as 20m",
    ),
    ({"profile.default_resources.runtime": "0"}, "profile.default_resources.runtime", "allowed: a time such as"),
    # baselines
    ({"runs.1.baseline.member": "0"}, "runs[1].baseline.member", "allowed: control, mean, median, or three digits"),
    ({"runs.1.baseline.member": "best"}, "runs[1].baseline.member", 'got "best"'),
    ({"runs.1.baseline.member": 1000}, "runs[1].baseline.member", "got 1000"),
    ({"runs.1.baseline.member": True}, "runs[1].baseline.member", "got true"),
    ({"runs.0": BASE["runs"][1]}, "runs[1].baseline.label", 'another baseline is labelled "EPS"'),
    # the experiment
    ({"experiment.stratification.regions": ["a"]}, "experiment.stratification.root", "missing: regions are named"),
    ({"experiment.thresholds": {"T_2M": {"gx": [1]}}}, "experiment.thresholds.T_2M.gx", "allowed: one of gt, ge, lt"),
    ({"experiment.thresholds": {"T_2M": {"gt": 1}}}, "experiment.thresholds.T_2M.gt", "got 1; allowed: a list"),
    ({"experiment.thresholds": {"T_2M": {"gt": ["x"]}}}, "experiment.thresholds.T_2M.gt[0]", "allowed: a number"),
    ({"experiment.thresholds": {"T_2M": {"gt": [float("nan")]}}}, "experiment.thresholds.T_2M.gt[0]", "got NaN"),
    (
        {"experiment.dashboard.stratification": ["seasn"]},
        "experiment.dashboard.stratification[0]",
        "did you mean season?; allowed: one of season, region, init_hour",
    ),
    (
        {"experiment.scorecards.sections.a": CARD | {"baseline": "ESP"}},
        "experiment.scorecards.sections.a.baseline",
        'nothing in runs is labelled "ESP", did you mean EPS?; allowed: "EPS"',
    ),
    (
        {"experiment.scorecards.sections.a": CARD, "runs.1": BASE["runs"][0]},
        "experiment.scorecards.sections.a.baseline",
        "runs holds none",
    ),
    (
        {"experiment.scorecards.sections.a": CARD | {"lead_times": "all"}},
        "experiment.scorecards.sections.a.lead_times",
        "allowed: start/end/step",
    ),
    (
        {"experiment.scorecards.sections.a": CARD | {"stratification": "month"}},
        "experiment.scorecards.sections.a.stratification",
        "allowed: one of season, region, init_hour",
    ),
    (
        {"experiment.scorecards.sections.a": CARD | {"variables": ["T_2M:RMSE;R2"]}},
        "experiment.scorecards.sections.a.variables[0]",
        "such as T_2M:RMSE,R2",
    ),
    ({"experiment.scorecards.sections": {"a/b": CARD}}, 'experiment.scorecards.sections["a/b"]', "without '/'"),
    (
        {"experiment.scoremaps": {"enabled": True, "leadtimes": [6, 7, 48]}},
        "experiment.scoremaps.leadtimes",
        "7, 48 h not in the steps 0/24/6 of runs[0].forecaster",
    ),
    ({"experiment.scoremaps.scores": ["ETS"]}, "experiment.scoremaps.scores[0]", "allowed: one of BIAS, RMSE, MAE"),
    ({"experiment.scoremaps.seasons": ["winter"]}, "experiment.scoremaps.seasons[0]", "allowed: one of all, DJF"),
    ({"experiment.scoremaps.init_hours": ["24"]}, "experiment.scoremaps.init_hours[0]", "an hour from 00 to 23"),
    ({"experiment.scoremaps.regions": ["swiss"]}, "experiment.scoremaps.regions[0]", "allowed: one of globe"),
    ({"experiment.scoremaps.regions": ["alps", {"name": "alps"}]}, "experiment.scoremaps.regions[1]", "has this name"),
    # the showcase
    ({"showcase.animations.frames_per_second": 0}, "showcase.animations.frames_per_second", "allowed: a number > 0"),
    ({"showcase.animations.domains": ["europ"]}, "showcase.animations.domains[0]", "did you mean europe?"),
    ({"showcase.animations.domains": [5]}, "showcase.animations.domains[0]", "got 5; allowed: one of globe"),
    ({"showcase.animations.domains": ["alps", {"name": "alps"}]}, "showcase.animations.domains[1]", "has this name"),
    (
        {"showcase.animations.domains": [{"name": "a", "extent": [1, 2, 3]}]},
        "showcase.animations.domains[0].extent",
        "got a list of 3; allowed: a list of 4",
    ),
    (
        {"showcase.animations.domains": [{"name": "a", "extent": [9, 1, 40, 50]}]},
        "showcase.animations.domains[0].extent",
        "is not an area",
    ),
    (
        {"showcase.animations.domains": [{"name": "a", "projection": "mercator"}]},
        "showcase.animations.domains[0].projection",
        "allowed: one of platecarree",
    ),
    # external verification
    ({"mec.ekf_root": ""}, "mec.ekf_root", "is empty"),
    ({"ffv2.veri_ens_member": [1]}, "ffv2.veri_ens_member", "got a list of 1; allowed: text or a whole number"),
    ({"ffv2.pecthresholds": {"T2M": {"middle": 1}}}, "ffv2.pecthresholds.T2M.middle", "allowed: one of lower, upper"),
    ({"ffv2.pecthresholds": {"T2M": {}}}, "ffv2.pecthresholds.T2M", "got an empty mapping"),
]


@pytest.mark.parametrize(
    ("changes", "key", "text"), REFUSALS, ids=[f"{key}-{i}" for i, (_, key, _) in enumerate(REFUSALS)]
)
def test_refusals_name_the_key_and_what_is_allowed(changes, key, text, tmp_path):
    lines = refused(changed(changes), tmp_path)
    of_the_key = [line.removeprefix(f"{key}: ") for line in lines if line.startswith(f"{key}: ")]
    assert any(text in line for line in of_the_key), lines
    assert all("; allowed: " in line for line in lines)


def test_only_what_is_wrong_is_reported(tmp_path):
    lines = refused(changed({"runs.0.forecaster.steps": "x", "dates": ["y"], "rnus": []}), tmp_path)
    assert [line.split(": ")[0] for line in lines] == ["dates[0]", "runs[0].forecaster.steps", "rnus"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; allowed: a mapping with the keys description"),
        ("# only a comment\n", "is empty; allowed: a mapping"),
        ("- a\n", "holds a list of 1; allowed: a mapping"),
        ("text\n", 'holds "text"; allowed: a mapping'),
        ("{}", "description: missing"),
        ("a: 1\na: 2\n", "duplicate key 'a'"),
        ("a: [\n", "not valid YAML"),
    ],
)
def test_what_is_no_config_is_refused(text, message, tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert message in str(caught.value).splitlines()[0]


def test_an_unreadable_config_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        load_config(tmp_path)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
PLACES = sorted(
    {place for changes, _, _ in REFUSALS for place in changes if "." in place} | set(ConfigModel.model_fields)
)


@given(st.sampled_from(PLACES), ANYTHING)
def test_whatever_stands_in_a_config_is_accepted_or_refused_in_lines(place, value):
    data = changed({place: value})
    try:
        ConfigModel.model_validate(data)
    except ValidationError as error:
        lines = problems(error, config_schema(), data)
        assert lines
        assert all(len(line.splitlines()) == 1 and "; allowed: " in line for line in lines), lines
