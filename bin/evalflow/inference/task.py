"""A task: the forecasts of one run for some init times, a few of them at a time, each published as soon as it is whole."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from evalflow.environment.mount import DEFINITIONS, Environment, mounted
from evalflow.errors import UserError, describe_os_error
from evalflow.host import remove
from evalflow.inference.prepare import prepare_forecast
from evalflow.inference.proof import check_forecast, check_inputs, describe_failure, seal_forecast
from evalflow.inference.publish import complain, try_to_publish
from evalflow.inference.spec import RunSpec
from evalflow.lookup import RESOURCES
from evalflow.processes import ask_to_end, exit_status
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.layout import FORECASTER, LOG
from evalflow.yamlio import read_yaml

UNFINISHED = "unfinished.txt"
UNFINISHED_FOLDER = "unfinished"
"""Where forecasts are made. Only what is whole leaves it, so that no exit status has to be trusted for that."""
MADE_TWICE = "made_twice.txt"
_POLL_SECONDS = 0.05
_VISIBLE_GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def share_gpus(gpus: int, members: int) -> list[dict[str, str]]:
    """Return, for each of some forecasts that are made at once, the variables by which it sees its own GPUs only.

    Parameters
    ----------
    gpus : GPUs of each forecast
    members : forecasts that are made at once

    Raises
    ------
    UserError
        Where the job sees fewer GPUs than all of them need.
    """
    if members == 1:
        return [{}]
    cpus = int(os.environ.get("SLURM_CPUS_ON_NODE") or len(os.sched_getaffinity(0)))
    # Each would start a thread for every CPU of the job.
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, cpus // members))}
    if not gpus:
        return [threads] * members
    seen = {name: os.environ[name].split(",") for name in _VISIBLE_GPUS if os.environ.get(name)}
    for name, devices in seen.items():
        if len(devices) < gpus * members:
            raise UserError(
                f"{name}={os.environ[name]}: the job sees fewer GPUs than the {gpus * members} that {members} forecasts "
                "at once need; check --gpu_flag, or lower --inits_at_once"
            )
    seen = seen or {_VISIBLE_GPUS[0]: [str(number) for number in range(gpus * members)]}
    parts = [slice(gpus * member, gpus * (member + 1)) for member in range(members)]
    return [threads | {name: ",".join(devices[part]) for name, devices in seen.items()} for part in parts]


@dataclass
class _Member:
    """A forecast that is being made: the model's process, what ends it, and the variables with its share of the GPUs."""

    init_time: str
    job: ForecastRequest
    share: dict[str, str]
    process: subprocess.Popen
    ending: ExitStack
    began: float


class _Team:
    """Makes forecasts, as many at a time as there are shares of the job's GPUs.

    Attributes
    ----------
    output : where forecasts that are whole go
    statuses : init time → exit status of the model, or 1 where what it made is not whole; 0 means whole
    twice : init time → seconds, of forecasts that another launch had published when ours were finished
    """

    def __init__(self, spec: RunSpec, environment: Environment, shares: list[dict[str, str]], output: Path) -> None:
        self.spec = spec
        self.environment = environment
        self.output = output
        self.statuses: dict[str, int] = {}
        self.twice: dict[str, float] = {}
        self.free = shares[::-1]
        self.running: list[_Member] = []
        self.variables = environment.variables()
        if not spec.disable_local_eccodes_definitions and environment.has(DEFINITIONS):
            self.variables["ECCODES_DEFINITION_PATH"] = str(environment.root / DEFINITIONS)

    def make(self, init_times: list[str], prepare: Callable[[str], ForecastRequest]) -> int:
        """Make forecasts, seal and publish them. Return 0, or the status of an exit that a signal asked for."""
        waiting = list(init_times)
        try:
            while waiting or self.running:
                while waiting and self.free:
                    self._start(waiting.pop(0), prepare)
                if self.running:
                    init_time = self._wait()
                    status = self.statuses[init_time]
                    done = f"{len(self.statuses)} of {len(init_times)}"
                    word = "done" if status == 0 else f"FAILED with status {status}"
                    click.echo(f"{self.spec.run_id} {init_time}: {word} ({done})")
        except SystemExit as stop:  # SIGTERM, at a time limit for example
            click.echo(f"evalflow: {self.spec.run_id}: stopped from outside; what is finished is kept", err=True)
            return stop.code
        finally:
            for member in self.running:  # all of them first, so that one does not wait for the other
                ask_to_end(member.process)
            for member in self.running:
                member.ending.close()
        return 0

    def _start(self, init_time: str, prepare: Callable[[str], ForecastRequest]) -> None:
        with ExitStack() as stack:
            try:
                job = prepare(init_time)
                command = runner_named(self.spec.runner).command(job)
                log = stack.enter_context(open(job.output / LOG, "w", encoding="utf-8", errors="replace"))
                print(f"$ {shlex.join(command)}", file=log, flush=True)
                # Said before, so that it is known of a task that is killed.
                click.echo(f"{self.spec.run_id} {init_time}: log: {job.output / LOG}")
            except OSError as error:  # a full disk, say: what is finished must not be lost with it
                self.statuses[init_time] = 1
                complain(self.spec, init_time, describe_os_error(error))
                return
            options = {"cwd": job.output, "env": self.variables | self.free[-1]}
            start = self.environment.start(command, **options, stdout=log, stderr=subprocess.STDOUT)
            process = stack.enter_context(start)
            ending = stack.pop_all()
        self.running.append(_Member(init_time, job, self.free.pop(), process, ending, time.monotonic()))

    def _wait(self) -> str:
        """Wait until a model has ended, see to what it has made, and return its init time."""
        while (member := next((one for one in self.running if one.process.poll() is not None), None)) is None:
            time.sleep(_POLL_SECONDS)
        member.ending.close()
        self.running.remove(member)
        self.free.append(member.share)
        try:
            self.statuses[member.init_time] = self._finish(member)
        except OSError as error:
            self.statuses[member.init_time] = 1
            complain(self.spec, member.init_time, describe_os_error(error))
        return member.init_time

    def _finish(self, member: _Member) -> int:
        job, status = member.job, exit_status(member.process.returncode)
        seconds = time.monotonic() - member.began
        (job.output / FORECASTER).unlink(missing_ok=True)  # an input, to be published with nothing
        if self.spec.resources.linked or self.spec.resources.rewritten:
            shutil.rmtree(job.output / RESOURCES, ignore_errors=True)
        if status != 0:
            describe_failure(self.spec, job, f"the model ended with status {status}")
            return status
        try:
            seal_forecast(self.spec, job, self.environment.method, seconds)
        except UserError as error:
            describe_failure(self.spec, job, str(error))
            return 1
        forecast = job.output.rename(self.output / member.init_time)
        if not try_to_publish(self.spec, forecast):
            self.twice[member.init_time] = seconds
        return 0


