"""Real forecasts at stations (MEPS, AROME-Arctic) as CF NetCDF, and real observations."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from evalflow.fields.open import open_forecast, open_truth
from evalflow.fields.specs import SourceSpec, TruthSpec
from support import trial_data
from support.trial_data import FOLDER, INIT_TIMES, needs_trial_data

pytestmark = needs_trial_data
H = timedelta(hours=1)


def of(table: pa.Table, param: str, init_time, lead: int) -> dict[str, np.ndarray]:
    """Return what the table has, straight from its rows: station → members."""
    wanted = pc.and_(pc.equal(table["param"], param), pc.equal(table["init_time"], init_time))
    rows = table.filter(pc.and_(wanted, pc.equal(table["lead_time"], lead)))
    members = sorted(name for name in rows.column_names if name.isdigit())
    values = np.stack([rows[member].to_numpy() for member in members], axis=-1)
    return dict(zip(map(str, rows["station"].to_pylist()), values, strict=True))


@pytest.fixture(scope="module")
def meps(tmp_path_factory):
    table = trial_data.read_meps_ensemble()
    return table, trial_data.write_forecasts(table, tmp_path_factory.mktemp("meps"))


def opened(folder, init_time, member):
    return open_forecast(SourceSpec(folder, "%Y%m%d%H.nc", member=member), init_time)


def test_an_ensemble_at_stations(meps):
    table, folder = meps
    for init_time in INIT_TIMES:
        mean, fourth = opened(folder, init_time, "mean"), opened(folder, init_time, "003")
        assert mean.params() == {"T_2M", "SP_10M", "TOT_PREC"}
        assert mean.lead_times("T_2M") == [lead * H for lead in (0, 3, 6, 9, 12)]
        grid = mean.grid("T_2M")
        assert (grid.kind, grid.size) == ("stations", 1203) and np.isfinite(grid.elevation).all()
        for name, param in (("T2m", "T_2M"), ("S10m", "SP_10M")):
            wanted = of(table, name, init_time, 9)
            for reader, made in ((mean, lambda one: one.astype(np.float64).mean()), (fourth, lambda one: one[3])):
                values = dict(zip(grid.names, reader.read(param, 9 * H), strict=True))
                assert all(values[station] == np.float32(made(one)) for station, one in wanted.items())


def test_amounts_since_the_start_with_the_noise_of_packing(meps):
    """There is no step 0, and some amounts shrink by a ten-thousandth of a millimetre."""
    table, folder = meps
    reader = opened(folder, INIT_TIMES[0], "003")
    assert reader.lead_times("TOT_PREC6") == [6 * H, 9 * H, 12 * H]
    late, early = (of(table, "Pcp", INIT_TIMES[0], lead) for lead in (9, 3))
    found = dict(zip(reader.grid("TOT_PREC6").names, reader.read("TOT_PREC6", 9 * H), strict=True))
    assert len(late) > 800
    differences = {station: late[station][3] - early[station][3] for station in late}
    assert min(differences.values()) < 0
    assert all(abs(found[station] - max(difference, 0)) < 1e-5 for station, difference in differences.items())


def test_forecasts_and_observations_meet(meps):
    """The error of the ensemble mean is that of the tables joined by hand, and plausible."""
    table, folder = meps
    columns = {"TT": "T_2M", "FF": "SP_10M", "PE6": "TOT_PREC6"}
    path = FOLDER / "vobs_201902.parquet"
    truth = open_truth(TruthSpec(str(path), columns=columns, units={"PE6": "mm"}))
    observed = pq.read_table(path)
    init_time = INIT_TIMES[2]
    reader = opened(folder, init_time, "mean")
    for lead in (3, 12):
        valid_time = init_time + lead * H
        place = {station: index for index, station in enumerate(truth.grid("T_2M").names)}
        values = truth.read("T_2M", valid_time)
        errors = [
            forecast - values[place[station]]
            for station, forecast in zip(reader.grid("T_2M").names, reader.read("T_2M", lead * H), strict=True)
            if station in place
        ]
        errors = np.array(errors)[np.isfinite(errors)]
        rows = observed.filter(pc.equal(observed["valid_time"], valid_time))
        joined = dict(zip(map(str, rows["station"].to_pylist()), rows["TT"].to_numpy(), strict=True))
        by_hand = np.array(
            [one.mean() - joined.get(station, np.nan) for station, one in of(table, "T2m", init_time, lead).items()]
        )
        by_hand = by_hand[np.isfinite(by_hand)]
        # Some stations are at another place at times.
        assert 0 <= by_hand.size - errors.size <= 0.02 * by_hand.size
        assert abs(np.sqrt((errors**2).mean()) - np.sqrt((by_hand**2).mean())) < 0.02
        assert 1 < np.sqrt((errors**2).mean()) < 4


@pytest.mark.parametrize("source", ["MEPS_prod", "AROME_Arctic_prod"])
def test_deterministic_forecasts(tmp_path, source):
    table = trial_data.read_deterministic(source)
    folder = trial_data.write_forecasts(table, tmp_path)
    reader = opened(folder, INIT_TIMES[3], "000")
    assert reader.lead_times("T_2M")[-1] == 48 * H
    wanted = of(table, "T2m", INIT_TIMES[3], 24)
    found = dict(zip(reader.grid("T_2M").names, reader.read("T_2M", 24 * H), strict=True))
    assert len(wanted) > 100 and all(found[station] == one[0] for station, one in wanted.items())
