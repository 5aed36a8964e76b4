"""Stores that may only be read."""

import os
from pathlib import Path

import pytest
from evalflow.errors import UserError
from evalflow.plan.model import Plan
from evalflow.plan.writable import check_writable


def as_somebody_else(function) -> str:
    """Call a function as a user who is neither root nor the owner of anything, and return the UserError that it raises."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            function()
        except UserError as error:
            said = str(error)
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def shared(stored, tmp_path_factory):
    """A store, the plan of what is missing in it, and its folders; everybody may read all."""
    stored.data["dates"]["end"] = "2024-01-02T12:00"
    plan = stored.plan()
    for folder in (Path(plan["outdir"]), *Path(plan["outdir"]).parents):
        if folder == Path("/tmp") or not os.access(folder, os.W_OK) or len(folder.parts) < 3:
            break
        folder.chmod(0o755)
    folders = [path for path in Path(plan["store"]).rglob("*") if path.is_dir()]
    return plan, folders


def test_a_store_that_may_only_be_read_is_refused_before_anything_is_built(shared):
    plan, folders = shared
    for folder in folders:
        folder.chmod(0o555)
    run = Path(plan["store"]) / "runs" / plan["tasks"][0]["run_id"]
    said = as_somebody_else(lambda: check_writable(Plan(**plan)))
    missing = sum(len(task["init_times"]) for task in plan["tasks"])
    assert said.startswith(
        f"{run}: may only be read, and 0 environments and {missing} forecasts are missing in this store; "
    )
    assert missing > 0 and "--outdir" in said
    for folder in folders:
        folder.chmod(0o777)
    assert as_somebody_else(lambda: check_writable(Plan(**plan))) == "nothing"


def test_where_nothing_is_missing_nothing_has_to_be_written(shared, stored):
    plan, folders = shared
    for folder in folders:
        folder.chmod(0o555)
    whole = {**plan, "tasks": [], "runs": [run | {"needed": False} for run in plan["runs"]]}
    whole["envs"] = [env | {"needed": False} for env in plan["envs"]]
    assert as_somebody_else(lambda: check_writable(Plan(**whole))) == "nothing"
