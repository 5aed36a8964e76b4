"""Real launches: each test gets a workspace of its own and drives `nextflow run` on it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from support.paths import PROJECT

PYTHON_PACKAGES = ["onnxruntime", "eccodes", "numpy", "pyyaml"]
COMMAND = "{python} {checkpoint} {config} {output} {init_time} {start} {end} {step}"


@dataclass
class Result:
    """A finished launch: exit status, what it said, and the tasks that it ran (not those taken from a store or a cache)."""

    status: int
    text: str
    tasks: Counter = field(default_factory=Counter)

    def ran(self, *processes: str) -> int:
        return sum(self.tasks[name] for name in processes)

    @property
    def environments(self) -> int:
        return self.ran("GET_CHECKPOINT", "LOCK_REQUIREMENTS", "BUILD_IMAGE", "SEAL_ENVIRONMENT")

    @property
    def forecasts(self) -> int:
        return self.ran("RUN_FORECAST", "RUN_FORECAST_ALONE")


@dataclass
class Workspace:
    """A folder with a config and all that it names, and a store; launched with `profile` and, always, `options`."""

    root: Path
    project: Path = PROJECT
    profile: str = "local"
    options: tuple[str, ...] = ()

    @property
    def config_file(self) -> Path:
        return self.root / "exp" / "config.yaml"

    @property
    def store(self) -> Path:
        return self.root / "out" / "data"

    @property
    def config(self) -> dict:
        return yaml.safe_load(self.config_file.read_text())

    def edit(self, change) -> None:
        """Let `change` work on the parsed config and write it back."""
        config = self.config
        change(config)
        self.config_file.write_text(yaml.safe_dump(config, sort_keys=False))

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a launch, or of a plan."""
        own = {"NXF_ANSI_LOG": "false", "EVALFLOW_VENV": sys.prefix, "EVALFLOW_CACHE": str(self.root / "cache")}
        return os.environ | own

    def command(self, config: Path | None = None, *arguments: str) -> list[str]:
        """Return the command line of a launch, which makes forecasts and no more where the arguments name no target."""
        command = ["nextflow", "run", str(self.project), "-profile", self.profile, *self.options]
        command += [] if "--target" in arguments else ["--target", "forecasts"]
        return [*command, "--config", str(config or self.config_file), "--outdir", str(self.root / "out"), *arguments]

    def launch(
        self, *arguments: str, cwd: Path | None = None, timeout: int = 400, config=None, **variables: str
    ) -> Result:
        cwd = cwd or self.root / "launch"
        cwd.mkdir(exist_ok=True, parents=True)
        (cwd / ".nextflow" / "evalflow-trace.txt").unlink(missing_ok=True)
        command = self.command(config, *arguments)
        environment = self.environment | variables
        done = subprocess.run(
            command, cwd=cwd, env=environment, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        tasks = Counter()
        for row in self.trace(cwd):
            if row["status"] != "CACHED":
                tasks[row["process"].split(":")[-1]] += 1
        return Result(done.returncode, done.stdout, tasks)

    def trace(self, cwd: Path | None = None) -> list[dict[str, str]]:
        """Return the trace of the last launch: a row per attempt."""
        file = (cwd or self.root / "launch") / ".nextflow" / "evalflow-trace.txt"
        return list(csv.DictReader(file.read_text().splitlines(), delimiter="\t")) if file.exists() else []

    def plan(self, *arguments: str, cwd: Path | None = None) -> dict:
        """Return the plan of a launch now."""
        output = self.root / "plan.json"
        script = [sys.executable, str(self.project / "bin" / "plan.py"), "--config", str(self.config_file)]
        script += ["--outdir", str(self.root / "out"), "--output", str(output), *arguments]
        subprocess.run(script, check=True, env=self.environment, cwd=cwd)
        return json.loads(output.read_text())

    def complete(self) -> int:
        """Return how many forecasts are whole in the store."""
        return sum(forecast["complete"] for forecast in self.plan()["forecasts"])

    def lose_forecasts(self, init_time: str = "*", run_id: str = "*/*") -> None:
        """Remove forecasts from the store: what their names lead to, and the names."""
        for name in self.store.glob(f"runs/{run_id}/{init_time}"):
            if name.is_symlink():
                shutil.rmtree(name.resolve())
                name.unlink()

    def tree(self) -> dict[str, bytes]:
        """Return the forecasts in the store: path → content, without what tells when and how fast they were made."""
        files = {}
        for path in sorted(self.store.glob("runs/*/*/[0-9]*/**/*")):
            if path.is_file() and path.name != "forecast.log":
                content = path.read_bytes()
                if path.name == "forecast.json":
                    known = json.loads(content)
                    content = json.dumps(
                        {name: known[name] for name in ("run_id", "init_time", "sha256", "leads")}
                    ).encode()
                if path.name == "config.yaml":
                    known = yaml.safe_load(content)
                    known.pop("checkpoint", None)  # the path that the task saw it at
                    content = yaml.safe_dump(known).replace(str(self.root), "ROOT").encode()
                files[str(path.relative_to(self.store))] = content
        return files


def entry_of(config: dict, index: int) -> dict:
    """Return what a config says of its forecaster at `index`."""
    return config["runs"][index]["forecaster"]


def run_entry(label: str, checkpoint: str, config: str) -> dict:
    return {
        "forecaster": {
            "label": label,
            "runner": "command",
            "command": COMMAND,
            "requirements": list(PYTHON_PACKAGES),
            "checkpoint": checkpoint,
            "config": config,
            "steps": "0/6/6",
        }
    }


HOSTILE = "$(touch pwned) `touch pwned` '; touch pwned; \" \\ é"
"""Text that some shell would run."""


def make_workspace(root: Path) -> Workspace:
    """Write a workspace of two runs with a checkpoint each, and two init times. Its texts are hostile."""
    exp = root / "exp"
    (exp / "models").mkdir(parents=True)
    source = (PROJECT / "tests" / "data" / "models" / "persistence.py").read_text()
    for name in ("one", "two"):
        (exp / "models" / f"{name}.py").write_text(f"{source}\n# checkpoint {name}\n")
        inference = {"analyses": "analyses.grib", "offset": len(name) - 3, "name": name, "text": f"{HOSTILE}\n"}
        (exp / f"{name}.yaml").write_text(yaml.safe_dump(inference, sort_keys=False))
    shutil.copy(PROJECT / "assets" / "demo" / "blizzard-1996-01.grib", exp / "analyses.grib")
    labels = ("first", f"second {HOSTILE}")
    config = {
        "description": f"a test {HOSTILE}\n",
        "dates": ["1996-01-15T00:00", "1996-01-15T12:00"],
        "runs": [
            run_entry(label, f"models/{name}.py", f"{name}.yaml")
            for label, name in zip(labels, ("one", "two"), strict=True)
        ],
    }
    (exp / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return Workspace(root)


def copy_workspace(workspace: Workspace, folder: Path) -> Workspace:
    """Return a copy of a workspace in `folder`, store included (its files are hard links)."""
    shutil.copytree(workspace.root / "exp", folder / "exp")
    shutil.copytree(workspace.root / "cache", folder / "cache")
    subprocess.run(["cp", "-al", str(workspace.root / "out"), str(folder / "out")], check=True)
    return Workspace(folder)


def copy_project(folder: Path) -> Path:
    """Return a copy of the project that a test may edit, in `folder`: all that a launch needs."""
    folder.mkdir()
    for name in ("main.nf", "nextflow.config", "nextflow_schema.json", "modules", "conf", "bin", "assets", "config"):
        subprocess.run(["cp", "-r", str(PROJECT / name), str(folder)], check=True)
    return folder


def error_lines(text: str) -> list[str]:
    """Return the lines of evalflow itself, each once (Nextflow shows a task's errors in its own frame)."""
    lines = [line.strip() for line in text.splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith("evalflow: ")))
