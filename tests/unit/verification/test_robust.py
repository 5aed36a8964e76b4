"""One failure does not stop the rest; what is damaged is made again; two may write the same thing at once."""

import multiprocessing
import os
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.verification import verify as room
from evalflow.verification.holdings import read_statistics
from evalflow.verification.lacking import packs_of
from evalflow.verification.packs import blocks, make_packs
from evalflow.verification.truth import copy_truth
from evalflow.verification.verify import Verifier, verify_pack
from support.environments import needs_root, small_disk
from support.verified import Trial, make_world, source, write_analyses, write_forecast


def files(world, label: str = "model") -> list[Path]:
    return sorted(world.trial.root.glob(f"data/verification/verif-*/baseline-{label}/*.nc"))


def test_a_forecast_that_cannot_be_read_does_not_stop_the_others(world):
    """A file that is cut amid its fields; one that is none; one that is not there. Each is named, by every launch."""
    folder = world.trial.root / "model"
    cut, text, gone = (folder / f"{world.inits[place]:%Y%m%d%H}.grib" for place in (1, 3, 4))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    text.write_text("nothing")
    gone.unlink()
    done = world.trial.run()
    names = [f"{time:%Y%m%d%H%M}" for time in world.inits]
    assert [init.init_time for init in done.done[0].inits if init.failed] == [names[3]]
    (note,) = done.done[0].notes
    assert re.fullmatch(
        rf"{cut}: message 3, at byte \d+, is cut off or damaged; what begins there is left out", note
    ), "what lies before the cut is verified"
    assert {row["lead_time"]: row["n_inits"] for row in done.scores(metric="RMSE")} == {0: 4, 6: 4, 12: 3, 18: 3, 24: 3}
    without = {
        names[1]: f"{cut}: lacks T_2M at 3 lead times, the first at 12 h",
        names[3]: f"{text}: none of it could be verified, or it has no such init time",
        names[4]: f"{gone}: no such forecast",
    }
    assert done.aggregated.without == {"baseline-model": without}
    again = world.trial.run()
    assert again.aggregated.without == {"baseline-model": without}
    assert [pack.init_times for pack in again.packs] == [[names[3]]], "what can be mended is tried again"
    world.write_forecasts(inits=[1, 3])
    done = world.trial.run()
    (row,) = done.scores(metric="RMSE", lead_time=6)
    assert row["n_inits"] == 5 and done.aggregated.without == {"baseline-model": {names[4]: without[names[4]]}}


def test_a_file_of_the_truth_that_is_cut_is_named_and_what_lies_before_is_used(world):
    days = world.trial.root / "days"
    world.trial.data["truths"][0] |= {"root": str(days), "pattern": "%Y%m%d.grib"}
    for first in range(0, len(world.times), 4):
        fields = {"T_2M": world.analyses["T_2M"][first : first + 4]}
        write_analyses(days / f"{world.times[first]:%Y%m%d}.grib", world.times[first : first + 4], fields)
    cut = days / "20240111.grib"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 5 // 8])
    done = world.trial.run()
    (note,) = done.done[0].notes
    assert note.startswith(f"{cut}: message 3, at byte ") and "is cut off or damaged" in note
    (line,) = [line for line in done.aggregated.notes if "has no T_2M at" in line]
    assert "at 2 of 15 valid times, the first 2024-01-11T12:00 and the last 2024-01-11T18:00" in line
    assert done.aggregated.without == {}, "the forecasts are whole"
    counts = {row["lead_time"]: row["n_inits"] for row in done.scores(metric="RMSE")}
    assert counts == {0: 5, 6: 5, 12: 5, 18: 5, 24: 5}


def test_a_param_that_cannot_be_made_does_not_stop_the_others(tmp_path):
    """Precipitation that is no sum since the start."""
    world = make_world(tmp_path, ["T_2M", "TOT_PREC"])
    world.forecasts["TOT_PREC"] = np.cumsum(world.forecasts["TOT_PREC"].clip(0), axis=1)
    world.forecasts["TOT_PREC"][2] = world.forecasts["TOT_PREC"][2, ::-1]
    world.write_forecasts()
    world.trial.data["params"] = ["T_2M", "TOT_PREC6"]
    done = world.trial.run()
    (line,) = [reason for reason in done.reasons]
    assert line.startswith("TOT_PREC6: ") and "not a sum of the time that its file says" in line
    assert done.computed["model", "T_2M"] == 6 and done.computed["model", "TOT_PREC6"] == 5
    again = world.trial.run()
    assert [pack.init_times for pack in again.packs] == [[f"{world.inits[2]:%Y%m%d%H%M}"]], "only that is tried again"


