"""A small showcase: a run, forecasts made elsewhere, analyses; and all steps one after the other."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from evalflow.showcase.draw import draw_pack
from evalflow.showcase.prepare import prepare
from evalflow.showcase.show import show
from evalflow.showcase.spec import PackDrawn, Prepared, ShowcaseSpec, Shown
from evalflow.store.files import describe_file, to_json
from evalflow.store.layout import FORECAST_SEAL, init_time_name, run_folder

from support.grib_files import LATITUDES, LONGITUDES
from support.verified import write_analyses, write_forecast

START = datetime(2024, 1, 10)
LEADS = (0, 6, 12, 18)
RUN_ID = "forecaster-1a2b-0123abcd/89abcdef"
"""With the slash that broke the predecessor's showcase."""
OVER_ENGLAND = {"name": "england", "extent": [-2.5, 1.5, 49.5, 52.5], "projection": "platecarree"}
STATION = {"name": "here", "lat": 51.1, "lon": -0.9}


def temperatures(warmer: float = 0.0, leads: tuple[int, ...] = LEADS) -> np.ndarray:
    """Return T_2M in K [leads, points]: 0.5 °C and a quarter of the lead time, 4 K more to the east of 0."""
    east = np.where(LONGITUDES >= 0, 4.0, 0.0) + LATITUDES / 1000
    return np.array([273.65 + lead / 4 + warmer + east for lead in leads], np.float32)


def entry(label: str, kind: str, **fields: Any) -> dict[str, Any]:
    """Return a source of the spec."""
    about = {"source_id": f"{kind}-{label[:3]}", "label": label, "kind": kind, "sha256": "0" * 64}
    return {**about, "lead_times": [float(lead) for lead in LEADS], **fields}


@dataclass
class Show:
    """A folder with forecasts and what a plan says of them. Tests change `data` and run again."""

    root: Path
    data: dict[str, Any] = field(default_factory=dict)
    prepared: Prepared | None = None
    drawn: list[PackDrawn] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = {
            "evalflow": "0", "experiment_id": "trial_00000000", "store": str(self.root / "data"),
            "results": str(self.root / "results" / "trial_00000000"), "times": [{"init_time": init_time_name(START)}],
            "sources": [], "truths": [], "grids": [], "params": ["T_2M"], "domains": [OVER_ENGLAND],
            "formats": ["webp"], "frames_per_second": 2, "wind": "none", "stations": [dict(STATION)], "regions": [],
            "lapse_rate": "auto",
        } | self.data  # fmt: skip

    @property
    def spec(self) -> ShowcaseSpec:
        """What a plan would say now."""
        return ShowcaseSpec.model_validate_json(json.dumps(self.data))

    @property
    def results(self) -> Path:
        """The folder of results."""
        return Path(self.data["results"])

    @property
    def store(self) -> Path:
        """The folder of what was drawn."""
        return Path(self.data["store"]) / "showcase"

    def add_run(self, fields: dict[str, np.ndarray] | None = None, label: str = "first", run_id: str = RUN_ID) -> Path:
        """Add a run with a sealed forecast, and return its folder."""
        folder = run_folder(Path(self.data["store"]), run_id)
        forecast = folder / init_time_name(START)
        file = write_forecast(forecast, START, LEADS, fields or {"T_2M": temperatures()})
        seal = {"run_id": run_id, "sha256": "a" * 64, "files": {file.name: describe_file(file)}}
        (forecast / FORECAST_SEAL).write_text(to_json(seal))
        self.data["sources"].append(entry(label, "run", source_id=run_id, sha256="a" * 64, root=str(folder)))
        return forecast

    def add_forecasts(self, fields: dict[str, np.ndarray], label: str = "elsewhere", **about: Any) -> Path:
        """Add forecasts that were made elsewhere, and return their folder."""
        root = self.root / label
        write_forecast(root, START, LEADS, fields)
        self.data["sources"].append(entry(label, "forecasts", root=str(root), pattern="%Y%m%d%H.grib", **about))
        return root

    def add_truth(self, fields: dict[str, np.ndarray] | None = None, label: str = "analyses") -> Path:
        """Add analyses at the valid times."""
        path = self.root / f"{label}.grib"
        times = [START + timedelta(hours=lead) for lead in LEADS]
        write_analyses(path, times, fields or {"T_2M": temperatures(-2)})
        self.add_archive(path, label)
        return path

    def add_archive(self, path: Path, label: str, **about: Any) -> None:
        """Add a truth that is there."""
        identity = {"truth": str(path), "told": {}, "comparing": {}}
        self.data["truths"].append({"label": label, "root": str(path), "identity": identity, **about})

    def run(self) -> Shown:
        """Do what a launch does, in which each step is a process of its own."""
        spec = self.spec
        self.prepared = Prepared.from_json(prepare(spec).to_json(), "prepared.json")
        self.drawn = [draw_pack(spec, self.prepared, pack) for pack in self.prepared.packs]
        problems = [line for one in self.drawn for line in one.problems]
        return show(spec, self.prepared, sum(one.drawn for one in self.drawn), problems)

    def stored(self) -> dict[str, float]:
        """Return name → time of change of all that the store has of the showcase."""
        files = [path for path in self.store.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.store)): path.stat().st_mtime_ns for path in files}

    def page(self) -> dict[str, Any]:
        """Return the data of the page's script."""
        text = (self.results / "showcase.html").read_text(encoding="utf-8")
        return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
