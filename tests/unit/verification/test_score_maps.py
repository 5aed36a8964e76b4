"""Score maps: what is computed when, which sample they are of, and their numbers beside numpy on the raw fields."""

import json
import multiprocessing
import shutil
from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
import pyarrow.parquet as pq
import pytest
from evalflow.errors import UserError
from evalflow.verification import map_maker
from evalflow.verification.map_files import list_map_files, open_map_file
from evalflow.verification.packs import ten_days
from scipy import stats
from support.grib_files import LATITUDES
from support.verified import Trial, World, make_world, source, write_analyses, write_forecast

MAPS = {"params": ["T_2M"], "lead_times": [6, 24], "scores": ["BIAS", "RMSE", "MAE", "STDE"], "seasons": ["all"],
        "init_hours": ["all"]}  # fmt: skip
ORACLE = {
    "BIAS": lambda error: error.mean(axis=0),
    "MAE": lambda error: np.abs(error).mean(axis=0),
    "RMSE": lambda error: np.sqrt((error**2).mean(axis=0)),
    "STDE": lambda error: error.std(axis=0),
}


def add_other(world: World, label: str = "other", inits=None, gaps: dict[int, list[int]] | None = None) -> None:
    """Add forecasts that are a little worse; `gaps`: place of an init time → points that are missing."""
    worse = np.random.default_rng(7).normal(0.5, 0.5, world.forecasts["T_2M"].shape).astype(np.float32)
    world.forecasts[label] = world.forecasts["T_2M"] + worse
    folder = world.trial.root / label
    for place in range(len(world.inits)) if inits is None else inits:
        values = world.forecasts[label][place].copy()
        values[:, (gaps or {}).get(place, [])] = np.nan
        write_forecast(folder, world.inits[place], world.leads, {"T_2M": values})
    world.trial.data["sources"].append(source(label, world.leads, folder))


def errors(world: World, label: str, lead: int, inits=None) -> np.ndarray:
    """Return forecast minus truth, [inits, points]."""
    values = world.forecasts["T_2M" if label == "model" else label][:, world.leads.index(lead)].astype(float)
    truth = np.array([world.truth("T_2M", place, lead) for place in range(len(world.inits))], float)
    return (values - truth)[list(range(len(world.inits)) if inits is None else inits)]


def read_maps(world: World, name: str, label: str = "", **at) -> np.ndarray:
    """Return values [points] of an experiment's maps."""
    with netCDF4.Dataset(Path(world.trial.data["results"]) / "score_maps.nc") as file:
        file.set_auto_mask(False)
        place = [file["source"][:].tolist().index(f"baseline-{label}")] if label else []
        for axis, wanted in (("step", 24), ("season", "all"), ("init_hour", "all")):
            place.append(file[axis][:].tolist().index(at.get(axis, wanted)))
        return file[name][tuple(place)]


def files(world: World, label: str) -> list[str]:
    folder = next(Path(world.trial.data["store"]).glob(f"verification/*/baseline-{label}"))
    return sorted(path.name for paths in list_map_files(folder / "maps").values() for path in paths)


@pytest.fixture(scope="module")
def mapped_world(tmp_path_factory) -> World:
    """Two models at 00 and 12 UTC of 25 days (four blocks of ten days), mapped. Do not change it."""
    world = make_world(tmp_path_factory.mktemp("made"), days=25, leads=(6, 24))
    add_other(world)
    world.trial.data |= {"references": ["baseline-model"], "maps": dict(MAPS)}
    done = world.trial.run()
    assert sum(done.computed.values()) == 100 and not done.map_notes
    return world


@pytest.fixture
def remapped(mapped_world, tmp_path) -> World:
    """A copy, store included; the archives are those of the first one."""
    for name in ("data", "results"):
        shutil.copytree(mapped_world.trial.root / name, tmp_path / name)
    world = World(
        Trial(tmp_path),
        mapped_world.times,
        mapped_world.analyses,
        mapped_world.inits,
        mapped_world.leads,
        mapped_world.forecasts,
    )
    data = json.loads(json.dumps(mapped_world.trial.data))
    world.trial.data = data | {"store": str(tmp_path / "data"), "results": str(tmp_path / "results")}
    return world


