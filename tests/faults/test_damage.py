"""A damaged store mends itself, and one that may only be read serves what it has."""

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import killed
from support.environments import needs_root
from support.launches import Workspace, copy_workspace, error_lines


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
def test_damage_is_found_set_aside_and_made_good(undisturbed, tmp_path, how):
    """An image, a checkpoint and a forecast at once; a size that differs always, a byte with --verify_store."""
    workspace = copy_workspace(undisturbed, tmp_path)
    (image,) = workspace.store.glob("images/*.squashfs")
    checkpoint, _ = sorted(workspace.store.glob("runs/*/inference-last.ckpt"))
    checkpoint.unlink()  # as from a server: a file, not a link
    checkpoint.write_bytes((undisturbed.store / checkpoint.relative_to(workspace.store)).read_bytes())
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
    assert results(workspace) == results(undisturbed)
    assert (
        len(killed.whole(workspace)) == 6
        and image.read_bytes() == next(undisturbed.store.glob("images/*.squashfs")).read_bytes()
    )


@contextmanager
def read_only(folder: Path):
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@needs_root
def test_a_store_to_read_only_serves_what_it_has_and_builds_nothing(undisturbed, tmp_path):
    shutil.copytree(undisturbed.root / "exp", tmp_path / "exp")
    shutil.copytree(undisturbed.root / "out", tmp_path / "out", symlinks=True)
    workspace = Workspace(tmp_path)
    with read_only(tmp_path / "out"):
        result = killed.launch(workspace, "--target", "experiment", "--verify_store")
        assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1, "MAKE_REPORT": 1}), result.text
        assert "3 reused, 0 missing" in result.text
        assert result.text.count("Read-only file system") == 2, "summary and report are said not to be kept"
        workspace.edit(lambda config: config["dates"].append(killed.ANOTHER_DATE))
        result = killed.launch(workspace)
        assert result.status != 0 and result.tasks == {"MAKE_PLAN": 1}
        (line,) = [line for line in error_lines(result.text) if "warning" not in line]
        assert "may only be read, and 0 environments and 2 forecasts are missing" in line and "--outdir" in line
    assert killed.begun(workspace) == 0
    result = killed.launch(workspace)
    assert result.status == 0 and killed.begun(workspace) == 2, result.text
