"""Stored forecasts and their names, as a plan finds them and, where it may repair, mends them."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from evalflow.errors import UserError
from evalflow.inference import publish
from evalflow.store.layout import FORECAST_SEAL, MADE
from support.environments import needs_root
from support.stored import give_name, store_made, write_forecast


@pytest.fixture
def planned_run(experiment) -> dict:
    """The run of a plan of three init times, of which nothing is stored."""
    (planned_run,) = experiment.plan()["runs"]
    return planned_run


@pytest.fixture
def times(experiment) -> list[str]:
    return experiment.plan()["init_times"]


def complete(plan: dict) -> list[str]:
    return [entry["init_time"] for entry in plan["forecasts"] if entry["complete"]]


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_forecast_with_its_name_is_complete(experiment, planned_run, times):
    give_name(store_made(planned_run, times[1]))
    for repair in (False, True):
        plan = experiment.plan(repair=repair, verify_store=True)
        assert complete(plan) == [times[1]] and plan["warnings"] == []


def test_a_folder_of_an_old_store_is_complete(experiment, planned_run, times):
    write_forecast(Path(planned_run["spec"]["folder"]) / times[0], planned_run["spec"]["sha256"])
    give_name(store_made(planned_run, times[1]))
    plan = experiment.plan(repair=True)
    assert complete(plan) == times[:2] and plan["warnings"] == []


def test_a_whole_forecast_without_a_name_gets_it_and_is_not_made_again(experiment, planned_run, times):
    """The launch was killed, say, or its job ran out of time, after the forecast was stored."""
    made = store_made(planned_run, times[0])
    name = made.parents[1] / times[0]
    plan = experiment.plan()
    assert complete(plan) == [times[0]] and not os.path.lexists(name), "a look changes nothing"
    plan = experiment.plan(repair=True)
    assert complete(plan) == [times[0]] and plan["warnings"] == []
    assert os.readlink(name) == f"{MADE}/{made.name}"


@pytest.mark.parametrize("options", [{}, {"verify_store": True}])
def test_what_is_not_whole_gets_no_name(experiment, planned_run, times, options):
    made = store_made(planned_run, times[0])
    (made / "a.grib").write_text("1" * (8 if options else 3))
    plan = experiment.plan(repair=True, **options)
    assert complete(plan) == [] and listing(made.parents[1]) == {MADE}


def test_a_name_whose_forecast_is_gone_is_removed_and_nothing_is_set_aside(experiment, planned_run, times):
    made = store_made(planned_run, times[0])
    name = give_name(made)
    shutil.rmtree(made)
    assert experiment.plan()["warnings"] == [f"{name}: what it leads to is gone; to be made again"]
    assert os.path.lexists(name)
    plan = experiment.plan(repair=True)
    assert complete(plan) == [] and plan["warnings"] == [f"{name}: what it leads to is gone; to be made again"]
    assert listing(name.parent) == {MADE}


def test_a_damaged_forecast_is_set_aside_beside_its_name(experiment, planned_run, times):
    made = store_made(planned_run, times[0])
    name = give_name(made)
    (made / "a.grib").write_text("1")
    problem = f"{name}: a.grib has 1 bytes instead of 8; "
    assert experiment.plan()["warnings"] == [f"{problem}to be moved aside and made again"]
    plan = experiment.plan(repair=True)
    (aside,) = name.parent.glob(f"{times[0]}.bad-*")
    assert plan["warnings"] == [f"{problem}moved aside to {aside.name}, to be made again"]
    assert complete(plan) == [] and listing(name.parent) == {MADE, aside.name} and listing(made.parent) == set()
    assert (aside / FORECAST_SEAL).exists()


def test_another_whole_one_takes_the_name_of_a_damaged_one(experiment, planned_run, times):
    damaged, whole = store_made(planned_run, times[0], "a" * 8), store_made(planned_run, times[0], "b" * 8)
    name = give_name(damaged)
    (damaged / "a.grib").unlink()
    plan = experiment.plan(repair=True)
    assert complete(plan) == [times[0]] and name.samefile(whole)
    (warning,) = plan["warnings"]
    assert warning.endswith("to be replaced by another one") and "a.grib is missing; moved aside to " in warning


def test_a_name_that_is_taken_by_something_else_is_freed(experiment, planned_run, times):
    made = store_made(planned_run, times[0])
    (made.parents[1] / times[0]).write_text("a file")
    plan = experiment.plan(repair=True)
    assert complete(plan) == [times[0]] and (made.parents[1] / times[0]).samefile(made)


def test_a_name_that_cannot_be_made_is_said_and_the_forecast_is_left_to_a_task(
    experiment, planned_run, times, monkeypatch
):
    """A task takes the forecast from the store; and where that may only be read, the launch ends before."""
    made = store_made(planned_run, times[0])

    def refuse(_target, name):
        raise OSError(28, "No space left on device", str(name))

    monkeypatch.setattr(publish.os, "symlink", refuse)
    plan = experiment.plan(repair=True)
    assert complete(plan) == [] and times[0] in plan["tasks"][0]["init_times"]
    (warning,) = plan["warnings"]
    assert warning.startswith(f"{made}: is whole, but cannot be given its name: {made.parents[1] / times[0]}: No space")


def test_what_lost_the_race_for_a_name_is_listed_with_its_bytes_and_how_to_remove_it(experiment, planned_run, times):
    ours, *spare = [store_made(planned_run, times[0], mark * 8) for mark in "abc"]
    name = give_name(ours)
    other = store_made(planned_run, times[1])  # has no name yet, and gets it
    size = sum(file.stat().st_size for path in spare for file in path.rglob("*"))
    for repair in (False, True):
        (warning,) = experiment.plan(repair=repair)["warnings"]
        assert f"{name.parent}: 2 forecasts ({size / 1e6:.1f} MB) have no name" in warning
    command = warning.split("remove them: ")[1]
    assert shlex.split(command) == ["rm", "-r", *map(str, spare)]
    subprocess.run(command, shell=True, check=True)
    plan = experiment.plan(repair=True)
    assert plan["warnings"] == [] and complete(plan) == times[:2]
    assert listing(ours.parent) == {ours.name, other.name}


def test_many_that_lost_the_race_are_listed_in_part(experiment, planned_run, times):
    give_name([store_made(planned_run, times[0], f"{number:08x}") for number in range(9)][-1])
    (warning,) = experiment.plan()["warnings"]
    assert "8 forecasts" in warning and warning.endswith(" (and 3 more: plan again then)")
    assert len(shlex.split(warning.split("remove them: ")[1].split(" (and")[0])) == 2 + 5


def test_a_forecast_of_another_run_with_the_same_id_is_refused(experiment, planned_run, times):
    write_forecast(Path(planned_run["spec"]["folder"]) / MADE / f"{times[0]}.01234567", "e" * 64)
    with pytest.raises(UserError, match="another run with the same id"):
        experiment.plan(repair=True)


def test_a_stub_run_neither_looks_at_forecasts_nor_changes_them(experiment):
    (planned_run,) = experiment.plan(stub=True)["runs"]
    made = store_made(planned_run, experiment.plan()["init_times"][0])
    plan = experiment.plan(stub=True, repair=True)
    assert complete(plan) == [] and listing(made.parents[1]) == {MADE}


@needs_root
def test_a_store_that_may_only_be_read_serves_what_has_its_name(experiment, planned_run, times):
    """A name that leads nowhere, or is missing, cannot be mended there: the forecast is missing in that store."""
    folder = give_name(store_made(planned_run, times[0])).parent
    shutil.rmtree(give_name(store_made(planned_run, times[1])).resolve())
    store_made(planned_run, times[2])
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    try:
        plan = experiment.plan(repair=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
    assert complete(plan) == [times[0]] and plan["tasks"][0]["init_times"] + plan["tasks"][1]["init_times"] == times[1:]
    assert any("Read-only file system" in warning for warning in plan["warnings"])
