"""A verification that is killed, that meets another one, or that finds damage: the tables are right or say what they lack."""

import os
import signal
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from support import killed
from support.environments import fill, needs_root, small_disk
from support.launches import Workspace, copy_workspace
from support.verifying import (
    BASELINES,
    Verified,
    check_tables,
    disturb,
    make_workspace,
    remains,
    statistics,
    verify,
    write_perfect_forecast,
)

FIRST, SECOND = "199601151200", "199601160000"
INITS = {FIRST: datetime(1996, 1, 15, 12), SECOND: datetime(1996, 1, 16)}
FILES = 4
"""Files of statistics: two baselines, two init times."""


@pytest.fixture(scope="module")
def verified_workspace(tmp_path_factory) -> tuple[Workspace, Verified]:
    """A workspace after a launch that nobody disturbed. Do not change it."""
    workspace = make_workspace(tmp_path_factory.mktemp("whole") / "one")
    launch = verify(workspace)
    assert launch.computed.total() == 8 and len(statistics(workspace)) == FILES
    return workspace, launch


def verified(workspace: Workspace) -> list[tuple[str, str]]:
    """Return the source and init time of each file of statistics."""
    return sorted((Path(name).parent.name, Path(name).name.split(".")[0]) for name in statistics(workspace))


def test_tasks_are_killed_while_they_write(verified_workspace, tmp_path):
    """Both die amid their first file; the same launch tries them again."""
    workspace = make_workspace(tmp_path / "one")
    disturb(workspace, "(marks / str(os.getpid())).touch()\nos.kill(os.getpid(), signal.SIGKILL)\n")
    launch = verify(workspace)
    dead = [row for row in workspace.trace() if row["process"].endswith(":VERIFY") and row["exit"] == "137"]
    assert len(dead) == 2, launch.result.text
    check_tables(launch, verified_workspace[1])
    assert launch.computed == verified_workspace[1].computed
    assert verified(workspace) == verified(verified_workspace[0])
    assert {path.suffix for path in remains(workspace)} == {".tmp"}, "what was half-made never gets a name"


