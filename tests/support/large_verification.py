"""Verifications of real size, for measurements: one forecast of 227,000 points, or the statistics of a year."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from evalflow.scores.categories import Categories, values_of
from evalflow.scores.names import parse_threshold
from evalflow.scores.stored import write_sums
from evalflow.scores.sums import Sums, collect, measure
from evalflow.store.layout import statistics_folder
from evalflow.verification.holdings import HOLDING, statistics_name
from evalflow.verification.lacking import packs_of
from evalflow.verification.points import read_target
from evalflow.verification.truth import copy_truth
from evalflow.verification.wanted import Wanted

from support.grib_files import grib, write
from support.verified import KEYS, MEANS, SPREAD, START, H, Trial, source, write_analyses

ROWS, COLUMNS = 477, 476
"""227,052 points of 0.02°, Central Europe."""
LARGE = {
    "Ni": COLUMNS, "Nj": ROWS, "latitudeOfFirstGridPointInDegrees": 51.52, "latitudeOfLastGridPointInDegrees": 42,
    "longitudeOfFirstGridPointInDegrees": 1, "longitudeOfLastGridPointInDegrees": 10.5,
    "iDirectionIncrementInDegrees": 0.02, "jDirectionIncrementInDegrees": 0.02,
}  # fmt: skip
PARAMS = ("T_2M", "TD_2M", "PMSL", "U_10M", "V_10M")
LEADS = range(0, 121, 6)
REGIONS = [{"name": f"region {number}", "box": [1 + number, 4 + number, 43.0, 43.5 + number]} for number in range(7)]


def _fields(param: str, seed: int) -> np.ndarray:
    """Return smooth fields with some noise, as weather has, [leads, points]."""
    random = np.random.default_rng([seed, *param.encode()])
    north, east = np.meshgrid(np.linspace(0, 3, ROWS), np.linspace(0, 3, COLUMNS), indexing="ij")
    spread = SPREAD.get(param, 4.0)
    waves = [np.sin(north * 2 + lead / 30 + seed) * np.cos(east * 3 - lead / 20) for lead in LEADS]
    fields = MEANS[param] + spread * (np.array(waves) + 0.1 * random.normal(size=(len(LEADS), ROWS, COLUMNS)))
    return fields.reshape(len(LEADS), -1)


def _message(param: str, values: np.ndarray, time: datetime, step: int) -> bytes:
    when = {"dataDate": int(f"{time:%Y%m%d}"), "dataTime": int(f"{time:%H%M}"), "bitsPerValue": 16}
    return grib(values, packing="grid_ccsds", **LARGE, **KEYS[param], stepRange=step, **when)


def write_large(folder: Path) -> Trial:
    """Write one forecast of 5 params and 21 lead times as CCSDS GRIB, and its analyses; return what verifies it."""
    forecast, truth = {}, {}
    for param in PARAMS:
        forecast[param], truth[param] = _fields(param, 1), _fields(param, 2)
    steps = [(place, lead, param) for place, lead in enumerate(LEADS) for param in PARAMS]
    path = folder / "model" / f"{START:%Y%m%d%H}.grib"
    write(path, *(_message(param, forecast[param][place], START, lead) for place, lead, param in steps))
    messages = (_message(param, truth[param][place], START + lead * H, 0) for place, lead, param in steps)
    write(folder / "analyses.grib", *messages)
    trial = Trial(folder)
    trial.set_inits([START])
    trial.data["params"] = list(PARAMS)
    trial.data["comparing"]["scales"] = [50.0, 200.0]
    trial.data["sources"] = [source("model", LEADS, folder / "model")]
    trial.add_truth(folder / "analyses.grib")
    return trial


def prepare(trial: Trial, copy: bool = True) -> list[str | Path]:
    """Write what a task of verification works from, and return the arguments of verify.py."""
    spec, found, root = trial.spec, trial.find(), trial.root
    packs = packs_of(spec, found)
    for name, document in {"spec": spec, "domain": found, "packs": packs}.items():
        (root / f"{name}.json").write_text(document.to_json())
    words: list[str | Path] = []
    for name in ("spec", "domain", "packs"):
        words += [f"--{name}", root / f"{name}.json"]
    if copy:
        copy_truth(spec, found, packs.packs, root / "truth.nc")
        words += ["--pack", packs.packs[0].id, "--truth", root / "truth.nc"]
    else:
        words += ["--block", packs.packs[0].block]
    return words


def write_statistics(folder: Path, inits: int, thresholds: Sequence[str] = ()) -> list[str | Path]:
    """Write the statistics of two sources, T_2M at 21 lead times in seven regions; return the arguments of aggregate.py."""
    trial, random = Trial(folder), np.random.default_rng(0)
    times = [START + day * timedelta(days=1) for day in range(inits)]
    trial.set_inits(times)
    trial.data["thresholds"] = {"T_2M": list(thresholds)}
    north, east = (values.ravel() for values in np.meshgrid(np.arange(4), np.arange(3), indexing="ij"))
    trial.data["regions"] = [
        {"name": f"region {number}", "box": [-2.5 + number / 3, 1.5, 49.5, 50.5 + number / 4]} for number in range(7)
    ]
    write_analyses(folder / "analyses.grib", times[:1], {"T_2M": 280 + (north + east)[None].astype(np.float32)})
    trial.add_truth(folder / "analyses.grib")
    for label in ("one", "other"):
        trial.data["sources"].append(source(label, LEADS, folder / label))
        for time in times:
            write(folder / label / f"{time:%Y%m%d%H}.grib", b"statistics are made up: nobody reads this")
        first = [grib(280 + random.normal(size=12), **KEYS["T_2M"], stepRange=lead) for lead in LEADS]
        write(folder / label / f"{START:%Y%m%d%H}.grib", *first)
    trial.data["references"] = ["baseline-one"]
    spec, found = trial.spec, trial.find()
    wanted, target = Wanted(spec, found), read_target(spec.store, found)
    points, values = target.measured([]), values_of([parse_threshold(text) for text in thresholds])
    categories = Categories(values) if values else None
    for entry in spec.sources:
        place = statistics_folder(spec.store, found.verif_id, entry.source_id)
        place.mkdir(parents=True)
        for time in times:
            fields = {}
            for lead in LEADS:
                truth = random.normal(280, 3, points.size).astype(np.float32)
                forecast = truth + random.normal(0, 1, points.size).astype(np.float32)
                fields[lead * H] = measure(points, forecast, truth, categories=categories)
            holding = wanted.holding(entry, time)
            params = {"T_2M": collect(fields, "K", values)}
            about = {HOLDING: holding.to_json()}
            sums = Sums(time, points.size, dict(target.atoms.members), params, about)
            write_sums(place / statistics_name(time, holding), sums)
    for name, document in {"spec": spec, "domain": found}.items():
        (folder / f"{name}.json").write_text(document.to_json())
    return ["--spec", folder / "spec.json", "--domain", folder / "domain.json"]
