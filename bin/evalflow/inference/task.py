"""A task: forecasts of one run for some init times, each stored as soon as it is whole."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import click

from evalflow.environment.mount import DEFINITIONS, Environment, mounted
from evalflow.errors import UserError, describe_os_error
from evalflow.host import remove, temporary_scratch
from evalflow.inference.giving_up import GIVEN_UP, Failures
from evalflow.inference.prepare import ForecastTask, prepare_forecast
from evalflow.inference.proof import check_forecast, check_inputs, describe_failure
from evalflow.inference.publish import StoredRun, complain, refuse_scratch
from evalflow.inference.seal import seal_forecast
from evalflow.lookup import RESOURCES
from evalflow.processes import ask_to_end, exit_status
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.files import store_folder
from evalflow.store.layout import FORECASTER, LOG, UNFINISHED
from evalflow.yamlio import read_yaml

UNSTORED = "unstored"
"""Folder of a task for whole forecasts that could not be stored."""
MADE_TWICE = "made_twice.txt"
_POLL_SECONDS = 0.05
_VISIBLE_GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def share_gpus(gpus: int, at_once: int) -> list[dict[str, str]]:
    """Return the variables by which each of several forecasts made at once sees only its own GPUs.

    Parameters
    ----------
    gpus : GPUs of each forecast
    at_once : forecasts that are made at once

    Raises
    ------
    UserError
        Where the job sees fewer GPUs than all of them need.
    """
    if at_once == 1:
        return [{}]
    cpus = int(os.environ.get("SLURM_CPUS_ON_NODE") or len(os.sched_getaffinity(0)))
    # Each would start a thread for every CPU of the job.
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, cpus // at_once))}
    if not gpus:
        return [threads] * at_once
    seen = {name: os.environ[name].split(",") for name in _VISIBLE_GPUS if os.environ.get(name)}
    for name, devices in seen.items():
        if len(devices) < gpus * at_once:
            raise UserError(
                f"{name}={os.environ[name]}: the job sees fewer GPUs than the {gpus * at_once} that {at_once} forecasts "
                "at once need; check --gpu_flag, or lower --inits_at_once"
            )
    seen = seen or {_VISIBLE_GPUS[0]: [str(number) for number in range(gpus * at_once)]}
    parts = [slice(gpus * number, gpus * (number + 1)) for number in range(at_once)]
    return [threads | {name: ",".join(devices[part]) for name, devices in seen.items()} for part in parts]


@dataclass
class _Running:
    """A forecast that is being made: the model's process, what ends it, its share of the GPUs."""

    init_time: str
    request: ForecastRequest
    share: dict[str, str]
    process: subprocess.Popen
    ending: ExitStack
    began: float