def mapped(done) -> list[tuple[str, str]]:
    """Return (source, block) of what was summed up at points."""
    return sorted((pack.source_id.removeprefix("baseline-"), block) for pack in done.packs for block in pack.maps)


BLOCKS = ["20240101", "20240111", "20240121", "20240201"]


def test_one_file_per_source_and_block(mapped_world):
    for label in ("model", "other"):
        assert [name[:8] for name in files(mapped_world, label)] == BLOCKS
    (path,) = Path(mapped_world.trial.data["store"]).glob("verification/*/baseline-model/maps/20240111.*.npz")
    (file,) = [open_map_file(path)]
    assert [(cell.param, cell.minutes, len(cell.asked)) for cell in file.held.cells] == [
        ("T_2M", 360, 20), ("T_2M", 1440, 20),
    ]  # fmt: skip


@pytest.mark.parametrize("score", ORACLE)
@pytest.mark.parametrize("label", ["model", "other"])
def test_scores_are_those_of_the_raw_fields(mapped_world, score, label):
    for lead in (6, 24):
        wanted = ORACLE[score](errors(mapped_world, label, lead))
        np.testing.assert_allclose(
            read_maps(mapped_world, f"T_2M.{score}", label, step=lead), wanted, rtol=3e-5, atol=1e-5
        )
    assert (read_maps(mapped_world, "T_2M.n") == 50).all()


def test_nothing_is_computed_a_second_time(remapped):
    before = (remapped.trial.root / "results" / "score_maps.nc").stat().st_mtime_ns
    done = remapped.trial.run()
    assert done.packs == [] and (remapped.trial.root / "results" / "score_maps.nc").stat().st_mtime_ns == before


def test_a_season_and_an_init_hour_come_of_the_same_sums(remapped):
    remapped.trial.data["maps"] |= {"init_hours": ["all", "00", "12"], "seasons": ["all", "DJF", "JJA"]}
    assert remapped.trial.run().packs == []
    own = errors(remapped, "other", 24)
    for hour, chosen in (("00", own[::2]), ("12", own[1::2])):
        found = read_maps(remapped, "T_2M.RMSE", "other", init_hour=hour, season="DJF")
        np.testing.assert_allclose(found, ORACLE["RMSE"](chosen), rtol=3e-5)
    assert np.isnan(read_maps(remapped, "T_2M.RMSE", "other", season="JJA")).all()
    assert (read_maps(remapped, "T_2M.n", season="JJA") == 0).all()


def test_switched_on_later(remapped):
    shutil.rmtree(next((remapped.trial.root / "data" / "verification").glob("*/baseline-model/maps")))
    (remapped.trial.root / "results" / "score_maps.nc").unlink()
    done = remapped.trial.run()
    assert done.computed == {} and mapped(done) == [("model", block) for block in BLOCKS]
    np.testing.assert_allclose(
        read_maps(remapped, "T_2M.MAE", "model"), ORACLE["MAE"](errors(remapped, "model", 24)), rtol=3e-5
    )


def test_a_lead_time_more_is_computed_alone(mapped_world, tmp_path):
    world = make_world(tmp_path, days=3, leads=(6, 24))
    world.trial.data["maps"] = MAPS | {"lead_times": [24]}
    world.trial.run()
    world.trial.data["maps"] = dict(MAPS)
    done = world.trial.run()
    assert done.computed == {} and mapped(done) == [("model", "20240101"), ("model", "20240111")]
    held = [
        [cell.minutes for cell in open_map_file(path).held.cells]
        for path in tmp_path.glob("data/verification/*/*/maps/20240101.*.npz")
    ]
    assert sorted(held) == [[360], [1440]]
    for lead in (6, 24):
        wanted = ORACLE["BIAS"](errors(world, "model", lead))
        np.testing.assert_allclose(read_maps(world, "T_2M.BIAS", "model", step=lead), wanted, rtol=1e-4, atol=1e-5)
    assert world.trial.run().packs == []


