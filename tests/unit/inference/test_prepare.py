"""What belongs to an inference config beside the files that it names: GRIB templates and patches in `resources/`."""

from pathlib import Path

import pytest
from evalflow.config.inference import InferenceConfig, Reading, read_inference_config
from evalflow.inference.prepare import place_resources
from evalflow.inference.spec import Resources
from evalflow.lookup import Lookup
from evalflow.yamlio import read_yaml

INDEX = "resources/templates_index.yaml"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def read(path: Path, rewrite: bool = True) -> InferenceConfig:
    reading = Reading(rewrite=rewrite)
    return read_inference_config(str(path), Lookup(path.parents[2], path.parents[2]), "config", reading)


@pytest.fixture(params=["beside", "evalml"])
def config(request, tmp_path) -> Path:
    """Return an inference config whose resources lie beside it, or in the folders that evalml has for them."""
    beside = request.param == "beside"
    templates, metadata = ("configs/resources", "configs/resources") if beside else ("templates", "metadata")
    write(
        tmp_path / "a",
        {
            "configs/model.yaml": "patch_metadata: resources/patch.yaml\n"
            f"output: {{grib: {{templates: {{samples: {INDEX}}}}}}}\n",
            f"{templates}/templates_index.yaml": "- - {levtype: pl}\n  - resources/pl.grib\n",
            f"{templates}/pl.grib": "GRIB",
            f"{metadata}/patch.yaml": "dataset: {variables_metadata: {tp: {mars: {date: 20050101}}}}\n",
        },
    )
    return tmp_path / "a" / "configs" / "model.yaml"


def test_a_model_sees_them_in_its_working_folder(config, tmp_path):
    inference = read(config)
    assert set(inference.linked) == {"templates_index.yaml", "pl.grib", "patch.yaml"} and inference.rewritten == {}
    folder = tmp_path / "working"
    folder.mkdir()
    place_resources(Resources(linked=inference.linked, rewritten=inference.rewritten), folder)
    index = Path(inference.located["output"]["grib"]["templates"]["samples"])
    assert index.is_absolute() and (folder / read_yaml(index)[0][1]).read_text() == "GRIB"
    assert read_yaml(Path(inference.located["patch_metadata"]))["dataset"]
    assert all(path.is_symlink() for path in (folder / "resources").iterdir())


@pytest.mark.parametrize("name", ["pl.grib", "patch.yaml", "templates_index.yaml"])
def test_their_content_counts(config, name):
    before = read(config).identity
    (path,) = config.parents[1].rglob(name)
    path.write_text(path.read_text().replace("GRIB", "BIRG").replace("20050101", "20060101").replace("pl}", "sfc}"))
    assert read(config).identity != before


def test_where_they_lie_does_not_count(tmp_path):
    identities = []
    for name in ("one", "two"):
        write(
            tmp_path / name / "x",
            {
                "model.yaml": f"samples: {INDEX}",
                INDEX: "- [{}, resources/pl.grib]",
                "resources/pl.grib": "GRIB",
            },
        )
        identities.append(read(tmp_path / name / "x" / "model.yaml").identity)
    assert identities[0] == identities[1]


def test_resources_that_nothing_names_are_left_alone(tmp_path):
    write(tmp_path / "a" / "b", {"model.yaml": "input: test", "resources/huge": "…"})
    inference = read(tmp_path / "a" / "b" / "model.yaml")
    assert (inference.linked, inference.rewritten) == ({}, {})


@pytest.fixture
def relative(tmp_path) -> Path:
    """Return a config that names an index in another folder, which names its templates relative to itself."""
    write(
        tmp_path / "a" / "b",
        {
            "model.yaml": "samples: index/templates.yaml\nmore: index/more.json",
            "index/templates.yaml": "- - {levtype: pl, date: 2005-01-01}\n  - pl.grib\n"
            "- - {}\n  - {path: ../sfc.grib, n: 6h}\n",
            "index/more.json": '{"file": "templates.yaml"}',
            "index/pl.grib": "pl",
            "sfc.grib": "sfc",
        },
    )
    return tmp_path / "a" / "b" / "model.yaml"


def test_names_relative_to_a_named_file_are_made_absolute(relative, tmp_path):
    inference = read(relative)
    folder = tmp_path / "working"
    folder.mkdir()
    place_resources(Resources(linked=inference.linked, rewritten=inference.rewritten), folder)
    (_, first), (_, second) = read_yaml(folder / inference.located["samples"])
    assert Path(first).read_text() == "pl" and Path(second["path"]).read_text() == "sfc" and second["n"] == "6h"
    nested = read_yaml(folder / inference.located["more"])["file"]
    assert nested == inference.located["samples"]
    assert (folder / inference.located["more"]).read_text().startswith("{")  # JSON stays JSON


def test_they_are_not_where_a_model_finds_them_itself(relative):
    inference = read(relative, rewrite=False)
    assert (
        inference.located["samples"] == str(relative.parent / "index" / "templates.yaml") and inference.rewritten == {}
    )


def test_rewriting_is_no_identity(relative):
    assert read(relative).identity == read(relative, rewrite=False).identity


def test_files_that_name_each_other_end(tmp_path):
    write(tmp_path / "a" / "b", {"model.yaml": "x: one.yaml", "one.yaml": "x: two.yaml", "two.yaml": "x: one.yaml"})
    inference = read(tmp_path / "a" / "b" / "model.yaml")
    assert inference.rewritten
