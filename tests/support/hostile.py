"""All places of a config where text can stand, and experiments that are planned with hostile text in them."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from evalflow.config.messages import alternatives, resolve
from evalflow.config.model import config_schema
from evalflow.errors import UserError
from evalflow.plan.describe import describe_plan
from evalflow.plan.model import Plan
from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan
from evalflow.texts import render
from evalflow.yamlio import dump_yaml, read_yaml

from support.environments import make_wheel
from support.hostile_texts import HOSTILE, short

# --- places -----------------------------------------------------------------------------------------------------------

_RUN = {
    "checkpoint": "model.onnx",
    "label": "first",
    "steps": "0/6/6",
    "config": "inference.yaml",
    "extra_requirements": ["scipy"],
    "python": "3.11",
    "torch_backend": "cpu",
    "inference_resources": {
        "slurm_partition": "short",
        "cpus_per_task": 1,
        "mem_mb_per_cpu": 1,
        "runtime": "1h",
        "gpu": 1,
    },
}
ELSEWHERE = {
    "forecasts": {
        "label": "elsewhere", "root": "elsewhere", "pattern": "%Y%m%d%H/*.grib", "steps": "0/6/6", "member": "mean",
        "units": {"TOT_PREC": "mm"},
    }
}  # fmt: skip
BASELINE = {
    "baseline": {
        "label": "EPS", "root": "/archive/EPS", "pattern": "%Y%m%d%H/*", "steps": "0/6/6", "member": "mean",
        "units": {"TOT_PREC": "mm"},
    }
}  # fmt: skip
FULL = {
    "description": "Every key there is.",
    "config_label": "all",
    "dates": {"start": "2024-01-01", "end": "2024-01-02", "frequency": "1d", "blacklist": ["2024-01-02"]},
    "grids": [{"points": 5, "file": "table.csv"}, {"uuid": 32 * "a", "file": "analyses.grib"}],
    "runs": [
        {
            "forecaster": {
                **_RUN,
                "runner": "command",
                "command": ["{python}", "{checkpoint}", "{output}", "{config}"],
                "requirements": ["numpy>=1.0", "carried-1.0-py3-none-any.whl"],
                "config": {"input": {"grib": "analyses.grib"}, "list": ["table.csv", {"deep": "text"}]},
            }
        },
        {"temporal_downscaler": {**_RUN, "runner": "onnx", "forecaster": {**_RUN, "runner": "onnx"}}},
        ELSEWHERE,
        BASELINE,
        {
            "baseline": {
                "label": "climatology", "builtin": "climatology", "steps": "0/6/6",
                "reference": {"start": "2024-02-01", "end": "2024-03-01"},
            }
        },
    ],
    "truth": {
        "label": "truth", "root": "truth", "pattern": "%Y%m.parquet", "stations": "stations.csv", "columns": {"TT": "T_2M"},
        "units": {"TT": "degC"},
    },
    "lapse_rate_correction": True,
    "experiment": {
        "params": ["T_2M", "PS"],
        "stratification": {
            "regions": ["north", {"name": "south", "box": [5, 11, 45, 48]}, {"name": "west", "file": "west.geojson"}],
            "root": "regions",
        },
        "domain": {"box": [5, 11, 45, 48]},
        "verification_grid": {"regular": 1.5},
        "max_distance": 10,
        "references": ["EPS"],
        "significance": {"level": 0.1},
        "cases": [{"name": "storm", "start": "2024-01-01", "end": "2024-01-02", "region": {"box": [5, 11, 45, 48]}}],
        "thresholds": {"T_2M": {"lt": [273.15]}},
        "dashboard": {"stratification": ["season"]},
        "plots": {"formats": ["png"]},
        "scorecards": {
            "enabled": True,
            "sections": {
                "short": {"baseline": "EPS", "lead_times": "0/6/6", "stratification": "season", "variables": ["T_2M:RMSE"]}
            },
        },
        "scoremaps": {
            "enabled": True, "params": ["T_2M"], "leadtimes": [6], "scores": ["BIAS"], "regions": ["alps"],
            "seasons": ["all"], "init_hours": ["all"],
        },
    },
    "showcase": {
        "params": ["T_2M"],
        "dates": ["2024-01-01"],
        "meteograms": {"enabled": True, "stations": ["GVE", {"name": "here", "lat": 47.4, "lon": 8.6, "elevation": 440}]},
        "animations": {
            "enabled": True,
            "domains": ["europe", {"name": "lakes", "extent": [5.5, 11, 45.5, 48], "projection": "platecarree"}],
            "frames_per_second": 5,
        },
    },
    "locations": {"output_root": "output"},
    "profile": {
        "executor": "slurm",
        "global_resources": {"gpus": 8},
        "default_resources": {
            "slurm_partition": "normal", "cpus_per_task": 2, "mem_mb_per_cpu": 2000, "runtime": "2h", "gpus": 0,
            "slurm_account": "s00",
        },
        "jobs": 20,
        "batch_rules": {"plot": 32},
    },
    "mec": {"ekf_root": "/archive/EKF", "mon_synop_root": "/scratch/mon", "ver_synop_root": "/scratch/ver"},
    "ffv2": {
        "experiment_ids": "one", "experiment_description": "text", "file_description": "text", "domain_table": "/archive/box",
        "blacklists": "/archive/blacklist", "veri_ens_member": -1, "catthresholds": {"T2M": [282.0]},
        "pecthresholds": {"T2M": {"lower": 263.0}},
    },
}  # fmt: skip
REQUIRED = ("description", "dates", "runs")


class Place(NamedTuple):
    """Where text can stand in a config: as the value at `keys`, or as a key of the mapping there."""

    keys: tuple[str | int, ...]
    is_key: bool = False

    def describe(self) -> str:
        """Return the place as the name of a test."""
        return render(self.keys) + " as key" * self.is_key


def _fits(item: Any, leaf: dict, schema: dict) -> bool:
    node = resolve(leaf, schema)
    if "properties" in node:
        return isinstance(item, dict) and set(node.get("required", [])) <= item.keys() <= node["properties"].keys()
    return not isinstance(item, dict)


def free_places(data: Any, keys: tuple) -> Iterator[Place]:
    """Yield the places in data of any form: an inference config."""
    if isinstance(data, dict):
        yield Place(keys, is_key=True)
        for key, value in data.items():
            yield from free_places(value, (*keys, key))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from free_places(item, (*keys, index))
    else:
        yield Place(keys)


SEEN = set()
"""The models of the schema that FULL has an example of."""


def places(node: dict, data: Any, schema: dict, keys: tuple = ()) -> Iterator[Place]:
    """Yield the places that the schema has for text, and for keys: of every alternative, in every item of `data`."""
    for leaf in alternatives(node, schema):
        reference, leaf = leaf.get("$ref"), resolve(leaf, schema)
        if "properties" in leaf:
            if not isinstance(data, dict):
                continue  # another alternative, or another item, has one
            SEEN.add(reference)
            yield Place(keys, is_key=True)
            for key, below in leaf["properties"].items():
                if (*keys, key)[-2:] != ("inference_resources", "gpus"):  # another name of gpu, which is there
                    yield from places(below, data.get(key), schema, (*keys, key))
        elif leaf.get("type") == "array":
            items = data if isinstance(data, list) else [None]
            for below in alternatives(leaf["items"], schema):
                for index in (index for index, item in enumerate(items) if _fits(item, below, schema)):
                    yield from places(below, items[index], schema, (*keys, index))
        elif leaf.get("type") == "object" and isinstance(leaf.get("additionalProperties"), dict):
            if not data:
                continue  # another item has one
            yield Place(keys, is_key=True)
            for key, value in data.items():
                yield from places(leaf["additionalProperties"], value, schema, (*keys, key))
        elif leaf.get("type") == "object":
            yield from free_places(data if isinstance(data, dict) else {}, keys)
        elif leaf.get("type") == "string":
            yield Place(keys)


def put(data: Any, place: Place, text: Any) -> Any:
    """Return `data` with a text (or anything else) at a place. What is not on the way there is shared with `data`."""
    if not place.keys:
        if not place.is_key:
            return text
        data = data if isinstance(data, dict) else {}
        return {**data, text: next(iter(data.values()), 1)}
    key, *rest = place.keys
    below = Place(tuple(rest), place.is_key)
    if isinstance(key, int):
        items = data if isinstance(data, list) else [None]
        return [*items[:key], put(items[key], below, text), *items[key + 1 :]]
    data = data if isinstance(data, dict) else {}
    return {**data, key: put(data.get(key), below, text)}


# --- plans ------------------------------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME = r"(?!\.+$)[A-Za-z0-9_][A-Za-z0-9._-]*"
_ENV_ID = re.compile(rf"(forecaster|temporal_downscaler)-{_NAME}")
_RUN_ID = re.compile(rf"{_NAME}/[0-9a-f]{{8}}|forecasts-[0-9a-f]{{8}}")
_SLURM_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,@:+-]*")
PLACES = list(dict.fromkeys(places(config_schema(), FULL, config_schema())))
FILE = {"input": {"grib": "analyses.grib"}, "list": ["text", {"deep": "text"}]}


class HostileTrial:
    """An experiment that is planned again and again, in a folder in which nothing may change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.launch = root / "launch"
        self.path = root / "config" / "experiment.yaml"
        files = {
            "model.onnx": "weights",
            "analyses.grib": "GRIB",
            "table.csv": "a,b",
            "inference.yaml": dump_yaml(FILE),
            "experiment.yaml": "",
            "elsewhere/2024010100/a.grib": "GRIB",
            "regions/north.shp": "polygons",
            "west.geojson": "polygons",
        }
        for name, text in files.items():
            path = self.path.parent / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        make_wheel(self.path.parent, "carried")
        self.launch.mkdir()
        self.before = self.tree()

    def tree(self) -> dict[str, int]:
        """Return all that lies around the experiment, and when it was changed."""
        return {str(path): path.lstat().st_mtime_ns for path in self.root.parent.rglob("*") if path != self.path}

    def plan(self) -> dict:
        return json.loads(make_plan(self.path, Options(outdir=None, launch=self.launch)).to_json())


