"""Ids of sources, comparisons and experiments: what of the keys that say how to compare changes them, and what must not."""

import itertools
from dataclasses import replace

import pytest
from evalflow.config.model import ConfigModel
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.identity import (
    COMPARING,
    SAMPLE,
    Comparison,
    baseline_identity,
    comparison_identity,
    comparison_parts,
    forecasts_identity,
    master_hash,
    verif_id,
    verification_identity,
)
from evalflow.lookup import Lookup
from evalflow.runs import collect_all_runs, register_run
from evalflow.sources import collect_sources
from support.changes import with_changes

BASE = {
    "description": "Archives",
    "dates": ["2024-01-01T00:00"],
    "runs": [
        {"forecasts": {"label": "AI", "root": "/data/ai", "pattern": "%Y%m%d%H/*.grib", "steps": "0/24/6"}},
        {"baseline": {"label": "EPS", "root": "/archive/EPS", "steps": "0/24/6"}},
        {"baseline": {"label": "yesterday", "builtin": "persistence_24h"}},
    ],
    "truth": {"label": "analyses", "root": "/archive/analyses.zarr"},
}
AREA = [5, 16, 43.5, 48.5]
REGIONS = {
    "regions": ["jura", {"name": "alps", "box": AREA}, {"name": "mine", "file": "/r/mine.geojson"}],
    "root": "/r",
}
CARDS = {"sections": {"a": {"baseline": "AI", "lead_times": "0/24/6", "stratification": "season", "variables": []}}}


def changed(changes: dict) -> dict:
    return with_changes(BASE, changes)


def read(changes: dict) -> ConfigModel:
    return ConfigModel.model_validate(changed(changes))


@pytest.fixture
def lookup(tmp_path) -> Lookup:
    return Lookup(tmp_path, tmp_path)


@pytest.fixture
def experiment_id(lookup):
    """Return a function that returns the hash part of the experiment_id of a changed config."""
    return lambda changes: master_hash(read(changes), {}, lookup)


# --- the experiment: what changes a number ------------------------------------------------------------------------

CHANGES = {
    "domain": ({"experiment.domain": "truth"}, True),
    "domain, a box": ({"experiment.domain": {"box": AREA}}, True),
    "domain, the default": ({"experiment.domain": "common"}, False),
    "verification_grid": ({"experiment.verification_grid": {"regular": 1.5}}, True),
    "verification_grid, the default": ({"experiment.verification_grid": "truth"}, False),
    "mapping": ({"experiment.mapping": "bilinear"}, True),
    "max_distance": ({"experiment.max_distance": 10}, True),
    "max_distance, none": ({"experiment.max_distance": "none"}, True),
    "max_distance, the default": ({"experiment.max_distance": "auto"}, False),
    "weights": ({"experiment.weights": "none"}, True),
    "common_sample": ({"experiment.common_sample": "strict"}, True),
    "min_coverage": ({"experiment.min_coverage": 0.5}, True),
    "min_coverage, the default": ({"experiment.min_coverage": 0.9}, False),
    "regions": ({"experiment.stratification": REGIONS}, True),
    "thresholds": ({"experiment.thresholds": {"T_2M": {"lt": [273.15]}}}, True),
    "unit of forecasts": ({"runs.0.forecasts.units": {"TOT_PREC": "mm"}}, True),
    "unit of a baseline": ({"runs.1.baseline.units": {"TOT_PREC": "mm"}}, True),
    "unit of the truth": ({"truth.units": {"TOT_PREC": "mm"}}, True),
    "no units": ({"runs.0.forecasts.units": {}, "runs.1.baseline.units": {}, "truth.units": {}}, False),
    "columns of the truth": ({"truth.columns": {"TT": "T_2M"}}, True),
    "pattern of the truth": ({"truth.pattern": "%Y.zarr"}, True),
    "stations of the truth": ({"truth.stations": "/data/stations.csv"}, True),
    "label of the truth": ({"truth.label": "another"}, False),
    "a list of one truth": ({"truth": [BASE["truth"]]}, False),
    "another truth besides": ({"truth": [BASE["truth"], {"label": "stations", "root": "/data/obs"}]}, True),
    "member of forecasts": ({"runs.0.forecasts.member": "mean"}, True),
    "member of forecasts, the default": ({"runs.0.forecasts.member": "control"}, False),
    "pattern of a baseline": ({"runs.1.baseline.pattern": "%Y%m%d%H/*"}, True),
    "another built-in baseline": ({"runs.2.baseline.builtin": "persistence"}, True),
    "steps of a built-in baseline": ({"runs.2.baseline.steps": "0/12/6"}, True),
    "lapse_rate_correction: false": ({"lapse_rate_correction": False}, True),
    "lapse_rate_correction: true": ({"lapse_rate_correction": True}, False),
    "lapse_rate_correction: auto": ({"lapse_rate_correction": "auto"}, False),
    "references": ({"experiment.references": ["AI"]}, False),
    "significance": ({"experiment.significance": {"level": 0.01}}, False),
    "scales": ({"experiment.scales": [100]}, False),
    "cases": ({"experiment.cases": [{"name": "a", "start": "2024-01-01", "end": "2024-01-02"}]}, False),
    "dashboard": ({"experiment.dashboard.stratification": ["season", "valid_hour"]}, False),
    "plots": ({"experiment.plots": {"formats": ["svg"]}}, False),
    "license of the truth": ({"truth.license": "CC BY 4.0"}, False),
    "scorecards": ({"experiment.scorecards": CARDS}, False),
    "score maps": ({"experiment.scoremaps": {"enabled": True}}, False),
    "showcase": ({"showcase": {"dates": ["2024-01-01"], "animations": {"wind": "barbs"}}}, False),
    "no grids": ({"grids": []}, False),
}


