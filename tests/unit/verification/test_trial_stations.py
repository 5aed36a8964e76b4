"""MEPS and AROME-Arctic against observations at stations of a day in February 2019.

The tables hold temperatures both as the models have them (`T2m_uncorrected`) and corrected to the stations' elevation
(`T2m`, and all of the ensemble's). Only the former may be corrected by us.
"""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from evalflow.fields.points.elevation import correct_lapse_rate
from support import trial_data
from support.trial_data import FOLDER, INIT_TIMES, needs_trial_data
from support.verified import Trial, source

pytestmark = needs_trial_data
H = timedelta(hours=1)
OBSERVED = {"T_2M": "TT", "SP_10M": "FF"}
FORECAST = {"T_2M": "T2m", "SP_10M": "S10m"}
PATTERN = {"pattern": "%Y%m%d%H.nc"}
LEADS = {"ensemble": [0, 3, 6, 9, 12], "models": [0, 6, 12, 24, 36, 48]}


def uncorrected(name: str) -> pa.Table:
    """Return a model's forecasts with temperatures at the model's elevation."""
    table = pq.read_table(FOLDER / "meps_arome_det_201902.parquet")
    table = table.filter(pc.equal(table["source"], name)).rename_columns({"param_": "param", "value": "000"})
    table = table.filter(pc.is_in(table["param"], pa.array(["T2m_uncorrected", "S10m"])))
    names = pc.if_else(pc.equal(table["param"], "T2m_uncorrected"), "T2m", table["param"])
    return table.set_column(table.column_names.index("param"), "param", names)


class Observations:
    """The observations by hand: a station is at its first place, and rows from another place are not its own."""

    def __init__(self) -> None:
        table = pq.read_table(FOLDER / "vobs_201902.parquet").sort_by([("valid_time", "ascending")])
        columns = {name: table[name].to_numpy() for name in ("station", "valid_time", "lat", "lon", "elevation")}
        self.ids, first, self.place = np.unique(columns["station"], return_index=True, return_inverse=True)
        self.lat, self.lon = (columns[name][first].astype(float) for name in ("lat", "lon"))
        apart = [np.abs(columns[name] - here[self.place]) for name, here in (("lat", self.lat), ("lon", self.lon))]
        self.own = np.max(apart, axis=0) <= 0.05
        self.elevation = np.full(self.ids.size, np.nan)
        for row in np.flatnonzero(self.own & np.isfinite(columns["elevation"]))[::-1]:
            self.elevation[self.place[row]] = columns["elevation"][row]
        self.time = columns["valid_time"]
        self.values = {param: table[name].to_numpy() for param, name in OBSERVED.items()}

    def at(self, param: str, time: datetime) -> np.ndarray:
        """Return the values at the stations."""
        rows = np.flatnonzero((self.time == np.datetime64(time)) & self.own)
        found = np.full(self.ids.size, np.nan)
        found[self.place[rows]] = self.values[param][rows]
        return found


class StationModel:
    """Forecasts of a table by hand, at the observations' stations: those of the nearest place within 2 km."""

    def __init__(self, table: pa.Table, observations: Observations) -> None:
        self.table = table
        self.ids, rows = np.unique(table["station"].to_numpy(), return_index=True)
        lat, lon, self.height = (table[name].to_numpy()[rows] for name in ("lat", "lon", "elevation"))
        here, there = (
            np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)])
            for a, b in (
                (np.radians(lat), np.radians(lon)),
                (np.radians(observations.lat), np.radians(observations.lon)),
            )
        )
        cosines = there.T @ here
        self.nearest = cosines.argmax(axis=1)
        chords = np.linalg.norm(there - here[:, self.nearest], axis=0)
        self.near = 2 * 6371.0 * np.arcsin(np.minimum(chords / 2, 1)) <= 2
        self.climb = observations.elevation - self.height[self.nearest]

    def at(self, param: str, init: datetime, lead: int, corrected: bool = False) -> np.ndarray:
        """Return the mean over the members."""
        known = pc.and_(pc.equal(self.table["param"], FORECAST[param]), pc.equal(self.table["init_time"], init))
        rows = self.table.filter(pc.and_(known, pc.equal(self.table["lead_time"], lead)))
        members = [rows[name].to_numpy().astype(float) for name in rows.column_names if name.isdigit()]
        values = np.full(self.ids.size, np.nan)
        values[np.searchsorted(self.ids, rows["station"].to_numpy())] = np.mean(members, axis=0)
        found = np.where(self.near, values[self.nearest], np.nan)
        return found - 0.0065 * self.climb if corrected and param == "T_2M" else found


@pytest.fixture(scope="module")
def observations():
    return Observations()


def a_trial(root, lapse_rate: str) -> Trial:
    trial = Trial(root)
    trial.set_inits(INIT_TIMES)
    trial.data["params"] = list(OBSERVED)
    trial.data["comparing"]["lapse_rate"] = lapse_rate
    columns = {name: param for param, name in OBSERVED.items()}
    trial.add_truth(FOLDER / "vobs_201902.parquet", label="stations", columns=columns)
    return trial


