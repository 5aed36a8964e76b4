"""What failed in a launch, why, and what was left out because of it: by the store, Nextflow's trace, and logs of tasks."""

from pathlib import Path

import pytest
from evalflow.inference.giving_up import GIVEN_UP
from evalflow.launch.failures import Failed, LeftOut, describe_failures
from evalflow.launch.summary import describe_summary, is_lacking, make_summary
from evalflow.plan.model import Plan
from support.stored import give_name, store_environment, store_made

COLUMNS = ("process", "tag", "status", "exit", "attempt", "workdir")
COST = {"cpus": "1", "realtime": "1000", "start": "0", "complete": "1000"}


class TraceFile:
    """Nextflow's trace of a launch, with a folder for each of its tasks."""

    def __init__(self, root: Path) -> None:
        self.root, self.rows = root, []

    def add(self, process: str, tag: str, log: str = "", exit: object = 1, status: str = "FAILED", attempt: int = 1):
        folder = self.root / "work" / f"{len(self.rows):02d}" / "task"
        folder.mkdir(parents=True)
        (folder / ".command.log").write_text(log)
        row = dict(zip(COLUMNS, (process, tag, status, str(exit), str(attempt), str(folder)), strict=True))
        self.rows.append(COST | row)
        return folder

    def write(self) -> Path:
        path = self.root / "trace.txt"
        lines = ["\t".join(self.rows[0]), *("\t".join(row.values()) for row in self.rows)]
        path.write_text("\n".join(lines) + "\n")
        return path


@pytest.fixture
def trace(tmp_path) -> TraceFile:
    return TraceFile(tmp_path)


@pytest.fixture
def ready(experiment, monkeypatch) -> Plan:
    """A plan of one run of three init times; its environment is there."""
    plan = experiment.plan()
    store_environment(plan["envs"][0], monkeypatch)
    return Plan(**plan)


def explain(plan: Plan, trace: TraceFile) -> tuple[list[Failed], list[LeftOut], str]:
    """Return what failed, what was left out, and what is said of both."""
    summary = make_summary(plan, trace.write())
    assert is_lacking(plan, summary)
    said = describe_summary(plan, summary)
    return [Failed(**one) for one in summary["failed"]], [LeftOut(**one) for one in summary["left_out"]], said


RUN_FORECAST = "INFERENCE:MAKE_FORECASTS:RUN_FORECAST"


def test_a_forecast_that_failed_is_named_with_the_reason_and_the_model_s_log(ready, trace):
    run, (first, second, third) = ready.runs[0], ready.init_times
    give_name(store_made(run.model_dump(mode="json"), third))
    log = f"Traceback\nevalflow: {run.run_id} {first}: the model ended with status 3 (ValueError: no); log: /x/y.log\n"
    folder = trace.add(RUN_FORECAST, f"{run.run_id} {first}", log, 3)
    model_log = folder / "unfinished" / first / "forecast.log"
    model_log.parent.mkdir(parents=True)
    model_log.touch()
    other = trace.add(RUN_FORECAST, f"{run.run_id} {second}", f"evalflow: {run.run_id}: cannot mount\n")
    failed, left, said = explain(ready, trace)
    reason = "the model ended with status 3 (ValueError: no)"
    assert [(one.step, one.what, one.init_times, one.log) for one in failed] == [
        ("RUN_FORECAST", run.run_id, [first], model_log),
        ("RUN_FORECAST", run.run_id, [second], other / ".command.log"),
    ]
    assert failed[0].reason == reason and failed[1].reason == "cannot mount" and left == []
    assert f"\nfailed:\n  {run.label} ({run.run_id}) {first}: {reason}\n    log: {model_log}\n" in said
    assert "left out" not in said


def test_of_a_task_of_several_each_has_its_own_reason(ready, trace):
    run, times = ready.runs[0], ready.init_times
    (task, *_) = ready.tasks
    ready = ready.model_copy(update={"tasks": [task.model_copy(update={"id": "x +2", "init_times": times})]})
    ours = "".join(f"evalflow: {run.run_id} {time}: reason {time}\nother output\n" for time in times[:2])
    folder = trace.add(RUN_FORECAST, "x +2", ours)
    (folder / GIVEN_UP).write_text(f"{times[2]}\n")
    # The id of a task begins with its run: here it does not, to show that the plan says what it makes.
    trace.rows[0]["tag"] = f"{run.run_id} {times[0]}+2"
    ready = ready.model_copy(update={"tasks": [ready.tasks[0].model_copy(update={"id": trace.rows[0]["tag"]})]})
    failed, left, said = explain(ready, trace)
    assert {one.init_times[0]: one.reason for one in failed} == {time: f"reason {time}" for time in times[:2]}
    assert left == [
        LeftOut(
            what=run.run_id, init_times=times[2:], reason="the run was given up, since its first forecasts all failed"
        )
    ]
    assert f"  {run.label} ({run.run_id}): 1 forecast: the run was given up" in said