@pytest.mark.parametrize(("changes", "differs"), CHANGES.values(), ids=CHANGES)
def test_an_experiment_is_what_changes_a_number(changes, differs, experiment_id):
    assert (experiment_id(changes) != experiment_id({})) == differs


def test_all_that_changes_a_number_differs(experiment_id):
    names = [experiment_id(changes) for changes, differs in CHANGES.values() if differs]
    assert len(set(names)) == len(names)


ORDERS = {
    "regions": ("experiment.stratification.regions", REGIONS["regions"]),
    "params": ("experiment.params", ["T_2M", "PS", "TD_2M"]),
    "truths": (
        "truth",
        [BASE["truth"], {"label": "b", "root": "/b", "pattern": "%Y"}, {"label": "c", "command": "obs"}],
    ),
    "runs": ("runs", BASE["runs"]),
}


@pytest.mark.parametrize(("place", "values"), ORDERS.values(), ids=ORDERS)
def test_the_order_of_lists_changes_nothing(place, values, experiment_id):
    roots = {"experiment.stratification.root": "/r"}
    assert len({experiment_id({**roots, place: list(order)}) for order in itertools.permutations(values)}) == 1


def test_the_edges_of_a_box_are_no_set(experiment_id):
    """Lists whose order does not count are sorted: of a box, it does."""
    regions = [{"name": "a", "box": box} for box in ([5, 16, 43, 48], [5, 48, 16, 43])]
    one, other = (experiment_id({"experiment.stratification.regions": [region]}) for region in regions)
    assert one != other


def test_spellings_of_one_area_are_one(experiment_id):
    boxes = ([170, -170, -30, 0], [170.0, 190, -30, 0])
    assert len({experiment_id({"experiment.domain": {"box": box}}) for box in boxes}) == 1


def test_a_region_whose_name_holds_a_key_is_a_name(experiment_id):
    assert experiment_id({"experiment.stratification": {"regions": ["profile", "box"], "root": "/r"}})


