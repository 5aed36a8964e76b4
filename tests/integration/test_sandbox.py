"""A sandbox, unpacked elsewhere, makes the forecast that evalflow makes."""

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import eccodes
import numpy as np
import pytest
from support.environments import make_wheel


def unpack(zipped: Path, folder: Path) -> Path:
    """Unpack as `unzip` does, with modes and links, and return the one folder in it."""
    with zipfile.ZipFile(zipped) as archive:
        for info in archive.infolist():
            path = folder / info.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                path.symlink_to(archive.read(info).decode())
            else:
                path.write_bytes(archive.read(info))
                path.chmod(mode & 0o777)
    (inside,) = folder.iterdir()
    return inside


def fields(path: Path) -> list[np.ndarray]:
    found = []
    with open(path, "rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            found.append(eccodes.codes_get_values(handle))
    return found


@pytest.mark.parametrize("with_checkpoint", [True, False])
def test_a_sandbox_makes_the_same_forecast(workspace, tmp_path, with_checkpoint):
    wheel = make_wheel(tmp_path / "exp", "carried")
    workspace.edit(lambda config: config["runs"][0]["forecaster"].update(extra_requirements=[wheel.name]))
    assert workspace.launch().status == 0
    result = workspace.launch("--target", "sandbox", *(["--sandbox_checkpoint"] if with_checkpoint else []))
    assert result.status == 0, result.text
    assert (result.environments, result.forecasts, result.ran("CREATE_SANDBOX")) == (0, 0, 2), result.text
    run = workspace.plan()["runs"][0]
    zipped = workspace.store / "runs" / run["run_id"] / "sandbox.zip"
    assert str(zipped) in result.text

    folder = unpack(zipped, tmp_path / "else where")
    assert (folder / "inference-last.ckpt").is_symlink() is not with_checkpoint
    assert "./make_environment.sh" in (folder / "README.md").read_text()
    variables = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "UV_SYSTEM_CERTS": "true"}
    for script in ("make_environment.sh", "run_forecast.sh"):
        done = subprocess.run(
            [folder / script], env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout + done.stderr
        wheel.unlink(missing_ok=True)  # the sandbox has its own
    published = workspace.store / "runs" / run["run_id"] / "199601150000"
    for name in ("000.grib", "006.grib"):
        for one, other in zip(fields(folder / "output" / name), fields(published / name), strict=True):
            assert np.array_equal(one, other)


def test_the_same_run_gives_the_same_sandbox(workspace):
    assert workspace.launch("--target", "sandbox").status == 0
    (first, *_) = sorted(workspace.store.glob("runs/*/*/sandbox.zip"))
    content = first.read_bytes()
    assert workspace.launch("--target", "sandbox").status == 0
    assert first.read_bytes() == content