@pytest.mark.parametrize(
    ("exit", "attempt", "log", "reason"),
    [
        (140, 3, "evalflow: x: stopped from outside\n", "it ran out of time, in each of 3 attempts"),
        (137, 3, "", "it was killed (as where memory runs out), in each of 3 attempts"),
        (143, 1, "evalflow: x: stopped from outside\n", "it was ended by signal 15"),
        ("-", 3, "", "it ended without an exit status, in each of 3 attempts"),
        (-1, 1, "", "it ended without an exit status"),
        (1, 1, "", "no message"),
        (127, 1, "hello\nrun_forecast.py: command not found\n\n", "run_forecast.py: command not found"),
        (1, 1, "evalflow: x: warning: w\nevalflow: a\nmore\n", "a"),
        (1, 1, "evalflow: \x1b[31mred\x07 " + "y" * 500, "[31mred " + "y" * 391 + "…"),
    ],
)
def test_the_reason_is_our_line_or_what_the_status_says(ready, trace, exit, attempt, log, reason):
    trace.add(RUN_FORECAST, f"{ready.runs[0].run_id} {ready.init_times[0]}", log, exit, attempt=attempt)
    failed, _, _ = explain(ready, trace)
    assert [one.reason for one in failed] == [reason]


def test_a_failure_of_several_lines_is_shown_whole(ready, trace):
    """With common_sample: strict, say, there is a table of what differs."""
    log = "evalflow: common_sample: strict: no\nevalflow: a: 1\nevalflow: b: 2\n"
    folder = trace.add("VERIFICATION:COMPARE_SAMPLES", "truth 1", log)
    failed, _, said = explain(ready, trace)
    assert [(one.reason, one.more) for one in failed] == [("common_sample: strict: no", ["a: 1", "b: 2"])]
    shown = "  COMPARE_SAMPLES truth 1: common_sample: strict: no\n    a: 1\n    b: 2\n"
    assert f"{shown}    log: {folder}/.command.log\n" in said


def test_an_attempt_that_was_followed_by_a_better_one_is_no_failure(ready, trace):
    run, times = ready.runs[0], ready.init_times
    give_name(store_made(run.model_dump(mode="json"), times[0]))
    trace.add(RUN_FORECAST, f"{run.run_id} {times[0]}", "", 137)
    trace.add(RUN_FORECAST, f"{run.run_id} {times[0]}", "", 0, "COMPLETED", 2)
    trace.add("VERIFICATION:VERIFY_PACKS:VERIFY", "truth 1 x 19960111", "", 137)
    trace.add("VERIFICATION:VERIFY_PACKS:VERIFY", "truth 1 x 19960111", "", 0, "COMPLETED", 2)
    failed, left, _ = explain(ready, trace)
    assert failed == []
    assert left == [
        LeftOut(what=run.run_id, init_times=times[1:], reason="not begun, or not finished, when the launch ended")
    ]


@pytest.mark.parametrize("step", ["GET_CHECKPOINT", "LOCK_REQUIREMENTS", "BUILD_IMAGE", "SEAL_ENVIRONMENT"])
def test_an_environment_that_failed_leaves_its_runs_out(experiment, monkeypatch, trace, step):
    plan = experiment.plan()
    if step == "BUILD_IMAGE":
        store_environment(plan["envs"][0], monkeypatch, seal=False)
    ready = Plan(**plan)
    env_id, run = ready.envs[0].env_id, ready.runs[0]
    locked = ready.store / "runs" / env_id / "requirements.txt"
    image = locked.read_text().split("# image_id: ")[1][:8] if step == "BUILD_IMAGE" else ""
    tag = f"{image}.squashfs" if image else env_id
    trace.add(f"ENVIRONMENT:{step}", "another", "evalflow: another\n")
    folder = trace.add(f"ENVIRONMENT:{step}", tag, f"evalflow: {env_id}: no solution\n")
    failed, left, said = explain(ready, trace)
    assert failed == [Failed(step=step, what=env_id, reason="no solution", log=folder / ".command.log")]
    assert left == [
        LeftOut(what=run.run_id, init_times=ready.init_times, reason=f"its environment, {env_id}, is missing")
    ]
    assert f"  {step} {env_id}: no solution\n" in said and "3 forecasts: its environment" in said


