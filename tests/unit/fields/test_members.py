"""One member, or the mean over all: derived per member first."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.derived import DerivedForecast
from evalflow.fields.grib.catalogues import ForecastFiles
from evalflow.fields.grib.reader import GribForecast
from evalflow.fields.members import OneMember
from support.grib_files import T_2M, U_10M, V_10M, grib, member, write
from support.trial_files import trial_file

H = timedelta(hours=1)
NAN = np.nan


@pytest.fixture
def ensemble(tmp_path):
    """Return a function: a forecast of three members, of which the third has no T_2M at 6 h and misses a point at 12 h."""

    def run(which: str | None) -> OneMember:
        messages = []
        for number, wind in enumerate([(3.0, 4.0), (-3.0, -4.0), (0.0, 5.0)]):
            for keys, part in zip((U_10M, V_10M), wind, strict=True):
                messages.append(grib([part] * 12, **member(number), **keys))
            for lead in (0, 6, 12):
                field = np.full(12, 280.0 + number)
                field[:] = NAN if (number, lead) == (2, 6) else field
                field[0] = NAN if (number, lead) == (2, 12) else field[0]
                messages.append(grib(field, step=lead, **member(number), **T_2M))
        path = write(tmp_path / "a.grib", *messages)
        return OneMember(DerivedForecast(GribForecast(ForecastFiles([path], datetime(2024, 1, 10)))), which)

    return run


def test_the_speed_is_each_member_s_own(ensemble):
    """The mean wind is (0, 5/3) and blows with 1.7 m/s; each member blows with 5."""
    np.testing.assert_allclose(ensemble("mean").read("SP_10M", 0 * H), 5)
    np.testing.assert_allclose(ensemble("mean").read("U_10M", 0 * H), 0, atol=1e-6)
    np.testing.assert_allclose(ensemble("mean").read("V_10M", 0 * H), 5 / 3, rtol=1e-6)


def test_a_member_without_a_field_takes_no_part(ensemble):
    reader = ensemble("mean")
    np.testing.assert_allclose(reader.read("T_2M", 0 * H), 281)
    np.testing.assert_allclose(reader.read("T_2M", 6 * H), 280.5)
    found = reader.read("T_2M", 12 * H)
    assert np.isnan(found[0]) and (found[1:] == 281).all()  # a mean over fewer members there would be another forecast
    assert reader.notes == ["T_2M: 1 fields of single members are missing in means"]
    assert reader.members("T_2M") == []


@pytest.mark.parametrize(("which", "value"), [(None, 280), ("000", 280), ("control", 280), ("001", 281), ("002", 282)])
def test_one_member(ensemble, which, value):
    np.testing.assert_allclose(ensemble(which).read("T_2M", 0 * H), value)
    np.testing.assert_allclose(ensemble(which).read("SP_10M", 0 * H), 5)


def test_a_member_that_is_not_there(ensemble):
    with pytest.raises(UserError, match="no member 011; there are 000 to 002"):
        ensemble("011").read("T_2M", 0 * H)


def test_a_real_mean():
    path = trial_file("z500_ens.grib")
    reader = GribForecast(ForecastFiles([path], datetime(2012, 9, 20)))
    each = np.stack([reader.read("Z_500", 96 * H, name) for name in reader.members("Z_500")]).astype(np.float64)
    assert each.shape[0] == 51
    found = OneMember(DerivedForecast(reader), "mean").read("Z_500", 96 * H)
    np.testing.assert_allclose(found, each.mean(axis=0), rtol=1e-6)
