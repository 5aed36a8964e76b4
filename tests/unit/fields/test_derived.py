"""Derived params: winds, and amounts of precipitation of every kind of accumulation."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.derived import DerivedArchive, DerivedForecast, wind_direction, wind_speed
from evalflow.fields.grids import Grid
from hypothesis import given
from hypothesis import strategies as st

H = timedelta(hours=1)
NAN = np.nan
POINTS = Grid([50, 51], [0, 1], "unstructured")


class Fake:
    """A forecast or an archive in memory: param → time → (values, length of the sum)."""

    def __init__(self, fields: dict[str, dict], members: dict[str, list[str]] | None = None) -> None:
        self.fields, self._members = fields, members or {}
        self.notes: list[str] = []
        self.reads: list[tuple] = []

    def params(self):
        return set(self.fields)

    def members(self, param):
        return self._members.get(param, [])

    def grid(self, param):
        return POINTS

    def describe(self, param, time=None):
        return f"a.grib: {param}"

    def files(self, params, times):
        return [Path(f"{param}.{time}") for param in params for time in times]

    def lead_times(self, param):
        return sorted(self.fields[param])

    valid_times = lead_times

    def read(self, param, time, member=None):
        self.reads.append((param, time))
        found = self.fields[param].get(time)
        values = found[0] if found else [NAN, NAN]
        return np.asarray(values if member is None else values[member], dtype=np.float32)

    def read_many(self, params, times, member=None):
        for param in params:
            for time in sorted(times):
                if time in self.fields[param]:
                    yield param, time, self.read(param, time, member)

    def packing(self, param, time):
        return 0.25

    def accumulation(self, param, time):
        return (self.fields[param].get(time) or next(iter(self.fields[param].values())))[1]


def sums(of: Callable[[int], int | None], rain: np.ndarray, first: int = 1) -> dict:
    """Return sums of an hourly amount, at every hour that `of` gives a start for."""
    starts = {end: of(end) for end in range(first, len(rain) + 1)}
    return {
        end * H: ([rain[start:end].sum(), 2 * rain[start:end].sum()], (end - start) * H)
        for end, start in starts.items()
        if start is not None
    }


RAIN = np.array([1.0, 0, 2, 5, 0, 3, 4, 0, 0, 7, 1, 2, 6])
KINDS: dict[str, Callable[[int], int | None]] = {
    "since the start": lambda end: 0,
    "each hour": lambda end: end - 1,
    "every three hours": lambda end: end - 3 if end % 3 == 0 else None,
    "buckets of six hours": lambda end: (end - 1) // 6 * 6,
    "since the start, every three hours": lambda end: 0 if end % 3 == 0 else None,
}


# --- winds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("u", "v", "speed", "direction"),
    [(0, -5, 5, 0), (-5, 0, 5, 90), (0, 5, 5, 180), (5, 0, 5, 270), (-3, -4, 5, 36.8699), (3, 4, 5, 216.8699)],
)
def test_speed_and_direction(u, v, speed, direction):
    """A wind from the north blows to the south."""
    to_east, to_north = np.array([u, NAN]), np.array([v, 1.0])
    assert wind_speed(to_east, to_north)[0] == pytest.approx(speed) and np.isnan(wind_speed(to_east, to_north)[1])
    assert wind_direction(to_east, to_north)[0] == pytest.approx(direction, abs=1e-3)


def test_winds_of_a_forecast():
    held = {
        "U_10M": {0 * H: ([3, 0], None), 6 * H: ([6, 1], None)},
        "V_10M": {6 * H: ([8, 1], None)},
        "U_850": {0 * H: ([1, 1], None)},
    }
    reader = DerivedForecast(Fake(held))
    assert reader.params() == {"U_10M", "V_10M", "U_850", "SP_10M", "DD_10M"}
    assert reader.lead_times("SP_10M") == [6 * H] and reader.lead_times("U_10M") == [0 * H, 6 * H]
    np.testing.assert_allclose(reader.read("SP_10M", 6 * H), [10, np.sqrt(2)])
    np.testing.assert_allclose(reader.read("DD_10M", 6 * H), [216.8699, 225], atol=1e-3)
    assert reader.describe("SP_10M") == "a.grib: U_10M" and reader.grid("SP_10M") is POINTS
    assert reader.lead_times("SP_850") == []


def test_what_is_held_is_not_derived():
    held = {"SP_10M": {0 * H: ([7, 7], None)}, "U_10M": {0 * H: ([1, 1], None)}, "V_10M": {0 * H: ([1, 1], None)}}
    assert DerivedForecast(Fake(held)).read("SP_10M", 0 * H).tolist() == [7, 7]


# --- amounts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hours", [1, 3, 6, 12])
def test_amounts_by_hand(kind, hours):
    """Whatever the sums are of, an amount that can be had is the rain of its hours, and what cannot be had is not."""
    reader = DerivedForecast(Fake({"TOT_PREC": sums(KINDS[kind], RAIN)}))
    param = f"TOT_PREC{hours}"
    found = reader.lead_times(param)
    for lead in found:
        end = lead // H
        np.testing.assert_allclose(reader.read(param, lead), RAIN[end - hours : end].sum() * np.array([1, 2]))
    last = len(RAIN)
    expected = {
        "since the start": range(hours, last + 1),
        "each hour": range(hours, last + 1),
        "buckets of six hours": range(hours, last + 1),
    }.get(kind, [] if hours == 1 else range(hours, last + 1, 3))
    assert [lead // H for lead in found] == list(expected)


@given(
    rain=st.lists(st.floats(0, 20), min_size=8, max_size=24),
    kind=st.sampled_from(sorted(KINDS)),
    hours=st.integers(1, 8),
)
def test_amounts_are_the_rain_of_their_hours(rain, kind, hours):
    rain = np.array(rain)
    reader = DerivedForecast(Fake({"TOT_PREC": sums(KINDS[kind], rain)}))
    for lead in reader.lead_times(f"TOT_PREC{hours}"):
        expected = rain[lead // H - hours : lead // H].sum()
        np.testing.assert_allclose(reader.read(f"TOT_PREC{hours}", lead)[0], expected, atol=1e-4)


def test_the_start_needs_no_field():
    """At step 0 it is absent, or missing everywhere: both count as 0."""
    since_start = sums(KINDS["since the start"], RAIN)
    for start in ({}, {0 * H: ([NAN, NAN], 0 * H)}, {0 * H: ([NAN, NAN], None)}):
        reader = DerivedForecast(Fake({"TOT_PREC": {**start, **since_start}}))
        np.testing.assert_allclose(reader.read("TOT_PREC6", 6 * H), [11, 22])
        assert reader.lead_times("TOT_PREC6")[0] == 6 * H  # nothing before six hours have passed


@pytest.mark.parametrize("kind", KINDS)
def test_the_amount_since_the_start_too(kind):
    reader = DerivedForecast(Fake({"TOT_PREC": sums(KINDS[kind], RAIN)}))
    leads = reader.lead_times("TOT_PREC")
    assert leads and 0 * H not in leads
    for lead in leads:
        np.testing.assert_allclose(reader.read("TOT_PREC", lead)[0], RAIN[: lead // H].sum())
    assert reader.accumulation("TOT_PREC", 6 * H) == 6 * H and reader.accumulation("TOT_PREC3", 6 * H) == 3 * H


def test_running_sums_serve_their_own_hours():
    """The sum of the six hours before, at every hour: an hour's own amount cannot be had from it."""
    running = sums(lambda end: max(end - 6, 0) if end >= 6 else None, RAIN, first=6)
    reader = DerivedForecast(Fake({"TOT_PREC": running}))
    assert [lead // H for lead in reader.lead_times("TOT_PREC6")] == list(range(6, 14))
    np.testing.assert_allclose(reader.read("TOT_PREC6", 8 * H), RAIN[2:8].sum() * np.array([1, 2]))
    assert [lead // H for lead in reader.lead_times("TOT_PREC12")] == [12, 13]
    assert reader.lead_times("TOT_PREC1") == []
    with pytest.raises(UserError, match="a.grib: TOT_PREC: no TOT_PREC1 can be made of it at lead time 8:00:00"):
        reader.read("TOT_PREC1", 8 * H)


def test_amounts_that_are_held_serve_others():
    """NetCDF of WeatherBench has the amount of six hours under a name of its own."""
    six = sums(lambda end: end - 6 if end % 6 == 0 else None, RAIN)
    reader = DerivedForecast(Fake({"TOT_PREC6": six}))
    np.testing.assert_allclose(reader.read("TOT_PREC6", 6 * H), [11, 22])
    np.testing.assert_allclose(reader.read("TOT_PREC12", 12 * H), [25, 50])
    assert reader.lead_times("TOT_PREC6") == [6 * H, 12 * H] and reader.lead_times("TOT_PREC3") == []


def test_an_amount_that_begins_before_the_forecast_is_none_of_it():
    reader = DerivedForecast(Fake({"TOT_PREC6": {3 * H: ([1, 2], 6 * H), 6 * H: ([3, 4], 6 * H)}}))
    assert reader.lead_times("TOT_PREC6") == [6 * H]


def test_files_of_what_a_param_is_made_of():
    fake = Fake(
        {
            "TOT_PREC": sums(KINDS["since the start"], RAIN),
            "U_10M": {6 * H: ([1, 1], None)},
            "V_10M": {6 * H: ([1, 1], None)},
        }
    )
    reader = DerivedForecast(fake)
    assert [str(path) for path in reader.files(["SP_10M"], [6 * H])] == ["U_10M.6:00:00", "V_10M.6:00:00"]
    assert [str(path) for path in reader.files(["TOT_PREC3"], [6 * H, 9 * H])] == [
        f"TOT_PREC.{lead}:00:00" for lead in (3, 6, 9)
    ]
    assert reader.files(["TOT_PREC3", "U_10M", "PMSL"], [0 * H]) == []
    hourly, _ = archive()
    assert len(hourly.files(["TOT_PREC6", "TOT_PREC1"], [START + 6 * H])) == 6 and hourly.files(["PMSL"], [START]) == []


def test_half_hours():
    rain = {n * H / 2: ([float(n), 0.0], n * H / 2) for n in range(1, 7)}  # since the start, 1 mm each half hour
    reader = DerivedForecast(Fake({"TOT_PREC": rain}))
    assert reader.lead_times("TOT_PREC1") == [n * H / 2 for n in range(2, 7)]
    np.testing.assert_allclose(reader.read("TOT_PREC1", 2.5 * H), [2, 0])


def test_only_the_wanted_steps():
    fake = Fake({"TOT_PREC": sums(KINDS["since the start"], RAIN), "T_2M": {n * H: ([0, 0], None) for n in range(13)}})
    reader = DerivedForecast(fake, steps=[0 * H, 6 * H, 12 * H, 18 * H])
    assert reader.lead_times("T_2M") == [0 * H, 6 * H, 12 * H] and reader.lead_times("TOT_PREC3") == [6 * H, 12 * H]
    reader.read("TOT_PREC3", 12 * H)
    assert {time // H for _, time in fake.reads} == {9, 12}  # the hour before is not among the steps, and is read


def test_negative_amounts_within_packing_noise_are_clipped_and_counted():
    since_start = {6 * H: ([10.0, 5.0], 6 * H), 12 * H: ([9.95, NAN], 12 * H), 18 * H: ([9.80, 5.0], 18 * H)}
    reader = DerivedForecast(Fake({"TOT_PREC": since_start}))
    found = reader.read("TOT_PREC6", 12 * H)
    assert found[0] == 0 and np.isnan(found[1])
    assert reader.clipped == {"TOT_PREC6": 1} and reader.notes == ["TOT_PREC6: 1 negative amounts became 0"]
    with pytest.raises(UserError, match=r"a\.grib: TOT_PREC: TOT_PREC6 would be -0\.15 kg m-2: the field is not a sum"):
        reader.read("TOT_PREC6", 18 * H)


def test_points_that_are_not_used_are_not_checked():
    """The predecessor's models write the rain outside of their limited area in mm and say m."""
    since_start = {6 * H: ([10.0, 5000.0], 6 * H), 12 * H: ([9.95, 4990.0], 12 * H)}
    reader = DerivedForecast(Fake({"TOT_PREC": since_start}))
    with pytest.raises(UserError, match="TOT_PREC6 would be -10.00"):
        reader.read("TOT_PREC6", 12 * H)
    reader.use_only("TOT_PREC6", np.array([True, False]))
    assert reader.read("TOT_PREC6", 12 * H).tolist() == [0, 0] and reader.clipped == {"TOT_PREC6": 1}
    reader.use_only("TOT_PREC6", np.array([False, True]))
    with pytest.raises(UserError, match="TOT_PREC6 would be -10.00"):
        reader.read("TOT_PREC6", 12 * H)


def test_a_field_that_is_held_is_checked_too():
    reader = DerivedForecast(Fake({"TOT_PREC": {6 * H: ([-0.05, 1.0], 6 * H), 12 * H: ([-3.0, 1.0], 12 * H)}}))
    assert reader.read("TOT_PREC", 6 * H).tolist() == [0, 1]
    with pytest.raises(UserError, match="would be -3.00 kg m-2"):
        reader.read("TOT_PREC", 12 * H)


def test_how_far_packed_values_of_derived_params_are_apart():
    """Of a difference of two sums, each is off by half of its own distance at most; a speed takes any value."""
    reader = DerivedForecast(
        Fake(
            {
                "TOT_PREC": {6 * H: ([1.0, 1.0], 6 * H), 12 * H: ([3.0, 1.0], 12 * H)},
                "U_10M": {6 * H: ([1.0, 1.0], None)},
                "V_10M": {6 * H: ([1.0, 1.0], None)},
            }
        )
    )
    assert reader.packing("U_10M", 6 * H) == reader.packing("TOT_PREC6", 6 * H) == 0.25
    assert reader.packing("TOT_PREC6", 12 * H) == 0.5
    assert reader.packing("SP_10M", 6 * H) == 0


def test_sums_of_which_nothing_is_said_are_not_guessed():
    class Silent(Fake):
        def accumulation(self, param, time):
            raise UserError("a.nc: tp is a sum, and the file does not say of what time")

    reader = DerivedForecast(Silent({"TOT_PREC": {6 * H: ([1, 1], None)}, "T_2M": {6 * H: ([1, 1], None)}}))
    with pytest.raises(UserError, match="does not say of what time"):
        reader.lead_times("TOT_PREC6")
    assert reader.read("T_2M", 6 * H).tolist() == [1, 1]


# --- archives ---------------------------------------------------------------------------------------------------------

START = datetime(2024, 1, 10)


def archive(param="TOT_PREC1", without=()) -> tuple[DerivedArchive, Fake]:
    """Return hourly amounts, winds and temperatures of 13 hours."""
    hours = [START + n * H for n in range(1, 14) if n not in without]
    rain = {time: ([RAIN[(time - START) // H - 1]] * 2, H) for time in hours}
    u, v = ({time: ([part, 0], None) for time in hours} for part in (3, 4))
    fake = Fake({param: rain, "U_10M": u, "V_10M": v, "T_2M": {time: ([280, 281], None) for time in hours}})
    return DerivedArchive(fake), fake


@pytest.mark.parametrize("param", ["TOT_PREC1", "TOT_PREC"])
def test_six_hours_are_the_sum_of_six(param):
    reader, _ = archive(param)
    np.testing.assert_allclose(reader.read("TOT_PREC6", START + 6 * H), 11)
    np.testing.assert_allclose(reader.read("TOT_PREC1", START + 6 * H), 3)
    np.testing.assert_allclose(reader.read_sum(START + 3 * H, START + 13 * H), RAIN[3:].sum())
    assert np.isnan(reader.read("TOT_PREC6", START + 5 * H)).all()  # an hour before the archive begins
    assert reader.accumulation("TOT_PREC6", START) == 6 * H and reader.accumulation("T_2M", START) is None


def test_a_missing_hour_is_missing_in_every_sum_with_it():
    reader, _ = archive(without=[4])
    assert np.isnan(reader.read("TOT_PREC6", START + 8 * H)).all()
    np.testing.assert_allclose(reader.read("TOT_PREC6", START + 10 * H), RAIN[4:10].sum())
    assert np.isnan(reader.read_sum(START + 3 * H, START + 5 * H)).all()


def test_many_fields_are_read_once_each():
    reader, fake = archive()
    times = [START + n * H for n in (6, 7, 12)]
    found = {
        (param, time): values
        for param, time, values in reader.read_many(["TOT_PREC6", "SP_10M", "T_2M", "TOT_PREC1"], times)
    }
    assert set(found) == {(param, time) for param in ("TOT_PREC6", "SP_10M", "T_2M", "TOT_PREC1") for time in times}
    np.testing.assert_allclose(found["TOT_PREC6", times[1]], RAIN[1:7].sum())
    np.testing.assert_allclose(found["SP_10M", times[0]], [5, 0])
    assert len(fake.reads) == len(set(fake.reads))


def test_what_is_not_there_is_not_given():
    reader, _ = archive(without=[4])
    times = [START + n * H for n in (4, 8, 12)]
    found = [(param, (time - START) // H) for param, time, _ in reader.read_many(["TOT_PREC6", "T_2M"], times)]
    assert sorted(found) == [("TOT_PREC6", 12), ("T_2M", 8), ("T_2M", 12)]


def test_long_archives_are_gone_through_in_parts():
    hours = [START + n * H for n in range(1, 200)]
    fake = Fake({"TOT_PREC1": {time: ([1.0, 2.0], H) for time in hours}})
    found = list(DerivedArchive(fake).read_many(["TOT_PREC3"], hours))
    assert [time for _, time, _ in found] == hours[2:]
    assert all(values.tolist() == [3, 6] for *_, values in found)
