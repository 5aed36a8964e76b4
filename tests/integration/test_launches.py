"""What a launch promises: failures that cost nothing, stubs that deceive nobody, packing, and a store that mends itself."""

import json
import os
import shutil
import subprocess

import pytest
from support.launches import COMMAND, error_lines
from support.paths import PROJECT


def entry(config: dict, index: int) -> dict:
    return config["runs"][index]["forecaster"]


def complete(workspace) -> int:
    return sum(forecast["complete"] for forecast in workspace.plan()["forecasts"])


# --- bad input: one clear line, a non-zero exit, nothing half-made --------------------------------------------------------


def misspelt(config, _exp):
    config["runs"][0]["forecaster"]["chekpoint"] = "x"
    return "runs[0].forecaster.chekpoint"


def impossible_date(config, _exp):
    config["dates"] = ["1996-02-31T00:00"]
    return "dates[0]"


def no_checkpoint(config, exp):
    (exp / "models" / "two.py").unlink()
    return "runs[1].forecaster.checkpoint"


def empty_checkpoint(config, exp):
    (exp / "models" / "two.py").write_text("")
    return "the file is empty"


def empty_inference_config(config, exp):
    (exp / "one.yaml").write_text("")
    return "one.yaml: the inference config is empty"


def broken_yaml(config, exp):
    (exp / "one.yaml").write_text("a: [1, 2\n")
    return "one.yaml:2:1: not valid YAML"


@pytest.mark.parametrize(
    "mistake", [misspelt, impossible_date, no_checkpoint, empty_checkpoint, empty_inference_config, broken_yaml]
)
def test_a_mistake_in_the_input_is_one_line(fresh, mistake):
    said = []
    fresh.edit(lambda config: said.append(mistake(config, fresh.root / "exp")))
    result = fresh.launch()
    assert result.status != 0
    lines = error_lines(result.text)
    assert len(lines) == 1 and said[0] in lines[0], result.text
    assert "Traceback" not in result.text
    assert not fresh.store.exists()


def test_a_missing_config_and_an_unknown_parameter_are_one_line(fresh):
    result = fresh.launch(config=fresh.root / "no such.yaml")
    assert result.status != 0 and len(error_lines(result.text)) == 1 and "no such.yaml: no such file" in result.text
    result = fresh.launch("--inits_per_tsk", "3")
    assert result.status != 0 and "unknown parameter --inits_per_tsk" in result.text
    assert not fresh.store.exists()


def test_a_requirement_that_cannot_be_met_says_why(fresh):
    fresh.edit(lambda config: entry(config, 0).update(extra_requirements=["numpy<1.0,>=2"]))
    fresh.edit(lambda config: config["runs"].pop(1))
    result = fresh.launch()
    assert result.status != 0
    (line,) = error_lines(result.text)
    assert "requirements cannot be resolved" in line and "numpy" in line
    assert not list(fresh.store.glob("**/requirements.txt")) and not list(fresh.store.glob("**/env.json"))


def test_an_environment_that_cannot_be_mounted_says_what_was_tried(workspace):
    workspace.edit(lambda config: config["dates"].append("1996-01-16T00:00"))
    result = workspace.launch(EVALFLOW_MOUNT_METHODS="squashfs-mount")
    assert result.status != 0
    assert "cannot be made visible on this host (squashfs-mount: not installed)" in error_lines(result.text)[0]
    assert complete(workspace) == 4


def test_a_missing_python_environment_says_what_to_do(fresh):
    result = fresh.launch(EVALFLOW_VENV="/nonexistent")
    assert result.status != 0
    (line,) = error_lines(result.text)
    assert "run 'make setup'" in line


# --- forecasts ------------------------------------------------------------------------------------------------------------


def test_one_failed_init_takes_no_finished_one_with_it(fresh):
    fresh.edit(lambda config: config["runs"].pop(1))
    result = fresh.launch(EVALFLOW_TEST_FAIL="1996-01-15T12:00")
    assert result.status != 0
    assert "199601151200: the model ended with status 1" in result.text
    assert "1 made, 0 reused, 1 missing" in result.text and "launch again" in result.text
    assert complete(fresh) == 1
    assert not list(fresh.store.glob("runs/*/*/199601151200/forecast.json"))

    result = fresh.launch()
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts) == (0, 1)
    assert complete(fresh) == 2