def test_init_times_less_and_more_touch_their_blocks(remapped):
    names = remapped.trial.data["init_times"]
    remapped.trial.data["init_times"] = names[:-1]
    done = remapped.trial.run()
    assert done.computed == {} and mapped(done) == [("model", "20240201"), ("other", "20240201")]
    wanted = ORACLE["RMSE"](errors(remapped, "other", 24, range(49)))
    np.testing.assert_allclose(read_maps(remapped, "T_2M.RMSE", "other"), wanted, rtol=3e-5)
    remapped.trial.data["init_times"] = names
    assert remapped.trial.run().packs == [], "the file of all of them is still there"


def test_a_new_init_time(remapped):
    remapped.trial.data["init_times"] = remapped.trial.data["init_times"][:20]
    remapped.trial.run()
    remapped.trial.data["init_times"] = [f"{one:%Y%m%d%H%M}" for one in remapped.inits[:21]]
    done = remapped.trial.run()
    assert mapped(done) == [("model", "20240111"), ("other", "20240111")]


def test_a_damaged_file_is_set_aside_and_made_again(remapped):
    for name, damage in (("20240111", lambda text: text[: len(text) // 2]), ("20240121", lambda text: text[:-900])):
        (path,) = (remapped.trial.root / "data" / "verification").glob(f"*/baseline-other/maps/{name}.*.npz")
        path.write_bytes(damage(path.read_bytes()))
    remapped.trial.data["verify_store"] = True
    done = remapped.trial.run()
    assert done.computed == {} and mapped(done) == [("other", "20240111"), ("other", "20240121")]
    folder = next((remapped.trial.root / "data" / "verification").glob("*/baseline-other/maps"))
    assert len(list(folder.glob("*.bad-*"))) == 2
    np.testing.assert_allclose(
        read_maps(remapped, "T_2M.STDE", "other"), ORACLE["STDE"](errors(remapped, "other", 24)), rtol=1e-4
    )


def test_damage_that_is_found_late_is_said_and_the_block_left_out(remapped):
    (path,) = (remapped.trial.root / "data" / "verification").glob("*/baseline-other/maps/20240111.*.npz")
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x03\x04") + 200] ^= 0xFF  # in the last array, whose checksum tells
    path.write_bytes(content)
    remapped.trial.data["maps"] |= {"scores": ["MAE"]}
    done = remapped.trial.run()
    assert done.packs == [] and len(done.map_notes) == 1
    assert str(path) in done.map_notes[0] and done.map_notes[0].endswith("it is set aside; launch again to make it")
    kept = [
        place for place, init in enumerate(remapped.inits) if not datetime(2024, 1, 11) <= init < datetime(2024, 1, 21)
    ]
    for label in ("model", "other"):
        wanted = ORACLE["MAE"](errors(remapped, label, 24, kept))
        np.testing.assert_allclose(read_maps(remapped, "T_2M.MAE", label), wanted, rtol=3e-5)
    done = remapped.trial.run()
    assert mapped(done) == [("other", "20240111")] and not done.map_notes
    np.testing.assert_allclose(
        read_maps(remapped, "T_2M.MAE", "other"), ORACLE["MAE"](errors(remapped, "other", 24)), rtol=3e-5
    )


def test_points_and_init_times_that_one_lacks_are_left_out_for_all(tmp_path):
    world = make_world(tmp_path, days=25, leads=(6, 24), every=24)
    add_other(world, inits=[place for place in range(25) if place != 12], gaps={3: [0, 5]})
    world.trial.data |= {"references": ["baseline-model"], "maps": dict(MAPS)}
    done = world.trial.run()
    kept = [place for place in range(25) if place != 12]
    assert done.samples[0].maps["T_2M"][1440] == [f"{world.inits[place]:%Y%m%d%H%M}" for place in kept]
    for label in ("model", "other"):
        own = errors(world, label, 24, kept)
        own[3, [0, 5]] = np.nan
        found = read_maps(world, "T_2M.MAE", label)
        np.testing.assert_allclose(found, np.nanmean(np.abs(own), axis=0), rtol=3e-5)
    np.testing.assert_array_equal(read_maps(world, "T_2M.n"), np.where(np.isin(np.arange(12), [0, 5]), 23, 24))
    assert [name[:8] for name in files(world, "model")] == [
        "20240101",
        "20240111",
        "20240111",
        "20240121",
        "20240121",
        "20240201",
    ]
    assert [name[:8] for name in files(world, "other")] == BLOCKS, "what it has is what all have"
    assert world.trial.run().packs == []


def test_a_field_that_is_missing_is_not_summed_up_a_second_time(tmp_path):
    """Of the forecast that lacks it, the file says so: its sums are those that all sources have."""
    world = make_world(tmp_path, days=3, leads=(6, 24), every=24)
    write_forecast(tmp_path / "model", world.inits[1], [6], {"T_2M": world.forecasts["T_2M"][1][:1]})
    world.trial.data["maps"] = dict(MAPS)
    done = world.trial.run()
    assert mapped(done) == [("model", "20240101"), ("model", "20240111")]
    wanted = ORACLE["MAE"](errors(world, "model", 24, [0, 2]))
    np.testing.assert_allclose(read_maps(world, "T_2M.MAE", "model"), wanted, rtol=3e-5)
    assert (read_maps(world, "T_2M.n", step=6) == 3).all() and (read_maps(world, "T_2M.n") == 2).all()


def test_the_map_of_a_score_is_of_the_pairs_of_the_table(mapped_world):
    """The mean over points of squared errors is the square of the RMSE in the table."""
    rows = pq.read_table(Path(mapped_world.trial.data["results"]) / "scores.parquet").to_pylist()
    weights = np.cos(np.deg2rad(LATITUDES.ravel()))
    for row in rows:
        if row["metric"] == "RMSE" and row["season"] == row["init_hour"] == row["valid_hour"] == "all":
            found = read_maps(mapped_world, "T_2M.RMSE", row["label"], step=row["lead_time"])
            assert np.sqrt(np.average(found**2, weights=weights)) == pytest.approx(row["value"], rel=2e-3)


def test_a_source_with_few_init_times_is_not_mapped(tmp_path):
    world = make_world(tmp_path, days=5, leads=(6, 24), every=24)
    add_other(world, inits=[1])
    world.trial.data |= {"references": ["baseline-other"], "maps": dict(MAPS)}
    done = world.trial.run()
    assert "T_2M 24 h: other is not mapped: it has too few init times, or no sums" in done.map_notes
    assert np.isnan(read_maps(world, "T_2M.RMSE", "other")).all()
    np.testing.assert_allclose(
        read_maps(world, "T_2M.RMSE", "model"), ORACLE["RMSE"](errors(world, "model", 24)), rtol=3e-5
    )


def test_a_param_that_nobody_has_is_a_line(remapped):
    remapped.trial.data["maps"] |= {"params": ["T_2M", "PMSL"]}
    done = remapped.trial.run()
    assert done.map_notes == ["PMSL: there is nothing to map against analyses"] and done.packs == []


def test_p_values_are_those_of_the_blocks(tmp_path):
    world = make_world(tmp_path, days=105, leads=(6,), every=24)
    add_other(world)
    world.trial.data |= {
        "references": ["baseline-model"],
        "maps": MAPS | {"lead_times": [6], "seasons": ["all", "DJF"]},
    }
    world.trial.run()
    gain = np.abs(errors(world, "other", 6)) - np.abs(errors(world, "model", 6))
    names = world.trial.data["init_times"]
    groups = [[names.index(name) for name in inits] for inits in ten_days(names).values()]
    mean, n, blocks = gain.mean(axis=0), len(gain), len(groups)
    influence = np.array([(gain[group] - mean).sum(axis=0) / n for group in groups])
    error = np.sqrt((influence**2).sum(axis=0) * blocks / (blocks - 1))
    wanted = 2 * stats.t.sf(np.abs(mean / error), blocks - 1)
    assert blocks == 12
    np.testing.assert_allclose(read_maps(world, "T_2M.MAE.p_value", "other", step=6), wanted, rtol=1e-2)
    assert read_maps(world, "T_2M.blocks", step=6) == 12 and read_maps(world, "T_2M.blocks", step=6, season="DJF") == 6
    assert np.isnan(read_maps(world, "T_2M.MAE.p_value", "other", step=6, season="DJF")).all(), "six blocks are too few"


def test_a_field_that_cannot_be_read_keeps_its_block_from_being_stored(remapped, monkeypatch):
    shutil.rmtree(next((remapped.trial.root / "data" / "verification").glob("*/baseline-model/maps")))
    monkeypatch.setattr(map_maker.MapMaker, "add", broken(map_maker.MapMaker.add, "202401121200"))
    done = remapped.trial.run()
    (line,) = {note for pack in done.done for note in pack.notes}
    assert line == "score maps: 202401121200: cannot be read"
    assert done.map_notes == [
        f"T_2M {lead} h: the ten days from 2024-01-11 are left out: model lacks sums there" for lead in (6, 24)
    ]
    assert [name[:8] for name in files(remapped, "model")] == ["20240101", "20240121", "20240201"]
    monkeypatch.undo()
    assert mapped(remapped.trial.run()) == [("model", "20240111")]


def broken(add, name: str):
    def fails(self, param, init_time, *fields):
        if f"{init_time:%Y%m%d%H%M}" == name:
            raise UserError("cannot be read")
        return add(self, param, init_time, *fields)

    return fails


def _run(data: dict, root: Path, start) -> None:
    trial = Trial(root)
    trial.data = data
    start.wait()
    trial.run()


def test_two_launches_that_make_the_same_sums(remapped, tmp_path):
    for folder in (remapped.trial.root / "data" / "verification").glob("*/*/maps"):
        shutil.rmtree(folder)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    works = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        data = remapped.trial.data | {"results": str(tmp_path / str(number) / "results")}
        works.append(context.Process(target=_run, args=(data, tmp_path / str(number), start)))
    for work in works:
        work.start()
    for work in works:
        work.join(120)
    assert [work.exitcode for work in works] == [0, 0]
    for label in ("model", "other"):
        assert [name[:8] for name in files(remapped, label)] == BLOCKS
    assert remapped.trial.run().packs == []
    assert not list((remapped.trial.root / "data").rglob(".*.tmp"))


def test_without_maps_there_is_no_file(remapped):
    remapped.trial.data["maps"] = None
    done = remapped.trial.run()
    assert done.packs == [] and not done.aggregated.computed
    assert not (remapped.trial.root / "results" / "score_maps.nc").exists()


def test_each_truth_has_maps_of_its_own(tmp_path):
    world = make_world(tmp_path, days=3, leads=(6, 24), every=24)
    warmer = {"T_2M": world.analyses["T_2M"] + np.float32(2)}
    world.trial.add_truth(write_analyses(tmp_path / "warmer.grib", world.times, warmer), "warmer")
    world.trial.data["maps"] = dict(MAPS)
    world.trial.run()
    own = ORACLE["BIAS"](errors(world, "model", 24))
    np.testing.assert_allclose(read_maps(world, "T_2M.BIAS", "model"), own, rtol=1e-4, atol=1e-5)
    with netCDF4.Dataset(tmp_path / "results" / "score_maps.nc") as file:
        assert (file.truth, file["truth_2"].truth) == ("analyses", "warmer")
        np.testing.assert_allclose(file["truth_2/T_2M.BIAS"][0, 1, 0, 0], own - 2, rtol=1e-4, atol=1e-5)
    assert world.trial.run().packs == []
