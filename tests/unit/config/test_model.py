"""The config: what is accepted, what is refused and in which words, and what the canonical values are."""

import copy
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from evalflow.config.fields import parse_runtime, parse_steps, parse_time
from evalflow.config.manual import EXAMPLE
from evalflow.config.messages import problems
from evalflow.config.model import ConfigModel, Dates, config_schema, load_config
from evalflow.config.resources import InferenceResources
from evalflow.config.runs import BaselineConfig, ForecasterConfig, RunConfig, TemporalDownscalerConfig
from evalflow.errors import UserError
from evalflow.yamlio import dump_yaml, parse_yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

PROJECT = Path(__file__).parents[3]
CONFIGS = sorted((PROJECT / "tests" / "data" / "configs").glob("*.yaml"))

BASE = {
    "description": "Two participants",
    "dates": ["2024-01-01T00:00"],
    "runs": [
        {"forecaster": {"checkpoint": "model.ckpt", "steps": "0/24/6"}},
        {"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6"}},
    ],
    "experiment": {"params": ["T_2M"]},
}
CARD = {"baseline": "EPS", "lead_times": "0/24/6", "stratification": "season", "variables": ["T_2M:RMSE"]}
DELETE = object()


def changed(changes: dict) -> dict:
    """Return BASE with the values at the given places (`runs.0.forecaster.steps`) replaced or deleted."""
    data = copy.deepcopy(BASE)
    for place, value in changes.items():
        *parents, last = [int(key) if key.isdigit() else key for key in place.split(".")]
        node = data
        for key in parents:
            node = node[key] if isinstance(node, list) else node.setdefault(key, {})
        if value is DELETE:
            del node[last]
        else:
            node[last] = value
    return data


def valid(changes: dict) -> ConfigModel:
    return ConfigModel.model_validate(changed(changes))


def forecaster(**fields) -> ForecasterConfig:
    return ForecasterConfig.model_validate({"checkpoint": "model.ckpt", "steps": "0/24/6", **fields})


