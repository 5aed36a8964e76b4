"""Why two ids differ."""

import json

import pytest
from evalflow.errors import UserError
from evalflow.inference.spec import RunSpec
from evalflow.plan.explain import describe, differences, explain_new, read_identity
from evalflow.plan.model import Plan, RunEntry


def store_run(folder, name: str, identity: dict):
    path = folder / "runs" / "env" / name
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps({"run_id": f"env/{name}", "identity": identity}))
    return path


def test_the_fields_that_differ_are_named_with_both_values(tmp_path):
    one = store_run(tmp_path, "one", {"steps": [0, 24, 6], "config": {"scale": 1.0, "kept": [{"a": 1}]}})
    other = store_run(tmp_path, "other", {"steps": [0, 48, 6], "config": {"kept": [{"a": 1}]}, "command": ["x"]})
    (first, left), (second, right) = read_identity(one), read_identity(other)
    assert (first, second) == ("env/one", "env/other")
    found = differences(left, right)
    assert found == [("command", None, ["x"]), ("config.scale", 1.0, None), ("steps", [0, 24, 6], [0, 48, 6])]
    assert "  steps: [0, 24, 6] → [0, 48, 6]" in describe(first, second, found)
    assert differences(left, left) == []


def test_a_new_run_is_compared_with_the_one_most_like_it(tmp_path):
    store_run(tmp_path, "far", {"a": 1, "b": 2, "c": 3})
    store_run(tmp_path, "near", {"a": 1, "b": 2, "c": 4})
    spec = RunSpec.model_construct(identity={"a": 1, "b": 0, "c": 4})
    runs = [RunEntry.model_construct(run_id="env/new", spec=spec)]
    assert explain_new(Plan.model_construct(store=tmp_path, envs=[], runs=runs)) == [
        ("env/new", "env/near", [("b", 2, 0)])
    ]


def test_a_folder_that_is_neither(tmp_path):
    with pytest.raises(UserError, match="neither the folder of an environment or a run"):
        read_identity(tmp_path)
