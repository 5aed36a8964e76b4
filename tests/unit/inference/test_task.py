"""Several forecasts in one task: some fail, some are made elsewhere, all that is whole is published at once."""

import os
import shutil
import signal

import pytest
from evalflow.errors import UserError
from evalflow.inference.proof import check_forecast
from evalflow.inference.task import MADE_TWICE, UNFINISHED, UNFINISHED_FOLDER, share_gpus
from evalflow.processes import ENDING
from evalflow.store.layout import FORECAST_SEAL, LOG
from support.environments import end, is_running, needs_root, one_line, run, small_disk, start, wait_for
from support.shell_model import TIMES, WHOLE, Model, grib
from support.specs import RUN_ID

DIGEST = "f" * 64


@pytest.fixture(autouse=True)
def scratch(monkeypatch, tmp_path):
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture
def model(tmp_path):
    return Model(tmp_path)


# --- several init times -----------------------------------------------------------------------------------------------


def test_one_that_fails_does_not_take_others_with_it(model, capfd):
    model.does(TIMES[1], "exit 3")
    assert model.run(*TIMES) == 0
    assert model.names() == {TIMES[0], TIMES[2], UNFINISHED_FOLDER, UNFINISHED}
    assert (model.output / UNFINISHED).read_text() == f"{TIMES[1]} 3\n"
    for init_time in (TIMES[0], TIMES[2]):
        assert check_forecast(model.output / init_time, DIGEST, verify=True) is None
        assert check_forecast(model.store / init_time, DIGEST, verify=True) is None
    assert {path.name for path in model.store.iterdir()} == {TIMES[0], TIMES[2]}
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
    assert not (model.output / UNFINISHED).exists()


def test_second_try_in_the_same_folder(model):
    model.does(TIMES[1], "exit 3")
    assert model.run(*TIMES) == 0 and model.run(*TIMES) == 0
    assert model.names() == {TIMES[0], TIMES[2], UNFINISHED_FOLDER, UNFINISHED}
    model.does(TIMES[1], WHOLE)
    assert model.run(*TIMES) == 0
    assert not (model.output / UNFINISHED).exists() and set(TIMES) <= model.names()


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
    assert model.names() == {UNFINISHED_FOLDER} and not (model.unfinished / TIMES[0] / FORECAST_SEAL).exists()


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_leaves_what_is_finished(model, number):
    status, stderr = stop(model, TIMES[1], number, *TIMES)
    assert status == 0, stderr
    assert "stopped from outside; what is finished is kept" in stderr
    assert model.names() == {TIMES[0], UNFINISHED_FOLDER, UNFINISHED}
    assert (model.output / UNFINISHED).read_text() == f"{TIMES[1]} {128 + number}\n{TIMES[2]} {128 + number}\n"
    assert check_forecast(model.output / TIMES[0], DIGEST, verify=True) is None


def test_sigkill_leaves_what_is_finished_and_no_model(model):
    status, _ = stop(model, TIMES[1], signal.SIGKILL, *TIMES)
    assert status == -signal.SIGKILL
    assert check_forecast(model.output / TIMES[0], DIGEST, verify=True) is None
    assert not (model.output / TIMES[1]).exists(), "only what is whole has the name of a forecast"


def test_script_passes_the_status_on(model):
    model.does(TIMES[0], "exit 3")
    script, *words = model.words(TIMES[0])
    assert run(script, *words, spec=model.spec).returncode == 3


# --- publication ------------------------------------------------------------------------------------------------------


def published(model) -> set[str]:
    """Return the init times in the store, after a check that there is nothing else and that all are whole."""
    names = {path.name for path in model.store.iterdir()}
    assert all(check_forecast(model.store / name, DIGEST, verify=True) is None for name in names)
    return names


def test_each_is_published_before_the_next_is_made(model):
    model.does(TIMES[1], f'test -e "{model.store}/{TIMES[0]}/{FORECAST_SEAL}" && {WHOLE}')
    model.does(TIMES[2], "exit 3")
    assert model.run(*TIMES) == 0
    assert published(model) == {TIMES[0], TIMES[1]}


def test_on_one_file_system_no_byte_is_written_twice(model):
    model.does(TIMES[0], WHOLE + '; mkdir "$1/more"; echo notes > "$1/more/notes.txt"')
    assert model.run(TIMES[0]) == 0
    made = [path for path in (model.output / TIMES[0]).rglob("*") if path.is_file()]
    assert len(made) == 6
    for path in made:
        assert path.samefile(model.store / path.relative_to(model.output))


@needs_root
def test_between_file_systems_it_is_copied(model, tmp_path):
    with small_disk(tmp_path / "other", "1m") as other:
        model.change(folder=other / "runs" / RUN_ID)
        assert model.run(TIMES[0]) == 0
        assert published(model) == {TIMES[0]}


@needs_root
def test_a_group_that_the_store_gives_is_the_group_of_what_is_in_it(model):
    model.store.mkdir(parents=True)
    os.chown(model.store, -1, 1234)
    model.store.chmod(0o2775)
    assert model.run(TIMES[0]) == 0
    assert published(model) == {TIMES[0]}
    assert {path.stat().st_gid for path in model.store.rglob("*")} == {1234}