@pytest.fixture(scope="module")
def models(tmp_path_factory, observations):
    """MEPS and AROME-Arctic as they are, corrected by us; and persistence."""
    root = tmp_path_factory.mktemp("models")
    tables = {label: uncorrected(name) for label, name in (("MEPS", "MEPS_prod"), ("AROME", "AROME_Arctic_prod"))}
    trial = a_trial(root, "auto")
    trial.data["sources"] = [
        source(label, LEADS["models"], trial_data.write_forecasts(table, root / label), **PATTERN)
        for label, table in tables.items()
    ] + [source("persistence", LEADS["models"], builtin="persistence")]
    trial.data["references"] = ["baseline-MEPS"]
    return trial.run(), {label: StationModel(table, observations) for label, table in tables.items()}


@pytest.fixture(scope="module")
def station_ensemble(tmp_path_factory, observations):
    """The mean of MEPS and its control, whose temperatures are corrected already."""
    root = tmp_path_factory.mktemp("ensemble")
    table = trial_data.read_meps_ensemble()
    folder = trial_data.write_forecasts(table, root / "meps")
    trial = a_trial(root, "false")
    trial.data["sources"] = [
        source(label, LEADS["ensemble"], folder, member=member, **PATTERN)
        for label, member in (("mean", "mean"), ("control", "000"))
    ]
    trial.data["references"] = ["baseline-control"]
    control = table.drop_columns([name for name in table.column_names if name.isdigit() and name != "000"])
    return trial.run(), {"mean": StationModel(table, observations), "control": StationModel(control, observations)}


def errors_at(models, observations, param: str, lead: int, persistence: bool) -> dict[str, list[np.ndarray]]:
    """Return label → the errors of each init time where every source and the truth have a value."""
    found: dict[str, list[np.ndarray]] = {}
    for init in INIT_TIMES:
        values = {label: model.at(param, init, lead, corrected=persistence) for label, model in models.items()}
        if persistence:
            values["persistence"] = observations.at(param, init)
        errors = {label: one - observations.at(param, init + lead * H) for label, one in values.items()}
        common = np.isfinite(list(errors.values())).all(axis=0)
        if persistence and param == "T_2M":  # whose points are those with an elevation
            common &= np.isfinite(observations.elevation)
        for label, one in errors.items():
            found.setdefault(label, []).append(one[common])
    return found


def check(outcome, wanted: dict[str, list[np.ndarray]], param: str, lead: int) -> None:
    assert len(outcome.scores(metric="RMSE", param=param, lead_time=lead)) == len(wanted)
    for label, errors in wanted.items():
        (row,) = outcome.scores(metric="RMSE", param=param, lead_time=lead, label=label)
        rmse = np.sqrt(np.mean([(one**2).mean() for one in errors]))
        assert row["n_pairs"] == sum(one.size for one in errors) > 400, label
        assert row["value"] == pytest.approx(rmse, rel=1e-4, abs=1e-6), label
        bias = np.mean([one.mean() for one in errors])
        found = outcome.score("BIAS", label, lead, param=param)
        assert found == pytest.approx(bias, rel=1e-3, abs=1e-4), label


@pytest.mark.parametrize("lead", [0, 12, 48])
@pytest.mark.parametrize("param", list(OBSERVED))
def test_models_against_stations(models, observations, param, lead):
    outcome, known = models
    check(outcome, errors_at(known, observations, param, lead, persistence=True), param, lead)


@pytest.mark.parametrize("lead", [3, 12])
@pytest.mark.parametrize("param", list(OBSERVED))
def test_the_mean_of_members(station_ensemble, observations, param, lead):
    outcome, known = station_ensemble
    check(outcome, errors_at(known, observations, param, lead, persistence=False), param, lead)


def test_temperatures_are_corrected_for_all(models):
    (found,) = models[0].found
    assert "T_2M is corrected to the truth's elevation by 0.0065 K/m, for all sources" in found.lapse_rate
    assert found.at_stations and found.sources["baseline-AROME"].corrected and found.sources["baseline-MEPS"].corrected
    assert not models[0].reasons and not found.problems


@pytest.mark.parametrize("label", ["MEPS", "AROME"])
def test_the_correction_is_that_of_those_who_made_the_tables(models, observations, label):
    """The tables' own corrected temperatures, but for stations whose elevation they know otherwise."""
    raw = models[1][label]
    made = StationModel(trial_data.read_deterministic(f"{label}_prod".replace("AROME_", "AROME_Arctic_")), observations)
    ours = correct_lapse_rate(raw.at("T_2M", INIT_TIMES[0], 12), observations.elevation, raw.height[raw.nearest])
    apart = np.abs(ours - made.at("T_2M", INIT_TIMES[0], 12))
    apart = apart[np.isfinite(apart)]
    assert apart.size > 150 and np.median(apart) < 0.005 and np.quantile(apart, 0.8) < 0.05


def test_not_where_it_is_off(station_ensemble):
    (found,) = station_ensemble[0].found
    assert "lapse_rate_correction is false" in found.lapse_rate
    assert not any(one.corrected for one in found.sources.values())


@pytest.mark.parametrize("which", ["models", "station_ensemble"])
def test_one_day_has_no_interval(request, which):
    outcome, _ = request.getfixturevalue(which)
    rows = outcome.scores(metric=..., param=..., lead_time=...)
    rows += outcome.differences(metric=..., param=..., lead_time=...)
    assert {row["n_days"] for row in rows} == {1}
    for row in rows:
        assert row["lower"] is None and row["upper"] is None and row.get("p_value") is None, row
