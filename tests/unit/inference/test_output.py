"""What a model wrote: is it the forecast that was asked for? Every form of file, and what lies beside."""

import os
import re
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray
import zarr
from evalflow.errors import UserError
from evalflow.fields.grib.codes import eccodes
from evalflow.inference import output as inference_output
from evalflow.inference.output import Found, Wanted, check_output
from hypothesis import given, settings
from hypothesis import strategies as st
from support.field_files import write_netcdf, write_zarr
from support.grib_files import T_2M, U_10M, grib, join_fields, member, on_level, sum_of, unstructured, write
from support.shell_model import end_by
from support.trial_files import trial_file

INIT = datetime(2024, 1, 10)
LEADS = (0, 6, 12)
MISSING = [np.nan] * 12


@pytest.fixture
def check(tmp_path) -> Callable[..., Found]:
    """Return a function that writes files (name → messages) and checks them as a forecast of `INIT`."""

    def run(files: dict[str, list[bytes]], leads=LEADS, *, same: bool = True, init: datetime = INIT) -> Found:
        for name, messages in files.items():
            write(tmp_path / name, *messages)
        return check_output(tmp_path, Wanted(init, leads, same))

    return run


@pytest.fixture
def refuse(check) -> Callable[..., str]:
    """Return a function that does the same with what is not whole, and returns the one line that is said."""

    def run(*arguments, **options) -> str:
        with pytest.raises(UserError) as caught:
            check(*arguments, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


# --- lead times ---------------------------------------------------------------------------------------------------------


def at(*minutes: int, edition: int = 2) -> list[bytes]:
    """Return a field at some lead times in minutes."""
    if edition == 1:
        return [grib(edition=1, **T_2M, indicatorOfUnitOfTimeRange=0, P1=one) for one in minutes]
    return [grib(**T_2M, indicatorOfUnitForForecastTime=0, forecastTime=one) for one in minutes]


@pytest.mark.parametrize("edition", [1, 2])
def test_what_lies_between_the_wanted_leads_is_of_no_interest(check, edition):
    found = check({"a.grib": at(*range(0, 121, 15), edition=edition)}, [0, 1, 2])
    assert set(found.leads) == {0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2} and found.warnings == []


@pytest.mark.parametrize(
    ("minutes", "leads", "missing"),
    [
        ((0, 90, 120), [0, 1, 2], "1"),
        ((30, 60), [0, 1], "0"),
        ((0, 15, 45), [0, 0.25, 0.5, 0.75], "0.5"),
        ((0, 10, 20), [0, 1 / 6, 0.5], "0.5"),
        ((0, 61), [0, 1], "1"),
        ((0,), range(0, 60, 6), "6, 12, 18, 24, 30 …"),
    ],
)
def test_leads_are_exact(refuse, minutes, leads, missing):
    said = refuse({"a.grib": at(*minutes)}, leads)
    assert said.startswith(f"no field for lead time {missing} h in what the model wrote")


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 600), min_size=1), st.sets(st.integers(0, 600), min_size=1))
def test_whole_is_when_each_wanted_minute_is_there(tmp_path_factory, there, wanted):
    folder = tmp_path_factory.mktemp("leads")
    write(folder / "a.grib", *at(*there))
    hours = [minutes / 60 for minutes in wanted]
    if wanted <= there:
        assert set(check_output(folder, Wanted(INIT, hours, True)).leads) == {minutes / 60 for minutes in there}
    else:
        with pytest.raises(UserError, match="no field for lead time"):
            check_output(folder, Wanted(INIT, hours, True))


def test_sums_of_a_quarter_of_an_hour(check):
    sums = [grib(**sum_of(f"{one}m-{one + 15}m")) for one in range(0, 60, 15)]
    assert check({"a.grib": sums}, [0.25, 0.5, 0.75, 1]).leads == {0.25: 1, 0.5: 1, 0.75: 1, 1: 1}


# --- init times ---------------------------------------------------------------------------------------------------------


def test_fields_of_another_init_time_are_no_forecast(refuse):
    """A program that copied yesterday's file."""
    said = refuse({"old.grib": [grib(**T_2M, dataDate=20240109, step=lead) for lead in LEADS]})
    assert said == (
        "no field for lead time 0, 6, 12 h in what the model wrote; the forecast is of 2024-01-10 00:00:00 UTC, "
        "old.grib: message 1 of 2024-01-09 00:00:00, valid 2024-01-09 00:00:00"
    )


