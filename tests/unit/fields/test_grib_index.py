"""What is in GRIB files: times, fields, members and grids from the headers, against ecCodes' own keys."""

import struct
from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.grib.codes import eccodes
from evalflow.fields.grib.index import Message, read_index
from evalflow.fields.grib.values import Values
from hypothesis import assume, given
from hypothesis import strategies as st
from support.grib_files import T_2M, grib, join_fields, member, on_level, sections, sum_of, write
from support.trial_files import trial_file

H, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def index(tmp_path):
    """Return a function that writes messages into a file and reads its index."""

    def run(*messages: bytes) -> list[Message]:
        return read_index([write(tmp_path / "all.grib", *messages)])

    return run


def one(index, **keys) -> Message:
    (message,) = index(grib(**keys))
    return message


# --- real files, against ecCodes' keys --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "arome_arctic_20180710_sfc.grib",
        "era5-2mt-2019-03-uk.grib",
        "era5-levels-members.grib",
        "z500_ens.grib",
    ],
)
def test_times_and_members_are_those_of_eccodes(name):
    path = trial_file(name)
    index = read_index([path])
    with open(path, "rb") as file:
        for number, message in enumerate(index, start=1):
            handle = eccodes.codes_grib_new_from_file(file)
            date, clock = (eccodes.codes_get(handle, key) for key in ("validityDate", "validityTime"))
            assert message.valid_time.strftime("%Y%m%d") == str(date) and message.valid_time.hour * 100 == clock
            assert message.lead_time == H * eccodes.codes_get(handle, "endStep")
            if eccodes.codes_is_defined(handle, "number"):
                assert message.member == eccodes.codes_get(handle, "number")
            else:
                assert message.member is None
            assert message.pieces == (
                (eccodes.codes_get(handle, "offset", ktype=int), eccodes.codes_get(handle, "totalLength")),
            )
            assert message.number == number and message.interval is None
            eccodes.codes_release(handle)
        assert eccodes.codes_grib_new_from_file(file) is None


def test_what_the_real_files_hold():
    arome = read_index([trial_file("arome_arctic_20180710_sfc.grib")])
    assert len(arome) == 102 and len({message.field for message in arome}) == 6 and len({m.grid for m in arome}) == 1
    assert sorted({message.lead_time // H for message in arome}) == list(range(0, 49, 3))
    era5 = read_index([trial_file("era5-levels-members.grib")])
    assert len(era5) == 160 and len({message.field for message in era5}) == 4  # z and t at two levels
    assert {message.member for message in era5} == set(range(10))
    ensemble = read_index([trial_file("z500_ens.grib")])
    assert {message.member for message in ensemble} == set(range(51))


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "lead", "interval"),
    [
        ("0m-15m", 15 * MINUTE, 15 * MINUTE),
        ("15m-30m", 30 * MINUTE, 15 * MINUTE),
        ("0-6", 6 * H, 6 * H),
        ("90-93", 93 * H, 3 * H),
        ("0-360", 360 * H, 360 * H),
        ("45m-105m", 105 * MINUTE, H),
    ],
)
def test_intervals(index, steps, lead, interval):
    message = one(index, **sum_of(steps))
    assert (message.lead_time, message.interval) == (lead, interval)
    assert message.field.statistic == "sum"


@pytest.mark.parametrize("minutes", [0, 10, 15, 30, 90, 120, 1000])
def test_moments_between_hours(index, minutes):
    message = one(index, stepUnits="m", step=minutes, **T_2M)
    assert message.lead_time == minutes * MINUTE and message.interval is None


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [(0, 60), (1, 3600), (2, 86400), (10, 10800), (11, 21600), (12, 43200), (13, 900), (14, 1800), (254, 1)],
)
def test_units_of_time_of_grib1(index, unit, seconds):
    message = one(index, edition=1, indicatorOfUnitOfTimeRange=unit, P1=7, **T_2M)
    assert message.lead_time == timedelta(seconds=7 * seconds)


