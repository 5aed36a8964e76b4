"""The scripts, as Nextflow runs them: what they hand each other, and what a truth that cannot be had does to the rest."""

import json
import subprocess
import sys

import numpy as np
import pytest
from support.paths import PROJECT
from support.verified import H, make_world, source

TABLE = """#!{python}
import sys
from datetime import datetime, timedelta
first, last = (datetime.fromisoformat(word) for word in sys.argv[1:3])
print("station,time,T_2M")
time = first
while time <= last:
    for number, station in enumerate("ab"):
        print(f"{{station}},{{time:%Y-%m-%dT%H:%M:%SZ}},{{280 + number + time.hour / 24}}")
    time += timedelta(hours=1)
"""
"""Prints observations of two stations: 280 K and 281 K, rising by the hour of the day."""


class Launch:
    """Runs the scripts on the files of a trial, in a folder of its own."""

    def __init__(self, trial):
        self.root, self.folder = trial.root, trial.root / "work"
        self.folder.mkdir()
        (self.folder / "spec.json").write_text(trial.spec.to_json())

    def run(self, script: str, *words) -> subprocess.CompletedProcess:
        command = [sys.executable, PROJECT / "bin" / script, "--spec", self.folder / "spec.json", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True)

    def domain(self, truth: int = 0) -> dict:
        folder = self.folder / f"truth-{truth}"
        folder.mkdir(exist_ok=True)
        done = self.run("define_domain.py", "--truth", str(truth), "--output", folder)
        assert done.returncode == 0, done.stderr
        self.said = done.stderr
        return json.loads((folder / "domain.json").read_text())

    def verify(self, truth: int = 0, listed: str = "packs.json") -> list[dict]:
        """Verify all packs of a list, and return what came of each."""
        folder, done = self.folder / f"truth-{truth}", []
        words = ["--domain", folder / "domain.json", "--packs", folder / listed]
        for pack in json.loads((folder / listed).read_text())["packs"]:
            copy, output = folder / f"{listed}-{pack['block']}.nc", folder / f"{listed}-{pack['source']}.json"
            if not copy.exists():
                copied = self.run("copy_truth.py", *words, "--block", pack["block"], "--output", copy)
                assert copied.returncode == 0, copied.stderr
            made = self.run("verify.py", *words, "--pack", pack["id"], "--truth", copy, "--output", output)
            assert made.returncode == 0, made.stderr
            done.append(json.loads(output.read_text()))
        return done

    def compare(self, truth: int = 0) -> dict:
        folder = self.folder / f"truth-{truth}"
        words = ["--domain", folder / "domain.json", "--output", folder / "samples.json"]
        made = self.run("compare_samples.py", *words)
        assert made.returncode == 0, made.stderr
        return json.loads((folder / "samples.json").read_text())

    def aggregate(self, truths: int = 1) -> dict:
        words = ["--output", self.folder / "aggregated.json"]
        for truth in range(truths):
            folder = self.folder / f"truth-{truth}"
            words += ["--domain", folder / "domain.json", "--samples", folder / "samples.json"]
        made = self.run("aggregate.py", *words)
        assert made.returncode == 0, made.stderr
        self.said = made.stdout
        return json.loads((self.folder / "aggregated.json").read_text())


def test_from_the_domain_to_the_tables_with_points_that_are_left_out(world):
    """What is computed again over the common points takes the same two scripts."""
    world.analyses["T_2M"][world.times.index(world.inits[2]), 3] = np.nan
    world.write_analyses()
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    launch = Launch(world.trial)
    launch.domain()
    assert [sum(len(init["computed"]) for init in done["inits"]) for done in launch.verify()] == [6, 6]
    samples = launch.compare()
    assert [pack["init_times"] for pack in samples["packs"]] == [["202401110000"]]
    (again,) = launch.verify(listed="samples.json")
    assert again["inits"] == [{"init_time": "202401110000", "computed": ["T_2M"], "failed": False}]
    assert launch.compare()["packs"] == []
    done = launch.aggregate()
    assert done["computed"] and done["rows"]["scores.parquet"] > 0 and "T_2M [K] 12 h" in launch.said
    assert {str(path.relative_to(world.trial.root)) for path in (world.trial.root / "results").iterdir()} == {
        f"results/{name}" for name in ("scores.parquet", "differences.parquet", "scores.nc", "verification.json")
    }


