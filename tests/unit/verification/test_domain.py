"""The domain of a truth: points, regions, params that cannot be had, elevation; what is a problem and what a note."""

import json
import os

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.store.layout import comparison_folder
from evalflow.verification.points import read_target
from support.field_files import write_netcdf
from support.grib_files import LATITUDES, LONGITUDES
from support.verified import H, make_world, some_fields, source, write_forecast


def test_points_weights_and_regions_in_the_store(world):
    world.trial.data["regions"] = [{"name": "west", "box": [-2.5, -0.5, 49.5, 52.5]}]
    found = world.trial.find()
    target = read_target(world.trial.spec.store, found)
    assert np.allclose(target.latitudes, LATITUDES) and np.allclose(target.longitudes, LONGITUDES)
    assert np.allclose(target.weights, np.cos(np.radians(LATITUDES)), rtol=1e-6)
    assert list(found.regions) == ["west"] and target.atoms.points_of("west") == 6
    assert (found.points, found.at_stations, found.elevation) == (12, False, None)
    measured = target.measured([])
    assert measured.size == 12 and len(measured.starts) == 2


def test_a_named_param_that_the_truth_lacks_is_a_problem_and_a_default_one_a_note(world):
    world.trial.data["params"] = ["T_2M", "TD_2M"]
    found = world.trial.find()
    assert found.problems == [] and found.notes == ["TD_2M: truth analyses has no such param; it has T_2M"]
    world.trial.data["named_params"] = ["TD_2M"]
    found = world.trial.find()
    assert found.problems == ["TD_2M: truth analyses has no such param; it has T_2M"] and found.notes == []
    assert found.params == ["T_2M"]


def test_a_param_that_a_source_lacks(tmp_path):
    world = make_world(tmp_path, ["T_2M", "PMSL"])
    del world.forecasts["PMSL"]
    folder = world.write_forecasts("other")
    world.trial.data["sources"].append(source("other", world.leads, folder))
    done = world.trial.run()
    assert "PMSL: other has no such param and is left out of it" in done.aggregated.notes
    assert {row["label"] for row in done.scores(metric="RMSE", param="PMSL")} == {"model"}
    world.trial.data["named_params"] = ["PMSL"]
    assert world.trial.find().problems == [], "another source has it"
    del world.trial.data["sources"][0]
    assert world.trial.find().problems == ["PMSL: other has no such param and is left out of it"]


def test_a_param_that_the_first_forecast_lacks_is_no_param_that_the_source_lacks(tmp_path):
    world = make_world(tmp_path, ["T_2M", "PMSL"])
    only = {"T_2M": world.forecasts["T_2M"][0]}
    write_forecast(world.trial.root / "model", world.inits[0], world.leads, only)
    done = world.trial.run()
    pairs = {row["param"]: row["n_inits"] for row in done.scores(metric="RMSE", lead_time=6)}
    assert pairs == {"T_2M": 6, "PMSL": 5} and not done.reasons
    assert world.trial.run().packs == [], "what it lacks is not looked for again"


def test_a_truth_with_none_of_the_params(world):
    world.trial.data["params"] = ["PMSL"]
    with pytest.raises(UserError, match="truth analyses: has none of the params PMSL; it has T_2M"):
        world.trial.find()


def test_an_archive_without_any_file(world):
    for path in (world.trial.root / "model").glob("*.grib"):
        path.unlink()
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    done = world.trial.run()
    where = world.trial.root / "model"
    assert done.aggregated.problems == [f"model: there is no forecast of any of the 6 init times in {where}"]
    assert {row["label"] for row in done.scores(metric="RMSE")} == {"persistence"}


def test_an_archive_that_is_not_there(world):
    world.trial.data["sources"][0]["root"] = str(world.trial.root / "nowhere")
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    done = world.trial.run()
    assert done.aggregated.problems == [
        f"model: no forecast can be read: {world.trial.root}/nowhere: no such file or folder"
    ]
    assert done.scores(metric="RMSE", label="persistence")


def test_the_first_forecast_is_damaged(world):
    """It is missing values of that init time; the others are verified."""
    (world.trial.root / "model" / f"{world.inits[0]:%Y%m%d%H}.grib").write_bytes(b"GRIB and no more")
    done = world.trial.run()
    assert {row["n_inits"] for row in done.scores(metric="RMSE")} == {5}
    assert [init.failed for init in done.done[0].inits] == [True] + 5 * [False]
    assert len(done.reasons) == 1 and ": is no forecast that can be read" in done.reasons[0]


def test_a_run_without_forecasts_is_a_note(world):
    world.trial.data["sources"].append(source("run", world.leads, kind="run", root=str(world.trial.root / "run")))
    found = world.trial.find()
    assert found.problems == [] and found.notes == ["run: there is no forecast of any of the 6 init times"]
    assert found.points == 12, "it does not count"