@pytest.mark.parametrize(
    "unit, seconds", [(0, 60), (1, 3600), (2, 86400), (10, 10800), (11, 21600), (12, 43200), (13, 1)]
)
def test_units_of_time_of_grib2(index, unit, seconds):
    message = one(index, **T_2M, indicatorOfUnitForForecastTime=unit, forecastTime=7)
    assert message.lead_time == timedelta(seconds=7 * seconds)


def test_months_are_as_long_as_the_calendar_says(index):
    message = one(index, dataDate=20240115, indicatorOfUnitForForecastTime=3, forecastTime=14, **{"shortName": "2t"})
    assert message.valid_time == datetime(2025, 3, 15)


def with_times(indicator: int, p1: int, p2: int, **keys) -> bytes:
    """Return a message of GRIB1 whose octets of time (18–21 of section 1) are these, in hours."""
    message = bytearray(grib(edition=1, **{**T_2M, **keys}))
    message[8 + 17 : 8 + 21] = bytes([1, p1, p2, indicator])
    return bytes(message)


@pytest.mark.parametrize(
    ("indicator", "p1", "p2", "hours", "interval"),
    [
        (0, 6, 0, 6, None),
        (1, 0, 0, 0, None),
        (10, 1, 2, 258, None),  # one number of two octets
        (2, 90, 93, 93, 3),
        (3, 0, 24, 24, 24),
        (4, 0, 240, 240, 240),
        (5, 6, 12, 12, 6),
        (118, 1, 44, 44, 43),  # by ecCodes' own keys
    ],
)
def test_time_range_indicators_of_grib1(index, indicator, p1, p2, hours, interval):
    content = with_times(indicator, p1, p2)
    (message,) = index(content)
    assert message.lead_time == hours * H
    assert message.interval == (None if interval is None else interval * H)
    handle = eccodes.codes_new_from_message(content)
    assert eccodes.codes_get(handle, "endStep") == hours
    eccodes.codes_release(handle)


def test_nested_time_ranges_are_those_of_eccodes(index):
    """A maximum over 12 h of means over an hour: of two time ranges the outer one counts."""
    content = bytearray(grib(productDefinitionTemplateNumber=8, **T_2M, forecastTime=6, numberOfTimeRanges=2))
    product = 16 + sum(len(section) for section in sections(bytes(content)) if section[4] < 4)
    outer, inner = ((2, 2, 1, 12, 1, 0), (0, 2, 1, 1, 255, 0))
    content[product + 46 : product + 70] = struct.pack(">BBBIBI", *outer) + struct.pack(">BBBIBI", *inner)
    (message,) = index(bytes(content))
    handle = eccodes.codes_new_from_message(bytes(content))
    assert message.lead_time == H * eccodes.codes_get(handle, "endStep") == 18 * H
    assert message.interval == 12 * H and message.field.statistic == "maximum"
    eccodes.codes_release(handle)


def test_reference_time_is_the_message_s(index):
    message = one(index, dataDate=20231231, dataTime=2345, second=30, **T_2M)
    assert message.reference_time == datetime(2023, 12, 31, 23, 45, 30)


# --- what a field is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("names", [["10fg", "10fg3"], ["mx2t", "mx2t3", "mx2t6"], ["mn2t", "mn2t3", "mn2t6"]])
def test_another_short_name_for_longer_steps_is_the_same_field(index, edition, names):
    messages = index(*(grib(edition=edition, centre=98, shortName=name) for name in names))
    assert len({message.field for message in messages}) == 1


@pytest.mark.parametrize("names", [["10fg", "10fg3", "10fg6"], ["mxtpr3", "mxtpr6"], ["mntpr3", "mntpr6"]])
def test_ecmwf_has_a_number_for_each_length_in_grib1(index, names):
    messages = index(*(grib(edition=1, centre=98, shortName=name) for name in names))
    assert len({message.field for message in messages}) == 1
    messages = index(
        *(grib(edition=1, centre=7, table2Version=128, indicatorOfParameter=number) for number in (49, 123))
    )
    assert len({message.field for message in messages}) == 2  # another centre's numbers mean something else