def test_packed_inits_complete_one_by_one(workspace):
    """Of three in one task one fails: the others are stored, and the failed one is tried once more by itself."""
    workspace.edit(lambda config: config["dates"].extend(["1996-01-16T00:00", "1996-01-16T12:00", "1996-01-17T00:00"]))
    workspace.edit(lambda config: config["runs"].pop(1))
    result = workspace.launch("--inits_per_task", "3", EVALFLOW_TEST_FAIL="1996-01-16T12:00")
    assert result.status != 0
    assert result.ran("RUN_FORECAST") == 1 and result.ran("RUN_FORECAST_ALONE") == 1, result.text
    assert complete(workspace) == 4
    result = workspace.launch("--inits_per_task", "3")
    assert (result.status, result.environments, result.forecasts) == (0, 0, 1), result.text
    assert complete(workspace) == 5


def test_packed_or_not_the_same_tree(fresh, finished):
    result = fresh.launch("--inits_per_task", "2", "--inits_at_once", "2")
    assert result.status == 0 and result.forecasts == 2, result.text
    assert fresh.tree() == finished.tree()


@pytest.mark.parametrize("resume", [["-resume"], []])
def test_with_resume_or_without_the_same_tree(workspace, resume):
    """A forecast that is damaged in the store is set aside, and a name that leads nowhere is replaced."""
    before = workspace.tree()
    workspace.edit(lambda config: config["dates"].append("1996-01-16T00:00"))
    assert workspace.launch().forecasts == 2
    after = workspace.tree()
    victim, gone = sorted(workspace.store.glob("runs/*/*/199601160000"))
    os.truncate(victim / "000.grib", 100)
    shutil.rmtree(gone.resolve())
    result = workspace.launch(*resume)
    assert result.status == 0, result.text
    assert "100 bytes instead of" in result.text and f"{gone}: what it leads to is gone" in result.text
    assert result.forecasts == 2
    (aside,) = workspace.store.glob("runs/*/*/199601160000.bad-*")
    assert aside.parent == victim.parent and (aside / "000.grib").stat().st_size == 100
    shutil.rmtree(aside)
    assert workspace.tree() == after
    assert before.items() <= after.items()


def test_what_is_written_per_forecast(workspace):
    for folder in workspace.store.glob("runs/*/*/[0-9]*"):
        assert folder.is_symlink() and os.readlink(folder).startswith(f".made/{folder.name}.")
        files = {path.name for path in folder.rglob("*") if path.is_file()}
        assert files - {"000.grib", "006.grib"} == {"forecast.json", "forecast.log", "config.yaml"}
        proof = json.loads((folder / "forecast.json").read_text())
        assert set(proof["files"]) == files - {"forecast.json"}
        assert {int(lead) for lead in proof["leads"]} == {0, 6}


# --- targets, stubs -------------------------------------------------------------------------------------------------------


def test_target_environments_makes_no_forecast(fresh):
    result = fresh.launch("--target", "environments")
    assert result.status == 0, result.text
    assert result.environments == 7 and result.forecasts == 0 and result.ran("PREPARE_RUN") == 0
    result = fresh.launch("--target", "forecasts")
    assert (result.status, result.environments, result.forecasts) == (0, 0, 4), result.text


def test_environments_that_nothing_needs_are_not_rebuilt(workspace):
    """All forecasts are there: a store whose images were removed to save space stays as it is."""
    shutil.rmtree(workspace.store / "images")
    result = workspace.launch()
    assert (result.status, result.environments) == (0, 0), result.text


def test_a_stub_run_leaves_nothing_that_a_real_run_takes_for_real(fresh):
    result = fresh.launch("-stub-run")
    assert result.status == 0, result.text
    assert result.environments == 7 and result.forecasts == 4
    assert not fresh.store.exists()
    result = fresh.launch("-resume")
    assert result.status == 0, result.text
    assert result.environments == 7 and result.forecasts == 4
    assert complete(fresh) == 4


