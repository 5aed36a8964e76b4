"""What failed in a launch, why, and where its log is; and what was left out because of it.

The store says what is missing. Nextflow's trace says which task was to make it, and the log of that
task says why it did not, in a line of evalflow's own.
"""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from evalflow.documents import Document
from evalflow.inference.giving_up import GIVEN_UP
from evalflow.plan.model import Plan, RunEntry
from evalflow.requirements import read_lock
from evalflow.store.layout import LOCK, LOG, UNFINISHED, environment_folder

_TASK_LOG = ".command.log"
_MOST_LOG = 200_000
"""Bytes that are read of a log, from its end."""
_MOST_TEXT = 400
"""Characters of a reason that are shown."""
_MOST_MORE = 25
"""Lines that one failure has at most."""
_MOST_LINES = 3
"""Reasons of one run that are shown; summary.json has all."""
_OURS = "evalflow: "
_SIGNALS = {137: "it was killed (as where memory runs out)", 140: "it ran out of time"}
_FORECASTS = ("RUN_FORECAST", "RUN_FORECAST_ALONE", "STORE_FORECASTS")
_ENVIRONMENTS = ("GET_CHECKPOINT", "LOCK_REQUIREMENTS", "BUILD_IMAGE", "SEAL_ENVIRONMENT")
_TAKES_AWAY = {
    "DEFINE_DOMAIN": "nothing is verified against this truth",
    "COPY_TRUTH": "nothing of these init times is verified against this truth",
    "MAKE_CLIMATOLOGY": "scores that need its climatology",
    "VERIFY": "scores of these init times",
    "COMPARE_SAMPLES": "the tables have nothing of this truth",
    "AGGREGATE": "the tables of scores are not made anew, and pages show those that there are",
    "MAKE_REPORT": "the pages are not drawn anew",
    "PREPARE_SHOWCASE": "the showcase",
    "DRAW_SHOWCASE": "pictures of the showcase",
    "SHOW_SHOWCASE": "the page of the showcase is not made anew",
    "CREATE_SANDBOX": "the sandbox of this run",
}
"""Step after the forecasts → what is left out where it fails."""


class Failed(Document):
    """What failed for a reason of its own."""

    step: str = Field(description="The step, such as RUN_FORECAST.")
    what: str = Field(description="What it worked on: a run, an environment, a truth …")
    init_times: list[str] = Field([], description="Of the forecasts that it did not make.")
    reason: str = Field(description="Why, in a line of its log.")
    more: list[str] = Field([], description="Further lines of the log that say why.")
    log: Path = Field(description="The log.")


class LeftOut(Document):
    """What was not begun, or not done, because of something else."""

    what: str = Field(description="A run, or what failed.")
    init_times: list[str] = Field([], description="Of forecasts.")
    reason: str = Field(description="Because of what.")


class Attempt(Document):
    """The last attempt at a task, by Nextflow's trace."""

    step: str
    tag: str
    status: str
    exit: str
    attempt: int
    folder: Path

    @property
    def text(self) -> str:
        """The end of its log."""
        return _tail(self.folder / _TASK_LOG)

    def reasons(self, what: str, init_time: str) -> list[str]:
        """Return why it failed, in one line or several.

        Parameters
        ----------
        what : what the task worked on, with which lines of evalflow may begin
        init_time : of a task that makes several forecasts, which one is meant; or nothing
        """
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        ours = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS) and ": warning: " not in line]
        about = f"{what} {init_time}: "
        special = [line.removeprefix(about) for line in ours if line.startswith(about)]
        if special:
            found = [special[-1].split("; log: ")[0]]
        elif not self.exit.isdigit():
            found = ["it ended without an exit status"]
        elif int(self.exit) >= 129:
            found = [_SIGNALS.get(int(self.exit), f"it was ended by signal {int(self.exit) - 128}")]
        else:
            found = [line.removeprefix(f"{what}: ") for line in ours] or (lines or ["no message"])[-1:]
        tries = f", in each of {self.attempt} attempts" if self.attempt > 1 else ""
        return [_shown(found[0]) + tries, *map(_shown, found[1:_MOST_MORE])]


def _failed(one: Attempt, what: str, init_time: str = "") -> Failed:
    reason, *more = one.reasons(what, init_time)
    log = one.folder / UNFINISHED / init_time / LOG
    return Failed(
        step=one.step,
        what=what,
        init_times=[init_time] if init_time else [],
        reason=reason,
        more=more,
        log=log if init_time and log.exists() else one.folder / _TASK_LOG,
    )


