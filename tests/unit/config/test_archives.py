"""Forecasts made elsewhere, baselines and truth: what a config may say of them, and what it may not."""

from datetime import timedelta

import pytest
from evalflow.config.model import ConfigModel

CLIMATOLOGY = {
    "label": "climatology",
    "builtin": "climatology",
    "reference": {"start": "2010-01-01", "end": "2019-12-31"},
}
STATIONS = {"label": "stations", "root": "/data/obs"}


def test_what_is_left_out_has_a_default(read):
    config = read({})
    forecasts, baseline = config.runs[1].forecasts, config.runs[2].baseline
    assert (forecasts.member, forecasts.units) == ("000", {})
    assert (baseline.member, baseline.units, baseline.pattern, baseline.builtin) == ("000", {}, None, None)
    (truth,) = config.truths()
    assert (truth.pattern, truth.command, truth.stations, truth.columns, truth.units) == (None, None, None, {}, {})
    assert config.lapse_rate_correction == "auto"
    assert config.grids == []


@pytest.mark.parametrize("key", ["runs.1.forecasts.pattern", "runs.1.forecasts.member"])
def test_forecasts_may_be_one_store(key, read):
    assert read({"runs.1.forecasts": {"label": "AI", "root": "/data/ai.zarr", "steps": "0/24/6"}})
    assert read({key: "%Y%m%d%H.nc" if key.endswith("pattern") else "mean"})


def test_no_model_need_run(read):
    """An experiment of archives alone: nothing is built."""
    config = read({"runs": [{"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6"}}]})
    assert [kind for kind, _ in config.participants()] == ["baseline"]


@pytest.mark.parametrize("builtin", ["persistence", "persistence_24h"])
def test_a_baseline_may_be_built_in(builtin, read):
    config = read({"runs.2.baseline": {"label": "as it was", "builtin": builtin}, "runs.1.forecasts.steps": "0/30/5"})
    (entry,) = config.baselines()
    assert (entry.root, entry.steps) == (None, None)
    hours = [0, 5, 6, 10, 12, 15, 18, 20, 24, 25, 30]
    assert config.lead_times(entry) == [timedelta(hours=hour) for hour in hours], "those of all others"
    config = read({"runs.2.baseline": {"label": "as it was", "builtin": builtin, "steps": "0/12/12"}})
    assert config.lead_times(config.baselines()[0]) == [timedelta(0), timedelta(hours=12)]


def test_a_climatology_has_a_period(read):
    (entry,) = read({"runs.2.baseline": CLIMATOLOGY}).baselines()
    assert (entry.reference.start, entry.reference.end) == ("2010-01-01T00:00", "2019-12-31T23:59")
    assert entry.reference.window == 15


def test_a_period_may_touch_the_dates_but_not_hold_them(read, refusals):
    def place(start, end):
        return {"runs.2.baseline": {**CLIMATOLOGY, "reference": {"start": start, "end": end}}}

    # Verified are 2024-01-01T00:00 to 2024-01-02T00:00: one init time, 24 h.
    assert read(place("2020-01-01", "2023-12-31"))
    assert read(place("2024-01-02T00:01", "2024-03-01"))
    for start, end in (
        ("2020-01-01", "2024-01-01T00:00"),
        ("2024-01-02T00:00", "2024-03-01"),
        ("2000-01-01", "2030-01-01"),
    ):
        assert refusals(place(start, end)) == [
            "runs[2].baseline.reference: holds times that are verified, of the forecast of 2024-01-01T00:00 say; allowed: "
            "a period without them"
        ]


def test_a_truth_may_be_a_list(read):
    one = {"label": "analyses", "root": "/archive/analyses.zarr"}
    assert read({"truth": [one]}) == read({"truth": one}), "a list of one is that one"
    config = read({"truth": [one, STATIONS]})
    assert [truth.label for truth in config.truths()] == ["analyses", "stations"]
    assert read({"truth": None}).truths() == []


def test_stations_in_the_words_of_a_site(read):
    told = {
        **STATIONS,
        "pattern": "%Y%m.parquet",
        "stations": "/data/stations.csv",
        "columns": {"TT": "T_2M", "PE6": "TOT_PREC6"},
        "units": {"PE6": "mm", "TT": "degC", "PMSL": "hPa"},
    }
    (truth,) = read({"truth": told}).truths()
    assert truth.columns == told["columns"] and truth.units == told["units"]


