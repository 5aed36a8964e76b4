#!/usr/bin/env python3
"""Run the tests in tiers, and end with the totals: one line a tier with its minutes, then the total of all tiers.

    tools/test.py TIER...     the tiers are test, faults, anemoi and slurm

`make test` and its sisters call this, with the Python of .venv. $PYTEST_ARGS holds more arguments for pytest. The last line
is `N passed, N failed, N skipped`. A tier in which no test passes counts as a failed test, except slurm: where no Slurm can
be started, its tests are skipped.
"""

import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from xml.etree import ElementTree

PROJECT = Path(__file__).resolve().parents[1]
NF_TEST = ["nf-test"]
FIRST_LANE = [
    f"tests/faults/test_{name}.py"
    for name in ("hostile_text", "hub_trouble", "mlflow_trouble", "secrets", "short_tasks", "silence")
]
TIERS = {
    "test": [[["tests/unit"], NF_TEST], [["tests/integration"]]],
    "faults": [[FIRST_LANE], [["tests/faults", *(f"--ignore={file}" for file in FIRST_LANE)]]],
    "anemoi": [[["tests/anemoi"]]],
    "slurm": [[["tests/slurm"]]],
}
"""Tier → lanes, which run side by side: most machines have two CPUs, and most tests use one. A lane is a list of parts,
which run one after the other: arguments of pytest, or the nf-test suites. What the first lane says is shown at once."""
MAY_BE_SKIPPED = {"slurm"}
NOTHING_SELECTED = 5
"""pytest's exit status where no test was selected, as where $PYTEST_ARGS names a test of another lane."""


def count(report: Path) -> Counter:
    """Return how many tests of a JUnit report passed, failed and were skipped."""
    totals = Counter()
    try:
        suites = list(ElementTree.parse(report).iter("testsuite"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"no report: {error}", file=sys.stderr)
        return totals
    for suite in suites:
        totals.update({name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")})
    failed = totals["failures"] + totals["errors"]
    passed = max(totals["tests"] - failed - totals["skipped"], 0)
    return Counter(passed=passed, failed=failed, skipped=totals["skipped"])


def run(name: str, command: list[str], report: Path, log: Path | None) -> Counter:
    """Run a tool that writes a JUnit report, and return its counts. It prints to `log`, where there is one.

    A tool that ran nothing, or that failed although its report shows no failure, counts as one failed test.
    """
    # nf-test writes its report in the encoding of the locale, and fails where that is not UTF-8.
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    with open(log, "a") if log else nullcontext() as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT if log else None}
        status = subprocess.run(command, env=environment, **options).returncode
    if status == NOTHING_SELECTED and os.environ.get("PYTEST_ARGS"):
        return Counter()
    counts = count(report)
    if not counts.total():
        print(f"{name}: no test was run (exit status {status})", file=sys.stderr)
        counts["failed"] = 1
    elif status and not counts["failed"]:
        print(f"{name}: exit status {status}, though no test failed", file=sys.stderr)
        counts["failed"] = 1
    return counts


def run_part(part: list[str], report: Path, log: Path | None) -> Counter:
    if part is not NF_TEST:
        options = ["-q", "-rs", "--junitxml", str(report), *shlex.split(os.environ.get("PYTEST_ARGS", ""))]
        return run(f"pytest {part[0]}", [sys.executable, "-m", "pytest", *options, *part], report, log)
    suites = sorted(str(path) for path in Path("tests").rglob("*.nf.test"))
    if shutil.which("nf-test") is None:
        print(f"nf-test is not on PATH: {len(suites)} nf-test suites were left out.")
        return Counter()
    return run("nf-test", ["nf-test", "test", "--ci", "--junitxml", str(report), *suites], report, log)


def run_lane(lane: list[list[str]], folder: Path, shown: bool) -> Counter:
    """Run the parts of a lane, with their reports in `folder`, and return their counts."""
    folder.mkdir()
    log = None if shown else folder / "log"
    return sum((run_part(part, folder / f"{number}.xml", log) for number, part in enumerate(lane)), Counter())


def run_tier(tier: str, folder: Path) -> Counter:
    folder.mkdir()
    with ThreadPoolExecutor() as pool:
        lanes = [pool.submit(run_lane, lane, folder / str(n), shown=n == 0) for n, lane in enumerate(TIERS[tier])]
        counts = sum((lane.result() for lane in lanes), Counter())
    for log in sorted(folder.glob("*/log")):
        print(log.read_text(errors="replace"), flush=True)
    if not counts["passed"] and not counts["failed"] and tier not in MAY_BE_SKIPPED:
        print(f"{tier}: no test has passed", file=sys.stderr)
        counts["failed"] = 1
    return counts


def cpu_seconds() -> float:
    """Return the CPU time of all that was run so far and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def describe(counts: Counter) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped"))


def main() -> int:
    tiers = sys.argv[1:]
    if not tiers or not set(tiers) <= set(TIERS):
        sys.exit(f"usage: tools/test.py TIER...  (tiers: {', '.join(TIERS)})")
    os.chdir(PROJECT)
    os.environ |= {"PATH": f"{PROJECT}/.tools/bin{os.pathsep}{os.environ['PATH']}", "NXF_ANSI_LOG": "false"}
    total, lines = Counter(), []
    with tempfile.TemporaryDirectory() as reports:
        for tier in tiers:
            began, cpu_before = time.monotonic(), cpu_seconds()
            counts = run_tier(tier, Path(reports) / tier)
            minutes, cpu = (time.monotonic() - began) / 60, (cpu_seconds() - cpu_before) / 60
            lines.append(f"{tier:<7} {describe(counts)}  in {minutes:.1f} min, {cpu:.1f} min of CPU")
            total += counts
    print("", *lines, describe(total), sep="\n", flush=True)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
