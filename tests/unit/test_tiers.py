"""tools/test.py: every test is in a tier, and what went wrong is counted."""

import importlib.util
import sys

import pytest
from support.paths import PROJECT

REPORT = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'


@pytest.fixture(scope="module")
def tiers():
    spec = importlib.util.spec_from_file_location("tiers", PROJECT / "tools" / "test.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_test_is_in_one_part_of_one_tier(tiers):
    parts = [part for lanes in tiers.TIERS.values() for lane in lanes for part in lane if part is not tiers.NF_TEST]
    files = {str(path.relative_to(PROJECT)) for path in (PROJECT / "tests").rglob("test_*.py")}
    assert {name for part in parts for name in part if name.endswith(".py") and not name.startswith("-")} <= files
    for file in files:
        holds = [
            part
            for part in parts
            if f"--ignore={file}" not in part and any(file == name or file.startswith(f"{name}/") for name in part)
        ]
        assert len(holds) == 1, file


@pytest.mark.parametrize(
    ("report", "status", "expected"),
    [
        (REPORT.format(9, 0, 0, 2), 0, {"passed": 7, "skipped": 2}),
        (REPORT.format(9, 1, 2, 3), 1, {"passed": 3, "failed": 3, "skipped": 3}),
        (REPORT.format(9, 0, 0, 0), 1, {"passed": 9, "failed": 1}),  # it failed, though the report shows no failure
        (REPORT.format(0, 0, 0, 0), 0, {"failed": 1}),
        (REPORT.format(0, 0, 0, 0), 5, {"failed": 1}),  # nothing was selected, though nobody has selected anything
        ("<testsuites>", 0, {"failed": 1}),
        (None, 0, {"failed": 1}),
    ],
)
def test_what_a_tool_reports_is_counted(tiers, tmp_path, monkeypatch, report, status, expected):
    monkeypatch.delenv("PYTEST_ARGS", raising=False)
    if report is not None:
        (tmp_path / "report.xml").write_text(report)
    command = [sys.executable, "-c", f"print('said'); raise SystemExit({status})"]
    counts = tiers.run("a tool", command, tmp_path / "report.xml", tmp_path / "log")
    assert {name: number for name, number in counts.items() if number} == expected
    assert (tmp_path / "log").read_text() == "said\n"


@pytest.mark.parametrize(("skipped", "tier", "failed"), [(1, "slurm", 0), (1, "anemoi", 1), (0, "slurm", 0)])
def test_a_tier_in_which_nothing_passes_fails_but_for_slurm(tiers, tmp_path, monkeypatch, skipped, tier, failed):
    monkeypatch.setattr(tiers, "run_part", lambda *_: tiers.Counter(skipped=skipped))
    assert tiers.run_tier(tier, tmp_path / tier)["failed"] == failed