def test_sources_of_one_label_are_told_apart(world):
    other = source("model", world.leads, world.trial.root / "model", source_id="baseline-2")
    world.trial.data["sources"].append(other)
    done = world.trial.run()
    assert any(line.startswith("model (baseline-2)") for line in done.found[0].table)
    headline = done.aggregated.headline[0]
    assert set(headline.values) == {"model (baseline-2)", "model (baseline-model)"}


def test_no_domain_in_common(world):
    far = {"longitudeOfFirstGridPointInDegrees": 20, "longitudeOfLastGridPointInDegrees": 23}
    folder = world.trial.root / "far"
    for init in world.inits:
        write_forecast(folder, init, world.leads, {"T_2M": some_fields("T_2M", 5)}, **far)
    world.trial.data["sources"].append(source("far", world.leads, folder))
    with pytest.raises(UserError) as error:
        world.trial.find()
    assert "domain common: none of the truth's 12 points is covered by all sources (far 0, model 12)" in str(
        error.value
    )


def test_regions_that_cannot_be_used_are_problems_and_the_others_stay(world, tmp_path):
    (tmp_path / "empty.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    world.trial.data["regions"] = [
        {"name": "west", "box": [-2.5, -0.5, 49.5, 52.5]},
        {"name": "empty", "file": str(tmp_path / "empty.geojson")},
        {"name": "far", "box": [100, 110, 0, 10]},
    ]
    done = world.trial.run()
    first, second = done.aggregated.problems
    assert first.startswith(f"{tmp_path}/empty.geojson: holds no polygon")
    assert second == "region far (box [100.0, 110.0, 0.0, 10.0]) holds none of the 12 points of the domain"
    assert {row["region"] for row in done.scores(region=...)} == {"all", "west"}


