"""A run whose first forecasts all fail is given up for the launch, so that a broken model burns no night of GPUs."""

import ast
import re

import pytest
from evalflow.host import remove
from evalflow.inference import task as tasks
from evalflow.inference.giving_up import GIVEN_UP, RETRIED, TRIES, Failures
from evalflow.inference.publish import StoredRun
from support.paths import PROJECT
from support.shell_model import TIMES, WHOLE
from support.specs import RUN_ID
from support.stored import write_forecast

MORE = [f"2024020{day}0000" for day in range(1, 5)]


@pytest.fixture
def marks(tmp_path):
    return tmp_path / "launch"


@pytest.fixture
def broken(model, marks):
    """A run whose model fails at any time. Return a function that runs one task of it, in a folder of its own."""
    for init_time in [*TIMES, *MORE]:
        model.does(init_time, "exit 3")

    def run(*init_times: str, **options) -> int:
        model.output = model.root / f"task-{len(list(model.root.glob('task-*')))}"
        return model.run(*init_times, failures=marks, **options)

    return run


def begun(model) -> set[str]:
    """Return the init times whose models the last task started."""
    return {path.parent.name for path in model.output.glob("unfinished/*/forecast.log")}


def test_after_three_failures_and_no_success_nothing_more_is_begun(model, broken, capfd):
    for init_time in TIMES:
        assert broken(init_time) == 3 and begun(model) == {init_time}
    capfd.readouterr()
    assert broken(MORE[0]) == 1 and begun(model) == set()
    captured = capfd.readouterr()
    failed = ", ".join(TIMES)
    assert captured.err == (
        f"evalflow: {RUN_ID}: given up for this launch: its first forecasts failed ({failed}), none was made; "
        "launch again when the cause is gone\n"
    )
    assert captured.out == "", "nothing was mounted"
    assert (model.output / GIVEN_UP).read_text() == f"{MORE[0]}\n"


def test_a_task_of_many_stops_when_three_have_failed(model, broken):
    assert broken(*TIMES, *MORE) == 3
    assert begun(model) == set(TIMES)
    assert (model.output / GIVEN_UP).read_text().split() == MORE


@pytest.mark.parametrize("old_store", [False, True])
def test_a_forecast_in_the_store_shows_that_the_model_works(model, broken, old_store):
    """Whichever launch made it: some that always fail must not keep a good model from the others."""
    if old_store:
        write_forecast(model.store / "202301010000")
    else:
        model.does(MORE[0], WHOLE)
        assert broken(MORE[0]) == 0
    for init_time in [*TIMES, *MORE[1:]]:
        assert broken(init_time) == 3 and begun(model) == {init_time}


def test_what_is_set_aside_shows_nothing(model, broken):
    write_forecast(model.store / "202301010000.bad-20240101T000000")
    assert broken(*TIMES, *MORE) == 3 and begun(model) == set(TIMES)


def test_two_failures_are_too_few_however_often_one_fails(model, broken):
    for init_time in (*TIMES[:2], *TIMES[:2], *TIMES[:2]):
        assert broken(init_time) == 3
    assert broken(MORE[0]) == 3 and begun(model) == {MORE[0]}


def test_what_nextflow_tries_again_has_failed_when_all_tries_have(model, broken):
    """A model that lacks memory gets more at the next try: that one must not be given up."""
    for init_time in TIMES:
        model.does(init_time, "kill -KILL $$")
    for _ in range(TRIES - 1):
        assert [broken(init_time) for init_time in TIMES] == [137] * 3
        assert begun(model) == {TIMES[2]}
    assert [broken(init_time) for init_time in TIMES] == [137] * 3 and begun(model) == {TIMES[2]}
    assert broken(MORE[0]) == 1 and begun(model) == set()


def test_what_fails_before_its_model_counts(model, broken):
    remove(model.image)
    for init_time in TIMES:
        with pytest.raises(tasks.UserError, match="no such image"):
            broken(init_time)
    assert broken(MORE[0]) == 1


def test_another_run_and_another_launch_go_on(model, broken, marks):
    assert broken(*TIMES) == 3
    assert Failures(marks / RUN_ID, StoredRun(model.store, "f" * 64)).reason_to_give_up()
    assert not Failures(marks / "another/run", StoredRun(model.store, "f" * 64)).reason_to_give_up()
    remove(marks)
    assert broken(MORE[0]) == 3 and begun(model) == {MORE[0]}


def test_without_a_folder_for_marks_nothing_is_given_up(model, broken, marks):
    assert model.run(*TIMES, *MORE) == 3
    assert begun(model) == {*TIMES, *MORE} and not marks.exists()


def test_a_folder_that_cannot_be_written_to_is_no_failure_of_its_own(model, broken, marks):
    marks.write_text("no folder")
    assert broken(*TIMES, *MORE) == 3 and begun(model) == {*TIMES, *MORE}


def test_what_counts_as_a_try_is_what_nextflow_retries():
    config = (PROJECT / "conf" / "base.config").read_text()
    some, first, last, attempts = re.search(
        r"task\.exitStatus in (\[.*?\]) \+ \((\d+)\.\.(\d+)\) && task\.attempt <= (\d+) \? 'retry'", config
    ).groups()
    statuses = {*ast.literal_eval(some), *range(int(first), int(last) + 1)}
    assert {status for status in statuses if 0 <= status < 256} == RETRIED
    assert TRIES == int(attempts) + 1 == int(re.search(r"maxRetries = (\d+)", config)[1]) + 1