def test_coordinates_in_other_files_are_their_content(lookup, tmp_path, experiment_id):
    for name, content in {"one.grib": "GRIB", "same.grib": "GRIB", "other.grib": "other"}.items():
        (tmp_path / name).write_text(content)

    def with_grids(*grids):
        return experiment_id({"grids": list(grids)})

    one = with_grids({"points": 5, "file": "one.grib"})
    assert one != experiment_id({})
    assert one == with_grids({"points": 5, "file": "same.grib"})
    assert one != with_grids({"points": 5, "file": "other.grib"})
    assert one != with_grids({"points": 6, "file": "one.grib"})
    two = [{"points": 5, "file": "one.grib"}, {"uuid": 32 * "a", "file": "other.grib"}]
    assert with_grids(*two) == with_grids(*reversed(two))
    with pytest.raises(UserError, match=r"^grids\[1\].file: no such file: none.grib"):
        with_grids(two[0], {"points": 7, "file": "none.grib"})


def test_each_key_of_the_experiment_counts_or_is_known_not_to():
    """A key that is added without a thought shows here."""
    fields = set(type(read({}).experiment).model_fields)
    of_products = {"references", "significance", "scales", "cases", "dashboard", "plots", "scorecards", "scoremaps"}
    assert fields == {"params", "thresholds", "stratification", *COMPARING, *SAMPLE} | of_products


# --- sources ------------------------------------------------------------------------------------------------------


def test_ids_of_archives_stay_what_they_are_from_release_to_release(lookup):
    """Whoever changes these ids on purpose: all their statistics are computed again."""
    config = read({})
    assert forecasts_identity(config.runs[0].forecasts, lookup) == {
        "root": "/data/ai",
        "pattern": "%Y%m%d%H/*.grib",
        "steps": [0, 24, 6],
    }
    assert baseline_identity(config.runs[1].baseline, lookup) == {
        "root": "/archive/EPS",
        "steps": [0, 24, 6],
        "member": "000",
    }
    assert list(collect_sources(config, {}, lookup)) == ["forecasts-76e765eb", "baseline-84a0846a", "baseline-0debfaf7"]


SOURCE_CHANGES = {
    # place below `runs`, value, and which of the three sources are others then
    "label of forecasts": ("0.forecasts.label", "another", set()),
    "pattern": ("0.forecasts.pattern", "%Y/%m/%d/%H/*.grib", {0}),
    "member of forecasts": ("0.forecasts.member", "mean", {0}),
    "units of forecasts": ("0.forecasts.units", {"T_2M": "degC"}, {0}),
    "steps of forecasts": ("0.forecasts.steps", "0/12/6", {0}),
    "half hours": ("0.forecasts.steps", "0/24/0.5", {0}),
    "pattern of a baseline": ("1.baseline.pattern", "%Y%m%d%H/*", {1}),
    "units of a baseline": ("1.baseline.units", {"T_2M": "degC"}, {1}),
    "another built-in one": ("2.baseline.builtin", "persistence", {2}),
    "steps of a built-in one": ("2.baseline.steps", "0/24/6", {2}),
    "label of a built-in one": ("2.baseline.label", "another", set()),
}


@pytest.mark.parametrize(("place", "value", "others"), SOURCE_CHANGES.values(), ids=SOURCE_CHANGES)
def test_a_source_is_what_is_read_of_it(place, value, others, lookup):
    before = list(collect_sources(read({}), {}, lookup))
    after = list(collect_sources(read({f"runs.{place}": value}), {}, lookup))
    assert {index for index in range(3) if before[index] != after[index]} == others


def test_half_hours_are_numbers_of_hours(lookup):
    def steps(text):
        return forecasts_identity(read({"runs.0.forecasts.steps": text}).runs[0].forecasts, lookup)["steps"]

    assert steps("0/6/0.5") == steps("0/6/30m") == [0, 6, 0.5]
    assert repr(steps("0/6.0/60m")) == "[0, 6, 1]"