def test_windows_with_a_base_time_of_their_own_are_no_forecast(refuse):
    windows = [grib(**T_2M, dataTime=hour * 100, step=lead) for hour in (0, 6) for lead in (0, 3, 6)]
    said = refuse({"a.grib": windows}, [0, 3, 6, 9, 12])
    assert "lead time 9, 12 h" in said and "message 4 of 2024-01-10 06:00:00, valid 2024-01-10 06:00:00" in said


def test_analyses_at_the_valid_times_are_no_forecast(refuse):
    said = refuse({"a.grib": [grib(**T_2M, dataTime=hour * 100) for hour in LEADS]})
    assert "lead time 6, 12 h" in said and "of 2024-01-10 06:00:00, valid 2024-01-10 06:00:00" in said


def test_inputs_that_a_model_leaves_beside_its_forecast_do_not_count(check):
    forecast = [grib(**T_2M, step=lead) for lead in LEADS]
    found = check({"a.grib": forecast, "input.grib": [grib(**T_2M, dataDate=20240109, dataTime=1800)]})
    assert found.leads == {0: 1, 6: 1, 12: 1}
    assert found.warnings == [
        "1 fields of another init time are not counted: input.grib: message 1 is of 2024-01-09 18:00:00, "
        "valid 2024-01-09 18:00:00 UTC"
    ]


def test_a_minute_more_is_another_init_time(refuse):
    said = refuse({"a.grib": [grib(**T_2M, dataTime=1, step=lead) for lead in LEADS]})
    assert "is of 2024-01-10 00:00:00 UTC, a.grib: message 1 of 2024-01-10 00:01:00" in said


# --- what a field is ----------------------------------------------------------------------------------------------------


def test_gusts_whose_name_changes_with_the_length_of_steps_are_one_field(check):
    def gust(name: str, table: int, number: int, lead: int) -> bytes:
        return grib(edition=1, centre=98, table2Version=table, indicatorOfParameter=number, step=lead)

    files = [gust("10fg", 128, 49, 90), gust("10fg3", 228, 28, 93), gust("10fg6", 128, 123, 150)]
    assert check({"a.grib": files}, [90, 93, 150]).leads == {90: 1, 93: 1, 150: 1}
    files = [grib(**sum_of(steps, name, paramId=number)) for steps, name, number in
             [("89-90", "10fg", 49), ("90-93", "10fg3", 228028)]]  # fmt: skip
    assert check({"a.grib": files}, [90, 93]).leads == {90: 1, 93: 1}


@pytest.mark.parametrize(
    ("first", "later"), [((128, 201), (228, 26)), ((128, 202), (228, 27)), ((128, 121), (128, 201))]
)
def test_extremes_whose_name_changes_are_one_field(check, first, later):
    for discipline in (None, 192):
        if discipline is None:
            keys = [
                {"edition": 1, "table2Version": table, "indicatorOfParameter": number}
                for table, number in (first, later)
            ]
        else:
            keys = [
                {"discipline": 192, "parameterCategory": table, "parameterNumber": number}
                for table, number in (first, later)
            ]
        files = [grib(centre=98, **one, step=lead) for one, lead in zip(keys, (90, 93), strict=True)]
        assert check({"a.grib": files}, [90, 93]).leads == {90: 1, 93: 1}


def test_a_clock_of_two_octets_makes_no_other_field(check):
    """GRIB1: the time range indicator goes from 0 to 10 where a lead time needs more than one octet."""
    files = [bytearray(grib(edition=1, **T_2M)) for _ in range(2)]
    for message, time in zip(files, ([1, 252, 0, 0], [1, 1, 2, 10]), strict=True):  # hours; 258 is 1 · 256 + 2
        message[8 + 17 : 8 + 21] = bytes(time)
    assert check({"a.grib": files}, [252, 258]).leads == {252: 1, 258: 1}


def test_sums_over_any_time_are_one_field(check):
    files = [grib(**sum_of(steps)) for steps in ("0-6", "0-12", "12-18", "17-24")]
    assert check({"a.grib": files}, [6, 12, 18, 24]).leads == {6: 1, 12: 1, 18: 1, 24: 1}


