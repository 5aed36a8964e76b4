"""Build the image of an environment and prove it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from evalflow.digests import digest
from evalflow.environment.pythons import find_python
from evalflow.environment.spec import EnvironmentSpec
from evalflow.environment.uv import backend_options, run_uv
from evalflow.errors import UserError
from evalflow.host import scratch_hint, temporary_scratch, this_platform
from evalflow.requirements import read_lock
from evalflow.runners.registry import runner_named
from evalflow.store.files import compare_file, describe_file, new_in_store, read_json, set_aside, to_json, write_new
from evalflow.store.layout import image_name, proof_of

_BLOCK = "1M"
_LEVEL = "3"


def _clean_environment() -> dict[str, str]:
    """Return our environment variables without those that change what a Python interpreter does."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _make_venv(venv: Path, lock: Path, python: str, env_id: str, options: list[str]) -> None:
    """Build the environment; afterwards it is the same bytes wherever and whenever it is built."""
    what = f"{env_id}: the environment cannot be built"
    create = ["venv", "--relocatable", "--no-project", "--no-python-downloads", "--python", python]
    install = ["pip", "sync", "--link-mode", "copy", "--allow-empty-requirements", "--python"]
    run_uv([*create, str(venv)], venv.parent, what)
    run_uv([*install, str(venv / "bin" / "python"), os.path.abspath(lock), *options], venv.parent, what)
    for name in (".lock", ".gitignore", "CACHEDIR.TAG"):
        (venv / name).unlink(missing_ok=True)
    for about in venv.glob("lib/python*/site-packages/*.dist-info"):
        _forget_origin(about)
    _compile(venv, what)
    _set_modes(venv)


def _forget_origin(about: Path) -> None:
    """Remove time of download and local file of origin from a package's metadata."""
    direct_url = about / "direct_url.json"
    removed = [about / "uv_cache.json"]
    if direct_url.exists() and json.loads(direct_url.read_bytes()).get("url", "").startswith("file:"):
        removed.append(direct_url)
    record = about / "RECORD"
    names = tuple(f"{about.name}/{path.name}," for path in removed)
    if record.exists():
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith(names)), encoding="utf-8", newline="")
    for path in removed:
        path.unlink(missing_ok=True)


