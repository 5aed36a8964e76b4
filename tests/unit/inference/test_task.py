"""Several forecasts in one task: some fail, some are made elsewhere, a signal ends the task."""

import signal

import pytest
from evalflow.inference.proof import check_forecast
from evalflow.processes import ENDING
from evalflow.store.layout import FORECAST_SEAL, LOG, MADE, UNFINISHED
from support.environments import end, is_running, run, start, wait_for
from support.shell_model import DIGEST, HANG, TIMES, WHOLE
from support.specs import RUN_ID

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
