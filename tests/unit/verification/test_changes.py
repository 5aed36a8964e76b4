"""What is computed after a change: the table of the design, row by row, and what the scores are then."""

import json
import os
import shutil

import numpy as np
import pytest
from evalflow.scores.stored import read_sums
from support.grib_files import LATITUDES
from support.verified import H, Trial, World, make_world, some_fields, source, write_analyses, write_forecast

WEST = {"name": "west", "box": [-2.5, -0.5, 49.5, 52.5]}
SOUTH = {"name": "south", "box": [-2.5, 1.5, 49.5, 51.5]}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> World:
    """Two params of a model and persistence after a first run, with a threshold and a region. Do not change it."""
    world = make_world(tmp_path_factory.mktemp("made"), ["T_2M", "PMSL"])
    data = world.trial.data
    data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    data["thresholds"] = {"T_2M": ["> 280"]}
    data["regions"] = [WEST]
    data["references"] = ["baseline-persistence"]
    data["comparing"] |= {"scales": [400.0], "max_distance": 50.0}
    done = world.trial.run()
    assert sum(done.computed.values()) == 2 * 2 * 6
    return world


@pytest.fixture
def again(made, tmp_path) -> World:
    """A copy, store included; the archives are those of the first one."""
    shutil.copytree(made.trial.root / "data", tmp_path / "data")
    shutil.copytree(made.trial.root / "results", tmp_path / "results")
    text = json.dumps(made.trial.data)
    data = json.loads(text) | {"store": str(tmp_path / "data"), "results": str(tmp_path / "results")}
    world = World(Trial(tmp_path), made.times, made.analyses, made.inits, made.leads, made.forecasts)
    world.trial.data = data
    return world


def scratch(world: World):
    """Return the tables of the same data from a store of its own: what is stored never changes a number."""
    data = world.trial.data | {"store": str(world.trial.root / "fresh"), "results": str(world.trial.root / "other")}
    trial = Trial(world.trial.root)
    trial.data = data
    return trial.run()


def check(world: World, count: int, **computed: int):
    """Run again, and check how many statistics are computed and that the tables are those of a store of their own."""
    done = world.trial.run()
    assert sum(done.computed.values()) == count, done.computed
    for name, number in computed.items():
        assert sum(n for (_, param), n in done.computed.items() if param == name) == number
    fresh = scratch(world)
    for rows in ("scores", "differences"):
        some, other = (getattr(one, rows)(**EVERYTHING) for one in (done, fresh))
        assert len(some) == len(other) > 0
        for one, two in zip(some, other, strict=True):
            for key, value in one.items():
                assert value == (pytest.approx(two[key], rel=1e-7, abs=1e-8) if isinstance(value, float) else two[key])
    return done


EVERYTHING = dict.fromkeys(("region", "season", "init_hour", "valid_hour", "case", "scale", "threshold"), ...)


def test_nothing(again):
    done = check(again, 0)
    assert done.packs == [] and not done.aggregated.computed


def test_labels_order_and_significance(again):
    data = again.trial.data
    data["sources"] = [source | {"label": f"new {source['label']}"} for source in reversed(data["sources"])]
    data["truths"][0]["label"] = "another name"
    data["significance"]["level"] = 0.1
    data["regions"] = [WEST | {"name": "renamed"}]
    data["params"] = ["PMSL", "T_2M"]
    done = check(again, 0)
    assert done.aggregated.computed and done.packs == []
    assert {row["region"] for row in done.scores(**EVERYTHING)} == {"all", "renamed"}
    assert {row["label"] for row in done.scores(**EVERYTHING)} == {"new model", "new persistence"}


def test_one_more_init_time(again, made):
    init = made.inits[-1] + 12 * H
    values = {param: some_fields(param, 5, 3) for param in ("T_2M", "PMSL")}
    folder = again.trial.root / "model"
    shutil.copytree(made.trial.root / "model", folder, copy_function=shutil.copy2)
    write_forecast(folder, init, made.leads, values)
    again.trial.data["sources"][0]["root"] = str(folder)
    again.trial.data["init_times"].append(f"{init:%Y%m%d%H%M}")
    check(again, 2 * 2)