def _compile(venv: Path, what: str) -> None:
    """Compile all modules to the same bytes: one process, fixed order, fixed hashing."""
    # Not with -I, which would ignore PYTHONHASHSEED. With -B, because Python itself would compile
    # what a .pth file imports at the start, with the file's time in it, and compileall would keep
    # that. -s keeps the path of the scratch folder out of the compiled files.
    command = ["bin/python", "-B", "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    result = subprocess.run(
        [*command, "-s", str(venv), str(venv / "lib")],
        cwd=venv,
        env={**_clean_environment(), "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # packages ship files that are not meant to compile (templates, Python 2)
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    failed = re.search(r"^\w+Error: (\[Errno .*)", result.stdout, re.MULTILINE)
    if failed or result.returncode not in (0, 1):
        reason = failed[1] if failed else f"status {result.returncode}"
        raise UserError(f"{what}: its modules cannot be compiled: {reason}{scratch_hint(reason)}")


def _set_modes(venv: Path) -> None:
    """Let everybody read the files, whatever the umask of the build: images are shared."""
    for folder, folders, files in os.walk(venv):
        for path in (os.path.join(folder, name) for name in folders + files):
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)
    venv.chmod(0o755)


def _check_imports(venv: Path, modules: tuple[str, ...], env_id: str) -> None:
    program = f"import {', '.join(modules)}" if modules else ""
    result = subprocess.run(
        [venv / "bin" / "python", "-I", "-B", "-c", program],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_clean_environment(),
    )  # fmt: skip
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        cure = scratch_hint(reason) or "; name versions that go together in its requirements"
        raise UserError(f"{env_id}: the environment is built but does not work: {reason}{cure}")


def _squash(venv: Path, image: Path) -> None:
    command = [
        "mksquashfs", str(venv), str(image), "-noappend", "-no-recovery", "-no-progress", "-no-xattrs", "-all-root",
        "-comp", "zstd", "-Xcompression-level", _LEVEL, "-b", _BLOCK, "-mkfs-time", "0", "-all-time", "0",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise UserError("mksquashfs is not on this host; install squashfs-tools, or set squash_venv: false") from None
    if result.returncode != 0:
        reason = " ".join(result.stderr.split()) or f"mksquashfs ended with status {result.returncode}"
        raise UserError(f"{image.parent}: the image cannot be written: {reason}")


def _copy(venv: Path, folder: Path, image: Path) -> None:
    try:
        shutil.copytree(venv, folder, symlinks=True)
    except shutil.Error as error:  # a list of (source, destination, reason)
        reason = re.sub(r"^\[Errno \d+\] |: '.*", "", error.args[0][0][2])
        raise UserError(f"{image.parent}: the image cannot be written: {reason}") from None


def _describe(image: Path) -> dict:
    """Return size in bytes and digest of an image, or of all names and files of a folder."""
    if not image.is_dir():
        return describe_file(image)
    entries, size = [], 0
    for path in sorted(image.rglob("*")):
        if path.is_symlink():
            entries.append([str(path.relative_to(image)), os.readlink(path)])
        elif path.is_file():
            proof = describe_file(path)
            size += proof["size"]
            entries.append([str(path.relative_to(image)), proof["sha256"]])
    return {"size": size, "sha256": digest(entries)}


def build_image(spec: EnvironmentSpec, lock: Path) -> None:
    """Build the environment of a lock on node-local scratch and put its image into the store.

    Only the image and its proof are written to the store (`spec.images`). With `squash_venv: false`
    the image is a folder.

    Raises
    ------
    UserError
        Where packages cannot be installed or imported, or where a disk is full. Nothing is left
        then.
    """
    locked = read_lock(lock)
    if locked is None:
        raise UserError(f"{lock}: not a whole lock file; launch again")
    if spec.platform != this_platform():
        raise UserError(
            f"{spec.env_id}: this host is {this_platform()}, the environment is for {spec.platform}; build it on such a "
            "node (docs/slurm.md), or set EVALFLOW_PLATFORM to the platform of the nodes that forecasts run on"
        )
    version, python = find_python(locked["python"])
    image = spec.images / image_name(locked["image_id"], spec.squash_venv)
    with temporary_scratch("build") as scratch:
        venv = scratch / "venv"
        _make_venv(venv, lock, python, spec.env_id, backend_options(spec))
        _check_imports(venv, runner_named(spec.runner).imports, spec.env_id)
        with new_in_store(image) as temporary:
            if spec.squash_venv:
                _squash(venv, temporary)
            else:
                _copy(venv, temporary, image)
            # An image without a proof comes from a build that was killed, or that is being finished
            # with the same bytes.
            if image.exists() and read_json(proof_of(image)) is None and _describe(image) != _describe(temporary):
                set_aside(image)
    proof = {
        **_describe(image),
        "image_id": locked["image_id"],
        "python": version,
        "platform": spec.platform,
        "recipe": spec.recipe,
    }
    write_new(proof_of(image), to_json(proof))


def check_image(image: Path, verify: bool) -> str | None:
    """Return what is wrong with a stored image against its proof, or None."""
    proof = read_json(proof_of(image))
    if proof is None:
        return f"{proof_of(image).name} is missing or not whole"
    if image.is_dir():
        if not (image / "bin" / "python").is_symlink():
            return f"{image.name} has no bin/python"
        if verify and _describe(image)["sha256"] != proof.get("sha256"):
            return f"{image.name} has another content than when it was made (its digest differs)"
        return None
    return compare_file(image, proof, verify)