def test_a_run_that_cannot_be_prepared_is_left_out(ready, trace):
    run = ready.runs[0]
    trace.add("INFERENCE:PREPARE_RUN", run.run_id, "evalflow: /store/run.json: Permission denied\n")
    failed, left, _ = explain(ready, trace)
    assert [(one.step, one.reason) for one in failed] == [("PREPARE_RUN", "/store/run.json: Permission denied")]
    assert [(one.init_times, one.reason) for one in left] == [(ready.init_times, "the run could not be prepared")]


def test_a_downscaler_is_left_out_where_its_forecaster_failed(ready, trace):
    run, times = ready.runs[0], ready.init_times
    refined = run.model_copy(update={"run_id": "down/1", "forecaster": run.run_id, "label": "refined"})
    refined = refined.model_copy(update={"spec": run.spec.model_copy(update={"folder": ready.store / "runs/down/1"})})
    entries = [entry.model_copy(update={"run_id": "down/1"}) for entry in ready.forecasts]
    tasks = [task.model_copy(update={"run_id": "down/1", "id": f"down/1 {task.init_times[0]}"}) for task in ready.tasks]
    ready = ready.model_copy(
        update={
            "runs": [run, refined], "forecasts": [*ready.forecasts, *entries], "tasks": [*ready.tasks, *tasks],
        }
    )  # fmt: skip
    for init_time in times[:2]:
        give_name(store_made(run.model_dump(mode="json"), init_time))
    give_name(store_made(refined.model_dump(mode="json"), times[0]))
    trace.add(RUN_FORECAST, f"{run.run_id} {times[2]}", "evalflow: no\n")
    trace.add("INFERENCE:REFINE_FORECASTS:RUN_FORECAST", f"down/1 {times[1]}", "evalflow: bad\n")
    failed, left, _ = explain(ready, trace)
    assert [(one.what, one.init_times, one.reason) for one in failed] == [
        (run.run_id, times[2:], "no"), ("down/1", times[1:2], "bad"),
    ]  # fmt: skip
    assert left == [LeftOut(what="down/1", init_times=times[2:], reason=f"no forecast of its forecaster, {run.run_id}")]


@pytest.mark.parametrize(
    ("process", "tag", "left_out"),
    [
        ("VERIFICATION:DEFINE_DOMAIN", "truth 2", "nothing is verified against this truth"),
        ("VERIFICATION:VERIFY_AGAIN:COPY_TRUTH", "truth 1 19960111", "nothing of these init times is verified"),
        ("VERIFICATION:VERIFY_PACKS:VERIFY", "truth 1 x 19960111", "scores of these init times"),
        ("VERIFICATION:AGGREGATE", "-", "the tables of scores are not made anew"),
        ("REPORT:MAKE_REPORT", "-", "the pages are not drawn anew"),
    ],
)
def test_a_later_step_that_failed_says_what_it_takes_away(ready, trace, process, tag, left_out):
    for init_time in ready.init_times:
        give_name(store_made(ready.runs[0].model_dump(mode="json"), init_time))
    folder = trace.add(process, tag, "evalflow: /archive: Input/output error\n")
    failed, left, said = explain(ready, trace)
    step = process.split(":")[-1]
    shown = "" if tag == "-" else tag
    assert failed == [Failed(step=step, what=shown, reason="/archive: Input/output error", log=folder / ".command.log")]
    assert [one.what for one in left] == [f"{step} {shown}".strip()] and left[0].reason.startswith(left_out)
    assert f"\n  {step} {shown}".rstrip() + ": /archive: Input/output error\n" in said


def test_without_a_trace_only_what_is_missing_is_said(ready):
    summary = make_summary(ready)
    assert (summary["failed"], summary["left_out"]) == ([], []) and is_lacking(ready, summary)
    assert "missing: " in describe_summary(ready, summary)


def test_many_failures_of_one_run_are_few_lines():
    """Those with one reason share a line; of many reasons, three are shown."""
    failed = [
        Failed(step="RUN_FORECAST", what="a/1", init_times=[f"{day:012}"], reason="no" if day < 4 else f"no {day}",
               log=f"/log/{day}")
        for day in range(9)
    ]  # fmt: skip
    lines = describe_failures(failed, [], {"a/1": "model"})
    assert lines == [
        "", "failed:",
        f"  model (a/1) {0:012}, {1:012} and 2 more: no", "    log: /log/0",
        f"  model (a/1) {4:012}: no 4", "    log: /log/4",
        f"  model (a/1) {5:012}: no 5", "    log: /log/5",
        "  model (a/1): 3 more reasons, in summary.json",
    ]  # fmt: skip
