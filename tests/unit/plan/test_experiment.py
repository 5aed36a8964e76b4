"""An experiment as a plan reads it: where its output goes, and what it is called."""

import re
from pathlib import Path

import pytest
from evalflow import lookup as lookup_module
from evalflow.errors import UserError
from evalflow.plan.experiment import output_folder

OUTPUT_ROOTS = {
    # output_root (or --outdir), folders that exist → where output goes
    "new": ("out", [], "launch/out"),
    "in the launch folder": ("out", ["launch/out"], "launch/out"),
    "beside the config": ("out", ["config/out", "launch/out"], "config/out"),
    "in the project": ("out", ["project/out"], "project/out"),
    "trailing slash": ("out/", [], "launch/out"),
    "absolute": ("{root}/elsewhere/out", ["launch/out"], "elsewhere/out"),
    "in the home folder": ("~/out", [], "home/out"),
}


@pytest.mark.parametrize(("name", "existing", "expected"), OUTPUT_ROOTS.values(), ids=OUTPUT_ROOTS)
def test_where_output_goes(experiment, name, existing, expected, monkeypatch):
    root = experiment.folder.parent
    monkeypatch.setattr(lookup_module, "PROJECT", root / "project")
    monkeypatch.setenv("HOME", str(root / "home"))
    for folder in existing:
        (root / folder).mkdir(parents=True)
    experiment.data["locations"] = {"output_root": name.format(root=root)}
    assert experiment.plan()["outdir"] == str(root / expected)


@pytest.mark.parametrize("outdir", ["given", "./given/", "{launch}/given"])
def test_outdir_goes_before_output_root_and_starts_in_the_launch_folder(experiment, outdir):
    (experiment.folder / "given").mkdir()
    plan = experiment.plan(outdir=Path(outdir.format(launch=experiment.launch)))
    assert plan["outdir"] == str(experiment.launch / "given")
    stub = experiment.plan(outdir=Path("given"), stub=True)
    assert stub["outdir"] == str(experiment.launch / "given" / "stub"), "a store of its own"


FILES_IN_THE_WAY = {
    # output_root (or --outdir), file in the launch folder
    "itself": ("out", "out"),
    "above": ("out/of/reach", "out"),
    "its data": ("out", "out/data"),
    "the runs in its data": ("out", "out/data/runs"),
}


@pytest.mark.parametrize("option", [True, False], ids=["--outdir", "locations.output_root"])
@pytest.mark.parametrize(("name", "file"), FILES_IN_THE_WAY.values(), ids=FILES_IN_THE_WAY)
def test_a_file_where_output_would_go_is_refused(experiment, name, file, option):
    path = experiment.launch / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    experiment.data["locations"] = {"output_root": "elsewhere" if option else name}
    with pytest.raises(UserError) as caught:
        experiment.plan(outdir=Path(name) if option else None)
    key = "--outdir" if option else "locations.output_root"
    assert str(caught.value) == f"{key}: {path}: is not a folder; name one, or a place where one can be made"


def test_a_link_to_nowhere_is_no_place_for_output(experiment):
    (experiment.launch / "out").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"^--outdir: .*/out: is not a folder; "):
        experiment.plan(outdir=Path("out"))


EXPERIMENT_NAMES = {
    # config_label, or name of the config → first part of the experiment_id
    "two words": "two-words",
    "É": "experiment",
    "Été 2024": "t-2024",
    "–x": "x",
    "é.-x": "x",
    "…": "experiment",
    "_x": "_x",
    "x.y-": "x.y-",
}


@pytest.mark.parametrize(("label", "name"), EXPERIMENT_NAMES.items())
def test_an_experiment_id_is_fit_for_a_folder_and_a_command_line(experiment, label, name):
    labelled = experiment.plan({**experiment.data, "config_label": label})
    named = experiment.plan(name=f"{label}.yaml")
    assert labelled["experiment_id"] == named["experiment_id"]
    assert re.fullmatch(rf"{re.escape(name)}_[0-9a-f]{{8}}", named["experiment_id"])


@pytest.mark.parametrize(("stem", "name"), [(".hidden", "hidden"), ("-x", "x"), (250 * "x", 200 * "x")])
def test_the_name_of_a_config_may_be_any(experiment, stem, name):
    assert experiment.plan(name=f"{stem}.yaml")["experiment_id"].rpartition("_")[0] == name


def test_output_folder_of_an_option_is_absolute(experiment):
    from evalflow.lookup import Lookup

    assert output_folder(None, Lookup(experiment.folder, experiment.launch), Path("a/../b")) == experiment.launch / "b"


@pytest.mark.parametrize("name", ["{a,b}", "x{1..3}y"])
def test_an_output_folder_that_nextflows_scripts_would_expand_is_refused(experiment, name):
    with pytest.raises(
        UserError, match=r"^--outdir: .* holds braces, which Nextflow's scripts expand; name another folder$"
    ):
        experiment.plan(outdir=Path(name))
    experiment.plan(outdir=Path("{a}*?[x]"))


@pytest.mark.parametrize("name", ["$HOME/out", "${SCRATCH}", "a$1"])
def test_an_output_folder_with_a_variable_in_its_name_is_refused(experiment, name):
    """Else Nextflow moves what belongs there to where the variable leads."""
    with pytest.raises(
        UserError, match=r"^--outdir: .* holds a \$, which Nextflow's scripts take for a variable; write"
    ):
        experiment.plan(outdir=Path(name))
    experiment.plan(outdir=Path("$(touch pwned) 5$"))
