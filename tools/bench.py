#!/usr/bin/env python3
"""Measure how long things take: print a table and write it as JSON.

    tools/bench.py [--output FILE] [WORD...]     the rows whose name holds one of the words; default: all

To add a row, write a function and decorate it with `row`. Exit status 1: something took more than its ceiling.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin"), str(PROJECT / "tests")]

from support.browser import CHROMIUM, Browser  # noqa: E402
from support.dashboard import CROSSED, METRICS, WHOLE, large_tables  # noqa: E402
from support.experiment import Experiment  # noqa: E402 - found by the path above
from support.large_verification import REGIONS, prepare, write_large, write_statistics  # noqa: E402
from support.stored import store_forecast  # noqa: E402

MEASURE = """
import json, resource, subprocess, sys, time
began = time.monotonic()
status = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
found = {"seconds": time.monotonic() - began, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}
open(sys.argv[1], "w").write(json.dumps(found))
sys.exit(status)
"""


@dataclass
class Measured:
    """What a command took.

    Attributes
    ----------
    seconds : from start to end
    cpu : seconds of CPU time, user and system, of all its processes
    megabytes : resident memory of its largest process
    more : what else there is to say, such as files and kB that were written
    """

    seconds: float
    cpu: float
    megabytes: float
    more: dict[str, float] = field(default_factory=dict)


@dataclass
class Row:
    """Something to measure, and the ceilings that it must stay below: attribute of `Measured` → value."""

    name: str
    run: Callable[[Path], Measured]
    ceilings: dict[str, float]


ROWS: list[Row] = []


def row(name: str, **ceilings: float) -> Callable:
    """Make a row of a function: it gets an empty folder to work in and returns what it measured."""

    def register(function: Callable[[Path], Measured]) -> Callable[[Path], Measured]:
        ROWS.append(Row(name, function, ceilings))
        return function

    return register


def measure(folder: Path, *command: str | Path, **variables: str) -> Measured:
    """Run a command in `folder`, which must succeed, and return what it took; with more variables than this process has.

    A process of its own starts it: otherwise the memory would count that of this one.
    """
    output = folder / "measured.json"
    environment = {**os.environ, "EVALFLOW_VENV": sys.prefix, "NXF_ANSI_LOG": "false", **variables}
    words = [sys.executable, "-c", MEASURE, output, *command]
    done = subprocess.run(words, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr}\nbench: {' '.join(map(str, command))}: exit status {done.returncode}")
    return Measured(**json.loads(output.read_text()))


# --- rows -------------------------------------------------------------------------------------------------------------


def plan_a_year(folder: Path, stored: bool) -> Measured:
    """Measure the plan of five runs of one year at four init times a day: 7300 forecasts."""
    experiment = Experiment(folder)
    entry = experiment.data["runs"][0]["forecaster"]
    experiment.data["runs"] = [{"forecaster": {**entry, "steps": f"0/{6 * number}/6"}} for number in range(1, 6)]
    experiment.data["dates"] = {"start": "2023-01-01", "end": "2023-12-31T18:00", "frequency": "6h"}
    plan = experiment.plan()
    if stored:
        for run in plan["runs"]:
            for init_time in plan["init_times"]:
                store_forecast(run, init_time)
    output = folder / "plan.json"
    script = [sys.executable, PROJECT / "bin" / "plan.py", "--config", plan["config"], "--output", output]
    found = measure(folder, *script)
    complete = [forecast["complete"] for forecast in json.loads(output.read_text())["forecasts"]]
    assert complete == [stored] * 7300
    return found


@row("plan of 7300 forecasts, nothing stored", cpu=6, megabytes=200)
def plan_new(folder: Path) -> Measured:
    return plan_a_year(folder, stored=False)


@row("plan of 7300 forecasts, all stored", cpu=6, megabytes=200)
def plan_stored(folder: Path) -> Measured:
    return plan_a_year(folder, stored=True)


def launch_demo(folder: Path, *words: str) -> Measured:
    command = ["nextflow", "run", PROJECT, "-profile", "local", "--outdir", folder / "output", *words]
    return measure(folder, *command)


@row("the demo, from nothing")
def demo(folder: Path) -> Measured:
    return launch_demo(folder)


@row("the demo, all stored")
def demo_again(folder: Path) -> Measured:
    launch_demo(folder)
    return launch_demo(folder)


@row("the demo, as a stub")
def demo_stub(folder: Path) -> Measured:
    return launch_demo(folder, "-stub-run")


DRAW = """
import sys
from pathlib import Path
from evalflow.report.dashboard import draw_dashboard
from evalflow.report.spec import ReportSpec
from evalflow.report.tables import ScoreTables
spec = ReportSpec.from_json(Path(sys.argv[1]).read_text(), sys.argv[1])
draw_dashboard(spec, ScoreTables(spec.results))
"""
DRAWN = "document.documentElement.dataset.drawn > 0 && document.querySelectorAll('.u-wrap').length > 3"
FILTER = """(async () => {
  const select = document.getElementById('choose-region'), drawn = document.documentElement.dataset.drawn;
  const began = performance.now();
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event('change'));
  while (document.documentElement.dataset.drawn === drawn) await new Promise((done) => setTimeout(done));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
})()"""


def draw_dashboard(folder: Path, strata: tuple[tuple[str, str], ...], largest: int) -> Measured:
    """Measure the dashboard of 60 panels × 5 sources × 41 lead times × 8 regions × strata; it has a largest size."""
    spec = large_tables(folder, strata)
    (folder / "spec.json").write_text(spec.to_json())
    words = [sys.executable, "-c", DRAW, folder / "spec.json"]
    found = measure(folder, *words, PYTHONPATH=str(PROJECT / "bin"))
    size = (spec.results / "dashboard.html").stat().st_size
    found.more = {"MB": round(size / 1e6, 2)}
    assert size <= largest, f"{size:,} bytes"
    return found


@row("the dashboard of 60 panels", cpu=5)
def dashboard(folder: Path) -> Measured:
    return draw_dashboard(folder, (WHOLE,), 1_500_000)


@row("the dashboard with seasons and init hours", cpu=8)
def dashboard_crossed(folder: Path) -> Measured:
    return draw_dashboard(folder, CROSSED, 5_000_000)


def in_browser(folder: Path, filters: int, draw: Callable[[Path], Measured] = dashboard) -> Measured:
    """Measure how long the dashboard takes to open with all panels, or the median of so many filters."""
    draw(folder)
    page = next(folder.glob("results/*/dashboard.html"))
    with Browser(folder / "profile") as browser:
        browser.open(page.as_uri() + "#metric=" + json.dumps(METRICS), DRAWN)
        times = [browser.run("performance.now()")] if not filters else [browser.run(FILTER) for _ in range(filters)]
    return Measured(seconds=sorted(times)[len(times) // 2] / 1000, cpu=0, megabytes=0)


if CHROMIUM:

    @row("the dashboard of 60 panels, opened", seconds=1.5)
    def dashboard_opened(folder: Path) -> Measured:
        return in_browser(folder, 0)

    @row("the dashboard of 60 panels, filtered", seconds=0.15)
    def dashboard_filtered(folder: Path) -> Measured:
        return in_browser(folder, 9)

    @row("the dashboard with seasons and init hours, opened", seconds=1.5)
    def dashboard_crossed_opened(folder: Path) -> Measured:
        return in_browser(folder, 0, dashboard_crossed)

    @row("the dashboard with seasons and init hours, filtered", seconds=0.15)
    def dashboard_crossed_filtered(folder: Path) -> Measured:
        return in_browser(folder, 9, dashboard_crossed)


DECODE = """
import sys
from evalflow.fields.grib.codes import eccodes
with open(sys.argv[1], "rb") as file:
    while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
        eccodes.codes_get_values(handle)
        eccodes.codes_release(handle)