class _Team:
    """Makes forecasts, as many at a time as there are shares of the job's GPUs.

    Attributes
    ----------
    making : folder in which the models work
    statuses : init time → exit status of the model, or 1 where what it made is not whole; 0 means
        whole
    twice : init time → seconds, of forecasts that another launch had stored when ours were finished
    """

    def __init__(
        self, task: ForecastTask, environment: Environment, shares: list[dict[str, str]], making: Path
    ) -> None:
        self.task = task
        self.spec = task.spec
        self.run = _stored(task)
        self.failures = _failures(task)
        self.config = read_yaml(task.inference) or {}
        self.environment = environment
        self.making = making
        self.statuses: dict[str, int] = {}
        self.twice: dict[str, float] = {}
        self.free = shares[::-1]
        self.running: list[_Running] = []
        self.variables = environment.variables()
        if not self.spec.disable_local_eccodes_definitions and environment.has(DEFINITIONS):
            self.variables["ECCODES_DEFINITION_PATH"] = str(environment.root / DEFINITIONS)

    def make(self, init_times: list[str]) -> int:
        """Make forecasts, seal and store them.

        Return 0, or the status of an exit that a signal asked for.
        """
        waiting = list(init_times)
        try:
            while waiting or self.running:
                while waiting and self.free:
                    self._start(waiting.pop(0))
                if self.running:
                    init_time = self._wait()
                    status = self.statuses[init_time]
                    if status != 0:
                        self.failures.add(init_time, status)
                        self._give_up(waiting)
                    done = f"{len(self.statuses)} of {len(init_times)}"
                    word = "done" if status == 0 else f"FAILED with status {status}"
                    click.echo(f"{self.spec.run_id} {init_time}: {word} ({done})")
        except SystemExit as stop:  # SIGTERM, at a time limit for example
            click.echo(f"evalflow: {self.spec.run_id}: stopped from outside; what is finished is kept", err=True)
            for one in self.running:
                self.failures.add(one.init_time, int(stop.code or 0))
            return int(stop.code or 0)
        finally:
            for one in self.running:  # all of them first, so that one does not wait for the other
                ask_to_end(one.process)
            for one in self.running:
                one.ending.close()
        return 0

    def _give_up(self, waiting: list[str]) -> None:
        """Begin none of those that wait, where the run is given up by now."""
        if waiting and (reason := self.failures.reason_to_give_up()):
            self.statuses |= _leave_out(self.task, waiting, reason)
            waiting.clear()

    def _log(self, init_time: str) -> Path:
        """Return the place of a model's log.

        It is in the task's folder, wherever the model works, so that it outlives the job.
        """
        return self.task.output / UNFINISHED / init_time / LOG

    def _start(self, init_time: str) -> None:
        log_file = self._log(init_time)
        with ExitStack() as stack:
            try:
                request = prepare_forecast(self.task, self.config, init_time, self.making / init_time)
                log_file.parent.mkdir(parents=True, exist_ok=True)
                command = runner_named(self.spec.runner).command(request)
                log = stack.enter_context(open(log_file, "w", encoding="utf-8", errors="replace"))
                print(f"$ {shlex.join(command)}", file=log, flush=True)
                # Said before, so that it is known of a task that is killed.
                click.echo(f"{self.spec.run_id} {init_time}: log: {log_file}")
            except OSError as error:  # a full disk, say: what is finished must not be lost with it
                self.statuses[init_time] = 1
                self.failures.add(init_time, 1)
                complain(self.spec, init_time, describe_os_error(error))
                return
            options = {"cwd": request.output, "env": self.variables | self.free[-1]}
            start = self.environment.start(command, **options, stdout=log, stderr=subprocess.STDOUT)
            process = stack.enter_context(start)
            ending = stack.pop_all()
        self.running.append(_Running(init_time, request, self.free.pop(), process, ending, time.monotonic()))

    def _wait(self) -> str:
        """Wait until a model has ended, see to what it has made, and return its init time."""
        while (ended := next((one for one in self.running if one.process.poll() is not None), None)) is None:
            time.sleep(_POLL_SECONDS)
        ended.ending.close()
        self.running.remove(ended)
        self.free.append(ended.share)
        try:
            self.statuses[ended.init_time] = self._finish(ended)
        except OSError as error:
            self.statuses[ended.init_time] = 1
            complain(self.spec, ended.init_time, describe_os_error(error))
        return ended.init_time

    def _finish(self, ended: _Running) -> int:
        folder, status = ended.request.output, exit_status(ended.process.returncode)
        seconds, log = time.monotonic() - ended.began, self._log(ended.init_time)
        (folder / FORECASTER).unlink(missing_ok=True)  # an input, to be stored with nothing
        if self.spec.resources.linked or self.spec.resources.rewritten:
            shutil.rmtree(folder / RESOURCES, ignore_errors=True)
        if status != 0:
            describe_failure(self.spec, ended.init_time, log, f"the model ended with status {status}")
            return status
        if log.parent != folder:
            shutil.copyfile(log, folder / LOG)
        try:
            seal_forecast(self.spec, ended.request, self.environment.method, seconds)
        except UserError as error:
            if log.parent != folder:  # on the node: what cost hours of GPUs stays, whole or not
                remove(log.parent)
                store_folder(folder, log.parent)
            describe_failure(self.spec, ended.init_time, log, str(error))
            return 1
        self.statuses[ended.init_time] = 0  # also where a signal comes now
        if not _store(self.task, self.run, folder):
            self.twice[ended.init_time] = seconds
        return 0


def _stored(task: ForecastTask) -> StoredRun:
    return StoredRun(task.spec.folder, task.spec.sha256)


def _failures(task: ForecastTask) -> Failures:
    return Failures(task.failures / task.spec.run_id if task.failures else None, _stored(task))


def _leave_out(task: ForecastTask, init_times: list[str], reason: str) -> dict[str, int]:
    """Say that forecasts are not begun, and write down which. Return their statuses."""
    (task.output / GIVEN_UP).write_text("".join(f"{init_time}\n" for init_time in init_times), encoding="utf-8")
    click.echo(f"evalflow: {task.spec.run_id}: {reason}; launch again when the cause is gone", err=True)
    return dict.fromkeys(init_times, 1)


