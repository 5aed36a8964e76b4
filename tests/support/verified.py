"""A small verification: analyses and forecasts as files, what a plan says of them, and all steps one after the other.

Nextflow does no more than call these steps; `Trial.run` is what a launch is to the store.
"""

import gc
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from evalflow.errors import UserError
from evalflow.store.layout import init_time_name
from evalflow.verification.aggregate import aggregate_experiment
from evalflow.verification.aggregated import Aggregated
from evalflow.verification.climatology import make_climatology, references
from evalflow.verification.common_masks import CommonMasks
from evalflow.verification.domain import define_domain
from evalflow.verification.done import PackDone
from evalflow.verification.found import DomainFound
from evalflow.verification.lacking import packs_of
from evalflow.verification.map_tables import map_experiment
from evalflow.verification.packs import Pack
from evalflow.verification.samples import Samples, compare_samples
from evalflow.verification.spec import VerificationSpec
from evalflow.verification.truth import copy_truth, write_problem
from evalflow.verification.verify import Verifier, failed_pack, verify_pack

from support.grib_files import LATITUDES, grib, sum_of, write

H = timedelta(hours=1)
START = datetime(2024, 1, 10)
POINTS = LATITUDES.size
KEYS = {
    "T_2M": {"shortName": "2t"},
    "TD_2M": {"shortName": "2d"},
    "PMSL": {"typeOfLevel": "meanSea", "shortName": "prmsl"},
    "PS": {"shortName": "sp"},
    "U_10M": {"shortName": "10u"},
    "V_10M": {"shortName": "10v"},
}
"""Param → the keys of its GRIB messages."""
MEANS = {"T_2M": 280.0, "TD_2M": 275.0, "PMSL": 101000.0, "PS": 98000.0, "U_10M": 3.0, "V_10M": -2.0}
SPREAD = {"PMSL": 400.0, "PS": 400.0}


def some_fields(param: str, count: int, seed: int = 0, points: int = POINTS) -> np.ndarray:
    """Return random fields of a param, float32 [count, points]."""
    random = np.random.default_rng([seed, *param.encode()])
    if param.startswith("TOT_PREC"):
        return np.round(random.gamma(0.6, 2, (count, points)), 3).astype(np.float32)
    return random.normal(MEANS[param], SPREAD.get(param, 4.0), (count, points)).astype(np.float32)


def message(param: str, values: np.ndarray, time: datetime, step: int | str = 0, **keys: Any) -> bytes:
    """Return a GRIB message whose values are exact, if no other packing is given."""
    about = sum_of(str(step)) if param.startswith("TOT_PREC") else {**KEYS[param], "stepRange": str(step)}
    when = {"dataDate": int(f"{time:%Y%m%d}"), "dataTime": int(f"{time:%H%M}")}
    return grib(values, **{"packing": "grid_ieee", **about, **when, **keys})


def write_analyses(path: Path, times: Iterable[datetime], fields: Mapping[str, np.ndarray], **keys: Any) -> Path:
    """Write analyses into one file: param → values [times, points]."""
    messages = [
        message(param, values[place], time, **keys)
        for place, time in enumerate(times)
        for param, values in fields.items()
    ]
    return write(path, *messages)


def write_forecast(
    folder: Path, init_time: datetime, leads: Iterable[int], fields: Mapping[str, np.ndarray], **keys: Any
) -> Path:
    """Write a forecast into a file of its init time: param → values [leads, points]; precipitation since the start."""
    messages = []
    for place, lead in enumerate(leads):
        for param, values in fields.items():
            if param == "TOT_PREC" and lead == 0:
                continue
            step = f"0-{lead}" if param == "TOT_PREC" else lead
            messages.append(message(param, values[place], init_time, step, **keys))
    return write(folder / f"{init_time:%Y%m%d%H}.grib", *messages)


def source(label: str, lead_times: Iterable[float], root: Path | None = None, **fields: Any) -> dict[str, Any]:
    """Return an entry of the spec: forecasts in an archive, or a baseline that is built in."""
    where = {} if root is None else {"root": str(root), "pattern": "%Y%m%d%H.grib"}
    about = {"source_id": f"baseline-{label}", "label": label, "kind": "baseline", "sha256": "0" * 64}
    return {**about, "lead_times": [float(one) for one in lead_times], **where, **fields}