def _tail(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _MOST_LOG))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _shown(text: str) -> str:
    """Return a text of a log on one line, printable, and not too long."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


def read_attempts(trace: Path) -> list[Attempt]:
    """Return the last attempt at each task."""
    last: dict[tuple[str, str], Attempt] = {}
    with open(trace, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            step = row["process"].rpartition(":")[2]
            fields = {"status": row["status"], "exit": row["exit"], "attempt": row["attempt"]}
            tag = "" if row["tag"] == "-" else row["tag"]
            one = Attempt(step=step, tag=tag, folder=row["workdir"], **fields)
            last[row["process"], one.tag] = one
    return list(last.values())


class _Forecasts:
    """Why the forecasts of runs are missing.

    Attributes
    ----------
    missing : run_id → init times of the forecasts that are
    """

    def __init__(self, plan: Plan, missing: dict[str, list[str]], attempts: Iterable[Attempt]) -> None:
        self.plan, self.missing = plan, missing
        self.init_times_of = {task.id: task.init_times for task in plan.tasks}
        self.unprepared: set[str] = set()
        self.by_forecast: dict[tuple[str, str], Attempt] = {}
        for one in attempts:
            if one.step == "PREPARE_RUN" and one.status == "FAILED":
                self.unprepared.add(one.tag)
            if one.step in _FORECASTS and one.status == "FAILED":
                run_id, _, first = one.tag.rpartition(" ")
                for init_time in self.init_times_of.get(one.tag, [first]):
                    self.by_forecast[run_id, init_time] = one

    def explain(self, run: RunEntry, unbuilt: set[str]) -> tuple[list[Failed], list[LeftOut]]:
        """Return why forecasts of a run are missing.

        Parameters
        ----------
        unbuilt : env_ids of environments that there are not
        """
        failed: list[Failed] = []
        left: dict[str, list[str]] = {}
        given_up: dict[Path, set[str]] = {}
        for init_time in self.missing[run.run_id]:
            one = self.by_forecast.get((run.run_id, init_time))
            if one and one.folder not in given_up:
                given_up[one.folder] = set(_tail(one.folder / GIVEN_UP).split())
            if run.env_id in unbuilt:
                left.setdefault(f"its environment, {run.env_id}, is missing", []).append(init_time)
            elif run.run_id in self.unprepared:
                left.setdefault("the run could not be prepared", []).append(init_time)
            elif run.forecaster and init_time in self.missing.get(run.forecaster, ()):
                left.setdefault(f"no forecast of its forecaster, {run.forecaster}", []).append(init_time)
            elif one and init_time in given_up[one.folder]:
                left.setdefault("the run was given up, since its first forecasts all failed", []).append(init_time)
            elif one:
                failed.append(_failed(one, run.run_id, init_time))
            else:
                left.setdefault("not begun, or not finished, when the launch ended", []).append(init_time)
        return failed, [LeftOut(what=run.run_id, init_times=times, reason=why) for why, times in left.items()]


def _is_of(one: Attempt, plan: Plan, env_id: str) -> bool:
    """Return whether a step was to build an environment, or the image that it shares with others."""
    if one.step != "BUILD_IMAGE":
        return one.step in _ENVIRONMENTS and one.tag == env_id
    locked = read_lock(environment_folder(plan.store, env_id) / LOCK)
    return locked is not None and one.tag.split(".")[0] == locked["image_id"]


def explain_what_is_missing(
    plan: Plan, trace: Path, missing: dict[str, list[str]], unbuilt: list[str]
) -> tuple[list[Failed], list[LeftOut]]:
    """Return what failed, and what was left out because of it.

    Parameters
    ----------
    plan : the plan of the launch
    trace : Nextflow's trace file: a row per attempt
    missing : run_id → init times of the forecasts that the launch was to make, and did not
    unbuilt : env_ids of the environments that it was to build, and did not
    """
    attempts = read_attempts(trace)
    failures = [one for one in attempts if one.status == "FAILED"]
    failed: list[Failed] = []
    left: list[LeftOut] = []
    for env_id in unbuilt:
        failed += [_failed(one, env_id) for one in failures if _is_of(one, plan, env_id)]
    forecasts = _Forecasts(plan, missing, attempts)
    for run in plan.runs:
        if missing.get(run.run_id):
            lines, omitted = forecasts.explain(run, set(unbuilt))
            failed += lines
            left += omitted
    for one in failures:
        if one.step not in _FORECASTS + _ENVIRONMENTS:
            failed.append(_failed(one, one.tag))
        if one.step in _TAKES_AWAY:
            left.append(LeftOut(what=f"{one.step} {one.tag}".strip(), reason=_TAKES_AWAY[one.step]))
    return failed, left


def _some(init_times: list[str]) -> str:
    more = f" and {len(init_times) - 2} more" if len(init_times) > 2 else ""
    return ", ".join(init_times[:2]) + more


def describe_failures(failed: list[Failed], left: list[LeftOut], labels: dict[str, str]) -> list[str]:
    """Return both lists as lines for people; forecasts of a run with the same reason share one.

    Parameters
    ----------
    labels : run_id → label of the run
    """

    def named(what: str) -> str:
        return f"{labels[what]} ({what})" if what in labels else what

    lines = ["", "failed:"] if failed else []
    together: dict[tuple[str, str], list[Failed]] = {}
    for one in failed:
        together.setdefault((one.what, one.reason), []).append(one)
    shown: dict[str, int] = {}
    for (what, reason), some in together.items():
        shown[what] = shown.get(what, 0) + 1
        if shown[what] > _MOST_LINES:
            continue
        times = [init_time for one in some for init_time in one.init_times]
        about = f"{named(what)} {_some(times)}" if times else f"{some[0].step} {what}".strip()
        lines += [f"  {about}: {reason}", *(f"    {line}" for line in some[0].more), f"    log: {some[0].log}"]
    lines += [
        f"  {named(what)}: {count - _MOST_LINES} more reasons, in summary.json"
        for what, count in shown.items()
        if count > _MOST_LINES
    ]
    lines += ["", "left out:"] if left else []
    for omitted in left:
        count = len(omitted.init_times)
        forecasts = f"{count} forecast{'s' if count > 1 else ''}: " if count else ""
        lines.append(f"  {named(omitted.what)}: {forecasts}{omitted.reason}")
    return lines