@pytest.mark.parametrize(
    ("one", "other", "lost"),
    [
        (T_2M, U_10M, "2t (2)"),
        (on_level("t", 500), on_level("t", 850), "t (500)"),
        (member(0) | T_2M, member(1) | T_2M, "2t (2, member 0)"),
        (sum_of("0-6"), {"productDefinitionTemplateNumber": 8, "shortName": "tp", "stepType": "max"}, "tp (0)"),
        (T_2M, {**T_2M, "level": 100}, "2t (2)"),
        ({"parameterCategory": 0, "parameterNumber": 250}, {"parameterCategory": 0, "parameterNumber": 251}, "0/0/250"),
    ],
)
def test_each_number_tells_fields_apart(refuse, one, other, lost):
    """All have as many fields as before; one of them is another one."""
    when = {} if "stepRange" in one else {"step": 6}
    second = {"stepRange": "0-12"} if "stepRange" in one else {"step": 12}
    files = [grib(**{**one, **when}), grib(**on_level("u", 300), step=6)]
    files += [grib(**{**other, **second}), grib(**on_level("u", 300), step=12)]
    assert f"missing at 12 h: {lost}" in refuse({"a.grib": files}, [6, 12]).replace("number ", "")


GLOBAL = {"sample": "reduced_gg_pl_32_grib2", **on_level("t", 500)}


def test_a_global_field_does_not_stand_for_one_of_a_limited_area(check, refuse):
    """The predecessor's models write each field twice."""
    both = [grib(**on_level("t", 500), step=lead) for lead in LEADS], [grib(**GLOBAL, step=lead) for lead in LEADS]
    assert check({"lam.grib": both[0], "global.grib": both[1]}).leads == {0: 2, 6: 2, 12: 2}
    said = refuse({"lam.grib": both[0][:2]})
    assert said == (
        "1 of the fields of earlier lead times are missing at 12 h: t (500) on regular_ll of 4 × 3 points from 52 358"
    )
    assert refuse({"lam.grib": both[0][:2] + [grib(**U_10M, step=12)]}).startswith("1 of the fields")
    # Two global ones are no more than one.
    assert refuse({"lam.grib": [*both[0][:2], both[1][2]]}).startswith("1 of the fields")


def test_another_grid_is_a_warning_that_names_both(check):
    moved = {"latitudeOfFirstGridPointInDegrees": 42, "latitudeOfLastGridPointInDegrees": 40}
    files = [
        grib(**name, step=lead, **(moved if lead > 6 else {})) for name in (T_2M, U_10M) for lead in (0, 6, 12, 18)
    ]
    for same in (True, False):
        found = check({"a.grib": files}, [0, 6, 12, 18], same=same)
        assert found.warnings == [
            "the grid changes at 12 h, from regular_ll of 4 × 3 points from 52 358 to regular_ll of 4 × 3 points from "
            "42 358: 10u (10), 2t (2)"
        ]


def test_a_grid_that_comes_and_goes(check):
    sizes = [{"Ni": columns, "numberOfDataPoints": 3 * columns} for columns in (4, 5, 4)]
    files = [grib(**T_2M, step=lead, **size) for lead, size in zip((6, 12, 18), sizes, strict=True)]
    assert len(check({"a.grib": files}, [6, 12, 18]).warnings) == 2


# --- every form of GRIB -------------------------------------------------------------------------------------------------


def step(lead: int) -> dict[str, int]:
    return {"step": lead}