def test_a_launch_is_killed_while_it_writes(verified_workspace, tmp_path):
    """Nextflow and its tasks die by SIGKILL when one file is in the store and the next ones are half-written."""
    workspace = make_workspace(tmp_path / "one")
    disturb(workspace, "(marks / str(os.getpid())).touch()\ntime.sleep(600)\n")
    folder = workspace.root / "launch"
    folder.mkdir()
    with open(workspace.root / "killed.txt", "w") as file:
        process = subprocess.Popen(
            workspace.command(None, "--target", "verification"), cwd=folder, env=workspace.environment,
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + 120
    while len(marks := list((workspace.root / "marks").iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(marks) == 2, (workspace.root / "killed.txt").read_text()
    killed.kill(process)
    for mark in marks:
        psutil.Process(int(mark.name)).send_signal(signal.SIGKILL)
    process.wait()
    assert statistics(workspace) == {} and len(remains(workspace)) == 2
    assert not list(workspace.root.glob("out/results/*/scores.parquet"))
    launch = verify(workspace)
    check_tables(launch, verified_workspace[1])
    assert launch.computed == verified_workspace[1].computed
    assert killed.left_processes(workspace) == []


@needs_root
def test_the_store_is_full_when_statistics_are_written(verified_workspace, tmp_path):
    """The cause is named, and with room the next launch makes what lacks, and nothing else."""
    workspace = make_workspace(tmp_path / "one")
    config = workspace.config_file.read_text()
    with small_disk(workspace.root / "out", "20m") as disk:
        workspace.edit(lambda config: config["dates"].pop())
        verify(workspace)
        workspace.config_file.write_text(config)
        fill(disk)
        result = workspace.launch("--target", "verification")
        assert result.status != 0
        (line,) = [line for line in result.text.splitlines() if "free some space" in line and ".nc: " in line][:1]
        assert ".nc: No space left on device; free some space" in line, result.text
        lacking = FILES - len(statistics(workspace))
        assert lacking > 0
        (disk / "filler").unlink()
        launch = verify(workspace)
        check_tables(launch, verified_workspace[1])
        assert launch.computed.total() == 2 * lacking, "two params of each file; what had its name is whole and stays"
        assert verified(workspace) == verified(verified_workspace[0])


def test_two_launches_at_once(verified_workspace, tmp_path):
    workspace = make_workspace(tmp_path / "one")
    launches: dict[str, Verified] = {}

    def run(folder: str) -> None:
        launches[folder] = verify(workspace, folder=folder)

    threads = [threading.Thread(target=run, args=(folder,)) for folder in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert launches.keys() == {"left", "right"}, "both ended with 0"
    for launch in launches.values():
        check_tables(launch, verified_workspace[1])
        assert launch.computed.keys() <= verified_workspace[1].computed.keys()
    both = launches["left"].computed + launches["right"].computed
    assert both.keys() == verified_workspace[1].computed.keys()
    assert verified(workspace) == verified(verified_workspace[0]) and remains(workspace) == []
    after = verify(workspace, folder="after")
    assert not after.computed
    check_tables(after, verified_workspace[1])


def cut(path: Path) -> None:
    """Cut a file to half, under its name; the copy of it in another store stays whole."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def test_a_truncated_file_is_reported_by_name_and_computed_again(verified_workspace, tmp_path):
    workspace = copy_workspace(verified_workspace[0], tmp_path / "copy")
    name = min(statistics(workspace))
    cut(workspace.store / name)
    launch = verify(workspace)
    assert Path(name).name in launch.result.text and "set aside" in launch.result.text, launch.result.text
    assert len(remains(workspace)) == 1
    launch = verify(workspace)
    assert launch.computed.total() == 2, "of one source and init time"
    check_tables(launch, verified_workspace[1])
    assert "set aside" not in launch.result.text


def test_a_truncated_file_is_made_good_at_once_with_verify_store(verified_workspace, tmp_path):
    workspace = copy_workspace(verified_workspace[0], tmp_path / "copy")
    name = min(statistics(workspace))
    cut(workspace.store / name)
    launch = verify(workspace, "--target", "verification", "--verify_store")
    assert launch.computed.total() == 2, launch.result.text
    assert verified(workspace) == verified(verified_workspace[0]) and len(remains(workspace)) == 1
    check_tables(launch, verified_workspace[1])


def archive(workspace: Workspace, label: str) -> Path:
    """Add an archive of perfect forecasts to a workspace, and return its folder."""
    exp = workspace.root / "exp"
    for init_time in INITS.values():
        output = exp / label / f"{init_time:%Y%m%d%H}.grib"
        write_perfect_forecast(output, init_time)
    entry = {"label": label, "root": label, "pattern": "%Y%m%d%H.grib", "steps": "0/24/6"}
    workspace.edit(lambda config: config["runs"].append({"forecasts": entry}))
    return exp / label


def test_what_is_missing_or_corrupt_does_not_stop_the_others(tmp_path):
    """Of one archive a file is missing, of others one is cut or noise, and of the last all are noise."""
    workspace = make_workspace(tmp_path / "one")
    archive(workspace, "whole")
    (archive(workspace, "holed") / "1996011600.grib").unlink()
    cut(archive(workspace, "cut") / "1996011600.grib")
    (archive(workspace, "spoilt") / "1996011600.grib").write_bytes(os.urandom(1000))
    for path in archive(workspace, "noise").iterdir():
        path.write_bytes(os.urandom(1000))
    launch = verify(workspace, status=1)
    said = launch.result.text
    assert "not all that was asked for is there: see above" in said
    complete = {
        (label, init_time, param)
        for label in ("whole", "cut", *BASELINES)
        for init_time in INITS
        for param in ("T_2M", "SP_10M")
    }
    some = {(label, FIRST, param) for label in ("holed", "spoilt") for param in ("T_2M", "SP_10M")}
    assert launch.computed == dict.fromkeys(complete | some, 1), "of a cut file, what is before the cut"
    assert launch.lacking.keys() == {"spoilt"} and launch.lacking["spoilt"].keys() == {SECOND}, said
    assert "is no forecast that can be read" in launch.lacking["spoilt"][SECOND]
    (warning,) = [line for line in launch.summary["warnings"] if "(holed): no file" in line]
    assert SECOND in warning
    exp = workspace.root / "exp"
    without = {one["label"]: one["without"] for one in launch.summary["statistics"]}
    assert without["whole"] == {} and without["noise"] == {}
    assert without["holed"] == {SECOND: f"{exp}/holed/1996011600.grib: no such forecast"}
    assert without["cut"][SECOND].startswith(f"{exp}/cut/1996011600.grib: lacks T_2M at ")
    assert without["spoilt"].keys() == {SECOND}
    assert "problem: noise: no forecast can be read" in said
    for label in ("holed", "cut", "spoilt"):
        assert f"T_2M: {label} has 1 of 2 init times" in said
    rows = launch.tables()["scores.parquet"].to_pylist()
    errors = {row["lead_time"]: row for row in rows if is_headline(row, "whole")}
    assert len(errors) == 5
    assert {(row["value"], row["n_inits"]) for row in errors.values()} == {(0.0, 2)}, "all pairs of a perfect forecast"
    assert {row["label"] for row in rows} == {"whole", "holed", "cut", "spoilt", *BASELINES}


def is_headline(row: dict, label: str) -> bool:
    """Return whether a row of scores is the RMSE of T_2M of a source, over everything."""
    keys = {"label": label, "param": "T_2M", "metric": "RMSE", "region": "all", "scale": 0.0, "case": None}
    keys |= dict.fromkeys(("season", "init_hour", "valid_hour"), "all")
    return all(row[key] == value for key, value in keys.items())