# --- a store that mends itself --------------------------------------------------------------------------------------------


def test_a_damaged_image_is_set_aside_and_built_again(workspace):
    (image,) = workspace.store.glob("images/*.squashfs")
    whole = image.read_bytes()
    image.unlink()  # a hard link to the base workspace's
    image.write_bytes(whole[:1000])
    workspace.edit(lambda config: config["dates"].append("1996-01-16T00:00"))
    result = workspace.launch()
    assert result.status == 0, result.text
    assert f"{image.name} has 1000 bytes instead of {len(whole)}" in result.text
    assert (result.ran("BUILD_IMAGE"), result.forecasts) == (1, 2)
    assert image.read_bytes() == whole  # the same lock gives the same bytes
    (aside,) = workspace.store.glob("images/*.squashfs.bad-*")
    assert aside.stat().st_size == 1000
    assert complete(workspace) == 6  # forecasts below the same folder stayed where they were


def test_a_flipped_byte_is_found_on_request(workspace):
    (image,) = workspace.store.glob("images/*.squashfs")
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 1
    image.unlink()
    image.write_bytes(content)
    result = workspace.launch("--verify_store", "--target", "environments")
    assert result.status == 0, result.text
    assert "has another content than when it was made" in result.text
    assert result.ran("BUILD_IMAGE") == 1
    assert len(list(workspace.store.glob("images/*.squashfs.bad-*"))) == 1


def test_an_environment_without_squashfs(fresh):
    fresh.edit(lambda config: [item["forecaster"].update(squash_venv=False) for item in config["runs"]])
    result = fresh.launch()
    assert result.status == 0, result.text
    (image,) = [path for path in fresh.store.glob("images/*") if path.is_dir()]
    assert (image / "bin" / "python").is_symlink() and not list(fresh.store.glob("images/*.squashfs"))
    assert complete(fresh) == 4
    run = [PROJECT / "bin" / "run_in_image.py", image, "--", "python", "-c", "import numpy, sys; print(sys.prefix)"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == str(image)

    # To squash or not is how, not what: turning it on builds the image and makes no forecast again.
    fresh.edit(lambda config: [item["forecaster"].update(squash_venv=True) for item in config["runs"]])
    result = fresh.launch("--target", "environments")
    assert (result.status, result.environments, result.ran("BUILD_IMAGE")) == (0, 1, 1), result.text
    assert complete(fresh) == 4


def test_text_of_the_config_is_data_everywhere(finished, tmp_path):
    """Spaces, quotes and shell syntax in paths, labels and arguments reach no shell."""
    root = tmp_path / 'it\'s a "test" $(touch pwned) ;& {x}'
    root.mkdir()
    shutil.copytree(finished.root / "exp", root / "exp")
    workspace = type(finished)(root)
    hostile = "$(touch pwned) `touch pwned` '; touch pwned; \" \\ \n é"
    (root / "exp" / "one.yaml").write_text(json.dumps({"analyses": "analyses.grib", "offset": 0, "text": hostile}))

    def change(config):
        config["runs"].pop(1)
        config["description"] = hostile
        entry(config, 0)["label"] = hostile.replace("\n", "")
        entry(config, 0)["command"] = [*COMMAND.split(), hostile][:-1]

    workspace.edit(change)
    shutil.copytree(finished.store / "images", workspace.store / "images", copy_function=os.link)
    result = workspace.launch(cwd=tmp_path / "launch")
    assert result.status == 0, result.text
    assert result.forecasts == 2 and result.ran("BUILD_IMAGE") == 0
    assert not list(tmp_path.rglob("pwned"))


def test_the_example_of_a_command(fresh):
    """config/demo-command.yaml: any program that writes GRIB is a model."""
    result = fresh.launch(config=PROJECT / "config" / "demo-command.yaml")
    assert result.status == 0, result.text
    assert result.forecasts == 2 and "2 made, 0 reused, 0 missing  (persistence)" in result.text
    (proof, _) = sorted(fresh.store.glob("runs/*/*/*/forecast.json"))
    assert json.loads(proof.read_text())["leads"] == {"0": 6, "6": 6, "12": 6, "18": 6, "24": 6}
