"""Inputs that ids passed over in 0.1: folders, wildcards, words of a command; and what is said of the others."""

import pytest
from support.ids import DOWNSCALER, NOTHING, RUN, differences, forecaster


@pytest.fixture
def with_command(experiment):
    """Return an experiment whose run is a command that names a program, a YAML and data."""
    experiment.write("programs/model.py", "print(1)")
    experiment.write("data/a.grib", "GRIB")
    experiment.write("data/b.grib", "GRIB")
    words = ["{python}", "programs/model.py", "--physics=physics.yaml", "--from", "data/", "--to", "{output}"]
    fields = {"runner": "command", "command": words, "config": {}}
    experiment.data["runs"] = [forecaster(**fields)]
    return experiment


@pytest.mark.parametrize("name", ["programs/model.py", "data/b.grib", "table.csv", "physics.yaml"])
def test_a_file_that_a_command_names_counts_by_content(with_command, name):
    before = with_command.ids()
    with_command.write(name, {"alpha": 2} if name == "physics.yaml" else "changed")
    assert differences(before, with_command.ids()) == RUN


def test_words_of_a_command_are_located(with_command):
    spec = with_command.plan()["runs"][0]["spec"]
    folder = with_command.folder
    assert spec["command"] == [
        "{python}", f"{folder}/programs/model.py", f"--physics={folder}/physics.yaml", "--from", f"{folder}/data",
        "--to", "{output}",
    ]  # fmt: skip
    names = {"programs/model.py", "physics.yaml", "table.csv", "data/a.grib", "data/b.grib"}
    assert set(spec["digests"]) == {f"{folder}/{name}" for name in names}, "a task compares them before it starts"


def test_where_the_files_of_a_command_lie_does_not_count(with_command):
    before = with_command.ids()
    (with_command.folder / "programs").rename(with_command.folder / "scripts")
    words = with_command.data["runs"][0]["forecaster"]["command"]
    words[1] = str(with_command.folder / "scripts" / "model.py")
    assert with_command.ids() == before


SAME = {
    "a comment in a YAML that it names": ("physics.yaml", "table: table.csv # x\nbeta: 2\nalpha: 1\n"),
    "a file that it does not name": ("programs/other.py", "print(2)"),
}


@pytest.mark.parametrize(("name", "content"), SAME.values(), ids=SAME)
def test_what_a_command_does_not_read_does_not_count(with_command, name, content):
    before = with_command.ids()
    with_command.write(name, content)
    assert differences(before, with_command.ids()) == NOTHING


@pytest.mark.parametrize("word", ["/bin/sh", "/usr/bin/env", "{checkpoint}", "data", "--to={output}/data/a.grib"])
def test_words_that_name_no_file_of_the_user_stay_as_they_are(experiment, word):
    experiment.write("data/a.grib", "GRIB")
    words = [word, "{output}"]
    experiment.data["runs"] = [forecaster(runner="command", command=words)]
    spec = experiment.plan()["runs"][0]["spec"]
    assert spec["command"] == spec["identity"]["command"] == words


def test_an_empty_file_that_a_command_names_is_no_mistake(experiment):
    experiment.write("__init__.py", "")
    experiment.data["runs"] = [forecaster(runner="command", command=["model", "./__init__.py", "{output}"])]
    assert experiment.plan()["runs"][0]["spec"]["command"][1] == f"{experiment.folder}/__init__.py"


def test_a_folder_that_is_written_to_is_no_input_of_a_command(experiment):
    experiment.write("store/a.grib", "GRIB")
    words = ["model", "--cache", f"{experiment.folder}/store", f"--tmpdir={experiment.folder}/store/", "{output}"]
    experiment.data["runs"] = [forecaster(runner="command", command=words)]
    plan = experiment.plan()
    assert plan["runs"][0]["spec"]["identity"]["command"] == words
    assert not [line for line in plan["warnings"] if "count by name" in line]


def test_inputs_that_do_not_count_by_content_are_one_warning_of_the_launch(experiment):
    experiment.write("an/20240101.grib", "GRIB")
    experiment.write("inference.yaml", {"lam": "s3://bucket/lam.zarr", "input": "an/{date}.grib"})
    experiment.data["runs"] = [
        forecaster(config="inference.yaml"),
        forecaster(config="inference.yaml", steps="0/12/6"),
        forecaster(runner="command", command=["model", "--from", "https://example.org/x", "{output}"]),
    ]
    (line,) = [line for line in experiment.plan()["warnings"] if "count by name" in line]
    assert line == (
        "inputs that count by name, not by content: s3://bucket/lam.zarr (runs[0].forecaster.config: a URL), "
        "an/{date}.grib (runs[0].forecaster.config: a name with {…}), "
        "https://example.org/x (runs[2].forecaster.command: a URL); "
        "where what they hold changes, give it another name, or forecasts of before are served"
    )


def test_of_very_many_such_inputs_the_line_stays_a_line(experiment):
    experiment.data["runs"] = [forecaster(config={"input": [f"s3://bucket/{number}" for number in range(30)]})]
    (line,) = [line for line in experiment.plan()["warnings"] if "count by name" in line]
    assert "s3://bucket/9 " in line and "s3://bucket/10 " not in line and ", and 20 more; " in line


@pytest.mark.parametrize("refines", [True, False])
def test_forecaster_in_the_working_folder_is_a_downscalers_own(experiment, refines):
    experiment.write("forecaster/a.grib", "GRIB")
    entry = {**DOWNSCALER, "config": {"input": "forecaster/*"}}
    if refines:
        entry["forecaster"] = experiment.data["runs"][0]["forecaster"]
    experiment.data["runs"] = [{"temporal_downscaler": entry}]
    before = experiment.ids()
    experiment.write("forecaster/a.grib", "other")
    assert (experiment.ids() == before) == refines


def test_a_zarr_store_that_grows_makes_no_other_run(experiment):
    """The one that 0.1 renamed every day; see tests/unit/config/test_zarr_stores.py."""
    store = experiment.folder / "an.zarr"
    experiment.write("an.zarr/.zgroup", '{"zarr_format": 2}')
    experiment.write("an.zarr/.zattrs", '{"uuid": "1f2e", "variables": ["2t"], "end_date": "2024-01-02"}')
    experiment.write("an.zarr/data/.zarray", '{"shape": [2, 1, 1, 4], "dtype": "<f4"}')
    experiment.write("inference.yaml", {"dataset": "an.zarr"})
    before = experiment.ids()
    experiment.write("an.zarr/.zattrs", '{"uuid": "1f2e", "variables": ["2t"], "end_date": "2024-01-03"}')
    experiment.write("an.zarr/data/.zarray", '{"shape": [3, 1, 1, 4], "dtype": "<f4"}')
    assert experiment.ids() == before and store.is_dir()
    experiment.write("an.zarr/.zattrs", '{"uuid": "3a4b", "variables": ["2t"], "end_date": "2024-01-03"}')
    assert differences(before, experiment.ids()) == RUN
