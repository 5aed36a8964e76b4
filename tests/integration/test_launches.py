"""What a launch promises: a mistake costs nothing, one failed forecast does not affect the others, text is data."""

import json
import os

from support.launches import entry_of, error_lines


def test_a_mistake_in_the_input_is_one_line_and_nothing_is_made(fresh):
    """Of all mistakes: what the plan says of each, tests/unit/plan/test_plan_script.py knows."""
    fresh.edit(lambda config: entry_of(config, 0).update(chekpoint="x"))
    result = fresh.launch()
    assert result.status != 0 and result.tasks == {"MAKE_PLAN": 1}
    (line,) = error_lines(result.text)
    assert "runs[0].forecaster.chekpoint: unknown key, did you mean checkpoint?" in line
    assert "Traceback" not in result.text
    assert not fresh.store.exists()


def test_packed_forecasts_complete_one_by_one(workspace, finished):
    """Of three in one task, two at a time, one fails: the others are stored, and it is tried once more by itself."""
    workspace.lose_forecasts()
    workspace.edit(lambda config: config["runs"].pop(1))
    workspace.edit(lambda config: config["dates"].append("1996-01-16T00:00"))
    options = ("--inits_per_task", "3", "--inits_at_once", "2")
    result = workspace.launch(*options, EVALFLOW_TEST_FAIL="1996-01-16T00:00")
    assert result.status != 0
    assert (result.environments, result.ran("RUN_FORECAST"), result.ran("RUN_FORECAST_ALONE")) == (0, 1, 1), result.text
    assert "199601160000: the model ended with status 1" in result.text
    assert "2 made, 0 reused, 1 missing" in result.text and "launch again" in result.text
    assert workspace.complete() == 2
    assert not list(workspace.store.glob("runs/*/*/199601160000/forecast.json"))

    result = workspace.launch(*options)
    assert (result.status, result.environments, result.forecasts) == (0, 0, 1), result.text
    assert workspace.complete() == 3
    made = {name: content for name, content in workspace.tree().items() if "/199601160000/" not in name}
    assert len(made) > 4 and made.items() <= finished.tree().items(), "packed or not, the same forecasts"


def test_what_is_written_per_forecast(finished):
    folders = list(finished.store.glob("runs/*/*/[0-9]*"))
    assert len(folders) == 4
    for folder in folders:
        assert folder.is_symlink() and os.readlink(folder).startswith(f".made/{folder.name}.")
        files = {path.name for path in folder.rglob("*") if path.is_file()}
        assert files - {"000.grib", "006.grib"} == {"forecast.json", "forecast.log", "config.yaml"}
        proof = json.loads((folder / "forecast.json").read_text())
        assert set(proof["files"]) == files - {"forecast.json"}
        assert {int(lead) for lead in proof["leads"]} == {0, 6}


def test_text_of_the_config_is_data_everywhere(finished):
    """The finished workspace has shell syntax in its path, labels and inference configs: none of it was run."""
    assert "$(touch pwned)" in str(finished.root) and "$(touch pwned)" in finished.config_file.read_text()
    top = next(folder for folder in finished.root.parents if "pwned" not in str(folder))
    assert finished.complete() == 4
    assert not [path for path in top.rglob("*") if path.name == "pwned"]
