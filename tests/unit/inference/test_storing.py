"""What a task has made is stored at once, each forecast by itself, whatever the store and the node are like."""

import os
import shutil
import sys
from contextlib import contextmanager

import pytest
from evalflow.errors import UserError
from evalflow.inference import publish
from evalflow.inference.proof import check_forecast
from evalflow.inference.task import MADE_TWICE, UNSTORED
from evalflow.store.layout import FORECAST_SEAL, LOG, MADE, UNFINISHED
from support.environments import needs_root, one_line, run, small_disk
from support.shell_model import DIGEST, TIMES, WHOLE, Model, grib
from support.specs import RUN_ID

# --- in the store -----------------------------------------------------------------------------------------------------


def test_each_is_stored_before_the_next_is_made(model):
    model.does(TIMES[1], f'test -e "{model.store}/{MADE}/{TIMES[0]}".????????/{FORECAST_SEAL} && {WHOLE}')
    model.does(TIMES[2], "exit 3")
    assert model.run(*TIMES) == 0
    assert set(model.stored()) == {TIMES[0], TIMES[1]}


def test_what_a_task_brings_leads_to_the_store_from_its_folder_and_from_the_runs(model):
    assert model.run(*TIMES) == 0
    for init_time, path in model.stored().items():
        link = os.readlink(model.output / init_time)
        assert link == f"{MADE}/{path.name}", "a relative link"
        assert (model.output / init_time).samefile(path) and (model.store / link).samefile(path)


def test_one_copy_of_a_forecast_is_there(model):
    """On one file system no byte is written twice, and nothing of it stays in the task's folder."""
    model.does(TIMES[0], WHOLE + '; mkdir "$1/more"; ls -i "$1"/*.grib > "$1/more/notes.txt"')
    assert model.run(TIMES[0]) == 0
    made = [path for path in model.stored()[TIMES[0]].rglob("*") if path.is_file()]
    assert len(made) == 6 and {path.stat().st_nlink for path in made} == {1}
    notes = (model.stored()[TIMES[0]] / "more" / "notes.txt").read_text()
    inodes = {path.stat().st_ino for path in made if path.suffix == ".grib"}
    assert {int(line.split()[0]) for line in notes.splitlines()} == inodes, "the files that the model wrote"
    assert model.names() == {MADE, TIMES[0]}


@needs_root
def test_between_file_systems_it_is_copied(model, tmp_path):
    with small_disk(tmp_path / "other", "1m") as other:
        model.change(folder=other / "runs" / RUN_ID)
        assert model.run(TIMES[0]) == 0
        assert set(model.stored()) == {TIMES[0]} and model.names() == {MADE, TIMES[0]}


@needs_root
def test_a_group_that_the_store_gives_is_the_group_of_what_is_in_it(model):
    os.chown(model.store, -1, 1234)
    model.store.chmod(0o2775)
    assert model.run(TIMES[0]) == 0
    assert set(model.stored()) == {TIMES[0]}
    assert {path.stat().st_gid for path in model.store.rglob(f"{MADE}/**/*")} == {1234}


@pytest.mark.parametrize("named", [True, False])
def test_what_the_store_has_by_now_is_not_made(model, capfd, named):
    assert model.run(TIMES[0]) == 0
    if named:
        model.publish()
    before = model.stored()[TIMES[0]]
    shutil.rmtree(model.output)
    model.does(TIMES[0], "exit 3")
    assert model.run(*TIMES) == 0
    assert "is in the store by now" in capfd.readouterr().out
    assert set(model.stored()) == set(TIMES) and model.stored()[TIMES[0]] == before
    assert os.readlink(model.output / TIMES[0]) == f"{MADE}/{before.name}"
    assert model.run(*TIMES) == 0, "not even an environment is needed"
    assert "environment by" not in capfd.readouterr().out


def test_a_folder_of_an_old_store_is_not_made_again(model):
    assert model.run(TIMES[0]) == 0
    model.stored()[TIMES[0]].rename(model.store / TIMES[0])
    shutil.rmtree(model.output)
    model.does(TIMES[0], "exit 3")
    assert model.run(TIMES[0]) == 0
    assert (model.output / TIMES[0]).samefile(model.store / TIMES[0]) and model.stored() == {}


@pytest.mark.parametrize("named", [True, False])
def test_the_first_of_two_launches_that_make_a_forecast_wins(model, named):
    """Another launch stores the same forecast while ours is made: its stays, and ours is reported."""
    other = Model(model.root / "other")
    assert other.run(TIMES[0]) == 0
    (made,) = other.stored().values()
    link = f'ln -s "{MADE}/{made.name}" "{model.store}/{TIMES[0]}"' if named else ":"
    copy = f'mkdir -p "{model.store}/{MADE}"; cp -r "{made}" "{model.store}/{MADE}"'
    model.does(TIMES[0], f"{WHOLE}; {copy}; {link}; sleep 0.6")
    assert model.run(TIMES[0], gpus=2) == 0
    assert model.stored() == {TIMES[0]: model.store / MADE / made.name}
    assert (model.output / MADE_TWICE).read_text() == f"{RUN_ID} {TIMES[0]} 1 2\n"
    assert model.names() == {MADE, MADE_TWICE, TIMES[0]}