LARGE = "regular_ll_sfc_grib2"
"""Its own grid: ecCodes' PNG and size of 4 × 3 points do not go together."""
FORMS: dict[str, Callable[[int], bytes]] = {
    "edition 1": lambda lead: grib(edition=1, **T_2M, **step(lead)),
    "edition 2": lambda lead: grib(**T_2M, **step(lead)),
    "CCSDS": lambda lead: grib(np.arange(12), packing="grid_ccsds", **T_2M, **step(lead)),
    "JPEG 2000": lambda lead: grib(np.arange(12), packing="grid_jpeg", **T_2M, **step(lead)),
    "PNG": lambda lead: grib(sample=LARGE, packing="grid_png", bitsPerValue=16, **T_2M, **step(lead)),
    "IEEE": lambda lead: grib(np.arange(12), packing="grid_ieee", **T_2M, **step(lead)),
    "second order": lambda lead: grib(np.arange(12), packing="grid_second_order", **T_2M, **step(lead)),
    "a constant": lambda lead: grib(np.ones(12), **T_2M, **step(lead)),
    "spectral": lambda lead: grib(sample="sh_pl_grib2", shortName="t", level=500, **step(lead)),
    "spectral, edition 1": lambda lead: grib(sample="sh_ml_grib1", shortName="t", level=5, **step(lead)),
    "reduced Gaussian": lambda lead: grib(sample="reduced_gg_pl_32_grib1", shortName="t", level=500, **step(lead)),
    "Lambert": lambda lead: grib(sample="GRIB2", gridType="lambert", **T_2M, **step(lead)),
    "polar stereographic": lambda lead: grib(sample="polar_stereographic_sfc_grib2", **T_2M, **step(lead)),
    "unstructured": lambda lead: grib(sample="GRIB2", **unstructured(6, "a" * 32), **T_2M, **step(lead)),
    "HEALPix": lambda lead: grib(
        sample="GRIB2", gridType="healpix", Nside=1, orderingConvention="ring", numberOfDataPoints=12, **T_2M, **step(lead)
    ),
    "several fields in a message": lambda lead: join_fields(
        grib(**T_2M, **step(lead)), grib(MISSING, **U_10M, **step(lead)), grib(**on_level("t", 500), **step(lead))
    ),
    "an ensemble (4.1)": lambda lead: b"".join(grib(**member(one), **T_2M, **step(lead)) for one in range(3)),
    "an ensemble's sums (4.11)": lambda lead: b"".join(
        grib(**{**sum_of(f"{lead}-{lead + 6}"), **member(one), "productDefinitionTemplateNumber": 11}) for one in range(3)
    ),
    "an ensemble's mean (4.2)": lambda lead: grib(productDefinitionTemplateNumber=2, **T_2M, **step(lead)),
    "a probability (4.5)": lambda lead: grib(productDefinitionTemplateNumber=5, **T_2M, **step(lead)),
    "a percentile (4.6)": lambda lead: grib(productDefinitionTemplateNumber=6, percentileValue=90, **T_2M, **step(lead)),
    "chemistry (4.40)": lambda lead: grib(productDefinitionTemplateNumber=40, constituentType=5, **step(lead)),
    "a re-forecast (4.60)": lambda lead: grib(productDefinitionTemplateNumber=60, **T_2M, **step(lead)),
    "waves (4.99)": lambda lead: grib(productDefinitionTemplateNumber=99, **step(lead)),
    "a table of the centre's own": lambda lead: grib(centre=215, parameterCategory=192, parameterNumber=200, **step(lead)),
    "a table of the centre's own, edition 1": lambda lead: grib(
        edition=1, centre=215, table2Version=201, indicatorOfParameter=13, **step(lead)
    ),
    "a section of the centre's own": lambda lead: grib(
        centre=98, setLocalDefinition=1, localDefinitionNumber=1, **T_2M, **step(lead)
    ),
    "a section of the centre's own, edition 1": lambda lead: grib(
        edition=1, centre=98, setLocalDefinition=1, localDefinitionNumber=1, **T_2M, **step(lead)
    ),
    "after a bulletin's heading": lambda lead: b"\1\r\r\n123\r\r\nHTXX60 ECMF 100000\r\r\n" + grib(**T_2M, **step(lead)),
    "before padding": lambda lead: grib(**T_2M, **step(lead)) + bytes(5000),
    "before newlines": lambda lead: grib(**T_2M, **step(lead)) + b"\r\r\n\3",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_grib(check, refuse, tmp_path, form):
    leads = (0, 6, 12, 18)
    try:
        messages = [FORMS[form](lead) for lead in leads]
    except eccodes.FunctionalityNotEnabledError as error:
        pytest.skip(f"this build of ecCodes lacks it: {error}")
    wanted = [6, 12, 18, 24] if "sums" in form else list(leads)
    folder = {"0.grb": messages[::3], "more/1": messages[1::3], "2.grib2": messages[2::3]}
    found = check(folder, wanted)
    count = eccodes_count(tmp_path, folder)
    assert sum(found.leads.values()) == count and len(set(found.leads.values())) == 1 and list(found.leads) == wanted
    said = refuse({name: [one for one in content if one != messages[2]] for name, content in folder.items()}, wanted)
    assert said.startswith(f"no field for lead time {wanted[2]} h")


def eccodes_count(folder: Path, files: dict) -> int:
    """Return how many fields ecCodes itself finds in files."""
    eccodes.codes_grib_multi_support_on()
    try:
        count = 0
        for name in files:
            with open(folder / name, "rb") as file:
                while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                    eccodes.codes_release(handle)
                    count += 1
        return count
    finally:
        eccodes.codes_grib_multi_support_off()


def test_a_real_forecast(check, refuse, tmp_path):
    """AROME Arctic of MET Norway: 6 fields, Lambert, every third hour."""
    content = trial_file("arome_arctic_20180710_sfc.grib").read_bytes()
    starts = [match.start() for match in re.finditer(rb"GRIB....\x02|GRIB...\x01", content, re.DOTALL)]
    messages = [content[one:other] for one, other in zip(starts, [*starts[1:], len(content)], strict=True)]
    assert len(messages) == 102
    init = datetime(2018, 7, 10)
    found = check({"a.grib": messages}, range(0, 49, 3), init=init)
    assert found.leads == dict.fromkeys(range(0, 49, 3), 6) and found.warnings == []
    for number in (13, 60, 101):
        assert "1 of the fields of earlier lead times are missing at" in refuse(
            {"a.grib": messages[:number] + messages[number + 1 :]}, range(0, 49, 3), init=init
        )


def test_a_message_of_an_unknown_kind_is_not_counted(check, refuse):
    strange = bytearray(grib(**T_2M, step=6))
    strange[strange.index(b"\0\0\0\x22\4") + 7 :][:2] = b""  # a template that nobody has
    start = strange.index(b"\0\0\0\x22\4")
    strange[start + 7 : start + 9] = (60000).to_bytes(2, "big")
    found = check({"a.grib": [grib(**T_2M, step=lead) for lead in LEADS], "b.grib": [bytes(strange)]})
    assert found.leads == {0: 1, 6: 1, 12: 1}
    assert len(found.warnings) == 1 and found.warnings[0].startswith("b.grib: message 1 cannot be read: ")
    said = refuse({"a.grib": [grib(**T_2M, step=lead) for lead in (0, 12)]})
    assert said.startswith("no field for lead time 6 h") and "b.grib: message 1 cannot be read" in said


# --- values -------------------------------------------------------------------------------------------------------------


def test_a_field_without_any_value_is_a_warning(check):
    empty = [grib(MISSING, **U_10M, step=lead) for lead in LEADS]
    late = [grib(MISSING if lead < 12 else [*MISSING[1:], 3.0], **on_level("t", 500), step=lead) for lead in LEADS]
    found = check({"a.grib": [grib(**T_2M, step=lead) for lead in LEADS] + empty + late})
    assert found.warnings == ["every value is missing at all lead times: 10u (10)"]
    assert found.leads == {0: 3, 6: 3, 12: 3}


@pytest.mark.parametrize("keys", [{"edition": 1}, {"packing": "grid_ccsds"}, {"packing": "grid_png"}])
def test_missing_values_in_other_forms(check, keys):
    found = check({"a.grib": [grib(MISSING, **{**T_2M, **keys}, step=lead) for lead in LEADS]})
    (warning,) = found.warnings
    assert warning.startswith("every value is missing at all lead times: 2t (")


def test_values_that_cannot_be_decoded_are_a_warning(check):
    strange = [bytearray(grib(**T_2M, step=lead)) for lead in LEADS]
    for one in strange:
        start = one.index(b"\0\0\0\x15\5")  # section 5, of 21 octets
        one[start + 9 : start + 11] = (60000).to_bytes(2, "big")  # a packing that nobody has
    assert "a.grib: message 1 cannot be decoded" in check({"a.grib": list(map(bytes, strange))}).warnings[0]


# --- what lies beside ---------------------------------------------------------------------------------------------------

WHOLE_GRIB = {"a.grib": [grib(**T_2M, step=lead) for lead in LEADS]}
BESIDE: dict[str, bytes] = {
    ".done": b"", "stderr.txt": b"", "__init__.py": b"", "empty.grib": b"",
    "README": b"GRIB files of this model, one per lead time.\n", "README.md": b"GRIB",
    "short": b"GRI", "GRIB.txt": b"GRIB 1\nGRIB 2\n", "notes": b"a line\nGRIB and more\n" * 500,
    ".hidden.grib": grib(**T_2M, step=18)[:90], "weights.h5": b"\x89HDF\r\n\x1a\n and no more", "old.nc": b"CDF\1 no more",
    "table.csv": b"lead,value\n6,1\n", "a.idx": b"1:0:d=2024011000:TMP:2 m\n", "picture.png": b"\x89PNG\r\n\x1a\n",
    "logs/out.log": b"GRIB\n", "sub/__init__.py": b"", "random": bytes(range(256)) * 40,
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_other_files_discard_nothing(check, name):
    found = check({**WHOLE_GRIB, name: [BESIDE[name]]})
    assert found.leads == {0: 1, 6: 1, 12: 1}
    assert [name in warning for warning in found.warnings] == ([True] if name == "weights.h5" else [])


def test_links_and_pipes_discard_nothing(check, tmp_path):
    check(WHOLE_GRIB)
    (tmp_path / "latest.grib").symlink_to("a.grib")
    os.link(tmp_path / "a.grib", tmp_path / "again.grib")
    for name in ("here", "there"):
        (tmp_path / name).symlink_to(".")
    (tmp_path / "nowhere").symlink_to("/nowhere/at/all")
    os.mkfifo(tmp_path / "pipe")
    assert check({}).leads == {0: 1, 6: 1, 12: 1}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "the model ended without an error but wrote no GRIB file, nor NetCDF or Zarr, with fields"),
        ({"README": [b"GRIB"]}, "wrote no GRIB file"),
        ({"weights.h5": [BESIDE["weights.h5"]]}, "with fields; weights.h5: cannot be read as NetCDF"),
        (
            {**WHOLE_GRIB, "b.grib": [grib(**T_2M, step=18)[:-30]]},
            "cannot be read: b.grib: message 1, at byte 0, is cut off",
        ),
    ],
)
def test_what_is_no_forecast(refuse, files, said):
    assert said in refuse(files)


