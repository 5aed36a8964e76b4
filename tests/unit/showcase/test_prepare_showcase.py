"""What there is to draw: stations, truths, packs; and what is said of what cannot be had."""

import pytest
from evalflow.showcase.prepare import prepare
from support.showcases import RUN_ID


@pytest.fixture
def observed(showing, tmp_path):
    """Observations at stations as a second truth."""
    rows = "\n".join(f"{name},2024-01-10T{hour:02}:00,280.5" for name in ("KLO", "GVE") for hour in (0, 6, 12, 18))
    (tmp_path / "obs.csv").write_text(f"station,time,T_2M\n{rows}\n")
    (tmp_path / "stations.csv").write_text("station,lat,lon,elevation\nKLO,51.2,-1.1,426\nGVE,50.1,0.2,411\n")
    showing.add_archive(tmp_path / "obs.csv", "stations", stations=str(tmp_path / "stations.csv"), units={"T_2M": "K"})
    return showing


def test_stations_of_a_truth_have_its_coordinates(observed):
    observed.data["stations"] = [{"name": "KLO"}, {"name": "here", "lat": 51.1, "lon": -0.9}]
    found = prepare(observed.spec)
    assert found.problems == []
    assert [one.model_dump(exclude_none=True) for one in found.stations] == [
        {"name": "KLO", "lat": 51.2, "lon": -1.1, "elevation": 426.0, "truth": 1},
        {"name": "here", "lat": 51.1, "lon": -0.9},
    ]
    assert [one.gridded for one in found.truths] == [True, False]


def test_observations_are_in_meteograms_and_not_on_maps(observed):
    observed.data["stations"] = [{"name": "KLO"}]
    shown = observed.run()
    assert (shown.problems, shown.animations, shown.meteograms) == ([], 5, 1)


def test_an_unknown_station_is_one_line_with_near_names(observed):
    observed.data["stations"] = [{"name": "KL0"}, {"name": "KLO"}]
    shown = observed.run()
    assert shown.problems == ["showcase.meteograms.stations: no truth has a station KL0; did you mean KLO?"]
    assert shown.meteograms == 1


def test_an_unknown_station_where_nothing_is_near(showing):
    showing.data["stations"] = [{"name": "GVE"}]
    shown = showing.run()
    assert shown.problems == [
        "showcase.meteograms.stations: no truth has a station GVE; give {name, lat, lon} in place of its name, or a truth "
        "that has it"
    ]
    assert (shown.animations, shown.meteograms) == (5, 0)


def test_a_station_outside_of_all_sources_is_one_line(showing):
    showing.data["stations"].append({"name": "far", "lat": -30.0, "lon": 100.0})
    shown = showing.run()
    assert shown.problems == ["far 202401100000: lies outside of all sources; there is no meteogram"]
    assert shown.meteograms == 1


def test_unknown_params_are_one_line_each(showing):
    showing.data["unknown_params"] = ["T_3M"]
    (line,) = showing.run().problems
    assert line.startswith("showcase.params: no param T_3M, did you mean T_2M?") and line.endswith("it is left out")


def test_a_truth_that_cannot_be_opened_is_one_line_and_forecasts_are_drawn(showing):
    showing.add_archive(showing.root / "nowhere", "gone")
    shown = showing.run()
    assert shown.problems == [f"showcase: truth gone: {showing.root}/nowhere: no such file or folder"]
    assert shown.animations == 5


def test_a_region_that_cannot_be_read_is_one_line(showing):
    showing.data["regions"] = [
        {"name": "gone", "file": str(showing.root / "gone.geojson")}, {"name": "west", "box": [-3, -0.5, 49, 53]},
    ]  # fmt: skip
    shown = showing.run()
    assert len(shown.problems) == 1 and "gone.geojson" in shown.problems[0]
    assert shown.meteograms == 2
    assert (showing.results / "showcase" / "meteograms" / "202401100000_region-west.png").is_file()


def test_without_ffmpeg_other_formats_are_made(showing, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    showing.data["formats"] = ["mp4", "gif"]
    shown = showing.run()
    assert "no ffmpeg on PATH" in shown.problems[0] and len(shown.problems) == 1
    assert len(list(showing.results.rglob("*.gif"))) == 5


def test_a_pack_waits_for_what_this_launch_makes(showing):
    showing.data["awaited"] = {RUN_ID: ["202401100000", "202401110000"]}
    (pack,) = prepare(showing.spec).packs
    assert pack.awaited == [(RUN_ID, "202401100000")]
    assert len(pack.items) == 3


def test_many_items_are_several_packs(showing, monkeypatch):
    monkeypatch.setattr("evalflow.showcase.prepare.PACK_FRAMES", 5)
    found = prepare(showing.spec)
    assert [len(pack.items) for pack in found.packs] == [1, 1, 1]
    assert len({pack.id for pack in found.packs}) == 3


def test_persistence_is_in_meteograms_and_climatology_is_not(showing):
    about = {"kind": "baseline", "sha256": "1" * 64, "lead_times": [0.0, 6.0]}
    showing.data["sources"] += [
        {"source_id": "baseline-1", "label": "persistence", "builtin": "persistence", **about},
        {"source_id": "baseline-2", "label": "climate", "builtin": "climatology", **about},
    ]
    assert showing.run().animations == 5
    assert {path.name for path in showing.store.iterdir()} >= {"baseline-1"}
    assert not (showing.store / "baseline-2").exists()