@pytest.mark.parametrize("damage", ["cut", "no seal", "a file", "gone"])
@pytest.mark.parametrize("old", [True, False])
def test_what_is_not_whole_in_the_store_leaves_its_name_to_what_is(model, damage, old):
    """What is damaged is set aside. A name whose forecast is gone is removed."""
    assert model.run(TIMES[0]) == 0
    name, stored = model.store / TIMES[0], model.stored()[TIMES[0]]
    if old:
        stored = stored.rename(name)
    else:
        model.publish()
    shutil.rmtree(model.output)
    if damage == "cut":
        os.truncate(stored / "lead-0.grib", 10)
    elif damage == "no seal":
        (stored / FORECAST_SEAL).unlink()
    else:
        shutil.rmtree(stored)
        if damage == "a file":
            stored.write_text("a file")
    assert model.run(TIMES[0]) == 0
    assert set(model.stored()) == {TIMES[0]} and not os.path.lexists(name)
    model.publish()
    assert check_forecast(name, DIGEST, verify=True) is None
    aside = list(model.store.glob(f"{TIMES[0]}.bad-*"))
    if damage == "gone":
        assert aside == []
    else:
        (aside,) = aside
        assert aside.is_file() if damage == "a file" else (aside / "lead-6.grib").exists()


def test_a_name_that_cannot_be_freed_does_not_cost_the_forecast(model, monkeypatch):
    (model.store / TIMES[0]).write_text("in the way")

    def refuse(*_):
        raise UserError("cannot be moved aside")

    monkeypatch.setattr("evalflow.inference.publish.set_aside", refuse)
    assert model.run(TIMES[0]) == 0
    assert set(model.stored()) == {TIMES[0]} and (model.store / TIMES[0]).read_text() == "in the way"


def test_links_within_a_forecast_stay_right(model, tmp_path):
    (tmp_path / "grid").write_text("the model's grid")
    script = f'{WHOLE}; mkdir "$1/more"; ln -s "$1/lead-6.grib" "$1/more/latest"; ln -s "$1/more" "$1/folder"'
    model.does(TIMES[0], f'{script}; ln -s lead-0.grib "$1/first"; ln -s "{tmp_path}/grid" "$1/grid"')
    assert model.run(TIMES[0]) == 0
    shutil.rmtree(model.output)
    stored = model.stored()[TIMES[0]]
    assert (stored / "folder" / "latest").read_bytes() == grib(6)
    assert os.readlink(stored / "grid") == str(tmp_path / "grid"), "of no concern to us"


# --- what cannot be stored --------------------------------------------------------------------------------------------


@contextmanager
def full_store(model, tmp_path):
    """Let the run's folder be in a store without room for a forecast."""
    before = model.spec.folder
    with small_disk(tmp_path / "other", "64k") as other:
        model.change(folder=other / "runs" / RUN_ID)
        (other / "large").write_bytes(bytes(60_000))
        yield other
    model.change(folder=before)


@needs_root
def test_what_cannot_be_stored_is_kept(model, tmp_path, capfd):
    """The task succeeds, and brings the forecast itself for STORE_FORECASTS; under a name that Nextflow does not publish."""
    with full_store(model, tmp_path):
        assert model.run(*TIMES[:2]) == 0
        said = capfd.readouterr().err
        assert said.count("made, but not stored: ") == 2 and said.count(": No space left on device; free") == 2
        assert model.names() == {UNSTORED}
        for init_time in TIMES[:2]:
            assert check_forecast(model.output / UNSTORED / init_time, DIGEST, verify=True) is None
        assert model.stored() == {}


@needs_root
def test_another_try_in_the_same_folder_stores_what_is_whole_there(model, tmp_path):
    """Of a job that was lost while it stored, say. What is damaged there is made again."""
    with full_store(model, tmp_path):
        assert model.run(*TIMES[:2]) == 0
    (model.output / UNSTORED / TIMES[1] / "lead-0.grib").unlink()
    model.does(TIMES[0], "exit 3")
    assert model.run(*TIMES[:2]) == 0
    assert set(model.stored()) == set(TIMES[:2])


def test_a_signal_while_a_forecast_is_stored_does_not_cost_it(model, monkeypatch):
    """The handler of a signal raises SystemExit, wherever we are."""
    store = publish.store_folder

    def stop(source, final):
        store(source, final.with_name("half"))
        shutil.rmtree(final.with_name("half"))
        sys.exit(143)

    model.does(TIMES[1], "sleep 60")
    with monkeypatch.context() as patch:
        patch.setattr(publish, "store_folder", stop)
        assert model.run(*TIMES[:2]) == 0
    assert model.names() == {UNFINISHED, UNSTORED}
    assert check_forecast(model.output / UNSTORED / TIMES[0], DIGEST, verify=True) is None


