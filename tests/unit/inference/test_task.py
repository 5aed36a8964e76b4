"""Several forecasts in one task: some fail, some are made elsewhere, all that is whole is stored at once."""

import os
import shutil
import signal
import sys
from contextlib import contextmanager

import pytest
from evalflow.errors import UserError
from evalflow.inference import publish
from evalflow.inference.proof import check_forecast
from evalflow.inference.task import MADE_TWICE, UNFINISHED, UNSTORED, share_gpus
from evalflow.processes import ENDING
from evalflow.store.layout import FORECAST_SEAL, LOG, MADE
from support.environments import end, is_running, needs_root, one_line, run, small_disk, start, wait_for
from support.shell_model import TIMES, WHOLE, Model, grib
from support.specs import RUN_ID

DIGEST = "f" * 64


# --- several init times -----------------------------------------------------------------------------------------------


def test_one_that_fails_does_not_take_others_with_it(model, capfd):
    model.does(TIMES[1], "exit 3")
    assert model.run(*TIMES) == 0
    assert model.names() == {MADE, TIMES[0], TIMES[2], UNFINISHED}
    for init_time, path in model.stored().items():
        assert (model.output / init_time).samefile(path)
    assert set(model.stored()) == {TIMES[0], TIMES[2]}
    assert {path.name for path in model.unfinished.iterdir()} == {TIMES[1]}, "the log of what failed"
    captured = capfd.readouterr()
    assert captured.out.splitlines() == [
        f"{RUN_ID}: environment by folder",
        f"{RUN_ID} {TIMES[0]}: log: {model.unfinished / TIMES[0] / LOG}",
        f"{RUN_ID} {TIMES[0]}: done (1 of 3)",
        f"{RUN_ID} {TIMES[1]}: log: {model.unfinished / TIMES[1] / LOG}",
        f"{RUN_ID} {TIMES[1]}: FAILED with status 3 (2 of 3)",
        f"{RUN_ID} {TIMES[2]}: log: {model.unfinished / TIMES[2] / LOG}",
        f"{RUN_ID} {TIMES[2]}: done (3 of 3)",
    ]
    assert "status 3" in captured.err


def test_none_succeeds(model):
    for init_time, status in zip(TIMES, (4, 3, 1), strict=True):
        model.does(init_time, f"exit {status}")
    assert model.run(*TIMES) == 4
    assert model.names() == {UNFINISHED} and model.stored() == {}


def test_second_try_in_the_same_folder(model):
    model.does(TIMES[1], "exit 3")
    assert model.run(*TIMES) == 0 and model.run(*TIMES) == 0
    assert model.names() == {MADE, TIMES[0], TIMES[2], UNFINISHED}
    model.does(TIMES[1], WHOLE)
    assert model.run(*TIMES) == 0
    assert model.names() == {MADE, *TIMES} and set(model.stored()) == set(TIMES)


# --- signals ----------------------------------------------------------------------------------------------------------

HANG = 'sleep 60 & echo $$ $! > "$1/pids.tmp"; mv "$1/pids.tmp" "$1/pids"; wait'


def stop(model, init_time: str, number: int, *init_times: str):
    """Start forecasts, send a signal while that of `init_time` is made, and return status and what was said."""
    model.does(init_time, HANG)
    script, *words = model.words(*init_times)
    process = start(script, *words, spec=model.spec)
    path = model.unfinished / init_time / "pids"
    wait_for(lambda: path.exists() or process.poll() is not None)
    pids = [int(word) for word in path.read_text().split()]
    process.send_signal(number)
    try:
        _, stderr = process.communicate(timeout=20)
        wait_for(lambda: not any(is_running(pid) for pid in pids), 10)
    finally:
        for pid in pids:
            end(pid)
    return process.returncode, stderr


def test_sigterm_ends_the_model(model):
    status, _ = stop(model, TIMES[0], signal.SIGTERM, *TIMES)
    assert status == 143
    assert model.names() == {UNFINISHED} and not (model.unfinished / TIMES[0] / FORECAST_SEAL).exists()


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_leaves_what_is_finished(model, number):
    status, stderr = stop(model, TIMES[1], number, *TIMES)
    assert status == 0, stderr
    assert "stopped from outside; what is finished is kept" in stderr
    assert model.names() == {MADE, TIMES[0], UNFINISHED}
    assert set(model.stored()) == {TIMES[0]}