def test_how_time_is_coded_does_not_matter(index):
    messages = index(with_times(0, 6, 0), with_times(1, 0, 0), with_times(10, 1, 2))
    assert len({message.field for message in messages}) == 1
    messages = index(grib(**T_2M, step=6), grib(**T_2M, stepUnits="m", step=90))
    assert len({message.field for message in messages}) == 1


def test_how_a_level_is_scaled_does_not_matter(index):
    scaled = {"scaledValueOfFirstFixedSurface": 200, "scaleFactorOfFirstFixedSurface": 2}
    messages = index(grib(**T_2M), grib(**T_2M, **scaled))
    assert len({message.field for message in messages}) == 1 and messages[0].field.first == (103, 2.0)
    ground = {"scaledValueOfFirstFixedSurface": 0, "scaleFactorOfFirstFixedSurface": 0}
    assert len({message.field for message in index(grib(shortName="sp"), grib(shortName="sp", **ground))}) == 1


def test_these_fields_differ(index):
    percentile = {"productDefinitionTemplateNumber": 6, "percentileValue": 10}
    messages = index(
        grib(**T_2M),
        grib(shortName="2d"),
        grib(**on_level("t", 500)),
        grib(**on_level("t", 850)),
        grib(shortName="mx2t"),
        grib(shortName="mn2t"),
        grib(productDefinitionTemplateNumber=8, **T_2M, typeOfStatisticalProcessing=0),  # a mean
        grib(**percentile, **T_2M),
        grib(**{**percentile, "percentileValue": 90}, **T_2M),
        grib(productDefinitionTemplateNumber=2, derivedForecast=0, **T_2M),  # the ensemble's mean
        grib(productDefinitionTemplateNumber=2, derivedForecast=2, **T_2M),  # its spread
        grib(edition=1, **T_2M),
        grib(edition=1, shortName="2d"),
        with_times(4, 0, 6),
        with_times(3, 0, 6),
        grib(edition=1, **T_2M, setLocalDefinition=1, localDefinitionNumber=1, marsType="em"),
        grib(edition=1, **T_2M, setLocalDefinition=1, localDefinitionNumber=1, marsType="es"),
    )
    assert len({message.field for message in messages}) == len(messages)


def test_local_numbers_belong_to_a_centre(index):
    local = {"discipline": 0, "parameterCategory": 1, "parameterNumber": 193}
    messages = index(grib(centre=98, **local), grib(centre=7, **local), grib(centre=7, **T_2M), grib(centre=98, **T_2M))
    assert messages[0].field != messages[1].field
    assert messages[2].field == messages[3].field  # a number of the WMO's


def test_members(index):
    messages = index(grib(**T_2M), *(grib(**member(number), **T_2M) for number in (0, 1, 2)))
    assert [message.member for message in messages] == [None, 0, 1, 2]
    assert len({message.field for message in messages}) == 1


def test_grids(index):
    messages = index(grib(**T_2M), grib(shortName="2d"), grib(sample="reduced_gg_pl_32_grib2", **T_2M))
    assert messages[0].grid == messages[1].grid != messages[2].grid