# --- node-local scratch -----------------------------------------------------------------------------------------------


def test_forecasts_are_made_on_the_node_and_stored_from_there(model, tmp_path):
    model.does(TIMES[0], WHOLE + f'; pwd > "{tmp_path}/place"; echo words')
    model.does(TIMES[1], "echo last words; exit 3")
    assert model.run(*TIMES[:2], on_node=True) == 0
    assert set(model.stored()) == {TIMES[0]} and model.names() == {MADE, TIMES[0], UNFINISHED}
    assert (tmp_path / "place").read_text().startswith(f"{tmp_path}/scratch/")
    assert "words" in (model.output / TIMES[0] / LOG).read_text()
    assert "last words" in (model.unfinished / TIMES[1] / LOG).read_text(), "the log outlives the node"
    assert not list((tmp_path / "scratch").glob("*/forecasts-*"))


@needs_root
def test_what_cannot_be_stored_from_the_node_is_kept_in_the_tasks_folder(model, tmp_path):
    with full_store(model, tmp_path):
        assert model.run(TIMES[0], on_node=True) == 0
        assert check_forecast(model.output / UNSTORED / TIMES[0], DIGEST, verify=True) is None
        assert not list((tmp_path / "scratch").glob("*/forecasts-*"))


def test_nextflows_own_scratch_is_refused_in_one_line(model, tmp_path):
    """Nextflow's wrapper is in the task's folder, and there alone."""
    script, *words = model.words(TIMES[0])
    folder = tmp_path / "folder"
    folder.mkdir()
    options = {"spec": model.spec, "env": {"NXF_TASK_WORKDIR": str(folder)}, "cwd": folder}
    line = one_line(run(script, *words, **options))
    assert line.startswith("evalflow: process.scratch: ") and "ext.on_node = true" in line
    assert model.stored() == {}
    (folder / ".command.run").touch()
    assert run(script, *words, **options).returncode == 0


# --- what a task could not store --------------------------------------------------------------------------------------


@pytest.fixture
def kept(model, tmp_path) -> Model:
    """The model after a task that could not store its two forecasts."""
    for init_time in TIMES[:2]:
        assert model.run(init_time) == 0
        (model.output / UNSTORED).mkdir(exist_ok=True)
        model.stored()[init_time].rename(model.output / UNSTORED / init_time)
    return model


def store_again(model, *names: str, **options):
    (model.root / "again").mkdir(exist_ok=True)
    paths = [model.output / UNSTORED / name for name in names]
    return run("store_forecasts.py", *options.pop("words", ()), *paths, spec=model.spec, cwd=model.root / "again")


def test_forecasts_are_stored_from_work(kept):
    assert store_again(kept, *TIMES[:2]).returncode == 0
    stored = kept.stored()
    assert set(stored) == set(TIMES[:2])
    for init_time, path in stored.items():
        assert os.readlink(kept.root / "again" / init_time) == f"{MADE}/{path.name}"
        assert (kept.root / "again" / init_time).samefile(path)
    assert store_again(kept, *TIMES[:2]).returncode == 0, "what is there stays"
    assert kept.stored() == stored


@pytest.mark.parametrize("harm", ["a byte", "a file"])
def test_what_is_damaged_in_work_is_not_stored(kept, harm):
    """Parallel file systems are purged file by file."""
    file = kept.output / UNSTORED / TIMES[0] / "lead-6.grib"
    content = file.read_bytes()
    file.unlink()
    if harm == "a byte":
        file.write_bytes(content[:-1] + b"x")
    line = one_line(store_again(kept, TIMES[0]))
    assert "lead-6.grib" in line and line.endswith("; launch without -resume to make this forecast again")
    assert kept.stored() == {}


@needs_root
def test_a_store_that_is_full_is_said_and_nothing_is_left_in_it(kept, tmp_path):
    with full_store(kept, tmp_path):
        line = one_line(store_again(kept, TIMES[0]))
        assert "No space left on device" in line and line.endswith("with -resume, it only has to be stored")
        assert list((kept.store / MADE).iterdir()) == []


def test_stubs_are_stored_as_they_are_and_once(model):
    (model.output / UNSTORED / TIMES[0]).mkdir(parents=True)
    (model.output / UNSTORED / TIMES[0] / FORECAST_SEAL).touch()
    for _ in range(2):
        assert store_again(model, TIMES[0], words=["--stub"]).returncode == 0
        (path,) = (model.store / MADE).iterdir()
        assert (path / FORECAST_SEAL).stat().st_size == 0
        assert (model.root / "again" / TIMES[0] / FORECAST_SEAL).samefile(path / FORECAST_SEAL)
