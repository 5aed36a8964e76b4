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
from pathlib import Path
from xml.etree import ElementTree

PROJECT = Path(__file__).resolve().parents[1]
TIERS = {
    "test": ["tests/unit", "tests/integration"],
    "faults": ["tests/faults"],
    "anemoi": ["tests/anemoi"],
    "slurm": ["tests/slurm"],
}
"""The folders that pytest runs. The tier `test` has the nf-test suites as well."""
MAY_BE_SKIPPED = {"slurm"}


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


def run(name: str, command: list[str], report: Path, **variables: str) -> Counter:
    """Run a tool that writes a JUnit report, and return its counts.

    A tool that ran nothing, or that failed although its report shows no failure, counts as one failed test.
    """
    status = subprocess.run(command, stdin=subprocess.DEVNULL, env=os.environ | variables).returncode
    counts = count(report)
    if not counts.total():
        print(f"{name}: no test was run (exit status {status})", file=sys.stderr)
        counts["failed"] = 1
    elif status and not counts["failed"]:
        print(f"{name}: exit status {status}, though no test failed", file=sys.stderr)
        counts["failed"] = 1
    return counts


def run_pytest(tier: str, reports: Path) -> Counter:
    report = reports / f"{tier}.xml"
    options = ["-q", "-rs", "--junitxml", str(report), *shlex.split(os.environ.get("PYTEST_ARGS", ""))]
    return run(f"pytest ({tier})", [sys.executable, "-m", "pytest", *options, *TIERS[tier]], report)


def run_nf_test(reports: Path) -> Counter:
    suites = sorted(str(path) for path in Path("tests").rglob("*.nf.test"))
    if shutil.which("nf-test") is None:
        print(f"nf-test is not on PATH: {len(suites)} nf-test suites were left out.")
        return Counter()
    report = reports / "nf-test.xml"
    # nf-test writes its report in the encoding of the locale, and fails where that is not UTF-8.
    return run("nf-test", ["nf-test", "test", "--ci", "--junitxml", str(report), *suites], report, LC_ALL="C.UTF-8")


def run_tier(tier: str, reports: Path) -> Counter:
    counts = run_pytest(tier, reports)
    if tier == "test":
        counts += run_nf_test(reports)
    if not counts["passed"] and not counts["failed"] and tier not in MAY_BE_SKIPPED:
        print(f"{tier}: all tests were skipped", file=sys.stderr)
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
            counts = run_tier(tier, Path(reports))
            minutes, cpu = (time.monotonic() - began) / 60, (cpu_seconds() - cpu_before) / 60
            lines.append(f"{tier:<7} {describe(counts)}  in {minutes:.1f} min, {cpu:.1f} min of CPU")
            total += counts
    print("", *lines, describe(total), sep="\n", flush=True)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