@dataclass
class Outcome:
    """What came of all steps: for each truth the domain and the samples, what was computed, the tables."""

    found: list[DomainFound]
    samples: list[Samples]
    packs: list[Pack]
    done: list[PackDone]
    aggregated: Aggregated
    results: Path
    map_notes: list[str]

    @property
    def computed(self) -> Counter:
        """(label of the source, param) → number of statistics that were computed."""
        labels = {key: one.label for found in self.found for key, one in found.sources.items()}
        return Counter(
            (labels[done.source], param) for done in self.done for init in done.inits for param in init.computed
        )

    @property
    def reasons(self) -> list[str]:
        """Why there is nothing, or less than was wanted."""
        return [init.reason for done in self.done for init in done.inits if init.reason]

    def scores(self, **keys: Any) -> list[dict]:
        """Return the rows of scores with these keys, over everything where a key is not given."""
        return self._rows("scores.parquet", keys)

    def score(self, metric: str, label: str, lead_time: float, **keys: Any) -> float | None:
        """Return one score."""
        (row,) = self.scores(metric=metric, label=label, lead_time=lead_time, **keys)
        return row["value"]

    def differences(self, **keys: Any) -> list[dict]:
        """Return the rows of differences with these keys."""
        return self._rows("differences.parquet", keys)

    def _rows(self, name: str, keys: dict[str, Any]) -> list[dict]:
        everything = {"region": "all", "season": "all", "init_hour": "all", "valid_hour": "all", "case": None}
        wanted = {**everything, "scale": 0.0, "threshold": None, **keys}
        rows = pq.read_table(self.results / name).to_pylist()
        return [row for row in rows if all(row[key] == value for key, value in wanted.items() if value is not Ellipsis)]


@dataclass
class Trial:
    """A folder with analyses and forecasts, and what a plan says of them. Tests change `data` and run again."""

    root: Path
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data = {
            "experiment_id": "trial_00000000",
            "store": str(self.root / "data"),
            "results": str(self.root / "results"),
            "init_times": [],
            "sources": [],
            "truths": [],
            "grids": [],
            "params": ["T_2M"],
            "named_params": [],
            "thresholds": {},
            "regions": [],
            "cases": [],
            "comparing": {
                "domain": "common", "mapping": "nearest", "max_distance": "auto", "weights": "area", "scales": [],
                "lapse_rate": "auto", "common_sample": "intersect", "min_coverage": 0.9,
            },
            "crossed": [],
            "references": [],
            "significance": {"level": 0.05, "false_discovery_rate": 0.1, "min_days": 10},
            "maps": None,
        } | self.data  # fmt: skip

    @property
    def spec(self) -> VerificationSpec:
        """What a plan would say now."""
        return VerificationSpec.model_validate_json(json.dumps(self.data))

    def set_inits(self, inits: Iterable[datetime]) -> None:
        """Verify these init times."""
        self.data["init_times"] = [init_time_name(init) for init in inits]

    def add_truth(self, root: Path, label: str = "analyses", **fields: Any) -> None:
        """Verify against the analyses or observations at `root`."""
        identity = {"truth": str(root), "told": {}, "comparing": {}}
        self.data["truths"].append({"label": label, "root": str(root), "identity": identity, **fields})

    def find(self, truth: int = 0) -> DomainFound:
        """Define the domain of a truth."""
        return define_domain(self.spec, truth)

    def run(self) -> Outcome:
        """Do what a launch does, in which each step is a process of its own."""
        gc.collect()  # HDF5 crashes where a file with texts is open twice and another one was written meanwhile
        spec = self.spec
        found = [self._with_climatology(define_domain(spec, number)) for number in range(len(spec.truths))]
        packs, done = [], []
        for one in found:
            listed = packs_of(spec, one).packs
            packs += listed
            done += self.verify(one, listed)
        samples = [compare_samples(spec, one) for one in found]
        for one, sample in zip(found, samples, strict=True):
            packs += sample.packs
            done += self.verify(one, sample.packs, sample)
        aggregated = aggregate_experiment(spec, list(zip(found, samples, strict=True)))
        notes = map_experiment(spec, list(zip(found, samples, strict=True)))
        return Outcome(found, samples, packs, done, aggregated, spec.results, notes)

    def _with_climatology(self, found: DomainFound) -> DomainFound:
        """Make the climatologies of a truth; return its domain with what of them cannot be had."""
        spec = self.spec
        problems = [line for one in references(spec) for line in make_climatology(spec, found, one)]
        return found.model_copy(update={"problems": [*found.problems, *problems]})

    def verify(self, found: DomainFound, packs: list[Pack], samples: Samples | None = None) -> list[PackDone]:
        """Copy the truth of each block and verify the packs of one truth."""
        spec, done = self.spec, []
        for block in sorted({pack.block for pack in packs}):
            chosen = [pack for pack in packs if pack.block == block]
            copy = self.root / f"truth-{found.truth}-{block}.nc"
            copy.unlink(missing_ok=True)
            try:
                copy_truth(spec, found, chosen, copy)
            except UserError as error:
                write_problem(copy, str(error))
            for pack in chosen:
                entry = spec.sources[pack.source]
                try:
                    verifier = Verifier(spec, found, entry, copy)
                except UserError as error:
                    done.append(failed_pack(entry, pack, str(error)))
                else:
                    masks = CommonMasks(spec, found, samples, pack.source) if samples else None
                    done.append(verify_pack(verifier, pack, masks))
        return done