def test_what_the_store_has_by_now_is_not_made(model, capfd):
    assert model.run(TIMES[0]) == 0
    before = (model.store / TIMES[0] / FORECAST_SEAL).read_bytes()
    shutil.rmtree(model.output)
    model.does(TIMES[0], "exit 3")
    assert model.run(*TIMES) == 0
    assert "is in the store by now" in capfd.readouterr().out
    assert published(model) == set(TIMES) and (model.store / TIMES[0] / FORECAST_SEAL).read_bytes() == before
    assert (model.output / TIMES[0]).readlink() == model.store / TIMES[0]
    assert model.run(*TIMES) == 0, "not even an environment is needed"
    assert "environment by" not in capfd.readouterr().out


def test_the_first_of_two_launches_that_make_a_forecast_wins(model):
    """Another launch publishes the same forecast while ours is made: its stays, and ours is reported."""
    other = Model(model.root / "other")
    assert other.run(TIMES[0]) == 0
    model.does(
        TIMES[0], f'{WHOLE}; mkdir -p "{model.store}"; cp -r "{other.store}/{TIMES[0]}" "{model.store}"; sleep 0.6'
    )
    assert model.run(TIMES[0], gpus=2) == 0
    assert published(model) == {TIMES[0]}
    assert (model.store / TIMES[0] / FORECAST_SEAL).read_bytes() == (
        other.store / TIMES[0] / FORECAST_SEAL
    ).read_bytes()
    assert (model.output / MADE_TWICE).read_text() == f"{RUN_ID} {TIMES[0]} 1 2\n"


@pytest.mark.parametrize("damage", ["cut", "no seal", "a file"])
def test_what_is_not_whole_in_the_store_is_set_aside_and_replaced(model, damage):
    assert model.run(TIMES[0]) == 0
    stored = model.store / TIMES[0]
    shutil.rmtree(model.output)
    if damage == "cut":
        os.truncate(stored / "lead-0.grib", 10)
    elif damage == "no seal":
        (stored / FORECAST_SEAL).unlink()
    else:
        shutil.rmtree(stored)
        stored.write_text("a file")
    assert model.run(TIMES[0]) == 0
    assert check_forecast(stored, DIGEST, verify=True) is None
    (aside,) = model.store.glob(f"{TIMES[0]}.bad-*")
    assert aside.is_file() if damage == "a file" else (aside / "lead-6.grib").exists()


@needs_root
def test_what_cannot_be_published_is_kept(model, tmp_path, capfd):
    """The task succeeds: its work folder has the forecast, and Nextflow will say that it cannot publish it."""
    with small_disk(tmp_path / "other", "64k") as other:
        model.change(folder=other / "runs" / RUN_ID)
        (other / "large").write_bytes(bytes(60_000))
        assert model.run(TIMES[0]) == 0
        assert (
            "made, but not published: " in (said := capfd.readouterr().err)
            and ": No space left on device; free" in said
        )
        assert check_forecast(model.output / TIMES[0], DIGEST, verify=True) is None
        assert list(model.store.iterdir()) == []


def test_what_is_whole_in_work_is_published_and_not_made_again(model):
    """Another try in the same folder: of a job that was lost while it published, say."""
    assert model.run(*TIMES[:2]) == 0
    shutil.rmtree(model.store)
    (model.output / TIMES[1] / "lead-0.grib").unlink()
    model.does(TIMES[0], "exit 3")
    assert model.run(*TIMES[:2]) == 0
    assert published(model) == set(TIMES[:2])


def test_links_within_a_forecast_stay_right(model, tmp_path):
    (tmp_path / "grid").write_text("the model's grid")
    script = f'{WHOLE}; mkdir "$1/more"; ln -s "$1/lead-6.grib" "$1/more/latest"; ln -s "$1/more" "$1/folder"'
    model.does(TIMES[0], f'{script}; ln -s lead-0.grib "$1/first"; ln -s "{tmp_path}/grid" "$1/grid"')
    assert model.run(TIMES[0]) == 0
    assert published(model) == {TIMES[0]}
    shutil.rmtree(model.output)
    assert published(model) == {TIMES[0]}
    assert (model.store / TIMES[0] / "folder" / "latest").read_bytes() == grib(6)
    assert os.readlink(model.store / TIMES[0] / "grid") == str(tmp_path / "grid"), "of no concern to us"


# --- several at a time ------------------------------------------------------------------------------------------------

# Each waits for the other, so that one after the other never ends well.
MEET = 'touch "$1/../here-$(basename "$1")"; for i in $(seq 100); do [ -e "$1/../here-{}" ] && break; sleep 0.1; done; '
MEET += 'rm "$1/../here-{}" || exit 9; echo "GPUs: $CUDA_VISIBLE_DEVICES, threads: $OMP_NUM_THREADS"; '


def gpus_of(model, init_time: str) -> str:
    return (model.output / init_time / "forecast.log").read_text().split("GPUs: ")[1].split(",  ")[0].strip()


