"""Small experiments, each in a folder of its own."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan
from evalflow.yamlio import dump_yaml

from support.changes import with_changes


class Ids(NamedTuple):
    """The ids of an experiment: of its environments and runs (in the order of the plan) and its own."""

    envs: list[str]
    runs: list[str]
    experiment: str


class Experiment:
    """An experiment of one run, with the files that it names. Tests change `data` or the files and look at the ids.

    Attributes
    ----------
    folder : holds the config and all files that it names
    launch : another folder, from which the launch is started
    data : the config
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / "config"
        self.launch = root / "launch"
        self.launch.mkdir(parents=True)
        self.write("model.onnx", "weights of the model")
        self.write("other.onnx", "weights of another model")
        self.write("analyses.grib", "GRIB of analyses")
        self.write("table.csv", "a,b")
        self.write("physics.yaml", {"alpha": 1, "beta": 2, "table": "table.csv"})
        self.write("inference.yaml", {"input": {"grib": "analyses.grib"}, "physics": "physics.yaml", "scale": 1.0})
        self.data = {
            "description": "One run",
            "dates": {"start": "2024-01-01T00:00", "end": "2024-01-02T00:00", "frequency": "12h"},
            "runs": [
                {
                    "forecaster": {
                        "runner": "onnx",
                        "checkpoint": "model.onnx",
                        "label": "first",
                        "steps": "0/24/6",
                        "config": "inference.yaml",
                        "requirements": ["numpy>=1.0", "scipy"],
                    }
                }
            ],
            "locations": {"output_root": str(root / "output")},
        }

    def write(self, name: str, content: str | bytes | dict) -> Path:
        """Write a file into the config's folder: text, bytes, or a mapping as YAML."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = dump_yaml(content) if isinstance(content, dict) else content
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def changed(self, changes: dict[str, Any]) -> dict:
        """Return a copy of the config with other values at some places (`runs.0.forecaster.steps`); `...` deletes."""
        return with_changes(self.data, changes)

    def plan(self, config: dict | str | None = None, name: str = "experiment.yaml", **options: Any) -> dict:
        """Return the plan of a config (data or text; default: `data`), as its JSON has it."""
        path = self.write(name, self.data if config is None else config)
        plan = make_plan(path, Options(**{"outdir": None, "launch": self.launch, **options}))
        return json.loads(plan.to_json())

    def ids(self, config: dict | str | None = None, **options: Any) -> Ids:
        """Return all ids of a config."""
        plan = self.plan(config, **options)
        envs = [env["env_id"] for env in plan["envs"]]
        return Ids(envs, [run["run_id"] for run in plan["runs"]], plan["experiment_id"])