def refused(data: dict, folder: Path) -> list[str]:
    """Return the lines that `load_config` refuses the data with, without the file's name."""
    path = folder / "experiment.yaml"
    path.write_text(dump_yaml(data), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


# What is accepted


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_in_the_style_of_evalml_are_accepted(path):
    assert load_config(path).init_times()


def test_the_example_of_the_manual_is_accepted(tmp_path):
    (tmp_path / "example.yaml").write_text(EXAMPLE.read_text())
    config = load_config(tmp_path / "example.yaml")
    kinds = [kind for kind, _ in config.participants()]
    assert kinds == ["forecaster", "temporal_downscaler", "forecaster", "forecasts", "baseline"]
    assert set(parse_yaml(EXAMPLE.read_text(), "example")) | {"profile", "mec", "ffv2"} == set(ConfigModel.model_fields)


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


def test_every_field_is_described():
    schema = config_schema()
    for name, model in {"ConfigModel": schema, **schema["$defs"]}.items():
        assert model.get("description"), name
        for key, node in model["properties"].items():
            assert node.get("description") or "$ref" in node, f"{name}.{key}"
        assert model["additionalProperties"] is False, name


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
    ({"description": DELETE}, "description", "missing"),
    ({"dates": DELETE}, "dates", "missing; allowed: a mapping with the keys start"),
    ({"runs": DELETE}, "runs", "missing"),
    ({"runs.0.forecaster.checkpoint": DELETE}, "runs[0].forecaster.checkpoint", "missing; allowed: text"),
    ({"runs.0.forecaster.steps": DELETE}, "runs[0].forecaster.steps", "missing; allowed: text such as 0/120/6"),
    ({"runs.1.baseline.root": DELETE}, "runs[1].baseline.root", "missing"),
    ({"dates": {"start": "2024-01-01", "end": "2024-01-02"}}, "dates.frequency", "missing; allowed: text such as 6h"),
    # wrong types
    ({"description": 5}, "description", "got 5; allowed: text in quotes"),
    ({"lapse_rate_correction": "maybe"}, "lapse_rate_correction", 'got "maybe"; allowed: true or false'),
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
        'no baseline in runs is labelled "ESP", did you mean EPS?; allowed: "EPS"',
    ),
    (
        {"experiment.scorecards.sections.a": CARD, "runs.1": BASE["runs"][0]},
        "experiment.scorecards.sections.a.baseline",
        "runs holds no baseline",
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


# Steps


@given(st.integers(0, 500), st.integers(0, 499), st.integers(1, 50), st.integers(0, 3))  # no number of 7 digits
def test_lead_times_are_the_grid_from_start_to_end(start, length, step, zeros):
    end = start + length
    text = f"{start}/{'0' * zeros}{end}/{step}"
    run = forecaster(steps=text)
    hours = run.lead_times()
    assert run.steps == f"{start}/{end}/{step}"
    assert hours[0] == start and end - step < hours[-1] <= end
    assert all(later - earlier == step for earlier, later in zip(hours, hours[1:], strict=False))
    assert (end in hours) == (length % step == 0)
    assert hours == BaselineConfig(label="x", root="y", steps=text).lead_times() == list(parse_steps(text))


def test_an_end_off_the_grid_is_left_out():
    assert forecaster(steps="0/33/6").lead_times() == [0, 6, 12, 18, 24, 30]


# Dates


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(0, 2000), st.integers(1, 100))
def test_init_times_are_the_grid_from_start_to_end(start, length, hours):
    start = start.replace(second=0, microsecond=0)
    end = start + timedelta(hours=length)
    dates = {"start": start.isoformat()[:16], "end": end.isoformat()[:16], "frequency": f"{hours}h"}
    times = valid({"dates": dates}).init_times()
    assert times == [start + timedelta(hours=hours * i) for i in range(length // hours + 1)]
    listed = valid({"dates": [f"{time.isoformat()}Z" for time in reversed(times + times)]})
    assert listed.init_times() == times
    if len(times) > 1:
        without = valid({"dates": {**dates, "blacklist": [times[0].isoformat()]}})
        assert without.init_times() == times[1:]


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00", "2024-01-01T00:00:00", "2024-01-01T00:00Z", "2024-01-01T00:00:00Z"]
)
def test_all_spellings_of_a_time_are_one(text):
    assert valid({"dates": [text]}).dates == ["2024-01-01T00:00"]
    assert parse_time(text) == datetime(2024, 1, 1)


@pytest.mark.parametrize(("frequency", "hours"), [("6h", 6), ("1d", 24), ("24h", 24), ("10d", 240)])
def test_frequencies(frequency, hours):
    assert Dates(start="2024-01-01", end="2024-02-01", frequency=frequency).hours == hours


@pytest.mark.parametrize("frequency", ["0h", "06h", "6", "6m", "h", "-6h", "1.5h", "6 h", "6h\n"])
def test_other_frequencies_are_refused(frequency, tmp_path):
    dates = {"start": "2024-01-01", "end": "2024-02-01", "frequency": frequency}
    assert refused(changed({"dates": dates}), tmp_path)[0].startswith("dates.frequency: got ")


def test_a_year_of_init_times_is_fast():
    begin = time.perf_counter()
    config = valid({"dates": {"start": "2023-01-01", "end": "2023-12-31T18:00", "frequency": "6h"}})
    assert len(config.init_times()) == 1460
    times = [text.isoformat() for text in config.init_times()]
    assert len(valid({"dates": times}).init_times()) == 1460
    assert time.perf_counter() - begin < 1


# Requirements, commands, resources


@pytest.mark.parametrize(
    "text",
    [
        "numpy",
        "earthkit-data<0.19.0",
        "anemoi-inference[plugins]==0.11.1; python_version < '3.13'",
        "anemoi-models @ git+https://github.com/ecmwf/anemoi-models@0.5.0",
        "git+https://github.com/ecmwf/anemoi-inference.git@fix/dataloader",
        "git+ssh://git@github.com/ecmwf/anemoi-inference.git",
        "https://example.org/flash_attn-2.7.4.post1+cu12torch2.6-cp312-cp312-linux_x86_64.whl",
        "wheels/model-1.0-py3-none-any.whl",
        "../model-1.0.tar.gz",
        "/data/model.zip",
    ],
)
def test_requirements_are_names_urls_or_archives(text):
    assert forecaster(extra_requirements=[f" {text} "]).extra_requirements == [text]
    assert forecaster(runner="onnx", requirements=[text]).requirements == [text]


@pytest.mark.parametrize(
    "text",
    [
        "", "-e .", "-r other.txt", "--index-url=https://x", "numpy\n-e .", "numpy\x00", "numpy=1", "two words",
        "folder/", "model.whl --no-deps", "-model.whl", "https://x/a.whl --no-deps", "git+https://", "ftp://x/y.whl",
    ],
)  # fmt: skip
def test_other_requirements_are_refused(text, tmp_path):
    (line,) = refused(changed({"runs.0.forecaster.extra_requirements": ["numpy", text]}), tmp_path)
    assert line.startswith("runs[0].forecaster.extra_requirements[1]: ")


def test_a_command_is_the_same_as_text_and_as_a_list():
    words = ["{python}", "-m", "my model", "--hours={start}-{end}", '{"json": 1}', "{output}"]
    text = """{python} -m 'my model' --hours={start}-{end} '{"json": 1}' {output}"""
    assert forecaster(runner="command", command=text).command == words
    assert forecaster(runner="command", command=words).command == words


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("run {outptu} {output}", "unknown placeholder {outptu}, did you mean output?; allowed: {checkpoint}"),
        ("run ${HOME} {output}", "unknown placeholder {HOME}"),
        ("run {init_time:%Y} {output}", "unknown placeholder {init_time:%Y}"),
        ("run {checkpoint}", "does not use {output}"),
        ("run '{output}", "cannot be split into words"),
        ("", "is empty"),
        ([], "is empty"),
        (["", "{output}"], "is empty"),
        (["run", "\0{output}"], "NUL"),
        (5, "got 5; allowed: a list, each item text or text such as"),
    ],
)
def test_other_commands_are_refused(command, text, tmp_path):
    lines = refused(changed({"runs.0.forecaster.runner": "command", "runs.0.forecaster.command": command}), tmp_path)
    assert any(line.startswith(f"runs[0].forecaster.command: {text}") or text in line for line in lines)