"""
"""Reads every value of a GRIB file, and does nothing with them."""


@row("105 fields of 227,000 points, decoded", cpu=3)
def decode(folder: Path) -> Measured:
    write_large(folder)
    (path,) = (folder / "model").iterdir()
    return measure(folder, sys.executable, "-c", DECODE, path, PYTHONPATH=str(PROJECT / "bin"))


def verify(folder: Path, regions: int = 0, thresholds: int = 0, maps: bool = False) -> Measured:
    """Measure how one forecast of 227,000 points, 21 lead times and 5 params is verified; the truth is copied already."""
    trial = write_large(folder)
    trial.data["regions"] = REGIONS[:regions]
    if thresholds:
        trial.data["thresholds"] = {"T_2M": [f"> {270 + step}" for step in range(thresholds)]}
    if maps:
        about = {"scores": ["BIAS"], "seasons": ["all"], "init_hours": ["all"]}
        trial.data["maps"] = {"params": ["T_2M"], "lead_times": [6, 24], **about}
    words = prepare(trial)
    found = measure(folder, sys.executable, PROJECT / "bin" / "verify.py", *words, "--output", folder / "done.json")
    files = list(folder.glob("data/verification/*/*/*.nc"))
    assert len(json.loads((folder / "done.json").read_text())["inits"][0]["computed"]) == 5
    found.more = {"files": len(files), "kB": round(sum(file.stat().st_size for file in files) / 1000)}
    return found


@row("these verified", cpu=4, megabytes=300)
def verify_large(folder: Path) -> Measured:
    return verify(folder)


@row("these verified in 7 regions", cpu=5, megabytes=300)
def verify_in_regions(folder: Path) -> Measured:
    return verify(folder, regions=7)


@row("these verified with 12 thresholds", cpu=6, megabytes=300)
def verify_with_thresholds(folder: Path) -> Measured:
    return verify(folder, thresholds=12)


@row("these verified with score maps of two lead times", cpu=5, megabytes=320)
def verify_with_maps(folder: Path) -> Measured:
    found = verify(folder, maps=True)
    (file,) = folder.glob("data/verification/*/*/maps/*.npz")
    found.more = {"MB of a block with one init hour": round(file.stat().st_size / 1e6, 1)}
    return found


@row("their truth copied, 21 valid times", cpu=6.3, megabytes=400)
def copy_truth(folder: Path) -> Measured:
    words = prepare(write_large(folder), copy=False)
    return measure(folder, sys.executable, PROJECT / "bin" / "copy_truth.py", *words, "--output", folder / "truth.nc")


def aggregate(folder: Path, inits: int) -> Measured:
    """Measure how two sources' statistics become tables: T_2M, 21 lead times, 8 regions, with intervals."""
    words = write_statistics(folder, inits)
    script = [sys.executable, PROJECT / "bin" / "compare_samples.py", *words, "--output", folder / "samples.json"]
    compared = measure(folder, *script)
    words += ["--samples", folder / "samples.json", "--output", folder / "aggregated.json"]
    found = measure(folder, sys.executable, PROJECT / "bin" / "aggregate.py", *words)
    rows = json.loads((folder / "aggregated.json").read_text())["rows"]
    found.more = {"rows": sum(rows.values()), "samples s": round(compared.seconds, 1)}
    return found