@dataclass
class World:
    """A trial with random analyses and forecasts of one model, and the numbers that its files hold.

    Attributes
    ----------
    times, analyses : of the truth: param → [times, points]
    inits, leads : of the model
    forecasts : of the model: param → [inits, leads, points]
    """

    trial: Trial
    times: list[datetime]
    analyses: dict[str, np.ndarray]
    inits: list[datetime]
    leads: list[int]
    forecasts: dict[str, np.ndarray]

    def truth(self, param: str, init: int, lead: int) -> np.ndarray:
        """Return the analysis at an init time (its place) and a lead time (h)."""
        return self.analyses[param][self.times.index(self.inits[init] + lead * H)]

    def write_analyses(self) -> None:
        """Write the analyses as they are now."""
        write_analyses(self.trial.root / "analyses.grib", self.times, self.analyses)

    def write_forecasts(self, folder: str = "model", inits: Iterable[int] | None = None, **keys: Any) -> Path:
        """Write the forecasts of some init times (places) as they are now."""
        path = self.trial.root / folder
        for place in range(len(self.inits)) if inits is None else inits:
            fields = {param: values[place] for param, values in self.forecasts.items()}
            write_forecast(path, self.inits[place], self.leads, fields, **keys)
        return path


def make_world(
    root: Path,
    params: Iterable[str] = ("T_2M",),
    days: int = 3,
    leads: Iterable[int] = (0, 6, 12, 18, 24),
    every: int = 12,
) -> World:
    """Write analyses each 6 hours from one day before the first init time on, and forecasts of a model; verify them."""
    params, leads = list(params), list(leads)
    inits = [START + hour * H for hour in range(0, 24 * days, every)]
    times = [START + hour * H for hour in range(-24, 24 * days + max(leads) + 1, 6)]
    analyses = {param: some_fields(param, len(times)) for param in params}
    errors = np.random.default_rng(1)
    forecasts = {}
    for param in params:
        truths = np.array([[analyses[param][times.index(init + lead * H)] for lead in leads] for init in inits])
        scale = SPREAD.get(param, 4.0) / 4
        forecasts[param] = (truths + errors.normal(0.3, 1, truths.shape) * scale).astype(np.float32)
    trial = Trial(root)
    world = World(trial, times, analyses, inits, leads, forecasts)
    world.write_analyses()
    trial.set_inits(inits)
    trial.data["params"] = params
    trial.add_truth(root / "analyses.grib")
    trial.data["sources"] = [source("model", leads, world.write_forecasts())]
    return world
