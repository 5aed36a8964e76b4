"""Coordinates of grids whose messages carry none: what the config says, and what the site says."""

import pytest
from evalflow.config.grids import GridConfig, grid_files, load_grids
from evalflow.errors import UserError
from evalflow.fields.specs import GridFile
from evalflow.lookup import Lookup

UUID = "0b4a1f6c-52d3-4e77-9a18-c3f0d2e85b61"
PLAIN = UUID.replace("-", "")


@pytest.fixture
def site_grids(tmp_path):
    """Return the list of a site, with relative paths of files that lie beside it."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("ch1.grib", "ch2.grib"):
        (folder / name).write_text("GRIB")
    path = folder / "grids.yaml"
    path.write_text(f"- {{points: 1147980, file: ch1.grib}}\n- {{uuid: {UUID}, file: ch2.grib}}\n")
    return path


def test_a_site_has_a_list_of_its_own(site_grids):
    assert [(grid.name, grid.file) for grid in load_grids(site_grids)] == [(1147980, "ch1.grib"), (PLAIN, "ch2.grib")]


def test_what_the_config_says_goes_before_what_the_site_says(site_grids, tmp_path):
    (tmp_path / "mine.grib").write_text("GRIB")
    own = [GridConfig(points=1147980, file="mine.grib"), GridConfig(points=5, file="mine.grib")]
    mine = tmp_path / "mine.grib"
    assert grid_files(own, Lookup(tmp_path, tmp_path), site_grids) == (
        GridFile(mine, points=1147980),
        GridFile(mine, points=5),
        GridFile(site_grids.parent / "ch2.grib", uuid=PLAIN),
    )
    assert grid_files([], Lookup(tmp_path, tmp_path)) == ()


def test_a_missing_file_is_named(site_grids, tmp_path):
    lookup = Lookup(tmp_path, tmp_path)
    with pytest.raises(UserError, match=r"^grids\[0\].file: no such file: none.grib"):
        grid_files([GridConfig(points=5, file="none.grib")], lookup)
    (site_grids.parent / "ch2.grib").unlink()
    with pytest.raises(UserError, match=rf"^{site_grids}: \[1\].file: no such file: ch2.grib"):
        grid_files([], lookup, site_grids)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "is empty; allowed: a list, each item a mapping with the keys points, uuid, file"),
        ("points: 5\nfile: a\n", "holds a mapping; allowed: a list"),
        ("- {points: 5}\n", "[0].file: missing; allowed: text"),
        ("- {points: 5, file: a, fil: b}\n", "[0].fil: unknown key, did you mean file?; allowed: points, uuid, file"),
        ("- {points: 5, file: a}\n- {points: 5, file: b}\n", "[1]: another grid has 5; allowed: each once"),
        ("- {points: none, file: a}\n", '[0].points: got "none"; allowed: a whole number >= 1'),
        ("- {points: 5, file: https://user:secret@host/a}\n", "[0].file: a URL with a user name or password in it"),
    ],
)
def test_a_list_that_is_wrong_is_refused_in_a_line(text, line, site_grids):
    site_grids.write_text(text)
    with pytest.raises(UserError) as caught:
        load_grids(site_grids)
    assert str(caught.value).startswith(f"{site_grids}: {line}")
    assert "\n" not in str(caught.value)