def _take_made(spec: RunSpec, init_times: list[str], output: Path) -> list[str]:
    """Take the forecasts that are made by now, and return their init times; of others, remove what is there.

    They are of another launch, of one that was killed while its jobs went on, or of a former try of this task. Of those in
    the store, `output/{init_time}` becomes a link; one that is whole there, but not in the store, is published.
    """
    made = []
    for init_time in init_times:
        stored, here = spec.folder / init_time, output / init_time
        if check_forecast(stored, spec.sha256) is None:
            remove(here)
            here.symlink_to(stored)
            click.echo(f"{spec.run_id} {init_time}: is in the store by now")
        elif not here.is_symlink() and check_forecast(here, spec.sha256, verify=True) is None:
            try_to_publish(spec, here)
        else:
            remove(here)
            continue
        made.append(init_time)
    return made


def run_forecasts(
    spec: RunSpec,
    inference: Path,
    checkpoint: Path,
    image: Path,
    init_times: list[str],
    output: Path,
    forecaster: Path | None = None,
    gpus: int = 0,
    at_once: int = 1,
) -> None:
    """Make the forecasts of one run for some init times, with one mount, and publish each as soon as it is whole.

    A finished forecast is a complete folder `output/{init_time}`, and by links or copies `spec.folder/{init_time}`; one
    that is not finished, or failed, is in `output/unfinished/`. What the store has already is not made: there
    `output/{init_time}` is a link to it. Where some of several fail, the script succeeds and lists them with their status
    in `output/unfinished.txt`; where none succeeds, it exits with the first status. Forecasts that another launch had
    published while ours were made are listed, with the GPU seconds that they took, in `output/made_twice.txt`. A signal
    ends the models; what is undone then counts as failed.

    Parameters
    ----------
    spec : the run as the plan has it
    inference : the run's `inference.yaml`, as `prepare_run` wrote it
    checkpoint, image : the run's checkpoint and the image of its environment
    init_times : `YYYYmmddHHMM`, UTC
    output : folder to write to
    forecaster : for a temporal downscaler, the folder that holds its forecaster's forecasts by init time
    gpus : GPUs of each forecast; over more than one, a model is split where its runner can do that
    at_once : forecasts that are made at a time; the job has `gpus` for each of them
    """
    config = read_yaml(inference) or {}
    checkpoint, output = Path(os.path.abspath(checkpoint)), Path(os.path.abspath(output))
    output.mkdir(parents=True, exist_ok=True)
    (output / UNFINISHED).write_text("\n".join(init_times) + "\n", encoding="utf-8")  # while the disk has room for it
    statuses = dict.fromkeys(_take_made(spec, init_times, output), 0)
    waiting = [init_time for init_time in init_times if init_time not in statuses]
    stopped = 0
    making = output / UNFINISHED_FOLDER
    if waiting:
        check_inputs(spec, checkpoint)
        shares = share_gpus(gpus, min(at_once, len(waiting)))
        with mounted(image) as environment:
            click.echo(f"{spec.run_id}: environment by {environment.method}")
            team = _Team(spec, environment, shares, output)
            stopped = team.make(
                waiting,
                lambda init_time: prepare_forecast(
                    spec, config, checkpoint, init_time, making / init_time, forecaster, gpus
                ),
            )
        statuses |= team.statuses
        if team.twice:
            lines = [f"{spec.run_id} {init_time} {seconds:.0f} {gpus}\n" for init_time, seconds in team.twice.items()]
            (output / MADE_TWICE).write_text("".join(lines), encoding="utf-8")
    unfinished = {
        init_time: statuses.get(init_time, stopped) for init_time in init_times if statuses.get(init_time) != 0
    }
    if len(unfinished) in (0, len(init_times)):
        (output / UNFINISHED).unlink()
        if not unfinished:
            shutil.rmtree(making, ignore_errors=True)
        else:
            sys.exit(stopped or next(iter(unfinished.values())))
        return
    lines = [f"{init_time} {status}\n" for init_time, status in unfinished.items()]
    (output / UNFINISHED).write_text("".join(lines), encoding="utf-8")