def test_a_built_in_baseline_keeps_its_id_while_others_come_and_go(lookup):
    longer = {"forecasts": {"label": "longer", "root": "/data/longer", "steps": "0/240/6"}}
    one = collect_sources(read({}), {}, lookup)
    other = collect_sources(read({"runs": [*BASE["runs"], longer]}), {}, lookup)
    assert list(one) == list(other)[:3]


def test_climatologies_are_told_apart_by_their_period(lookup):
    def climatology(**reference):
        config = {
            "label": "c",
            "builtin": "climatology",
            "reference": {"start": "2000-01-01", "end": "2009-12-31", **reference},
        }
        return next(iter(collect_sources(read({"runs.0": {"baseline": config}}), {}, lookup)))

    one = climatology()
    assert one == climatology(window=15) == climatology(end="2009-12-31T23:59")
    assert len({one, climatology(window=10), climatology(start="2001-01-01"), climatology(end="2009-12-31T00:00")}) == 4


def test_a_source_that_is_named_twice_is_one(lookup):
    again = {"baseline": {**BASE["runs"][1]["baseline"], "label": "EPS again"}}
    sources = collect_sources(read({"runs": [*BASE["runs"], again]}), {}, lookup)
    assert [(source.label, source.kind, source.indexes) for source in sources.values()] == [
        ("AI", "forecasts", (0,)),
        ("EPS", "baseline", (1, 3)),
        ("yesterday", "baseline", (2,)),
    ]
    assert all(source.source_id == source_id for source_id, source in sources.items())


def test_sources_are_in_the_order_of_the_config(experiment):
    """Also where runs need others, that come before them in the plan, or are there twice under two labels."""
    forecaster = experiment.data["runs"][0]["forecaster"]
    downscaler = {**forecaster, "checkpoint": "other.onnx", "label": "fine", "forecaster": forecaster}
    runs = [
        {"temporal_downscaler": downscaler},
        BASE["runs"][1],
        {"forecaster": {**forecaster, "label": "second"}},
        {"forecaster": {**forecaster, "label": None}},
    ]
    config = ConfigModel.model_validate({**experiment.data, "runs": runs})
    lookup = Lookup(experiment.folder, experiment.launch)
    found = collect_all_runs(config, lookup)
    sources = list(collect_sources(config, found, lookup).values())
    assert [(source.label, source.kind, source.indexes) for source in sources] == [
        ("fine", "run", (0,)),
        ("EPS", "baseline", (1,)),
        ("second", "run", (2, 3)),
    ]
    assert {source.source_id for source in sources if source.kind == "run"} == {
        run_id for run_id, run in found.items() if run.candidate
    }
    assert found[sources[2].source_id].keys == (
        "runs[0].temporal_downscaler.forecaster", "runs[2].forecaster", "runs[3].forecaster",
    )  # fmt: skip


# --- comparisons --------------------------------------------------------------------------------------------------

FOUND = Comparison(archive=None, format="zarr", grid=64 * "1", domain=64 * "2")


@pytest.fixture
def compare(lookup):
    """Return a function that returns the verif_id of a changed config and of what was found."""

    def named(changes: dict, found: Comparison = FOUND, truth: int = 0) -> str:
        config = read(changes)
        return verif_id(comparison_identity(comparison_parts(config.truths()[truth], config.experiment, lookup), found))

    return named