@pytest.mark.parametrize("visible", ["4,5,6,7", "GPU-a,GPU-b,GPU-c,GPU-d", None])
def test_members_of_a_job_run_at_once_on_gpus_of_their_own(model, monkeypatch, visible):
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
    assert published(model) == set(TIMES)
    halves = ["0,1", "2,3"] if visible is None else [visible[: len(visible) // 2], visible[len(visible) // 2 + 1 :]]
    seen = [gpus_of(model, init_time) for init_time in TIMES]
    assert sorted(seen[:2]) == [f"{half}, threads: 6" for half in halves] and seen[2] in seen[:2]


def test_one_member_has_all_that_the_job_has(model, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    model.does(TIMES[0], 'echo "GPUs: $CUDA_VISIBLE_DEVICES"; ' + WHOLE)
    assert model.run(TIMES[0], gpus=2, at_once=4) == 0
    assert gpus_of(model, TIMES[0]) == "0,1"


def test_every_members_status_is_kept(model):
    for init_time, status in zip(TIMES, (3, 0, 137), strict=True):
        model.does(init_time, f"sleep 0.$(( {status} % 7 )); {WHOLE}; exit {status}")
    assert model.run(*TIMES, at_once=3) == 0
    assert (model.output / UNFINISHED).read_text() == f"{TIMES[0]} 3\n{TIMES[2]} 137\n"
    assert published(model) == {TIMES[1]}
    assert model.names() == {TIMES[1], UNFINISHED_FOLDER, UNFINISHED}


def test_fewer_gpus_than_members_need(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with pytest.raises(
        UserError, match="CUDA_VISIBLE_DEVICES=0,1,2: the job sees fewer GPUs than the 4 that 2 forecasts"
    ):
        share_gpus(2, 2)
    assert share_gpus(2, 1) == [{}], "one forecast may use what it likes"


def test_members_without_gpus_share_the_cpus(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "8")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share_gpus(0, 3) == [{"OMP_NUM_THREADS": "2"}] * 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert share_gpus(0, 3) == [{}] * 3


def test_sigterm_ends_all_members(model):
    for init_time in TIMES[:2]:
        model.does(init_time, HANG)
    script, *words = model.words(*TIMES, at_once=3)
    process = start(script, *words, spec=model.spec)
    files = [model.unfinished / init_time / "pids" for init_time in TIMES[:2]]
    wait_for(lambda: all(path.exists() for path in files) and (model.store / TIMES[2]).exists())
    pids = [int(word) for path in files for word in path.read_text().split()]
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(timeout=20) == 0
        wait_for(lambda: not any(is_running(pid) for pid in pids), 10)
    finally:
        for pid in pids:
            end(pid)
    assert (model.output / UNFINISHED).read_text() == f"{TIMES[0]} 143\n{TIMES[1]} 143\n"
    assert published(model) == {TIMES[2]}


# --- what a task could not publish ------------------------------------------------------------------------------------


def publish(model, *names: str, **options):
    script = ["publish_forecasts.py", *names]
    return run(*script, spec=model.spec, cwd=model.output, **options)


def test_forecasts_are_published_from_work(model):
    assert model.run(*TIMES[:2]) == 0
    shutil.rmtree(model.store)
    assert publish(model, *TIMES[:2]).returncode == 0
    assert published(model) == set(TIMES[:2])
    before = (model.store / TIMES[0] / FORECAST_SEAL).stat().st_ino
    assert publish(model, *TIMES[:2]).returncode == 0, "what is there stays"
    assert (model.store / TIMES[0] / FORECAST_SEAL).stat().st_ino == before


@pytest.mark.parametrize("harm", ["a byte", "a file"])
def test_what_is_damaged_in_work_is_not_published(model, harm):
    """Parallel file systems are purged file by file."""
    assert model.run(TIMES[0]) == 0
    shutil.rmtree(model.store)
    file = model.output / TIMES[0] / "lead-6.grib"
    content = file.read_bytes()
    file.unlink()
    if harm == "a byte":
        file.write_bytes(content[:-1] + b"x")
    line = one_line(publish(model, TIMES[0]))
    assert "lead-6.grib" in line and line.endswith("; launch without -resume to make this forecast again")
    assert not model.store.exists()


@needs_root
def test_a_store_that_is_full_is_said_and_nothing_is_left_in_it(model, tmp_path):
    assert model.run(TIMES[0]) == 0
    with small_disk(tmp_path / "other", "64k") as other:
        model.change(folder=other / "runs" / RUN_ID)
        (other / "large").write_bytes(bytes(60_000))
        line = one_line(publish(model, TIMES[0]))
        assert "No space left on device" in line and line.endswith("with -resume, it only has to be published")
        assert list(model.store.iterdir()) == []


def test_stubs_are_published_as_they_are(model):
    (model.output / TIMES[0]).mkdir(parents=True)
    (model.output / TIMES[0] / FORECAST_SEAL).touch()
    assert publish(model, "--stub", TIMES[0]).returncode == 0
    assert (model.store / TIMES[0] / FORECAST_SEAL).exists()
