"""Relative paths: beside the file that names them, in the launch folder, in the project."""

import os
from pathlib import Path

import pytest
from evalflow import lookup as module
from evalflow.errors import UserError
from evalflow.lookup import PROJECT, Lookup, canonical_path


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Return the three folders, best first; each test fills them."""
    folders = [tmp_path / name for name in ("beside", "launch", "project")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(module, "PROJECT", folders[2])
    return folders


def test_the_project_is_the_checkout():
    assert (PROJECT / "bin" / "evalflow" / "lookup.py").is_file() and PROJECT.is_absolute()


def test_the_first_place_that_has_it_wins(places):
    lookup = Lookup(places[0], places[1])
    assert lookup.find("sub/file") is None
    for folder in reversed(places):
        (folder / "sub").mkdir()
        (folder / "sub" / "file").touch()
        assert lookup.find("sub/file") == folder / "sub" / "file"
        assert lookup.find("sub") == folder / "sub"


def test_an_absolute_path_is_looked_for_nowhere_else(places):
    for folder in places:
        (folder / "file").touch()
    lookup = Lookup(places[0], places[1])
    assert lookup.find(str(places[2] / "file")) == places[2] / "file"
    assert lookup.find("/file") is None


def test_a_home_is_expanded_where_there_is_one(places, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").touch()
    lookup = Lookup(places[0], places[1])
    assert lookup.find("~/file") == tmp_path / "file"
    assert lookup.find("~nobody-of-this-name/file") is None


def test_a_missing_file_is_said_with_key_and_places(places):
    with pytest.raises(UserError) as caught:
        Lookup(places[0], places[1]).require("sub/file", "runs[0].forecaster.checkpoint")
    tried = ", ".join(str(folder / "sub" / "file") for folder in places)
    assert str(caught.value) == f"runs[0].forecaster.checkpoint: no such file: sub/file (looked for {tried})"


def test_a_place_is_looked_at_once(places):
    assert Lookup(places[1], places[1]).candidates("file") == [places[1] / "file", places[2] / "file"]


@pytest.mark.parametrize("name", ["a\0b", 5000 * "a", "a/" * 3000, "\udcff"])
def test_a_name_that_no_file_can_have_is_not_found(places, name):
    assert Lookup(places[0], places[1]).find(name) is None


def test_names_in_a_file_are_looked_up_beside_it(places):
    inner = Lookup(places[0], places[1]).next_to(places[2] / "sub" / "file.yaml")
    assert inner.candidates("x")[:2] == [places[2] / "sub" / "x", places[1] / "x"]


ROOTS = {
    "/archive/EPS": "/archive/EPS",
    "/archive/EPS/": "/archive/EPS",
    "//archive//./EPS": "/archive/EPS",
    "/": "/",
    "archive/EPS/": "archive/EPS",
    "jretrievedwh:1,2": "jretrievedwh:1,2",
    "https://example.org/a.zarr/": "https://example.org/a.zarr",
    "~/EPS": f"{os.path.expanduser('~')}/EPS",
}


@pytest.mark.parametrize(("text", "canonical"), ROOTS.items())
def test_a_root_has_one_spelling(places, text, canonical):
    assert canonical_path(text, Lookup(places[0], places[1])) == canonical


def test_a_root_that_exists_is_absolute(places):
    (places[1] / "archive").mkdir()
    assert canonical_path("./archive/", Lookup(places[0], places[1])) == str(Path(places[1] / "archive"))
