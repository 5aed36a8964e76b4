"""Several forecasts of a task at a time, on GPUs of their own."""

import signal

import pytest
from evalflow.errors import UserError
from evalflow.inference.task import share_gpus
from evalflow.store.layout import MADE, UNFINISHED
from support.environments import end, is_running, start, wait_for
from support.shell_model import HANG, TIMES, WHOLE

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
