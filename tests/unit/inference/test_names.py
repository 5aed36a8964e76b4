"""Forecasts in the store and their names: old stores, damage, names that lead nowhere, and a process that is killed."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from evalflow.inference import publish, task
from evalflow.inference.prepare import ForecastTask, prepare_run
from evalflow.inference.proof import check_forecast
from evalflow.inference.publish import StoredRun
from evalflow.inference.task import run_forecasts
from evalflow.store.files import read_json
from evalflow.store.forecasts import list_made
from evalflow.store.layout import FORECAST_SEAL, INFERENCE_FILE, MADE, RUN_FILE, UNFINISHED
from support.shell_model import TIMES, Model
from support.specs import RUN_ID
from support.stored import write_forecast

DIGEST = "f" * 64
TIME = TIMES[0]


@pytest.fixture
def stored_run(tmp_path) -> StoredRun:
    """A run whose folder is in the store."""
    (tmp_path / "store" / RUN_ID).mkdir(parents=True)
    return StoredRun(tmp_path / "store" / RUN_ID, DIGEST)


def made(stored_run: StoredRun, mark: str = "0" * 8, init_time: str = TIME) -> Path:
    return write_forecast(stored_run.folder / MADE / f"{init_time}.{mark}", DIGEST, mark)


# --- what a name leads to ---------------------------------------------------------------------------------------------


def test_nothing_is_there(stored_run):
    assert stored_run.find(TIME) is None and list_made(stored_run.folder) == {} and stored_run.free_name(TIME) is None
    assert StoredRun(stored_run.folder / "gone", DIGEST).find(TIME) is None


def test_a_whole_forecast_is_found_with_its_name_and_without(stored_run):
    path = made(stored_run)
    assert stored_run.find(TIME) == path and stored_run.problem(TIME) == "missing"
    stored_run.give_name(TIME, path)
    assert os.readlink(stored_run.folder / TIME) == f"{MADE}/{path.name}", "relative: a store can be moved"
    assert stored_run.find(TIME) == path and stored_run.problem(TIME) is None


def test_a_store_that_is_moved_or_copied_keeps_its_names(stored_run, tmp_path):
    stored_run.give_name(TIME, made(stored_run))
    shutil.copytree(tmp_path / "store", tmp_path / "copy", symlinks=True)
    (tmp_path / "store").rename(tmp_path / "moved")
    for place in ("copy", "moved"):
        assert StoredRun(tmp_path / place / RUN_ID, DIGEST, verify=True).problem(TIME) is None


def test_a_folder_of_an_old_store_is_a_forecast_under_its_name(stored_run):
    folder = write_forecast(stored_run.folder / TIME)
    assert stored_run.find(TIME) == folder and stored_run.free_name(TIME) is None and folder.is_dir()


def test_of_several_whole_ones_every_process_takes_the_same(stored_run):
    paths = [made(stored_run, mark) for mark in ("b" * 8, "a" * 8, "c" * 8)]
    assert stored_run.find(TIME) == paths[1]
    stored_run.give_name(TIME, paths[2])
    assert stored_run.find(TIME) == paths[2], "the one that has the name"
    assert stored_run.list_spare(TIME, list_made(stored_run.folder)[TIME]) == [paths[1], paths[0]]


def test_what_is_not_whole_is_not_found(stored_run):
    path = made(stored_run)
    (path / "a.grib").write_text("x")
    assert stored_run.find(TIME) is None
    (path / "a.grib").write_text("1" * 8)
    assert stored_run.find(TIME) == path
    assert StoredRun(stored_run.folder, DIGEST, verify=True).find(TIME) is None, "the size is right"


def test_a_name_that_is_taken_stays(stored_run):
    first, second = made(stored_run, "a" * 8), made(stored_run, "b" * 8)
    stored_run.give_name(TIME, first)
    stored_run.give_name(TIME, second)
    assert stored_run.find(TIME) == first


def test_a_damaged_forecast_is_set_aside_beside_its_name(stored_run):
    path = made(stored_run)
    stored_run.give_name(TIME, path)
    (path / "a.grib").unlink()
    aside = stored_run.free_name(TIME)
    assert (
        aside.parent == stored_run.folder and aside.name.startswith(f"{TIME}.bad-") and (aside / FORECAST_SEAL).exists()
    )
    assert {one.name for one in stored_run.folder.iterdir()} == {MADE, aside.name} and list_made(
        stored_run.folder
    ) == {}


def test_a_name_whose_forecast_is_gone_is_removed_and_nothing_set_aside(stored_run):
    path = made(stored_run)
    stored_run.give_name(TIME, path)
    shutil.rmtree(path)
    assert stored_run.free_name(TIME) is None
    assert {one.name for one in stored_run.folder.iterdir()} == {MADE}


@pytest.mark.parametrize("target", ["elsewhere", f"{MADE}/{TIMES[1]}.01234567", f"{MADE}/x/{TIME}.01234567", "/gone"])
def test_a_link_that_is_not_ours_is_set_aside_as_it_is(stored_run, target):
    (stored_run.folder / TIME).symlink_to(target)
    aside = stored_run.free_name(TIME)
    assert os.readlink(aside) == target and not os.path.lexists(stored_run.folder / TIME)


def test_a_forecast_that_its_owner_has_moved_elsewhere_is_served(stored_run, tmp_path):
    (stored_run.folder / TIME).symlink_to(write_forecast(tmp_path / "elsewhere"))
    assert stored_run.find(TIME) == stored_run.folder / TIME and stored_run.free_name(TIME) is None
    stored_run.bring(TIME, stored_run.find(TIME), tmp_path)
    assert (tmp_path / TIME).samefile(tmp_path / "elsewhere")


def test_what_another_launch_has_replaced_meanwhile_stays(stored_run, monkeypatch):
    """It does so after we have seen the damage, and before we set it aside."""
    damaged, whole = made(stored_run, "a" * 8), made(stored_run, "b" * 8)
    stored_run.give_name(TIME, damaged)
    (damaged / "a.grib").unlink()

    def act_between(path, name=None):
        path.rename(name.with_name("aside"))
        (stored_run.folder / TIME).unlink()
        stored_run.give_name(TIME, whole)
        return name.with_name("aside")

    monkeypatch.setattr(publish, "set_aside", act_between)
    stored_run.free_name(TIME)
    assert stored_run.find(TIME) == whole and stored_run.problem(TIME) is None


def test_of_processes_that_store_at_once_each_has_a_whole_forecast_and_all_are_listed(stored_run, tmp_path):
    """At best all but the first take that of the first. What was stored besides is known."""
    children = []
    for number in range(4):
        folder = write_forecast(tmp_path / str(number) / TIME, DIGEST, str(number))
        child = os.fork()
        if child == 0:
            while not (tmp_path / "go").exists():
                pass
            stored, ours = stored_run.store(folder, TIME)
            stored_run.bring(TIME, stored, tmp_path / str(number) / "task")
            os._exit(ours)
        children.append(child)
    (tmp_path / "go").touch()
    ours = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    check_whole(stored_run)
    stored = list_made(stored_run.folder)[TIME]
    assert len(stored) == sum(ours) >= 1
    for number in range(4):
        assert (tmp_path / str(number) / "task" / TIME).resolve() in stored
    stored_run.give_name(TIME, stored[0])
    assert stored_run.list_spare(TIME, stored) == stored[1:]


# --- killed at every step ---------------------------------------------------------------------------------------------

STEPS = ("link", "rename", "replace", "symlink", "mkdir", "unlink", "rmdir", "fsync", "utime", "sync")


def die_at(step: int, act) -> bool:
    """Do something in a process that is killed when it is to change the file system for the n-th time.

    Return whether it was killed; else it has come to its end.
    """
    child = os.fork()
    if child == 0:
        left = [step]

        def counting(function):
            def call(*arguments, **options):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)

            return call

        for name in STEPS:
            setattr(os, name, counting(getattr(os, name)))
        try:
            act()
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


@pytest.fixture
def finished_run(tmp_path, monkeypatch) -> ForecastTask:
    """A task of one init time whose forecast is sealed and not yet stored, and whose model fails from now on."""
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    model = Model(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(task, "_store", lambda *_: shutil.copytree(model.output, tmp_path / "sealed"))
        assert model.run(TIME) == 0
    model.does(TIME, "exit 3")
    files = (tmp_path / "prepared" / INFERENCE_FILE, tmp_path / "checkpoint", model.image)
    return ForecastTask(model.spec, *files, [TIME], model.output)


def restore(finished_run: ForecastTask) -> StoredRun:
    """Let all be as before the forecast was stored."""
    stored_run = StoredRun(finished_run.spec.folder, finished_run.spec.sha256)
    shutil.rmtree(stored_run.folder / MADE, ignore_errors=True)
    (stored_run.folder / TIME).unlink(missing_ok=True)
    shutil.rmtree(finished_run.output)
    shutil.copytree(finished_run.output.with_name("sealed"), finished_run.output)
    return stored_run


def check_whole(stored_run: StoredRun) -> None:
    for paths in list_made(stored_run.folder).values():
        assert [check_forecast(path, stored_run.sha256, verify=True) for path in paths] == [None] * len(paths)


def test_a_task_that_is_killed_at_any_step_of_storing_loses_no_forecast(finished_run, monkeypatch):
    """What has a forecast's name in the store is whole; another try, in the same folder, makes nothing again."""
    step = 0
    while True:
        step += 1
        stored_run = restore(finished_run)
        killed = die_at(step, lambda: run_forecasts(finished_run))
        check_whole(stored_run)
        run_forecasts(finished_run)
        check_whole(stored_run)
        assert (finished_run.output / TIME).samefile(stored_run.find(TIME)) and len(
            list_made(stored_run.folder)[TIME]
        ) == 1
        if not killed:
            break
    assert step > 20, "steps were counted"