def test_an_init_time_less(again):
    del again.trial.data["init_times"][2]
    check(again, 0)


def test_one_more_source_inside_the_domain(again, made):
    folder = again.trial.root / "other"
    for init, time in enumerate(made.inits):
        values = {param: some_fields(param, 5, init) for param in ("T_2M", "PMSL")}
        write_forecast(folder, time, made.leads, values)
    again.trial.data["sources"].append(source("other", made.leads, folder))
    done = check(again, 2 * 6)
    assert {label for label, _ in done.computed} == {"other"}


def test_one_that_covers_less(again, made):
    """All is computed again over the smaller domain; a domain that is named keeps what there is."""
    folder = again.trial.root / "small"
    half = {"Nj": 2, "latitudeOfLastGridPointInDegrees": 51, "numberOfDataPoints": 8}
    for time in made.inits:
        values = {param: some_fields(param, 5, points=8) for param in ("T_2M", "PMSL")}
        write_forecast(folder, time, made.leads, values, **half)
    again.trial.data["sources"].append(source("small", made.leads, folder))
    done = check(again, 3 * 2 * 6)
    assert done.found[0].points == 8 and "small" in done.found[0].table[-1] and "4" in done.found[0].table[-1]
    again.trial.data["comparing"]["domain"] = "truth"
    done = check(again, 0)
    assert any(note.startswith("small covers 8 of the 12 points") for note in done.found[0].notes)
    assert {row["label"] for row in done.scores(**EVERYTHING)} == {"model", "persistence"}


def test_a_source_less(again):
    again.trial.data["sources"].pop()
    again.trial.data["references"] = ["baseline-model"]
    done = again.trial.run()
    assert not done.computed and {row["label"] for row in done.scores(**EVERYTHING)} == {"model"}


def test_a_param_more_and_less(again, made):
    again.trial.data["params"] = ["T_2M"]
    again.trial.data["results"] = str(again.trial.root / "results-1")
    check(again, 0)
    again.trial.data["store"] = str(again.trial.root / "data-1")
    again.trial.run()
    again.trial.data["params"] = ["T_2M", "PMSL"]
    check(again, 12, PMSL=12)


def test_a_threshold_more_and_less(again):
    again.trial.data["thresholds"] = {"T_2M": ["> 280", "<= 275"]}
    check(again, 12, T_2M=12)
    check(again, 0)
    again.trial.data["thresholds"] = {"T_2M": ["<= 275"]}
    check(again, 0)
    again.trial.data["thresholds"] = {"T_2M": ["< 275", ">= 280"]}
    check(again, 0)


def test_a_region_more_changed_and_less(again):
    again.trial.data["regions"] = [WEST, SOUTH]
    check(again, 24)
    again.trial.data["regions"] = [SOUTH]
    check(again, 0)
    again.trial.data["regions"] = []
    check(again, 0)
    again.trial.data["regions"] = [WEST | {"box": [-2.5, 0.5, 49.5, 52.5]}]
    check(again, 24)


def test_a_scale_more_and_less(again):
    again.trial.data["comparing"]["scales"] = []
    check(again, 0)
    again.trial.data["comparing"]["scales"] = [400.0, 500.0]
    check(again, 24)


def test_another_domain_and_back(again):
    again.trial.data["comparing"]["domain"] = {"name": "box", "box": [-1.5, 1.5, 49.5, 52.5]}
    done = check(again, 24)
    assert done.found[0].points == 9
    again.trial.data["comparing"]["domain"] = "common"
    check(again, 0)


def test_lead_times_of_a_built_in_source(again, made):
    """It has those of all others: one that reaches further adds its own, and nothing else is computed again."""
    again.trial.data["sources"][1]["lead_times"].append(30.0)
    done = again.trial.run()
    assert done.computed == {("persistence", "T_2M"): 6, ("persistence", "PMSL"): 6}
    files = again.trial.root.glob("data/verification/*/baseline-persistence/*.nc")
    added = read_sums(max(files, key=lambda file: file.stat().st_mtime_ns))
    assert {param.lead_times for param in added.params.values()} == {(30 * H,)}
    check(again, 0)
    del again.trial.data["sources"][1]["lead_times"][:2]
    check(again, 0)


