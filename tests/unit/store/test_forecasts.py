"""Where readers find the forecasts of a run: under their names, and before they have these."""

import pytest
from evalflow.store.forecasts import forecast_places, list_made
from evalflow.store.layout import MADE
from support.stored import give_name, write_forecast

TIME = "202401010000"


def test_a_run_without_a_folder_has_none(tmp_path):
    assert list(forecast_places(tmp_path / "none", TIME)) == [] and list_made(tmp_path / "none") == {}


def test_the_forecast_of_the_name_comes_first_then_the_others(tmp_path):
    one, other = (write_forecast(tmp_path / MADE / f"{TIME}.{mark * 8}") for mark in "ab")
    assert list(forecast_places(tmp_path, TIME)) == [one, other], "stored, and not yet named"
    name = give_name(other)
    assert list(forecast_places(tmp_path, TIME)) == [name, one, other]
    assert list(forecast_places(tmp_path, "202401020000")) == []


def test_a_name_that_leads_nowhere_is_no_place(tmp_path):
    (tmp_path / TIME).symlink_to(f"{MADE}/{TIME}.01234567")
    assert list(forecast_places(tmp_path, TIME)) == []


def test_a_folder_of_an_old_store_is_a_place(tmp_path):
    folder = write_forecast(tmp_path / TIME)
    assert list(forecast_places(tmp_path, TIME)) == [folder]


@pytest.mark.parametrize("name", [f".{TIME}.host.1.0123abcd.tmp", f"{TIME}.0123abc", f"{TIME}.0123ABCD", "notes"])
def test_only_whole_names_count(tmp_path, name):
    write_forecast(tmp_path / MADE / name)
    assert list_made(tmp_path) == {}