def _store(task: ForecastTask, run: StoredRun, folder: Path) -> bool:
    """Store a whole forecast and make a link to it. Return whether what the store has now is ours.

    If it cannot be stored, or a signal comes, it stays in the task's folder: STORE_FORECASTS or a
    retry stores it.
    """
    init_time = folder.name
    try:
        stored, ours = run.store(folder, init_time)
    except BaseException as error:
        kept = task.output / UNSTORED / init_time
        if kept != folder:
            remove(kept)
            store_folder(folder, kept)
            remove(folder)
        if not isinstance(error, OSError | UserError):
            raise
        why = describe_os_error(error) if isinstance(error, OSError) else error
        complain(task.spec, init_time, f"made, but not stored: {why}")
        return True
    run.bring(init_time, stored, task.output)
    remove(folder)
    return ours


def _take_made(task: ForecastTask, run: StoredRun) -> list[str]:
    """Link to the forecasts that are made by now, and return their init times.

    Another launch made them, or one that was killed while its jobs went on, or a former try of this
    task. They are in the store, or whole in the task's folder, and then stored now.
    """
    made = []
    for init_time in task.init_times:
        remove(task.output / init_time)
        kept = [task.output / name / init_time for name in (UNSTORED, UNFINISHED)]
        if stored := run.find(init_time):
            run.bring(init_time, stored, task.output)
            click.echo(f"{task.spec.run_id} {init_time}: is in the store by now")
        elif whole := next((path for path in kept if check_forecast(path, run.sha256, verify=True) is None), None):
            _store(task, run, whole)
        else:
            continue
        made.append(init_time)
    return made


def _make_forecasts(task: ForecastTask, init_times: list[str]) -> tuple[dict[str, int], int]:
    """Make forecasts with one mount.

    Return init time → status, and the status of an exit that a signal asked for.
    """
    check_inputs(task.spec, task.checkpoint)
    shares = share_gpus(task.gpus, min(task.at_once, len(init_times)))
    with ExitStack() as stack:
        making = stack.enter_context(temporary_scratch("forecasts")) if task.on_node else task.output / UNFINISHED
        environment = stack.enter_context(mounted(task.image))
        click.echo(f"{task.spec.run_id}: environment by {environment.method}")
        team = _Team(task, environment, shares, making)
        stopped = team.make(init_times)
    if team.twice:
        lines = [f"{task.spec.run_id} {name} {seconds:.0f} {task.gpus}\n" for name, seconds in team.twice.items()]
        (task.output / MADE_TWICE).write_text("".join(lines), encoding="utf-8")
    return team.statuses, stopped


def _try_forecasts(task: ForecastTask, init_times: list[str]) -> tuple[dict[str, int], int]:
    """Make forecasts, unless their run is given up. Return what `_make_forecasts` returns."""
    failures = _failures(task)
    if reason := failures.reason_to_give_up():
        return _leave_out(task, init_times, reason), 0
    try:
        return _make_forecasts(task, init_times)
    except (OSError, UserError):  # before any model was started
        for init_time in init_times:
            failures.add(init_time, 1)
        raise


def run_forecasts(task: ForecastTask) -> None:
    """Make forecasts of one run with one mount, and store each as soon as it is whole.

    A finished forecast is in the store, and `output/{init_time}` is a link to it. What the store
    has already is not made. A whole forecast that could not be stored is in `output/unstored/`.
    Unfinished and failed forecasts are in `output/unfinished/`, with their logs. If some of several
    fail, the script succeeds; if all fail, it exits with the first status. `output/made_twice.txt`
    lists the forecasts that another launch had stored while ours were made, with the GPU seconds
    that they took. A signal ends the models; what is undone then counts as failed. Of a run whose
    first forecasts have all failed in this launch (`giving_up`), no forecast is begun any more.
    """
    refuse_scratch()
    task = replace(
        task,
        checkpoint=Path(os.path.abspath(task.checkpoint)),
        output=Path(os.path.abspath(task.output)),
    )
    task.output.mkdir(parents=True, exist_ok=True)
    (task.output / GIVEN_UP).unlink(missing_ok=True)  # of a former try in this folder
    made = _take_made(task, _stored(task))
    waiting = [init_time for init_time in task.init_times if init_time not in made]
    statuses, stopped = _try_forecasts(task, waiting) if waiting else ({}, 0)
    failed = [statuses.get(init_time, stopped) for init_time in waiting if statuses.get(init_time) != 0]
    if not failed:
        shutil.rmtree(task.output / UNFINISHED, ignore_errors=True)
    elif len(failed) == len(task.init_times):
        sys.exit(stopped or failed[0])
