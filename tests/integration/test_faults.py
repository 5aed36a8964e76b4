"""Launches that meet: each other, full disks, damage, stubs, changed code, stores that may only be read.

Each ends with the right results and nothing lost, or with one line that says what is wrong.
"""

import json
import os
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from support import killed
from support.environments import needs_root, small_disk
from support.launches import Workspace, error_lines


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Workspace:
    """A quick workspace after its first launch. Do not change it."""
    workspace = Workspace(tmp_path_factory.mktemp("whole"))
    killed.make_quick_workspace(workspace)
    result = killed.launch(workspace)
    assert result.status == 0, result.text
    return workspace


@pytest.fixture
def quick(tmp_path) -> Workspace:
    """A quick workspace that was never launched."""
    workspace = Workspace(tmp_path)
    killed.make_quick_workspace(workspace)
    return workspace


def begun(workspace: Workspace) -> int:
    return sum(line[0] == "begin" for line in killed.journal(workspace))


# --- several launches on one store ----------------------------------------------------------------------------------------


def made_twice(text: str) -> int:
    found = re.search(r"made twice +(\d+) forecasts", text)
    return int(found[1]) if found else 0


def launch_together(workspace: Workspace, *configs: Path) -> list:
    """Launch at the same time, each from a folder of its own, on one store."""
    results = [None] * len(configs)

    def run(number: int) -> None:
        folder = workspace.root / f"launch-{number}"
        results[number] = workspace.launch(
            cwd=folder, config=configs[number], timeout=800, **killed.variables(workspace)
        )

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(configs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def check_together(workspace: Workspace, results: list, forecasts: int, expected: dict[str, bytes]) -> None:
    assert [result.status for result in results] == [0] * len(results), "\n".join(result.text for result in results)
    proofs = [json.loads(path.read_text()) for path in workspace.store.glob("runs/*/*/*/forecast.json")]
    assert len(proofs) == forecasts
    tree = workspace.tree()
    assert {name: tree[name] for name in expected} == expected
    assert len(killed.whole(workspace)) == 2 * killed.INIT_TIMES
    assert len(list(workspace.store.glob("images/*.squashfs"))) == 1
    assert not [path for path in workspace.store.rglob("*") if path.name.endswith(".tmp") or ".bad-" in path.name]
    # Each is made once for the store. What was made besides is no more than one per launch, and it is reported.
    twice = sum(made_twice(result.text) for result in results)
    assert begun(workspace) == forecasts + twice <= forecasts * len(results)
    print(f"{len(results)} launches made {twice} of {forecasts} forecasts twice")


def test_two_launches_of_one_config(quick, whole):
    results = launch_together(quick, quick.config_file, quick.config_file)
    check_together(quick, results, 6, whole.tree())


def test_five_launches_of_configs_that_overlap(quick, whole):
    """Two equal ones, one with a run less, one with a day more, one with the runs the other way round."""
    variants = [quick.config_file, quick.config_file]
    for name, change in {
        "less": lambda config: config["runs"].pop(),
        "more": lambda config: config["dates"].append("2024-01-09T00:00"),
        "turned": lambda config: config["runs"].reverse(),
    }.items():
        config = quick.config
        change(config)
        variants.append(quick.config_file.with_name(f"{name}.yaml"))
        variants[-1].write_text(yaml.safe_dump(config))
    check_together(quick, launch_together(quick, *variants), 8, whole.tree())


# --- full disks -----------------------------------------------------------------------------------------------------------


def give_room(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)


def check_no_half_things(workspace: Workspace) -> None:
    """What has its final name in the store is whole."""
    for image in workspace.store.glob("images/*.squashfs"):
        proof = image.with_name(f"{image.name}.json")
        assert not proof.exists() or json.loads(proof.read_text())["size"] == image.stat().st_size
    killed.whole(workspace)


@needs_root
@pytest.mark.parametrize("place", ["out", "launch/work", "scratch"])
def test_a_disk_that_is_full_is_named_and_with_room_the_next_launch_succeeds(quick, whole, place):
    image = next(whole.store.glob("images/*.squashfs")).stat().st_size
    size = {"out": str(image // 2 // 4096 * 4096), "launch/work": "300k", "scratch": "16k"}[place]
    with small_disk(quick.root / place, size) as disk:
        result = killed.launch(quick)
        assert result.status != 0
        # Where work is full, Nextflow itself may be the first to notice.
        said = result.text.splitlines() if place == "launch/work" else error_lines(result.text)
        assert any("No space left on device" in line for line in said), result.text
        check_no_half_things(quick)
        give_room(disk)
        result = killed.launch(quick)
        assert result.status == 0, result.text
        assert quick.tree() == whole.tree()


@needs_root
def fill(disk: Path) -> None:
    with open(disk / "filler", "wb") as file:
        file.write(bytes(os.statvfs(disk).f_bavail * 4096 - 8192))


def test_the_store_is_full_when_forecasts_are_stored(quick, whole):
    """What was made is not made again: with room, -resume stores it."""
    with small_disk(quick.root / "out", "20m") as disk:
        assert killed.launch(quick, "--target", "environments").status == 0
        fill(disk)
        result = killed.launch(quick)
        assert result.status != 0
        lines = {re.sub(r"\S+ \d{12}: /\S+: ", "…: ", line) for line in error_lines(result.text)}
        (line,) = {line for line in lines if "warning: the summary is not kept" not in line}
        assert line == (
            "evalflow: …: No space left on device; free some space (or choose another folder) and launch again; the "
            "forecast is made: with -resume, it only has to be stored"
        )
        check_no_half_things(quick)
        made = sum(line[0] == "end" for line in killed.journal(quick))
        assert made > 0 and len(killed.whole(quick)) < 6
        (disk / "filler").unlink()
        before = begun(quick)
        result = killed.launch(quick, "-resume")
        assert result.status == 0, result.text
        assert quick.tree() == whole.tree()
        assert begun(quick) - before <= 6 - made, "what was made is made again"


# --- damage ---------------------------------------------------------------------------------------------------------------


def results(workspace: Workspace) -> dict[str, bytes]:
    """Return the tree without the configs, which name the folder that a forecast was made in."""
    return {name: content for name, content in workspace.tree().items() if not name.endswith("config.yaml")}


def damage(path: Path, how: str) -> None:
    """Cut a file or change one byte of it; a file that is a hard link becomes one of its own."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content[:-1] if how == "cut" else content)


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damage_is_found_set_aside_and_made_good(whole, tmp_path, how):
    """An image, a checkpoint and a forecast at once; a size that differs always, a byte with --verify_store."""
    subprocess.run(["cp", "-al", *map(str, (whole.root / "exp", whole.root / "out", tmp_path))], check=True)
    workspace = Workspace(tmp_path)
    (image,) = workspace.store.glob("images/*.squashfs")
    checkpoint, _ = sorted(workspace.store.glob("runs/*/inference-last.ckpt"))
    checkpoint.unlink()  # as from a server: a file, not a link
    checkpoint.write_bytes((whole.store / checkpoint.relative_to(workspace.store)).read_bytes())
    grib, *_ = sorted(workspace.store.glob("runs/*/*/*/006.grib"))
    for path in (image, checkpoint, grib):
        damage(path, how)
    options = ["--target", "environments"] if how == "cut" else ["--target", "environments", "--verify_store"]
    if how == "flipped":
        plan = workspace.plan()
        assert all(entry["complete"] for entry in plan["forecasts"]), "the size of all is right"
    result = killed.launch(workspace, *options)
    assert result.status == 0, result.text
    assert len(list(workspace.store.glob("images/*.squashfs.bad-*"))) == 1
    (aside,) = workspace.store.glob(f"runs/{checkpoint.parent.name}.bad-*")
    assert (aside / checkpoint.name).exists()
    (aside,) = grib.parents[1].glob(f"{grib.parent.name}.bad-*")
    assert (aside / grib.name).exists()
    result = killed.launch(workspace)
    assert result.status == 0 and result.forecasts == 1, result.text
    shutil.rmtree(aside)
    assert results(workspace) == results(whole)
    assert (
        len(killed.whole(workspace)) == 6
        and image.read_bytes() == next(whole.store.glob("images/*.squashfs")).read_bytes()
    )


# --- stubs, and code that changed -----------------------------------------------------------------------------------------


def test_an_interrupted_stub_run_leaves_nothing_that_a_real_run_takes_for_real(quick, whole):
    command = quick.options
    quick.options = (*command, "-stub-run")
    assert killed.launch_and_end(quick, 8, 0.5), "it ended before it was killed"
    quick.options = command
    result = killed.launch(quick, "-resume")
    assert result.status == 0, result.text
    assert quick.tree() == whole.tree() and begun(quick) == 6


@needs_root
def test_with_resume_after_a_change_of_the_code_nothing_stale_is_served(tmp_path):
    """Forecasts that could not be stored are not taken from the work of the code before."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("main.nf", "nextflow.config", "nextflow_schema.json", "modules", "conf", "bin", "assets", "config"):
        subprocess.run(["cp", "-r", str(Workspace(tmp_path).project / name), str(project)], check=True)
    workspace = Workspace(tmp_path, project=project)
    killed.make_quick_workspace(workspace)
    with small_disk(tmp_path / "out", "20m") as disk:
        assert killed.launch(workspace, "--target", "environments").status == 0
        fill(disk)
        assert killed.launch(workspace).status != 0
        made = begun(workspace)
        assert made and not killed.whole(workspace)
        code = project / "bin" / "evalflow" / "inference" / "proof.py"
        code.write_text(code.read_text().replace('"made": datetime', '"by": "changed code",\n        "made": datetime'))
        (disk / "filler").unlink()
        result = killed.launch(workspace, "-resume")
        assert result.status == 0 and begun(workspace) == made + 6, result.text
        proofs = [json.loads(path.read_text()) for path in workspace.store.glob("runs/*/*/*/forecast.json")]
        assert len(proofs) == 6 and {proof["by"] for proof in proofs} == {"changed code"}


# --- stores that may only be read -----------------------------------------------------------------------------------------


@contextmanager
def read_only(folder: Path):
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@needs_root
def test_a_store_to_read_only_serves_what_it_has_and_builds_nothing(whole, tmp_path):
    shutil.copytree(whole.root / "exp", tmp_path / "exp")
    shutil.copytree(whole.root / "out", tmp_path / "out", symlinks=True)
    workspace = Workspace(tmp_path)
    with read_only(tmp_path / "out"):
        result = killed.launch(workspace, "--verify_store")
        assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1}), result.text
        assert "3 reused, 0 missing" in result.text
        assert result.text.count("Read-only file system") == 1, "the summary is shown, and said not to be kept"
        workspace.edit(lambda config: config["dates"].append("2024-01-09T00:00"))
        result = killed.launch(workspace)
        assert result.status != 0 and result.tasks == {"MAKE_PLAN": 1}
        (line,) = [line for line in error_lines(result.text) if "warning" not in line]
        assert "may only be read, and 0 environments and 2 forecasts are missing" in line and "--outdir" in line
    assert begun(workspace) == 0
    result = killed.launch(workspace)
    assert result.status == 0 and begun(workspace) == 2, result.text