def read_if_it_ends(path: Path) -> Any:
    """Read YAML, but not from /dev/zero: a test that fails must not fill the memory."""
    assert path.is_file(), f"{path} is read"
    return read_yaml(path)


def full_with(place: Place, text: Any) -> dict:
    """Return a config with a text at a place, and of the other sections and runs what is planned fast."""
    whole = {key: FULL[key] for key in dict.fromkeys((*REQUIRED, "truth", "locations", *place.keys[:1]))}
    if place.keys[:1] == ("runs",):
        whole["runs"] = [run if index in place.keys[1:2] else ELSEWHERE for index, run in enumerate(FULL["runs"])]
    else:
        whole["runs"] = [{"forecaster": {"runner": "onnx", "checkpoint": "model.onnx", "steps": "0/6/6"}}, BASELINE]
    return put(whole, place, text)


def check_refusal(error: UserError, starts: list[str], text: str) -> None:
    """Check that a text was refused in one line that is fit to be shown and begins with where the text stands."""
    message = str(error)
    assert len(message.splitlines()) == 1 and not _CONTROL.search(message), f"{short(text)}: {message}"
    assert "hush" not in message and "hu/sh" not in message, "a password is repeated"
    assert any(message.startswith(f"{start}: ") for start in starts), f"{short(text)}: {message}"


