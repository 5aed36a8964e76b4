"""Which pairs of init time and lead time belong to a stratum."""

from datetime import datetime, timedelta

import numpy as np
from evalflow.scores.strata import Case, Stratum, all_strata, hours_of, seasons_of

INITS = [
    datetime(2019, 11, 30, 12),
    datetime(2019, 12, 1),
    datetime(2020, 2, 29, 18),
    datetime(2020, 3, 1),
    datetime(2020, 7, 1),
]
LEADS = [timedelta(hours=6), timedelta(hours=12, minutes=10)]


def held(stratum, inits=INITS, leads=LEADS):
    return stratum.holds(inits, leads).astype(int).tolist()


def test_seasons_are_of_the_init_time():
    # The forecast of 30 November reaches into December: it is autumn's.
    assert held(Stratum(season="SON")) == [[1, 1], [0, 0], [0, 0], [0, 0], [0, 0]]
    assert held(Stratum(season="DJF")) == [[0, 0], [1, 1], [1, 1], [0, 0], [0, 0]]
    months = np.array([datetime(2021, month, 15) for month in range(1, 13)], "datetime64[s]")
    assert seasons_of(months).tolist() == ["DJF"] * 2 + ["MAM"] * 3 + ["JJA"] * 3 + ["SON"] * 3 + ["DJF"]
    assert seasons_of(months - np.timedelta64(40 * 365 * 24, "h")).tolist()[:2] == ["DJF", "DJF"]


def test_hours():
    assert held(Stratum(init_hour="00")) == [[0, 0], [1, 1], [0, 0], [1, 1], [1, 1]]
    assert held(Stratum(valid_hour="00")) == [[0, 1], [0, 0], [1, 0], [0, 0], [0, 0]]
    assert held(Stratum(init_hour="00", valid_hour="12")) == [[0, 0], [0, 1], [0, 0], [0, 1], [0, 1]]
    assert hours_of(np.array(["1969-12-31T23:50"], "datetime64[s]")).tolist() == [23]


def test_a_case_holds_the_valid_times_in_it():
    case = Case("Storm", datetime(2020, 3, 1), datetime(2020, 3, 1, 6), "box")
    assert held(Stratum(case=case)) == [[0, 0], [0, 0], [1, 0], [1, 0], [0, 0]]


def test_the_strata_of_an_experiment():
    strata = all_strata(INITS, LEADS)
    assert strata[:5] == [Stratum(), *(Stratum(season=season) for season in ("DJF", "MAM", "JJA", "SON"))]
    assert [stratum.init_hour for stratum in strata if stratum.init_hour != "all"] == ["00", "12", "18"]
    assert [stratum.valid_hour for stratum in strata if stratum.valid_hour != "all"] == ["00", "06", "12", "18"]
    assert len(strata) == 1 + 4 + 3 + 4


def test_crossed_strata_that_hold_nothing_are_left_out():
    strata = all_strata(INITS, LEADS, crossed=[("season", "init_hour")])
    crossed = [
        (stratum.season, stratum.init_hour) for stratum in strata if "all" not in (stratum.season, stratum.init_hour)
    ]
    assert crossed == [("DJF", "00"), ("DJF", "18"), ("MAM", "00"), ("JJA", "00"), ("SON", "12")]
    assert len(strata) == len(set(strata)) == 12 + 5