@pytest.mark.parametrize("which", ["nowhere", "command"])
def test_a_truth_that_cannot_be_had_is_a_problem_and_the_other_is_verified(world, which):
    """An archive that is gone; a service that is down."""
    if which == "nowhere":
        world.trial.add_truth(world.trial.root / "nowhere.grib", "other")
        said = f"{world.trial.root}/nowhere.grib: no such file or folder"
    else:
        (world.trial.root / "stations.csv").write_text("station,lat,lon\na,51,-1\nb,50.5,0\n")
        script = world.trial.root / "down.sh"
        script.write_text("#!/bin/sh\necho the service is down >&2\nexit 3\n")
        script.chmod(0o755)
        about = {"command": [str(script), "{start}"], "stations": str(world.trial.root / "stations.csv")}
        world.trial.add_truth(world.trial.root, "other", **about)
        said = "failed with status 3 for 2024-01-10 00:00:00 to 2024-01-13 12:00:00: the service is down"
    launch = Launch(world.trial)
    assert launch.domain(0)["points"] == 12 and launch.said == ""
    found = launch.domain(1)
    if which == "nowhere":
        assert (found["points"], found["problems"], launch.said) == (0, [said], f"evalflow: {said}\n")
    assert [launch.verify(0)[0]["inits"][0]["failed"], *map(bool, launch.compare(0)["packs"])] == [False]
    for done in launch.verify(1):
        assert {init["failed"] for init in done["inits"]} == {True}
        assert all(init["reason"].endswith(said) for init in done["inits"])
    launch.compare(1)
    done = launch.aggregate(2)
    assert done["problems"] == ([said] if which == "nowhere" else [])
    assert {row["truth"] for row in done["headline"]} == {"analyses"}


def test_observations_that_a_command_prints(world):
    """Which times there are is known only once it is asked."""
    script = world.trial.root / "observe.py"
    script.write_text(TABLE.format(python=sys.executable))
    script.chmod(0o755)
    (world.trial.root / "stations.csv").write_text("station,lat,lon\na,51.01,-1.01\nb,50,0\n")
    about = {"command": [str(script), "{start}", "{end}"], "stations": str(world.trial.root / "stations.csv")}
    world.trial.data["truths"] = []
    world.trial.add_truth(world.trial.root, "obs", **about)
    world.trial.data["sources"].append(source("persistence", world.leads, builtin="persistence"))
    launch = Launch(world.trial)
    assert (launch.domain()["points"], launch.domain()["at_stations"]) == (2, True)
    launch.verify()
    assert launch.compare()["packs"] == []
    done = launch.aggregate()
    (row,) = [row for row in done["headline"] if row["lead_time"] == 12]
    errors = []
    for place, init in enumerate(world.inits):
        observed = np.array([280, 281]) + (init + 12 * H).hour / 24
        errors.append((world.forecasts["T_2M"][place, 2][[5, 10]] - observed) ** 2)
    assert row["values"]["model"] == pytest.approx(np.sqrt(np.mean(errors)), rel=1e-6)
    assert row["values"]["persistence"] == pytest.approx(0.5)


def test_an_experiment_of_two_truths_is_compared_with_each(tmp_path):
    world = make_world(tmp_path)
    script = tmp_path / "observe.py"
    script.write_text(TABLE.format(python=sys.executable))
    script.chmod(0o755)
    (tmp_path / "stations.csv").write_text("station,lat,lon\na,51,-1\nb,50,0\n")
    about = {"command": [str(script), "{start}", "{end}"], "stations": str(tmp_path / "stations.csv")}
    world.trial.add_truth(tmp_path, "obs", **about)
    done = world.trial.run()
    assert {row["truth"]: row["n_pairs"] for row in done.scores(metric="RMSE", lead_time=6)} == {
        "analyses": 72,
        "obs": 12,
    }
    assert done.computed == {("model", "T_2M"): 12}


def test_a_spec_that_is_none_is_one_line(tmp_path):
    (tmp_path / "spec.json").write_text('{"experiment_id": 3}')
    for script in ("define_domain.py", "compare_samples.py"):
        words = ["--truth", "0"] if script == "define_domain.py" else ["--domain", "none"]
        command = [
            sys.executable,
            PROJECT / "bin" / script,
            "--spec",
            tmp_path / "spec.json",
            *words,
            "--output",
            tmp_path,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"evalflow: {tmp_path}/spec.json: not a VerificationSpec of a plan")


def test_a_task_of_verification_imports_no_more_than_it_needs():
    """Neither SciPy nor Arrow, shapely nor pyproj: thousands of tasks start."""
    heavy = "scipy.spatial", "pyarrow", "shapely", "pyproj", "matplotlib", "jinja2"
    code = f"import sys; import verify; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT / "bin", capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