@pytest.mark.parametrize("name", ["target.npz", "atoms-*.npz", "mapping-*.npz", "truth-*.npz"])
def test_a_damaged_file_of_the_domain_is_set_aside_and_made_again(world, name):
    found = world.trial.find()
    (path,) = comparison_folder(world.trial.spec.store, found.verif_id).glob(name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert world.trial.run().scores(metric="RMSE", lead_time=6)
    assert path.stat().st_size == len(whole) and len(list(path.parent.glob(f"{path.name}.bad-*"))) == 1


# --- elevation ------------------------------------------------------------------------------------------------------------

STATIONS = {"lat": [51.05, 50.98, 52.01], "lon": [-1.02, 0.01, 0.99], "elevation": [100.0, 20.0, 300.0]}
MODEL = np.array([250.0, 20.0, 100.0])
"""Elevation of the model at the same places."""


def write_points(path, values, times, elevation, forecast=None) -> None:
    """Write T_2M at three stations as CF NetCDF: values [times, stations], or a forecast's [leads, stations]."""
    time = np.array([(one - times[0]) / H for one in times])
    about = {"units": f"hours since {times[0]}", "standard_name": "time"}
    variables = {
        "station": (("station",), np.array(["a", "b", "c"]), {"cf_role": "timeseries_id"}),
        "lat": (("station",), np.array(STATIONS["lat"]), {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": (("station",), np.array(STATIONS["lon"]), {"units": "degrees_east", "standard_name": "longitude"}),
        "height2": ((), np.array(2.0), {"units": "m", "standard_name": "height"}),
    }
    if elevation is not None:
        about_it = {"units": "m", "standard_name": "surface_altitude"}
        variables["elevation"] = (("station",), np.array(elevation), about_it)
    if forecast is None:
        variables["time"] = (("time",), time, about)
        axis = "time"
    else:
        units = f"hours since {forecast}"
        reference = {"units": units, "standard_name": "forecast_reference_time"}
        variables["forecast_reference_time"] = ((), np.array(0.0), reference)
        variables["step"] = (("step",), time, {"units": "hours", "standard_name": "forecast_period"})
        axis = "step"
    about = {"units": "K", "standard_name": "air_temperature", "coordinates": "lat lon height2"}
    variables["T2m"] = ((axis, "station"), np.asarray(values, np.float32), about)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.unlink(missing_ok=True)  # a reader may have it open
    write_netcdf(path, variables, {"Conventions": "CF-1.8", "featureType": "timeSeries"})


@pytest.fixture
def stations_in_domain(world):
    """Observations at three stations, and forecasts there, at other elevations."""
    truth = some_fields("T_2M", len(world.times), 3, points=3)
    write_points(world.trial.root / "obs.nc", truth, world.times, STATIONS["elevation"])
    world.forecasts["T_2M"] = some_fields("T_2M", 30, 4, points=3).reshape(6, 5, 3)
    world.analyses["T_2M"] = truth
    for place, init in enumerate(world.inits):
        valid = [init + lead * H for lead in world.leads]
        path = world.trial.root / "points" / f"{init:%Y%m%d%H}.nc"
        write_points(path, world.forecasts["T_2M"][place], valid, MODEL, forecast=init)
    data = world.trial.data
    data["truths"][0] |= {"root": str(world.trial.root / "obs.nc"), "label": "obs"}
    data["sources"] = [source("points", world.leads, world.trial.root / "points", pattern="%Y%m%d%H.nc")]
    return world


def rmse(world, correction=0.0) -> float:
    squares = [
        np.mean((world.forecasts["T_2M"][init, 1].astype(float) - correction - world.truth("T_2M", init, 6)) ** 2)
        for init in range(6)
    ]
    return float(np.sqrt(np.mean(squares)))


def test_temperature_is_corrected_for_elevation(stations_in_domain):
    done = stations_in_domain.trial.run()
    correction = 0.0065 * (np.array(STATIONS["elevation"]) - MODEL)
    assert done.score("RMSE", "points", 6) == pytest.approx(rmse(stations_in_domain, correction), rel=1e-6)
    assert any(
        "T_2M is corrected to the truth's elevation by 0.0065 K/m, for all sources; mean |difference of elevation|: "
        "points 117 m" in note
        for note in done.aggregated.notes
    )
    assert {row["n_pairs"] for row in done.scores(metric="RMSE", lead_time=6)} == {18}, "stations have no weights"
    # Both kinds are kept: on and off and on again computes once each.
    stations_in_domain.trial.data["comparing"]["lapse_rate"] = "false"
    done = stations_in_domain.trial.run()
    assert done.computed == {("points", "T_2M"): 6}
    assert done.score("RMSE", "points", 6) == pytest.approx(rmse(stations_in_domain), rel=1e-6)
    stations_in_domain.trial.data["comparing"]["lapse_rate"] = "auto"
    done = stations_in_domain.trial.run()
    assert not done.computed
    assert done.score("RMSE", "points", 6) == pytest.approx(rmse(stations_in_domain, correction), rel=1e-6)


def test_all_or_none_is_corrected(stations_in_domain):
    """One source without elevation: nobody is corrected, and a line says why."""
    for place, init in enumerate(stations_in_domain.inits):
        valid = [init + lead * H for lead in stations_in_domain.leads]
        path = stations_in_domain.trial.root / "flat" / f"{init:%Y%m%d%H}.nc"
        write_points(path, stations_in_domain.forecasts["T_2M"][place], valid, None, forecast=init)
    entry = source("flat", stations_in_domain.leads, stations_in_domain.trial.root / "flat", pattern="%Y%m%d%H.nc")
    stations_in_domain.trial.data["sources"].append(entry)
    done = stations_in_domain.trial.run()
    assert any(
        "T_2M is not corrected for elevation: that of flat is not known" in note for note in done.aggregated.notes
    )
    for label in ("points", "flat"):
        assert done.score("RMSE", label, 6) == pytest.approx(rmse(stations_in_domain), rel=1e-6)
    stations_in_domain.trial.data["comparing"]["lapse_rate"] = "true"
    done = stations_in_domain.trial.run()
    (problem,) = done.aggregated.problems
    assert problem.startswith(
        "T_2M is not verified: lapse_rate_correction: true needs every elevation, and that of flat"
    )
    assert done.scores() == []


def test_another_elevation_of_the_truth_or_of_a_forecast_is_another_statistic(stations_in_domain):
    """The table of stations is mended, say: no number of before is taken."""
    stations_in_domain.trial.run()
    higher = [one + 50 for one in STATIONS["elevation"]]
    path = stations_in_domain.trial.root / "obs.nc"
    stat = path.stat()
    write_points(path, stations_in_domain.analyses["T_2M"], stations_in_domain.times, higher)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = stations_in_domain.trial.run()
    assert done.computed == {("points", "T_2M"): 6}
    correction = 0.0065 * (np.array(higher) - MODEL)
    assert done.score("RMSE", "points", 6) == pytest.approx(rmse(stations_in_domain, correction), rel=1e-6)


def test_surface_pressure_at_another_elevation_is_left_out(tmp_path):
    world = make_world(tmp_path, ["T_2M", "PS"])
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    done = world.trial.run()
    assert "PS: model is left out: its elevation is not the truth's" in done.aggregated.notes
    assert {row["label"] for row in done.scores(metric="RMSE", param="PS")} == {"persistence"}
    world.trial.data["named_params"] = ["PS"]
    assert world.trial.find().problems == ["PS: model is left out: its elevation is not the truth's"]