# --- NetCDF and Zarr ----------------------------------------------------------------------------------------------------

LAT = (("latitude",), np.array([50.0, 40.0]), {"units": "degrees_north"})
LON = (("longitude",), np.array([0.0, 120.0, 240.0]), {"units": "degrees_east"})


def arrays(dims: tuple[str, ...], *, leads=LEADS, skip=(), start: str = "2024-01-10") -> dict:
    """Return variables of a forecast by valid time, as anemoi writes them, or by init and lead time, as earth2studio."""
    sizes = {"time": len(leads), "lead_time": len(leads), "init": 1, "latitude": 2, "longitude": 3, "level": 2}
    variables = {"latitude": LAT, "longitude": LON, "level": (("level",), np.array([500.0, 850.0]), {"units": "hPa"})}
    hours = np.array(leads, dtype="f8")
    if "lead_time" in dims:
        sizes["time"] = 1
        variables["time"] = (("time",), np.array([0]), {"units": f"hours since {start}"})
        variables["lead_time"] = (("lead_time",), hours, {"units": "hours"})
    else:
        variables["time"] = (("time",), hours * 3600, {"units": f"seconds since {start}"})
    shape = tuple(sizes[dim] for dim in dims)
    for name in ("t2m", "something_of_ours", "msl"):
        values = np.ones(shape, dtype="f4")
        for lead in skip:
            places = [slice(None)] * len(dims)
            places[dims.index("lead_time" if "lead_time" in dims else "time")] = leads.index(lead)
            values[tuple(places)] = np.nan
        variables[name] = (dims, values, {"units": "Pa" if name == "msl" else "K"})
    if "level" not in dims:
        del variables["level"]
    return variables