def test_sigkill_leaves_what_is_finished_and_no_model(model):
    status, _ = stop(model, TIMES[1], signal.SIGKILL, *TIMES)
    assert status == -signal.SIGKILL
    assert check_forecast(model.output / TIMES[0], DIGEST, verify=True) is None
    assert not (model.output / TIMES[1]).exists(), "only what is whole has the name of a forecast"


def test_script_passes_the_status_on(model):
    model.does(TIMES[0], "exit 3")
    script, *words = model.words(TIMES[0])
    assert run(script, *words, spec=model.spec).returncode == 3


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


# --- several at a time ------------------------------------------------------------------------------------------------

# Each waits for the other, so that one after the other never ends well.
MEET = 'touch "$1/../here-$(basename "$1")"; for i in $(seq 100); do [ -e "$1/../here-{}" ] && break; sleep 0.1; done; '
MEET += 'rm "$1/../here-{}" || exit 9; echo "GPUs: $CUDA_VISIBLE_DEVICES, threads: $OMP_NUM_THREADS"; '


def gpus_of(model, init_time: str) -> str:
    return (model.output / init_time / "forecast.log").read_text().split("GPUs: ")[1].split(",  ")[0].strip()


@pytest.mark.parametrize("visible", ["4,5,6,7", "GPU-a,GPU-b,GPU-c,GPU-d", None])
def test_forecasts_of_a_job_run_at_once_on_gpus_of_their_own(model, monkeypatch, visible):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "12")
    for mine, others in ((0, 1), (1, 0)):
        model.does(TIMES[mine], MEET.format(TIMES[others], TIMES[others]) + WHOLE)
    model.does(TIMES[2], 'echo "GPUs: $CUDA_VISIBLE_DEVICES, threads: $OMP_NUM_THREADS"; ' + WHOLE)
    assert model.run(*TIMES, gpus=2, at_once=2) == 0
    assert set(model.stored()) == set(TIMES)
    halves = ["0,1", "2,3"] if visible is None else [visible[: len(visible) // 2], visible[len(visible) // 2 + 1 :]]
    seen = [gpus_of(model, init_time) for init_time in TIMES]
    assert sorted(seen[:2]) == [f"{half}, threads: 6" for half in halves] and seen[2] in seen[:2]


def test_one_forecast_has_all_that_the_job_has(model, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    model.does(TIMES[0], 'echo "GPUs: $CUDA_VISIBLE_DEVICES"; ' + WHOLE)
    assert model.run(TIMES[0], gpus=2, at_once=4) == 0
    assert gpus_of(model, TIMES[0]) == "0,1"


def test_every_status_of_several_at_once_is_said(model, capfd):
    for init_time, status in zip(TIMES, (3, 0, 137), strict=True):
        model.does(init_time, f"sleep 0.$(( {status} % 7 )); {WHOLE}; exit {status}")
    assert model.run(*TIMES, at_once=3) == 0
    said = capfd.readouterr().out
    assert f"{TIMES[0]}: FAILED with status 3" in said and f"{TIMES[2]}: FAILED with status 137" in said
    assert set(model.stored()) == {TIMES[1]}
    assert model.names() == {MADE, TIMES[1], UNFINISHED}


def test_fewer_gpus_than_forecasts_at_once_need(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with pytest.raises(
        UserError, match="CUDA_VISIBLE_DEVICES=0,1,2: the job sees fewer GPUs than the 4 that 2 forecasts"
    ):
        share_gpus(2, 2)
    assert share_gpus(2, 1) == [{}], "one forecast may use what it likes"


def test_forecasts_without_gpus_share_the_cpus(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "8")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share_gpus(0, 3) == [{"OMP_NUM_THREADS": "2"}] * 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert share_gpus(0, 3) == [{}] * 3


def test_sigterm_ends_all_that_are_made_at_once(model):
    for init_time in TIMES[:2]:
        model.does(init_time, HANG)
    script, *words = model.words(*TIMES, at_once=3)
    process = start(script, *words, spec=model.spec)
    files = [model.unfinished / init_time / "pids" for init_time in TIMES[:2]]
    wait_for(lambda: all(path.exists() for path in files) and list(model.store.glob(f"{MADE}/{TIMES[2]}.*")))
    pids = [int(word) for path in files for word in path.read_text().split()]
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(timeout=20) == 0
        wait_for(lambda: not any(is_running(pid) for pid in pids), 10)
    finally:
        for pid in pids:
            end(pid)
    assert set(model.stored()) == {TIMES[2]}


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
