"""Real launches that verify: baselines and archives only, so that no environment is built and a launch takes seconds."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import eccodes
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from evalflow.verification.done import PackDone

from support.launches import Result, Workspace, copy_project
from support.paths import PROJECT

TABLES = ("scores.parquet", "differences.parquet")
ANALYSES = PROJECT / "assets" / "demo" / "blizzard-1996-01.grib"
REGIONS = PROJECT / "assets" / "demo" / "regions"
BASELINES = {"persistence": "persistence", "day before": "persistence_24h"}
"""Label → baseline."""
WRITES = "            write_sums(temporary, sums)\n"
"""The line of verify.py that writes a file of statistics, under a temporary name."""


@dataclass
class Verified:
    """A launch that verifies, when it has ended.

    Attributes
    ----------
    computed : (label of the source, init time, param) → how many times this launch has computed it
    summary : what the launch, or another one of the experiment at the same time, says of itself
    results : the folder of its tables
    """

    result: Result
    computed: Counter[tuple[str, str, str]]
    summary: dict
    results: Path

    @property
    def lacking(self) -> dict[str, dict[str, str]]:
        """Label of a source → init time → why it has no statistics, of sources that lack some."""
        return {one["label"]: one["lacking"] for one in self.summary["statistics"] if one["lacking"]}

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables of the experiment."""
        return {name: pq.read_table(self.results / name) for name in TABLES}


def make_workspace(root: Path) -> Workspace:
    """Write a workspace of two baselines, and two init times of the demo."""
    workspace = Workspace(root)
    for folder in ("exp", "cache"):
        (root / folder).mkdir(parents=True)
    config = {
        "description": "a test",
        "dates": ["1996-01-15T12:00", "1996-01-16T00:00"],
        "runs": [
            {"baseline": {"label": label, "builtin": builtin, "steps": "0/24/6"}}
            for label, builtin in BASELINES.items()
        ],
        "truth": {"label": "analyses", "root": str(ANALYSES)},
        "experiment": {
            "params": ["T_2M", "SP_10M"],
            "thresholds": {"T_2M": {"lt": [273.15]}},
            "stratification": {"regions": [{"name": "plains", "file": str(REGIONS / "plains.geojson")}]},
            "scorecards": {
                "sections": {
                    "first day": {
                        "baseline": "persistence",
                        "lead_times": "6/24/6",
                        "stratification": "region",
                        "variables": ["T_2M:RMSE,BIAS"],
                    }
                }
            },
        },
    }
    workspace.config_file.write_text(yaml.safe_dump(config, sort_keys=False))
    return workspace


def verify(workspace: Workspace, *arguments: str, folder: str = "launch", status: int = 0, **options) -> Verified:
    """Launch, and return what was verified.

    Parameters
    ----------
    folder : where it is launched, in the workspace
    """
    arguments = arguments or ("--target", "verification")
    cwd = workspace.root / folder
    result = workspace.launch(*arguments, cwd=cwd, **options)
    assert result.status == status, result.text
    results = workspace.root / "out" / "results" / re.search(r"^experiment (\S+)$", result.text, re.M)[1]
    summary = json.loads((results / "summary.json").read_text())
    labels = {one["source_id"]: one["label"] for one in summary["statistics"]}
    computed: Counter[tuple[str, str, str]] = Counter()
    for row in workspace.trace(cwd):
        file = Path(row["workdir"]) / "done.json"
        if file.exists():
            done = PackDone.from_json(file.read_text(), str(file))
            computed.update(
                (labels[done.source], init.init_time, param) for init in done.inits for param in init.computed
            )
    said = sum(int(number) for number in re.findall(r"^  statistics .* (\d+) computed", result.text, re.M))
    assert said == computed.total(), f"the summary says what was done\n{result.text}"
    return Verified(result, computed, summary, results)


def statistics(workspace: Workspace) -> dict[str, int]:
    """Return the files of statistics: path in the store → when they were written."""
    files = workspace.store.glob("verification/*/*/*.nc")
    return {str(path.relative_to(workspace.store)): path.stat().st_mtime_ns for path in files}


def remains(workspace: Workspace) -> list[Path]:
    """Return what is half-made or set aside among the statistics."""
    return [path for path in workspace.store.glob("verification/**/*") if re.search(r"\.tmp$|\.bad-", path.name)]


def disturb(workspace: Workspace, script: str) -> None:
    """Let each writer of statistics cut what it has written to half, and do what `script` says, before it has its name."""
    workspace.project = copy_project(workspace.root / "project")
    hook = workspace.root / "hook.py"
    cut = "import os, signal, time, pathlib\nos.truncate(temporary, temporary.stat().st_size // 2)\n"
    here = f"marks = pathlib.Path({str(workspace.root / 'marks')!r})\n"
    lines = "".join(f"    {line}\n" for line in (cut + script).splitlines())
    hook.write_text(f"import pathlib\n{here}if len(list(marks.glob('*'))) < 2:\n{lines}")
    (workspace.root / "marks").mkdir()
    code = workspace.project / "bin" / "evalflow" / "verification" / "verify.py"
    text = code.read_text()
    assert text.count(WRITES) == 1
    run = f'            exec(open({str(hook)!r}).read(), {{"temporary": temporary}})\n'
    code.write_text(text.replace(WRITES, WRITES + run))


def check_tables(launch: Verified, expected: Verified) -> None:
    tables = expected.tables()
    for name, table in launch.tables().items():
        assert table.num_rows and table.equals(tables[name]), name


def write_perfect_forecast(output: Path, init_time: datetime) -> None:
    """Write the forecast that consists of the analyses: all of its errors are 0."""
    output.parent.mkdir(exist_ok=True)
    with open(ANALYSES, "rb") as file, open(output, "wb") as written:
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:
            date, hour = (eccodes.codes_get(message, key) for key in ("dataDate", "dataTime"))
            lead = datetime.strptime(f"{date}{hour:04d}", "%Y%m%d%H%M") - init_time
            hours = lead.total_seconds() / 3600
            if 0 <= hours <= 24:
                eccodes.codes_set(message, "dataDate", int(f"{init_time:%Y%m%d}"))
                eccodes.codes_set(message, "dataTime", int(f"{init_time:%H%M}"))
                eccodes.codes_set(message, "stepRange", str(int(hours)))
                eccodes.codes_write(message, written)
            eccodes.codes_release(message)