PLAIN = st.fixed_dictionaries(
    {
        "productDefinitionTemplateNumber": st.sampled_from([0, 1, 8, 11]),
        "discipline": st.integers(0, 254), "parameterCategory": st.integers(0, 254), "parameterNumber": st.integers(0, 254),
        "indicatorOfUnitForForecastTime": st.sampled_from([0, 1, 2, 10, 11, 12, 13]),
        "forecastTime": st.integers(-1000, 100000),
        "typeOfFirstFixedSurface": st.integers(0, 255), "typeOfSecondFixedSurface": st.integers(0, 255),
        "scaleFactorOfFirstFixedSurface": st.integers(-126, 126) | st.just("MISSING"),
        "scaledValueOfFirstFixedSurface": st.integers(0, 2**32 - 2) | st.just("MISSING"),
        "scaleFactorOfSecondFixedSurface": st.integers(-126, 126) | st.just("MISSING"),
        "scaledValueOfSecondFixedSurface": st.integers(0, 2**32 - 2) | st.just("MISSING"),
        "year": st.integers(1950, 2100), "month": st.integers(1, 12), "day": st.integers(1, 28),
        "hour": st.integers(0, 23), "minute": st.integers(0, 59), "second": st.integers(0, 59),
    }
)  # fmt: skip
_OF_ENSEMBLES = {"perturbationNumber": st.integers(0, 254)}
_OF_INTERVALS = {
    "indicatorOfUnitForTimeRange": st.sampled_from([0, 1, 2, 13]), "lengthOfTimeRange": st.integers(0, 100000),
    "typeOfStatisticalProcessing": st.integers(0, 254),
}  # fmt: skip


@given(keys=PLAIN, ensemble=st.fixed_dictionaries(_OF_ENSEMBLES), interval=st.fixed_dictionaries(_OF_INTERVALS))
def test_plain_headers_are_read_as_eccodes_reads_them(keys, ensemble, interval):
    from evalflow.fields.grib.headers import _plain_keys

    template = keys["productDefinitionTemplateNumber"]
    keys = keys | (ensemble if template in (1, 11) else {}) | (interval if template in (8, 11) else {})
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    try:
        for key, value in keys.items():
            if value == "MISSING":
                eccodes.codes_set_missing(handle, key)
            else:
                try:
                    eccodes.codes_set(handle, key, value)
                except eccodes.InvalidArgumentError:
                    assume(False)  # such as a lead time of days that ecCodes writes as a number of hours like 1e+06
        message = eccodes.codes_get_message(handle)
        header = message[:16] + b"".join(section for section in sections(message) if section[4] <= 4)
        found = _plain_keys(header)
        assert found is not None
        expected = {}
        for key in found:
            if key:
                value = eccodes.codes_get(handle, key, ktype=int)
                expected[key] = None if value == eccodes.CODES_MISSING_LONG else value
        assert {key: value for key, value in found.items() if key} == expected
    finally:
        eccodes.codes_release(handle)


def test_other_headers_are_left_to_eccodes(index):
    """An ensemble's mean (template 2), and levels of a model, whose coefficients follow the template."""
    assert one(index, productDefinitionTemplateNumber=2, derivedForecast=0, **T_2M).field.more == (
        ("derivedForecast", 0),
    )
    (message,) = index(grib(sample="sh_ml_grib2", **{"shortName": "t"}))
    assert message.field.first[0] == 105


# --- files ------------------------------------------------------------------------------------------------------------


def test_several_fields_in_one_message(index):
    """NCEP writes both parts of a wind so. ecCodes sees them with its support of such messages switched on."""
    u = grib([1.0] * 12, shortName="10u", step=6)
    v = grib([float("nan")] + [2.0] * 11, shortName="10v", step=6)
    content = join_fields(u, v)
    messages = index(grib(**T_2M), content, grib(**T_2M))
    assert [message.number for message in messages] == [1, 2, 2, 3]
    assert [message.field for message in messages[1:3]] == [message.field for message in index(u, v)]
    messages = index(grib(**T_2M), content, grib(**T_2M))
    values = Values()
    assert (values.read(messages[1]) == 1).all()
    assert values.read(messages[2])[1:].tolist() == [2.0] * 11
    assert values.short_name(messages[2]) == "10v"
    eccodes.codes_grib_multi_support_on()
    try:
        with open(messages[0].path, "rb") as file:
            count = 0
            while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                count += 1
                eccodes.codes_release(handle)
    finally:
        eccodes.codes_grib_multi_support_off()
    assert count == len(messages)