SHAPES = {
    "anemoi": ("time", "latitude", "longitude"),
    "earth2studio": ("time", "lead_time", "latitude", "longitude"),
    "levels": ("time", "level", "latitude", "longitude"),
}
WRITERS = {
    "nc": lambda path, variables: write_netcdf(path.with_suffix(".nc"), variables),
    "zarr2": lambda path, variables: write_zarr(path.with_suffix(".zarr"), variables),
    "zarr3": lambda path, variables: write_zarr(path.with_suffix(".zarr"), variables, version=3),
}
each_form_of_arrays = pytest.mark.parametrize(("shape", "how"), [(shape, how) for shape in SHAPES for how in WRITERS])


@each_form_of_arrays
def test_arrays_are_whole_by_the_same_rules(check, refuse, tmp_path, shape, how):
    count = 6 if shape == "levels" else 3
    WRITERS[how](tmp_path / "out", arrays(SHAPES[shape], leads=(0, 6, 12, 18)))
    found = check({})
    assert found.leads == dict.fromkeys((0, 6, 12, 18), count) and found.warnings == []
    assert refuse({}, [0, 3, 6]).startswith("no field for lead time 3 h in what the model wrote")


@each_form_of_arrays
def test_arrays_with_places_that_were_never_written(check, refuse, tmp_path, shape, how):
    WRITERS[how](tmp_path / "out", arrays(SHAPES[shape], skip=(12,)))
    assert (
        refuse({})
        == "no field for lead time 12 h in what the model wrote; there are places for it, and no value in them"
    )
    assert check({}, [0, 6]).warnings == []