@row("20 init times of two sources aggregated", cpu=3, megabytes=400)
def aggregate_20(folder: Path) -> Measured:
    return aggregate(folder, 20)


@row("100 init times of two sources aggregated", cpu=4, megabytes=400)
def aggregate_100(folder: Path) -> Measured:
    return aggregate(folder, 100)


@row("365 init times of two sources aggregated", cpu=6, megabytes=400)
def aggregate_365(folder: Path) -> Measured:
    return aggregate(folder, 365)


def animate(folder: Path, way: str, frames: int) -> Measured:
    """Measure an animation of 227,000 points at 900 × 700 pixels."""
    drawn = folder / "drawn"
    drawn.mkdir()
    script = PROJECT / "tests" / "support" / "large_showcase.py"
    found = measure(folder, sys.executable, script, way, str(frames), drawn, PYTHONPATH=str(PROJECT / "bin"))
    files = list(drawn.iterdir())
    found.more = {"files": len(files), "kB": round(sum(file.stat().st_size for file in files) / 1000)}
    return found


@row("41 frames of 227,000 points, drawn", cpu=12, megabytes=400)
def animation(folder: Path) -> Measured:
    return animate(folder, "rasters", 41)


@row("164 frames of them, drawn", megabytes=450)
def animation_long(folder: Path) -> Measured:
    return animate(folder, "rasters", 164)


@row("41 frames of them as contours, one PNG each")
def animation_contours(folder: Path) -> Measured:
    return animate(folder, "contours", 41)


# --- the table --------------------------------------------------------------------------------------------------------


def about() -> dict:
    """Return what the numbers depend on besides the code."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True)
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip() or None,
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how long things take.")
    parser.add_argument("--output", type=Path, default=PROJECT / "bench.json", help="where to write the table as JSON")
    parser.add_argument("words", nargs="*", help="measure the rows whose name holds one of these")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.words or any(word in row.name for word in options.words)]
    if not rows:
        parser.error(f"no row's name holds {' or '.join(options.words)}")
    os.environ["PATH"] = f"{PROJECT}/.tools/bin{os.pathsep}{os.environ['PATH']}"
    table, too_much = [], []
    print(f"{'':<42}{'seconds':>9}{'CPU s':>9}{'MB':>7}")
    for one in rows:
        folder = Path(tempfile.mkdtemp(prefix="evalflow-bench-"))
        os.environ["EVALFLOW_CACHE"] = str(folder / "cache")
        try:
            found = one.run(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        more = ", ".join(f"{key} {value:g}" for key, value in found.more.items())
        print(f"{one.name:<42}{found.seconds:9.1f}{found.cpu:9.1f}{found.megabytes:7.0f}  {more}".rstrip(), flush=True)
        table.append({"name": one.name, **asdict(found), "ceilings": one.ceilings})
        too_much += [
            f"{one.name}: {key} {getattr(found, key):.1f} is above {ceiling}"
            for key, ceiling in one.ceilings.items()
            if getattr(found, key) > ceiling
        ]
    options.output.write_text(json.dumps({**about(), "rows": table}, indent=1) + "\n")
    print(*(f"bench: {line}" for line in too_much), sep="\n", file=sys.stderr, end="\n" if too_much else "")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