def test_a_task_that_is_killed_after_it_has_stored_is_made_good_in_another_folder(finished_run, tmp_path):
    """Nextflow's retry begins in a new folder: it has what is in the store, and only that."""
    step, found = 0, set()
    while True:
        step += 1
        stored_run = restore(finished_run)
        killed = die_at(step, lambda: run_forecasts(finished_run))
        stored = stored_run.find(TIME)
        found.add(stored is not None)
        if stored:
            shutil.rmtree(finished_run.output)
            run_forecasts(finished_run)
            assert (finished_run.output / TIME).samefile(stored)
        if not killed:
            break
    assert found == {True, False}


def test_a_process_that_is_killed_while_it_frees_a_name_leaves_what_the_next_one_frees(stored_run):
    step = 0
    while True:
        step += 1
        shutil.rmtree(stored_run.folder)
        path = made(stored_run)
        stored_run.give_name(TIME, path)
        (path / "a.grib").unlink()
        killed = die_at(step, lambda: stored_run.free_name(TIME))
        stored_run.free_name(TIME)
        assert not os.path.lexists(stored_run.folder / TIME) and list_made(stored_run.folder) == {}
        assert len(list(stored_run.folder.glob(f"{TIME}.bad-*"))) == 1, "set aside once, and never deleted"
        if not killed:
            break
    assert step > 3


# --- run.json ---------------------------------------------------------------------------------------------------------


def test_who_a_run_is_lies_in_the_store_and_is_seen_from_the_task(tmp_path):
    model = Model(tmp_path)
    stored, seen = model.store / RUN_FILE, tmp_path / "prepared" / RUN_FILE
    assert read_json(stored)["run_id"] == RUN_ID and seen.samefile(stored)
    before = stored.stat()
    prepare_run(model.spec, tmp_path / "again")
    assert stored.stat() == before, "the same: also where the store may only be read"
    stored.write_text("{")
    prepare_run(model.spec, tmp_path / "again")
    assert read_json(stored)["run_id"] == RUN_ID
    stored.unlink()
    assert not seen.exists(), "for Nextflow, the task that wrote it is not cached"


def test_a_forecast_that_fails_leaves_no_name(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    model = Model(tmp_path)
    model.does(TIME, "exit 3")
    assert model.run(TIME) == 3 and model.names() == {UNFINISHED}