@each_form_of_arrays
def test_arrays_of_another_init_time(refuse, tmp_path, shape, how):
    WRITERS[how](tmp_path / "out", arrays(SHAPES[shape], start="2024-01-09"))
    said = refuse({})
    assert (
        said.startswith("no field for lead time 0, 6, 12 h")
        and "the forecast is of 2024-01-10 00:00:00 UTC, out." in said
    )
    assert "valid 2024-01-09 00:00:00" in said


@pytest.mark.parametrize("filling", [None, float("nan")])
def test_a_store_as_earth2studio_makes_it(check, refuse, tmp_path, filling):
    """Times have types of their own and no units; times that never came are 0, or NaN, and no file."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    coordinates = {
        "time": np.array(["2024-01-10"], "datetime64[ns]"),
        "lead_time": np.array(LEADS, "timedelta64[h]").astype("timedelta64[ns]"),
        "lat": np.array([50.0, 40.0]),
        "lon": np.array([0.0, 120.0, 240.0]),
    }
    for name, values in coordinates.items():
        group.create_array(name, data=values, dimension_names=[name])
    for name in ("t2m", "tp06"):
        group.create_array(
            name,
            shape=(1, 3, 2, 3),
            chunks=(1, 1, 2, 3),
            dtype="f4",
            dimension_names=[*coordinates],
            fill_value=filling,
        )
    group["t2m"][0, :2] = 280.0
    assert refuse({}).startswith("no field for lead time 12 h in what the model wrote; there are places for it")
    group["t2m"][0, 2] = 280.0  # and no precipitation anywhere
    found = check({})
    assert found.leads == {0: 2, 6: 2, 12: 2}
    assert found.warnings == ([] if filling is None else ["every value is missing at all lead times: tp06"])


def test_arrays_of_minutes(check, refuse, tmp_path):
    write_netcdf(tmp_path / "a.nc", arrays(SHAPES["anemoi"], leads=(0, 0.25, 0.5, 1)))
    assert set(check({}, [0, 0.25, 0.5]).leads) == {0, 0.25, 0.5, 1}
    assert "lead time 0.75 h" in refuse({}, [0, 0.25, 0.5, 0.75, 1])


def test_a_file_per_lead_time_that_loses_a_variable(check, refuse, tmp_path):
    for lead in LEADS:
        write_netcdf(tmp_path / f"{lead:03}.nc", arrays(SHAPES["levels"], leads=(lead,)))
    assert check({}).leads == {0: 6, 6: 6, 12: 6}
    variables = arrays(SHAPES["levels"], leads=(12,))
    del variables["msl"]
    write_netcdf(tmp_path / "012.nc", variables)
    assert refuse({}) == "2 of the fields of earlier lead times are missing at 12 h: msl (500 hPa), msl (850 hPa)"
    assert check({}, same=False).leads == {0: 6, 6: 6, 12: 4}


def test_arrays_whose_grid_changes(check, tmp_path):
    for lead in LEADS:
        variables = arrays(SHAPES["anemoi"], leads=(lead,))
        if lead == 12:
            variables["latitude"] = (("latitude",), np.array([30.0, 20.0]), {"units": "degrees_north"})
        write_netcdf(tmp_path / f"{lead:03}.nc", variables)
    assert check({}).warnings == [
        "the grid changes at 12 h, from latitude 2 × longitude 3 from latitude 50, longitude 0 to latitude 2 × longitude "
        "3 from latitude 30, longitude 0: msl, something_of_ours, t2m"
    ]


def test_an_array_without_any_value_is_a_warning(check, tmp_path):
    variables = arrays(SHAPES["anemoi"])
    variables["msl"] = (variables["msl"][0], variables["msl"][1] * np.nan, {})
    write_zarr(tmp_path / "a.zarr", variables)
    assert check({}).warnings == ["every value is missing at all lead times: msl"]


def test_what_xarray_writes(check, tmp_path):
    """`xarray` gives times its own units, and constants, bounds and coordinates are no fields."""
    data = xarray.Dataset(
        {
            "t2m": (("time", "prediction_timedelta", "number", "y", "x"), np.ones((1, 3, 2, 4, 5), "f4")),
            "sunshine": (("time", "prediction_timedelta", "y", "x"), np.ones((1, 3, 4, 5), "f4"), {"units": "hours"}),
            "orography": (("y", "x"), np.ones((4, 5), "f4")),
        },
        coords={
            "time": np.array(["2024-01-10"], "datetime64[ns]"),
            "prediction_timedelta": np.array(LEADS, "timedelta64[h]").astype("timedelta64[ns]"),
            "valid_time": (
                ("time", "prediction_timedelta"),
                np.array([["2024-01-10T00", "2024-01-10T06", "2024-01-10T12"]], "datetime64[ns]"),
            ),
            "lat": (("y", "x"), np.ones((4, 5)), {"units": "degrees_north"}),
            "lon": (("y", "x"), np.ones((4, 5)), {"units": "degrees_east"}),
            "number": [0, 1],
        },
    )
    data.to_netcdf(tmp_path / "a.nc")
    assert check({}).leads == {0: 3, 6: 3, 12: 3} and check({}).warnings == []


def test_a_file_of_constants_is_no_forecast(check, tmp_path):
    with netCDF4.Dataset(tmp_path / "grid.nc", "w") as file:
        file.createDimension("x", 3)
        file.createVariable("orography", "f4", ("x",))[:] = 1
    assert check(WHOLE_GRIB).warnings == []


# --- a check that is ended ----------------------------------------------------------------------------------------------


def abort_at(name: str):
    """Return what reads files as `entries_of` does and is ended by one, as by a library that is at a loss."""
    real = inference_output.entries_of

    def read(files, *arguments):
        files = list(files)
        if any(path.name == name for path in files):
            end_by(signal.SIGABRT)
        return real(files, *arguments)

    return read


def test_a_file_that_ends_its_reader_is_left_out(check, refuse, monkeypatch):
    monkeypatch.setattr(inference_output, "entries_of", abort_at("odd.grib"))
    odd = {"odd.grib": [grib(**T_2M, step=18)]}
    found = check({**WHOLE_GRIB, **odd})
    assert found.leads == {0: 1, 6: 1, 12: 1}
    assert found.warnings == ["odd.grib: is not counted: whoever reads it is ended (SIGABRT)"]
    said = refuse({}, [0, 6, 12, 18])
    assert said.startswith("no field for lead time 18 h") and said.endswith("whoever reads it is ended (SIGABRT)")


def test_a_check_that_is_always_ended_is_a_line(refuse, monkeypatch):
    monkeypatch.setattr(inference_output, "_by_field", lambda _entries: end_by(signal.SIGKILL))
    assert refuse(WHOLE_GRIB) == "the check of what the model wrote was ended (SIGKILL), twice"


def test_the_init_time_may_have_minutes(check):
    files = [grib(**T_2M, dataTime=10, indicatorOfUnitForForecastTime=0, forecastTime=lead) for lead in (0, 10, 20)]
    assert check({"a.grib": files}, [0, 1 / 6, 1 / 3], init=INIT + timedelta(minutes=10)).leads == {
        0: 1,
        1 / 6: 1,
        1 / 3: 1,
    }
