"""A store with everything in it: environments and forecasts of a plan, and ways to damage them."""

import json
import os
import sys
from pathlib import Path

import pytest
from evalflow.environment import image
from evalflow.environment import lock as locking
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.environment.image import build_image
from evalflow.environment.lock import lock_requirements
from evalflow.environment.seal import seal_environment
from evalflow.environment.spec import EnvironmentSpec
from evalflow.inference.prepare import prepare_run
from evalflow.inference.spec import RunSpec
from evalflow.requirements import read_lock
from evalflow.store.files import describe_file, to_json
from evalflow.store.layout import ENVIRONMENT_SEAL, FORECAST_SEAL, LOCK, MADE, METADATA, RUN_FILE, image_name


def store_environment(env: dict, patch: pytest.MonkeyPatch, seal: bool = True) -> None:
    """Make an environment of a plan with the functions that do so, but for what uv and mksquashfs would do."""
    spec, folder = env["spec"], Path(env["spec"]["folder"])
    lock = folder / LOCK
    for module in (image, locking):
        patch.setattr(module, "find_python", lambda *_, **__: ("3.11.7", sys.executable))
    patch.setattr(locking, "run_uv", lambda *_, **__: f"{' '.join(spec['extra_requirements'])}\n")
    patch.setattr(image, "_make_venv", lambda *_, **__: None)
    patch.setattr(image, "_check_imports", lambda *_, **__: None)
    patch.setattr(image, "_squash", lambda venv, image: image.write_text("an image of a venv"))
    get_checkpoint(EnvironmentSpec(**spec))
    lock_requirements(EnvironmentSpec(**spec), folder / METADATA)
    build_image(EnvironmentSpec(**spec), lock)
    if seal:
        image_id = read_lock(lock)["image_id"]
        seal_environment(EnvironmentSpec(**spec), Path(spec["images"]) / image_name(image_id, squash=True))


def store_forecast(
    run: dict, init_time: str, files: tuple[str, ...] = ("a.grib", "grib/b.grib", "forecast.log")
) -> Path:
    """Make a forecast of a plan, of files that are none, and return its folder."""
    base = Path(run["store"]) / "runs" / run["run_id"]
    if not (base / RUN_FILE).exists():
        prepare_run(RunSpec(**run["spec"]), Path(run["store"]).parent / "work")
    for name in files:
        path = base / init_time / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} of {init_time}")
    proofs = {name: describe_file(base / init_time / name) for name in files}
    about = {"run_id": run["run_id"], "init_time": init_time, "sha256": run["spec"]["sha256"], "files": proofs}
    (base / init_time / FORECAST_SEAL).write_text(to_json(about))
    return base / init_time


def write_forecast(folder: Path, sha256: str = "f" * 64, text: str = "fields") -> Path:
    """Write a whole forecast of the run with this digest."""
    folder.mkdir(parents=True)
    (folder / "a.grib").write_text(text)
    about = {"sha256": sha256, "files": {"a.grib": describe_file(folder / "a.grib")}, "seconds": 2.0}
    (folder / FORECAST_SEAL).write_text(to_json(about))
    return folder


def store_made(run: dict, init_time: str, mark: str = "0" * 8) -> Path:
    """Store a forecast of a run of a plan, without its name."""
    path = Path(run["spec"]["folder"]) / MADE / f"{init_time}.{mark}"
    return write_forecast(path, run["spec"]["sha256"], mark)


def give_name(made: Path) -> Path:
    """Do what Nextflow does: give a stored forecast its name."""
    name = made.parents[1] / made.name.split(".")[0]
    name.symlink_to(Path(MADE) / made.name)
    return name


def folder_of(plan: dict, index: int = 0) -> Path:
    return Path(plan["envs"][index]["spec"]["folder"])


def image_of(plan: dict) -> Path:
    """Return the image of the first environment."""
    return Path(os.path.realpath(folder_of(plan) / "venv.squashfs"))


def snapshot(root: Path) -> dict:
    """Return everything below `root`: kind, times and content."""
    found = {}
    for path in root.rglob("*"):
        stat = path.lstat()
        content = (
            os.readlink(path)
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else sorted(os.listdir(path))
        )
        found[str(path.relative_to(root))] = (stat.st_mode, stat.st_ino, stat.st_mtime_ns, content)
    return found


def contents(root: Path) -> list:
    """Return what all files below `root` hold, whatever they are called."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted((path.read_bytes(), path.stat().st_ino) for path in files)


def states(plan: dict) -> dict[str, bool]:
    return {env["env_id"]: env["complete"] for env in plan["envs"]}


# --- damage -------------------------------------------------------------------------------------------------------


def rewrite(path: Path, change) -> None:
    """Change the JSON of a file."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    """Change one byte of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


SEAL = ENVIRONMENT_SEAL