def test_a_truth_may_be_printed_by_a_command(read):
    words = ["bin/my_obs.py", "--from", "{start}", "--to", "{end}"]
    (truth,) = read({"truth": {"label": "stations", "command": words}}).truths()
    assert truth.command == words
    assert read({"truth": {"label": "stations", "command": " ".join(words)}}).truths() == [truth]


def test_it_is_valid_and_the_same_again(read):
    changes = {
        "truth": [{"label": "a", "root": "/a"}, {"label": "b", "command": "obs {start}"}],
        "runs.2.baseline": CLIMATOLOGY,
        "grids": [{"points": 5, "file": "a.grib"}, {"uuid": "0B4A1F6C-52d3-4e77-9a18-c3f0d2e85b61", "file": "b.nc"}],
    }
    config = read(changes)
    assert ConfigModel.model_validate(config.model_dump()) == config
    assert ConfigModel.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("value", ["auto", True, False])
def test_the_lapse_rate_is_corrected_where_it_can_be_always_or_never(value, read):
    assert read({"lapse_rate_correction": value}).lapse_rate_correction == value


REFUSALS = [
    # forecasts and baselines
    ({"runs.1.forecasts.pattern": "a.grib"}, "runs[1].forecasts.pattern", '"a.grib" is the same for different init times'),
    ({"runs.2.baseline.pattern": "../%Y%m%d%H"}, "runs[2].baseline.pattern", "leaves root; allowed: a path below it"),
    ({"runs.2.baseline.pattern": "%Y%m%d/x"}, "runs[2].baseline.pattern", "allowed: year to hour, such as %Y%m%d%H"),
    ({"runs.1.forecasts.member": "best"}, "runs[1].forecasts.member", 'got "best"; allowed: control, mean, median'),
    ({"runs.1.forecasts.units": {"TOT_PRECS": "mm"}}, "runs[1].forecasts.units.TOT_PRECS", "did you mean TOT_PREC?"),
    (
        {"runs.1.forecasts.units": {"T_2M": "mm"}},
        "runs[1].forecasts.units.T_2M",
        'got "mm" for T_2M; allowed: K, kelvin',
    ),
    ({"runs.1.forecasts.units": {"T_2M": 5}}, "runs[1].forecasts.units.T_2M", "got 5; allowed: text in quotes"),
    ({"runs.2.baseline.units": {"tp": "K"}}, "runs[2].baseline.units.tp", 'got "K" for TOT_PREC; allowed: kg m-2, mm'),
    ({"runs.2.baseline.root": ...}, "runs[2].baseline.root", "missing; allowed: the folder of the data; or builtin"),
    ({"runs.2.baseline.steps": ...}, "runs[2].baseline.steps", "missing; allowed: text such as 0/120/6"),
    # built in
    ({"runs.2.baseline.builtin": "persistance"}, "runs[2].baseline.builtin", "did you mean persistence?; allowed: one of"),
    ({"runs.2.baseline.builtin": "persistence"}, "runs[2].baseline.root", "has no meaning with builtin persistence"),
    (
        {"runs.2.baseline": {"label": "p", "builtin": "persistence", "member": "mean"}},
        "runs[2].baseline.member",
        "has no meaning with builtin persistence; allowed: without it",
    ),
    (
        {"runs.2.baseline": {"label": "p", "builtin": "persistence", "pattern": "%Y%m%d%H", "units": {"T_2M": "K"}}},
        "runs[2].baseline.pattern",
        "has no meaning with builtin",
    ),
    (
        {"runs.2.baseline": {"label": "p", "builtin": "persistence", "units": {"T_2M": "degC"}}},
        "runs[2].baseline.units",
        "has no meaning with builtin persistence; allowed: without it",
    ),
    (
        {"runs.2.baseline": {"label": "p", "builtin": "persistence", "reference": CLIMATOLOGY["reference"]}},
        "runs[2].baseline.reference",
        "has no meaning with builtin persistence",
    ),
    ({"runs.2.baseline.reference": CLIMATOLOGY["reference"]}, "runs[2].baseline.reference", "has no meaning with root"),
    (
        {"runs.2.baseline": {"label": "c", "builtin": "climatology"}},
        "runs[2].baseline.reference",
        "missing: builtin is climatology; allowed: a mapping with the keys start, end, window",
    ),
    (
        {"runs.2.baseline": {**CLIMATOLOGY, "reference": {"start": "2020-01-01", "end": "2019-01-01"}}},
        "runs[2].baseline.reference.end",
        "is not after the start 2020-01-01T00:00",
    ),
    (
        {"runs.2.baseline": {**CLIMATOLOGY, "reference": {**CLIMATOLOGY["reference"], "window": 200}}},
        "runs[2].baseline.reference.window",
        "got 200; allowed: a whole number >= 1 and <= 182",
    ),
    (
        {"runs.2.baseline": {"label": "p", "builtin": "persistence"}, "truth": None},
        "runs[2].baseline.builtin",
        "persistence is made of the truth, and there is none",
    ),
    (
        {"runs": [{"baseline": {"label": "p", "builtin": "persistence"}}]},
        "runs[0].baseline.steps",
        "missing: nothing else in runs has lead times",
    ),
    # truth
    ({"truth": []}, "truth", "is an empty list; allowed: at least one truth"),
    ({"truth": [STATIONS, STATIONS]}, "truth[1].label", 'another truth is labelled "stations"'),
    ({"truth": [STATIONS, {"label": "b"}]}, "truth[1].root", "missing; allowed: a store, folder, file or request"),
    ({"truth": [{**STATIONS, "rot": "x"}]}, "truth[0].rot", "did you mean root?"),
    ({"truth": {"label": "a", "command": "obs"} | STATIONS}, "truth.command", "stands beside root; allowed: command alone"),
    ({"truth": {"label": "a", "command": "obs", "pattern": "%Y"}}, "truth.command", "stands beside pattern"),
    ({"truth": {"label": "a", "command": "obs {from}"}}, "truth.command", "unknown placeholder {from}; allowed: {start}, {end}"),
    ({"truth": {"label": "a", "command": []}}, "truth.command", "is empty; allowed: a program and its arguments"),
    ({"truth": {**STATIONS, "pattern": "/x"}}, "truth.pattern", '"/x" leaves root'),
    ({"truth": {**STATIONS, "columns": {"TT": "T2M_"}}}, "truth.columns.TT", "no param T2M_, did you mean T_2M?"),
    ({"truth": {**STATIONS, "units": {"TT": "degC"}}}, "truth.units.TT", "no param TT"),
    (
        {"truth": {**STATIONS, "columns": {"TT": "T_2M"}, "units": {"TT": "hPa"}}},
        "truth.units.TT",
        'got "hPa" for T_2M; allowed: K',
    ),
    ({"lapse_rate_correction": "Auto"}, "lapse_rate_correction", 'got "Auto"; allowed: auto or true or false'),
    ({"lapse_rate_correction": None}, "lapse_rate_correction", "is empty; allowed: auto or true or false"),
    # grids
    ({"grids": {}}, "grids", "got an empty mapping; allowed: a list"),
    ({"grids": [{"file": "a"}]}, "grids[0]", "holds neither points nor uuid; allowed: one of them, and file"),
    ({"grids": [{"file": "a", "points": 1, "uuid": 32 * "a"}]}, "grids[0]", "holds points and uuid"),
    ({"grids": [{"points": 1}]}, "grids[0].file", "missing; allowed: text"),
    ({"grids": [{"file": "a", "uuid": "17643da2"}]}, "grids[0].uuid", "allowed: a UUID of 32 hexadecimal digits"),
    ({"grids": 2 * [{"file": "a", "points": 7}]}, "grids[1]", "another grid has 7; allowed: each once"),
    (
        {"grids": [{"file": "a", "uuid": 32 * "a"}, {"file": "b", "uuid": 32 * "A"}]},
        "grids[1]",
        "another grid has",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "key", "text"), REFUSALS, ids=[f"{key}-{index}" for index, (_, key, _) in enumerate(REFUSALS)]
)
def test_refusals_name_the_key_and_what_is_allowed(changes, key, text, refusals):
    lines = refusals(changes)
    assert any(line.startswith(f"{key}: ") and text in line for line in lines), lines