COMPARISON_CHANGES = {
    "mapping": ({"experiment.mapping": "bilinear"}, True),
    "max_distance": ({"experiment.max_distance": 10}, True),
    "max_distance, the default": ({"experiment.max_distance": "auto"}, False),
    "weights": ({"experiment.weights": "none"}, True),
    "verification_grid": ({"experiment.verification_grid": {"regular": 1.5}}, True),
    "root of the truth": ({"truth.root": "/archive/other.zarr"}, True),
    "units of the truth": ({"truth.units": {"TOT_PREC": "mm"}}, True),
    "columns of the truth": ({"truth.columns": {"TT": "T_2M"}}, True),
    "pattern of the truth": ({"truth.pattern": "%Y.zarr"}, True),
    "table of stations": ({"truth.stations": "/data/stations.csv"}, False),  # its content is in the digest of the grid
    "label of the truth": ({"truth.label": "another"}, False),
    "another truth besides": ({"truth": [BASE["truth"], {"label": "b", "root": "/b"}]}, False),
    "dates": ({"dates": ["2025-01-01"]}, False),
    "params": ({"experiment.params": ["T_2M"]}, False),
    "thresholds": ({"experiment.thresholds": {"T_2M": {"lt": [273.15]}}}, False),
    "regions": ({"experiment.stratification": REGIONS}, False),
    "lapse rate": ({"lapse_rate_correction": False}, False),
    "name of the domain": ({"experiment.domain": {"box": AREA}}, False),  # its points are in the digest of the domain
    "common_sample": ({"experiment.common_sample": "strict"}, False),
    "min_coverage": ({"experiment.min_coverage": 0.5}, False),
    "scales": ({"experiment.scales": []}, False),
    "references": ({"experiment.references": ["AI"]}, False),
    "another run": ({"runs.0.forecasts.root": "/data/other"}, False),
    "products": ({"experiment.scorecards": CARDS, "experiment.scoremaps": {"enabled": True}}, False),
}


@pytest.mark.parametrize(("changes", "differs"), COMPARISON_CHANGES.values(), ids=COMPARISON_CHANGES)
def test_a_comparison_is_how_something_is_compared(changes, differs, compare):
    assert (compare(changes) != compare({})) == differs


@pytest.mark.parametrize(
    "part", [{"format": "grib"}, {"grid": "3"}, {"domain": "3"}, {"archive": "uuid"}, {"reader": 2}, {"statistics": 2}]
)
def test_a_comparison_is_what_was_found(part, compare):
    assert compare({}, replace(FOUND, **part)) != compare({})


def test_an_archive_with_a_uuid_may_move(compare):
    found = replace(FOUND, archive="3f2a91c0")
    assert compare({}, found) == compare({"truth.root": "/elsewhere/analyses.zarr"}, found)
    assert compare({}, found) != compare({"truth.units": {"TOT_PREC": "mm"}}, found), "but not be read otherwise"


def test_ids_of_comparisons_stay_what_they_are_from_release_to_release(compare, lookup):
    """Whoever changes this id on purpose: everybody's statistics are computed again."""
    config = read({})
    identity = comparison_identity(comparison_parts(config.truths()[0], config.experiment, lookup), FOUND)
    assert identity == {
        "truth": "/archive/analyses.zarr",
        "format": "zarr",
        "grid": 64 * "1",
        "domain": 64 * "2",
    }, "what is the default is not hashed"
    assert compare({}) == f"verif-{digest(identity)[:8]}" == "verif-bad86c65"


def test_files_of_a_command_are_the_same_from_everywhere(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "obs.py").write_text("")
    truth = {"label": "a", "command": ["bin/obs.py", "--from", "{start}", "bin/none.py"]}
    lookup = Lookup(tmp_path, tmp_path)
    there = {**truth, "command": [str(tmp_path / "bin/obs.py"), *truth["command"][1:]]}
    found = [verification_identity(read({"truth": one}), lookup)["truth"] for one in (truth, there)]
    assert found[0] == found[1] == {"command": there["command"]}


def test_a_run_of_half_hours_is_another(experiment):
    lookup = Lookup(experiment.folder, experiment.launch)

    def steps(text):
        config = ConfigModel.model_validate(experiment.changed({"runs.0.forecaster.steps": text}))
        (run,) = register_run("forecaster", config.runs[0].forecaster, lookup, "runs[0].forecaster").values()
        return run.run_identity["steps"], run.run_id

    assert steps("0/24/0.5") == steps("0/24/30m") and steps("0/24/0.5")[0] == [0, 24, 0.5]
    assert repr(steps("0/24/6")[0]) == "[0, 24, 6]"
    assert len({steps(text)[1] for text in ("0/24/0.5", "0/24/1", "0/24/10m")}) == 3
