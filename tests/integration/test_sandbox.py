"""A sandbox, unpacked elsewhere, makes the forecast that evalflow makes."""

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import eccodes
import numpy as np
from support.environments import make_wheel
from support.launches import entry_of


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


def test_a_sandbox_makes_the_same_forecast(workspace, tmp_path):
    """In an environment of its own, with a wheel that only this run has, which the sandbox carries."""
    wheel = make_wheel(tmp_path / "exp", "carried")

    def change(config):
        config["runs"].pop(1)
        entry_of(config, 0).update(extra_requirements=[wheel.name])

    published = workspace.store / "runs" / workspace.plan()["runs"][0]["run_id"] / "199601150000"
    workspace.edit(change)
    result = workspace.launch("--target", "sandbox", "--sandbox_checkpoint")
    assert result.status == 0, result.text
    assert (result.forecasts, result.ran("CREATE_SANDBOX")) == (0, 1), result.text
    run = workspace.plan()["runs"][0]
    zipped = workspace.store / "runs" / run["run_id"] / "sandbox.zip"
    assert str(zipped) in result.text

    folder = unpack(zipped, tmp_path / "else where")
    assert not (folder / "inference-last.ckpt").is_symlink()
    assert "./make_environment.sh" in (folder / "README.md").read_text()
    variables = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "UV_SYSTEM_CERTS": "true"}
    for script in ("make_environment.sh", "run_forecast.sh"):
        done = subprocess.run(
            [folder / script], env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout + done.stderr
        wheel.unlink(missing_ok=True)  # the sandbox has its own
    for name in ("000.grib", "006.grib"):
        for one, other in zip(fields(folder / "output" / name), fields(published / name), strict=True):
            assert np.array_equal(one, other)