def check_plan(plan: dict, text: str) -> None:
    """Check that a plan writes below its outdir only, and that what it hands to shells, Slurm and uv is harmless."""
    assert json.loads(json.dumps(plan, ensure_ascii=False).encode("utf-8")) == plan
    assert not _CONTROL.search(describe_plan(Plan(**plan)).replace("\n", ""))
    outdir = Path(plan["outdir"])
    assert outdir.is_absolute() and ".." not in outdir.parts and Path(plan["store"]) == outdir / "data"
    assert re.fullmatch(rf"{_NAME}_[0-9a-f]{{8}}", plan["experiment_id"])
    for env in plan["envs"]:
        assert _ENV_ID.fullmatch(env["env_id"])
        assert text in ("", "-", "forecaster") or text.isalnum() or text not in env["env_id"]
        spec = env["spec"]
        assert Path(spec["folder"]) == outdir / "data" / "runs" / env["env_id"]
        assert Path(spec["images"]) == outdir / "data" / "images"
        for line in spec["requirements"] + spec["extra_requirements"]:
            assert re.match("[A-Za-z0-9/]", line) and not re.search(r"\n| -|\\|\$\{", line), line
    for source in plan["verification"]["sources"]:
        used = datetime(2024, 1, 1).strftime(source.get("pattern", ""))
        assert not used.startswith("/") and ".." not in used.split("/"), used
    for run in plan["runs"]:
        assert _RUN_ID.fullmatch(run["run_id"])
        for name, value in run["resources"].items():
            assert isinstance(value, int) or _SLURM_WORD.fullmatch(value) or name == "runtime", (name, value)


def is_data(trial: HostileTrial, starts: list[str], text: str) -> bool:
    """Plan an experiment with a text in it and check what comes of it. Return whether it is data."""
    try:
        plan = trial.plan()
    except UserError as error:
        check_refusal(error, starts, text)
        return False
    check_plan(plan, text)
    assert "hush" not in text and "hu/sh" not in text, "credentials are data"
    return True


INFERENCE = ("runs", 0, "forecaster", "config")


def texts_of_every_day(place: Place) -> list[str]:
    """Return the hostile texts that `make test` tries at a place; at the next place it tries others."""
    return HOSTILE[PLACES.index(place) % 4 :: 4]


def check_place(trial: HostileTrial, given: Callable, place: Place, texts: list[str]) -> None:
    """Check that each text at a place of the config is data, or is refused with its key."""
    for text in texts:
        given(experiment=full_with(place, text))
        keys = [place.keys, place.keys[:-1], (*place.keys, text) if place.is_key else place.keys]
        if "config" in place.keys:  # of a file that is named there, no more is said
            keys.append(place.keys[: place.keys.index("config") + 1])
        if place.keys[-2:] == ("stratification", "root"):  # nothing is missing there but a region
            keys.append((*place.keys[:-1], "regions", 0))
        starts = [render(part) for part in keys]
        is_data(trial, [*starts, *(f"{trial.path}: {start}" for start in starts)], text)