def test_one_forecast_that_is_replaced(again, made):
    folder = again.trial.root / "model"
    shutil.copytree(made.trial.root / "model", folder, copy_function=shutil.copy2)
    again.trial.data["sources"][0]["root"] = str(folder)
    values = {param: some_fields(param, 5, 7) for param in ("T_2M", "PMSL")}
    write_forecast(folder, made.inits[1], made.leads, values)
    done = check(again, 2)
    assert {label for label, _ in done.computed} == {"model"}


def test_one_analysis_that_is_replaced(tmp_path):
    """Of an archive with a file for each time, what its valid time touches is computed again."""
    world = make_world(tmp_path)
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    folder = world.trial.root / "archive"
    for place, time in enumerate(world.times):
        from_one = {param: values[[place]] for param, values in world.analyses.items()}
        write_analysis(folder, time, from_one)
    world.trial.data["truths"][0] |= {"root": str(folder), "pattern": "%Y%m%d%H.grib"}
    world.trial.run()
    time = world.inits[2] + 6 * H
    write_analysis(folder, time, {"T_2M": some_fields("T_2M", 1, 99)})
    done = world.trial.run()
    # Valid times of init times 0, 1 and 2 (18, 6 and … h); it is the start of none.
    touched = [init for init in world.inits if time - init in [lead * H for lead in world.leads]]
    assert done.computed == {("model", "T_2M"): len(touched), ("persistence", "T_2M"): len(touched)}
    errors = [
        world.forecasts["T_2M"][init, world.leads.index(6)].astype(float) - world.truth("T_2M", init, 6)
        for init in range(6)
    ]
    errors[2] = world.forecasts["T_2M"][2, 1].astype(float) - some_fields("T_2M", 1, 99)[0]
    weights = np.cos(np.radians(LATITUDES))
    wanted = np.sqrt(np.mean([np.average(one**2, weights=weights) for one in errors]))
    assert done.score("RMSE", "model", 6) == pytest.approx(wanted, rel=1e-6)


def write_analysis(folder, time, fields) -> None:
    write_analyses(folder / f"{time:%Y%m%d%H}.grib", [time], fields)


def test_an_analysis_that_is_touched_counts_as_replaced(again, made):
    path = again.trial.root / "analyses.grib"
    shutil.copy2(made.trial.root / "analyses.grib", path)
    again.trial.data["truths"][0]["root"] = str(path)
    check(again, 0)
    os.utime(path)
    check(again, 24)


def test_a_seal_is_what_a_forecast_of_a_run_is_known_by(again, made):
    """Of a run, the files may be moved and touched."""
    run = again.trial.root / "run"
    for init in made.inits:
        write_run_forecast(run, f"{init:%Y%m%d%H%M}", made.trial.root / "model" / f"{init:%Y%m%d%H}.grib")
    again.trial.data["sources"][0] |= {"kind": "run", "root": str(run), "pattern": None, "source_id": "env/run"}
    again.trial.data["references"] = ["baseline-persistence"]
    assert again.trial.run().computed == {("model", "T_2M"): 6, ("model", "PMSL"): 6}
    for path in run.rglob("*.grib"):
        os.utime(path)
    assert not again.trial.run().computed
    seal = run / "202401110000" / "forecast.json"
    seal.write_text(seal.read_text().replace('"made"', '"other"'))
    assert again.trial.run().computed == {("model", "T_2M"): 1, ("model", "PMSL"): 1}
    seal.unlink()
    done = again.trial.run()
    found = {row["label"]: row["n_inits"] for row in done.scores(metric="RMSE", param="T_2M", lead_time=6)}
    assert done.packs == [] and found == {"model": 5, "persistence": 6}


def write_run_forecast(run, init_time: str, grib) -> None:
    folder = run / init_time
    folder.mkdir(parents=True)
    shutil.copy(grib, folder / "fields.grib")
    proof = {"sha256": "0" * 64, "files": {"fields.grib": {"sha256": "made"}}}
    (folder / "forecast.json").write_text(json.dumps(proof))
