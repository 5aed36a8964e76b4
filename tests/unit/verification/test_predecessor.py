"""With the keys that bring the predecessor's rules back, scores are those of its formulas, written out by hand.

Its rules: every point counts the same; region `all` is a box; a point takes the nearest one of the source, at any
distance; scores of an init time over its points, their mean over init times, then root and square; counts are summed.
"""

import numpy as np
import pytest
from support.verified import START, H, Trial, source, write_analyses, write_forecast

WEST, EAST, SOUTH, NORTH = 1.5, 16, 43, 49.5
LEADS, INITS, EVENTS = [0, 6, 12], 5, {"> 281": np.greater, "<= 278.5": np.less_equal}


def regular(west: float, south: float, step: float, columns: int, rows: int) -> dict:
    """Return the keys of a grid in GRIB; rows go from north to south."""
    return {
        "Ni": columns, "Nj": rows, "iDirectionIncrementInDegrees": step, "jDirectionIncrementInDegrees": step,
        "longitudeOfFirstGridPointInDegrees": west, "longitudeOfLastGridPointInDegrees": west + (columns - 1) * step,
        "latitudeOfFirstGridPointInDegrees": south + (rows - 1) * step, "latitudeOfLastGridPointInDegrees": south,
    }  # fmt: skip


def points_of(keys: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes and longitudes of a grid's points."""
    step = keys["iDirectionIncrementInDegrees"]
    latitudes = keys["latitudeOfFirstGridPointInDegrees"] - step * np.arange(keys["Nj"])
    longitudes = keys["longitudeOfFirstGridPointInDegrees"] + step * np.arange(keys["Ni"])
    north, east = np.meshgrid(latitudes, longitudes, indexing="ij")
    return north.ravel(), east.ravel()


TRUTH = regular(0.25, 41.25, 1, 19, 10)
"""Analyses that reach beyond the box on all sides; no point lies on its border."""
MODEL = regular(3.1, 44.1, 1.5, 8, 3)
"""A model that covers a part of the box."""


class Material:
    """Random fields, on the model's grid and on the truth's, with missing values in each."""

    def __init__(self) -> None:
        random = np.random.default_rng(8)
        self.inits = [START + 12 * init * H for init in range(INITS)]
        self.times = sorted({init + lead * H for init in self.inits for lead in LEADS})
        (latitudes, longitudes), (north, east) = points_of(TRUTH), points_of(MODEL)
        self.truth = random.normal(280, 3, (len(self.times), latitudes.size)).astype(np.float32)
        self.truth[3, 40:60] = np.nan
        self.model = random.normal(280, 3, (INITS, len(LEADS), north.size)).astype(np.float32)
        self.model[2, :, 5] = np.nan
        self.inside = (longitudes > WEST) & (longitudes < EAST) & (latitudes > SOUTH) & (latitudes < NORTH)
        # On the sphere, by the law of cosines: the largest cosine is of the nearest point.
        phi, psi = np.radians(latitudes)[:, None], np.radians(north)
        apart = np.radians(longitudes)[:, None] - np.radians(east)
        self.nearest = (np.sin(phi) * np.sin(psi) + np.cos(phi) * np.cos(psi) * np.cos(apart)).argmax(axis=1)

    def pairs(self, lead: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return forecast and truth of each init time where both are there, float64."""
        found = []
        for init, time in enumerate(self.inits):
            f = self.model[init, LEADS.index(lead)][self.nearest][self.inside].astype(float)
            o = self.truth[self.times.index(time + lead * H)][self.inside].astype(float)
            both = ~np.isnan(f) & ~np.isnan(o)
            found.append((f[both], o[both]))
        return found


def scores_by_hand(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    bias = np.mean([np.mean(f - o) for f, o in pairs])
    mse = np.mean([np.mean((f - o) ** 2) for f, o in pairs])
    corr = np.mean([np.corrcoef(f, o)[0, 1] for f, o in pairs])
    return {
        "BIAS": bias,
        "MAE": np.mean([np.mean(np.abs(f - o)) for f, o in pairs]),
        "RMSE": np.sqrt(mse),
        "STDE": np.sqrt(mse - bias**2),
        "CORR": corr,
        "R2": corr**2,
        "STD_F": np.sqrt(np.mean([np.var(f) for f, _ in pairs])),
        "STD_O": np.sqrt(np.mean([np.var(o) for _, o in pairs])),
    }


def events_by_hand(pairs: list[tuple[np.ndarray, np.ndarray]], event) -> dict[str, float]:
    threshold = 281 if event is np.greater else 278.5
    tp = sum(np.sum(event(f, threshold) & event(o, threshold)) for f, o in pairs)
    fp = sum(np.sum(event(f, threshold) & ~event(o, threshold)) for f, o in pairs)
    fn = sum(np.sum(~event(f, threshold) & event(o, threshold)) for f, o in pairs)
    total = sum(f.size for f, _ in pairs)
    by_chance = (tp + fp) * (tp + fn) / total
    return {
        "ETS": (tp - by_chance) / (tp + fp + fn - by_chance),
        "FBI": (tp + fp) / (tp + fn),
        "POD": tp / (tp + fn),
        "FAR": fp / (tp + fp),
    }


@pytest.fixture(scope="module")
def material() -> Material:
    return Material()


@pytest.fixture
def predecessors_rules(tmp_path, material) -> Trial:
    trial = Trial(tmp_path)
    write_analyses(tmp_path / "analyses.grib", material.times, {"T_2M": material.truth}, **TRUTH)
    for place, init in enumerate(material.inits):
        write_forecast(tmp_path / "model", init, LEADS, {"T_2M": material.model[place]}, **MODEL)
    trial.set_inits(material.inits)
    trial.add_truth(tmp_path / "analyses.grib")
    trial.data["sources"] = [source("model", LEADS, tmp_path / "model")]
    trial.data["thresholds"] = {"T_2M": list(EVENTS)}
    domain = {"name": "domain", "box": [WEST, EAST, SOUTH, NORTH]}
    trial.data["comparing"] |= {"weights": "none", "domain": domain, "max_distance": "none"}
    return trial


def test_scores_are_those_of_the_predecessors_formulas(predecessors_rules, material):
    done = predecessors_rules.run()
    assert done.found[0].points == material.inside.sum() == 14 * 7
    for lead in LEADS:
        pairs = material.pairs(lead)
        for metric, value in scores_by_hand(pairs).items():
            assert done.score(metric, "model", lead) == pytest.approx(value, rel=1e-6), (metric, lead)
        for threshold, event in EVENTS.items():
            for metric, value in events_by_hand(pairs, event).items():
                found = done.score(metric, "model", lead, threshold=threshold)
                assert found == pytest.approx(value, rel=1e-12), (metric, threshold, lead)
        (row,) = done.scores(metric="RMSE", lead_time=lead)
        assert row["n_pairs"] == sum(f.size for f, _ in pairs)


@pytest.mark.parametrize(
    ("key", "default"), [("weights", "area"), ("domain", "truth"), ("domain", "common"), ("max_distance", "auto")]
)
def test_each_of_the_three_keys_is_needed(predecessors_rules, material, key, default):
    predecessors_rules.data["comparing"][key] = default
    found = predecessors_rules.run().scores(metric="RMSE", lead_time=6)
    wanted = scores_by_hand(material.pairs(6))["RMSE"]
    assert not found or abs(found[0]["value"] - wanted) > 1e-4