def test_the_words_of_a_command_must_be_text(tmp_path):
    command = {"runs.0.forecaster.runner": "command", "runs.0.forecaster.command": ["run", 5, "{output}"]}
    assert refused(changed(command), tmp_path) == ["runs[0].forecaster.command[1]: got 5; allowed: text in quotes"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 5400), ("90", 5400), ("20m", 1200), ("2h", 7200), ("1h30m", 5400), ("1h 30m", 5400), ("1d", 86400),
        ("45s", 45), ("01:30:00", 5400), ("1-00:00:00", 86400), ("2-01:00:30", 176430), ("100:00:00", 360000),
    ],
)  # fmt: skip
def test_runtimes(text, seconds):
    assert parse_runtime(text) == seconds
    assert InferenceResources(runtime=text).runtime == str(text)


@pytest.mark.parametrize(
    "text", ["", "0", "0m", "h", "1.5h", "30m1h", "01:30", "00:99:00", "-5", -5, True, None, "1 hour"]
)
def test_other_runtimes_are_refused(text):
    with pytest.raises(ValueError, match="allowed: a time such as"):
        parse_runtime(text)


def test_gpus_is_another_name_of_gpu():
    assert InferenceResources(gpu=2) == InferenceResources.model_validate({"gpus": 2})


# Canonical values


@pytest.mark.parametrize(
    ("member", "canonical"),
    [("control", "000"), ("000", "000"), (0, "000"), (12, "012"), ("mean", "mean"), ("median", "median")],
)
def test_members(member, canonical):
    assert valid({"runs.1.baseline.member": member}).baselines()[0].member == canonical


def test_products_are_not_asked_for_twice():
    config = valid({"experiment.params": ["T_2M", "PS", "T_2M"], "experiment.scoremaps.init_hours": [0, "00", 12]})
    assert config.experiment.params == ["T_2M", "PS"]
    assert config.experiment.scoremaps.init_hours == ["00", "12"]


def test_spaces_in_scorecard_variables_change_nothing():
    config = valid({"experiment.scorecards.sections.a": CARD | {"variables": ["T_2M: RMSE, R2", "PS"]}})
    assert config.experiment.scorecards.sections["a"].variables == ["T_2M:RMSE,R2", "PS"]


def test_what_is_switched_off_is_not_compared_with_the_runs():
    cards = {"enabled": False, "sections": {"a": CARD | {"baseline": "none such"}}}
    maps = {"enabled": False, "leadtimes": [1000]}
    assert valid({"experiment.scorecards": cards, "experiment.scoremaps": maps})


def test_labels_are_data():
    label = "Stage D – 'N320' {x} $(y) | ü <b>"
    assert valid({"runs.0.forecaster.label": label, "config_label": "Étude 1 (new)"}).runs[0].forecaster.label == label


# The schema and the manual


def schema(*arguments: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "EVALFLOW_VENV": sys.prefix}
    script = [sys.executable, str(PROJECT / "bin" / "schema.py"), *arguments]
    return subprocess.run(script, env=env, capture_output=True, text=True, check=False)


def test_schema_and_manual_are_up_to_date():
    result = schema("--check")
    assert result.returncode == 0, result.stderr


def test_schema_check_names_the_stale_file(tmp_path):
    usage = tmp_path / "usage.md"
    usage.write_text((PROJECT / "docs" / "usage.md").read_text())
    places = ["--output-schema", str(tmp_path / "schema.json"), "--output-docs", str(tmp_path / "config.md")]
    places += ["--usage", str(usage)]
    assert schema(*places).returncode == 0
    assert schema(*places, "--check").returncode == 0
    (tmp_path / "config.md").write_text("old")
    result = schema(*places, "--check")
    assert result.returncode == 1
    assert result.stderr == f"evalflow: {tmp_path / 'config.md'}: not up to date with the models; run bin/schema.py\n"
    assert (tmp_path / "config.md").read_text() == "old"
    usage.write_text(usage.read_text().replace("| `--target", "| `--aim"))
    assert f"{usage}: not up to date" in schema(*places, "--check").stderr