def test_a_field_may_use_the_bitmap_of_the_one_before(index):
    holes = [float("nan"), *range(1, 12)]
    u, v = grib(holes, shortName="10u"), grib(holes, shortName="10v")
    content = join_fields(u, v)
    bitmap = next(section for section in sections(v) if section[4] == 6)
    same = (6).to_bytes(4, "big") + bytes([6, 254])
    shorter = content[: content.rindex(bitmap)] + same + content[content.rindex(bitmap) + len(bitmap) :]
    shorter = shorter[:8] + len(shorter).to_bytes(8, "big") + shorter[16:]
    messages = index(shorter)
    values = Values()
    assert len(messages) == 2
    for message in messages:
        field = values.read(message)
        assert field[1:].tolist() == list(range(1, 12)) and field[0] != field[0]


def test_text_and_padding_around_messages(index):
    """Bulletins of the GTS have lines before and after a message; tapes were padded."""
    heading = b"\x01\r\r\n123\r\r\nHTXX01 LFPW 100000\r\r\n"
    messages = index(
        heading, grib(**T_2M), b"\r\r\n\x03", b"\0" * 10_000, b"GRIB is a format", grib(shortName="2d"), b"\0" * 99
    )
    assert len(messages) == 2


def test_other_files_are_passed_over(tmp_path):
    beside = {
        ".done": b"", "stderr.txt": b"GRIB: no such file\n", "__init__.py": b"import eccodes\n", "README": b"GRIB2 of a model",
        "field.npy": bytes(range(256)) * 40, "field.nc": b"\x89HDF\r\n\x1a\n" + b"\0" * 5000,
    }  # fmt: skip
    paths = [write(tmp_path / name, content) for name, content in beside.items()]
    paths.append(write(tmp_path / "a.grib", grib(**T_2M)))
    assert [message.path.name for message in read_index(paths)] == ["a.grib"]
    assert read_index(paths[:-1]) == []


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("cut", [1, 4, 20, 80])
def test_cut_off_messages_are_named(index, edition, cut):
    whole = grib(edition=edition, **T_2M)
    with pytest.raises(UserError, match=r"all\.grib: message 2, at byte \d+, is cut off or damaged"):
        index(whole, whole[:-cut])


def test_what_lies_before_damage_is_there_where_that_is_enough(tmp_path):
    whole = grib(**T_2M)
    cut = write(tmp_path / "cut.grib", whole, whole, whole[:50])
    other = write(tmp_path / "other.grib", whole)
    damage: list[str] = []
    assert [(one.path, one.number) for one in read_index([cut, other], damage=damage)] == [
        (cut, 1), (cut, 2), (other, 1),
    ]  # fmt: skip
    at = 2 * len(whole)
    assert damage == [f"{cut}: message 3, at byte {at}, is cut off or damaged; what begins there is left out"]


@pytest.mark.parametrize("section", [3, 4, 5, 7])
@pytest.mark.parametrize("length", [0, 3, 0x7FFFFFFF])
def test_sections_that_do_not_fit_are_named(index, section, length):
    whole = bytearray(grib(**T_2M))
    start = 16 + sum(len(one) for one in sections(bytes(whole)) if one[4] < section and one[4] != section)
    whole[start : start + 4] = length.to_bytes(4, "big")
    with pytest.raises(UserError, match="message 1, at byte 0, is cut off or damaged"):
        index(bytes(whole))


def test_a_day_that_does_not_exist(index):
    whole = bytearray(grib(**T_2M))
    whole[16 + 14] = 13  # the month
    with pytest.raises(UserError, match="message 1 cannot be read: month must be in"):
        index(bytes(whole))


def test_messages_of_grib1_that_are_longer_than_24_bits_can_say(index):
    """ECMWF counts their length in units of 120 bytes."""
    values = np.arange(2400 * 2400.0)
    content = grib(values, edition=1, Ni=2400, Nj=2400, bitsPerValue=24, **T_2M)
    assert len(content) > 1 << 24
    messages = index(content, grib(edition=1, shortName="2d"))
    assert len(messages) == 2
    assert Values().read(messages[0])[-1] == pytest.approx(values[-1], rel=1e-6)