def test_fields_that_cannot_be_right_are_left_out_with_a_line(world):
    world.forecasts["T_2M"][0, 1] -= 273.15
    world.forecasts["T_2M"][1, 2] = 280.0
    world.forecasts["T_2M"][2, 3] = np.nan
    world.write_forecasts()
    done = world.trial.run()
    notes = sorted(note.split("]: ")[1] for note in done.done[0].notes)
    assert len(notes) == 3
    assert notes[0].endswith(
        "is out of range (150 to 350 K): is its unit another one? The key `units` says it; the field is left out"
    )
    assert notes[1:] == [
        "every value is missing; the field is left out",
        "it is 280 K everywhere; the field is left out",
    ]
    pairs = {row["lead_time"]: row["n_inits"] for row in done.scores(metric="RMSE")}
    assert pairs == {0: 6, 6: 5, 12: 5, 18: 5, 24: 6}
    assert world.trial.run().packs == [], "it is said once"


@pytest.mark.parametrize("how", ["cut", "flipped", "text", "of another", "version"])
def test_damaged_and_foreign_statistics_are_set_aside_and_made_again(world, how):
    first = world.trial.run()
    path, other = files(world)[:2]
    whole = path.read_bytes()
    if how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "flipped":
        content = bytearray(whole)
        content[len(content) // 2] ^= 16
        path.write_bytes(content)
    elif how == "text":
        path.write_text("hello")
    elif how == "of another":
        shutil.copy(other, path)
    else:
        with netCDF4.Dataset(path, "a") as file:
            file.format = "evalflow statistics 1"
    # It is found when it is read: its name is as expected.
    done = world.trial.run()
    assert done.packs == [] and len(list(path.parent.glob(f"{path.name}.bad-*"))) == 1 and not path.exists()
    assert f"model: {path} was damaged and is set aside; launch again to make it" in done.samples[0].notes
    (row,) = done.scores(metric="RMSE", lead_time=6)
    assert row["n_inits"] == 5
    done = world.trial.run()
    assert done.computed == {("model", "T_2M"): 1} and path.read_bytes() == whole
    assert done.scores() == first.scores()


def test_with_verify_store_damage_is_found_before_anything_is_planned(world):
    first = world.trial.run().scores()
    path = files(world)[0]
    path.write_bytes(path.read_bytes()[:-10])
    world.trial.data["verify_store"] = True
    done = world.trial.run()
    assert done.computed == {("model", "T_2M"): 1} and done.scores() == first


def test_files_that_are_no_statistics_stay_and_do_not_count(world):
    world.trial.run()
    folder = files(world)[0].parent
    for name in ("readme.txt", "202401100000.nc", ".202401100000.0123456789ab.nc.tmp"):
        (folder / name).write_text("mine")
    done = world.trial.run()
    assert done.packs == [] and not done.aggregated.computed and (folder / "readme.txt").exists()


def _verify(root: Path, data: dict, go: Path) -> None:
    trial = Trial(root)
    trial.data = data
    spec, found = trial.spec, trial.find()
    while not go.exists():
        pass
    for pack in packs_of(spec, found).packs:
        verify_pack(Verifier(spec, found, spec.sources[pack.source], root / "truth.nc"), pack)


def test_two_processes_that_write_the_same_statistics(world):
    """The first writer wins; nothing is left of the other."""
    spec, found = world.trial.spec, world.trial.find()
    copy_truth(spec, found, packs_of(spec, found).packs, world.trial.root / "truth.nc")
    go, context = world.trial.root / "go", multiprocessing.get_context("spawn")
    arguments = (world.trial.root, world.trial.data, go)
    both = [context.Process(target=_verify, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    go.touch()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len(files(world)) == 6 and all(read_statistics(path) for path in files(world))
    assert not [
        path for path in (world.trial.root / "data").rglob("*") if path.suffix == ".tmp" or ".bad-" in path.name
    ]
    assert not world.trial.run().computed


def test_a_file_that_another_has_written_first_stays(world, monkeypatch):
    original, seen = room.write_sums, []

    def write(path, sums):
        final = path.with_name(path.name[1:].split(".nc.")[0] + ".nc")
        if not seen:
            final.write_text("of another launch")
            seen.append(final)
        original(path, sums)

    monkeypatch.setattr(room, "write_sums", write)
    spec, found = world.trial.spec, world.trial.find()
    world.trial.verify(found, packs_of(spec, found).packs)
    assert seen[0].read_text() == "of another launch"


@needs_root
def test_a_store_that_is_full(world):
    """One line; what was stored is kept, and with room the rest follows."""
    world.trial.data["thresholds"] = {"T_2M": [f"> {260 + step}" for step in range(30)]}
    with small_disk(world.trial.root / "data", "400k") as disk:
        found, spec = world.trial.find(), world.trial.spec
        with open(disk / "filler", "wb") as file:
            file.write(bytes(max(os.statvfs(disk).f_bavail * 4096 - 30_000, 0)))
        with pytest.raises(UserError) as error:
            world.trial.verify(found, packs_of(spec, found).packs)
        assert "No space left on device; free some space" in str(error.value) and "\n" not in str(error.value)
        stored = [path.name for path in files(world)]
        assert 0 < len(stored) < 6 and not [one for one in files(world)[0].parent.iterdir() if one.suffix == ".tmp"]
        (disk / "filler").unlink()
        world.trial.run()
        assert len(files(world)) == 6 and set(stored) <= {path.name for path in files(world)}


# --- packs ----------------------------------------------------------------------------------------------------------------


def test_blocks_of_ten_days_with_small_ones_joined():
    daily = [f"2024{month:02d}{day:02d}{hour:02d}00" for month in (1, 2) for day in range(1, 29) for hour in (0, 12)]
    found = blocks(daily)
    assert {name: len(times) for name, times in found.items()} == {
        "20240101": 20, "20240111": 20, "20240121": 16, "20240201": 20, "20240211": 20, "20240221": 16,
    }  # fmt: skip
    few = blocks([f"2024{month:02d}150000" for month in range(1, 13)])
    assert [len(times) for times in few.values()] == [10, 2]


def test_a_pack_says_what_this_launch_is_still_to_make(world):
    world.trial.data["awaited"] = {"baseline-model": ["202401111200"]}
    spec = world.trial.spec
    (pack,) = make_packs(spec, 0, {0: ["202401111200", "202401110000"]})
    assert (pack.init_times, pack.awaited) == (["202401110000", "202401111200"], ["202401111200"])
    assert pack.id == "truth 1 baseline-model 20240101"


def test_awaited_forecasts_are_planned_though_nothing_of_them_is_there(world):
    run = source("run", world.leads, kind="run", root=str(world.trial.root / "run"))
    world.trial.data["sources"].append(run)
    world.trial.data["awaited"] = {"baseline-run": ["202401111200"]}
    spec = world.trial.spec
    found = world.trial.find()
    assert not found.sources["baseline-run"].params
    assert {pack.source for pack in packs_of(spec, found).packs} == {0}, "of a run that has brought none, nothing"


def test_a_year_of_five_runs_makes_a_few_hundred_tasks():
    times = [f"{datetime(2023, 1, 1) + timedelta(hours=6 * k):%Y%m%d%H%M}" for k in range(1460)]
    assert len(blocks(times)) * 5 == 180


def test_a_new_grid_amid_an_archive(world):
    """A model that changes its grid: how it gets to the points is found by the task that meets it."""
    finer = {
        "Ni": 7, "Nj": 5, "iDirectionIncrementInDegrees": 0.5, "jDirectionIncrementInDegrees": 0.5, "numberOfDataPoints": 35,
    }  # fmt: skip
    world.forecasts["T_2M"][3] = 0
    fields = np.random.default_rng(0).normal(280, 3, (5, 5, 7)).astype(np.float32)
    write_forecast(world.trial.root / "model", world.inits[3], world.leads, {"T_2M": fields.reshape(5, 35)}, **finer)
    done = world.trial.run()
    assert done.computed["model", "T_2M"] == 6 and not done.reasons
    assert len(list(world.trial.root.glob("data/verification/*/mapping-*.npz"))) == 2
    expected = fields[:, ::2, ::2].reshape(5, 12)
    (held,) = [read_statistics(path) for path in files(world) if path.name.startswith("202401111200")]
    sums = held.sums.params["T_2M"]
    assert sums.moments[2].sum(axis=-1) == pytest.approx(
        (expected * np.cos(np.radians(np.repeat([52, 51, 50], 4)))).sum(axis=1), rel=1e-6
    )
