"""Environments: fetch the checkpoint, lock its requirements, build the image, seal.

The files of an environment, in `{store}/runs/{env_id}/`: `inference-last.ckpt`, `anemoi.json` (what is known of the
checkpoint), `requirements.txt` (the lock), `venv.squashfs` (link to the image) and `env.json`, written last.
Images are shared: `{store}/images/{image_id}.squashfs` with its proof `{image_id}.squashfs.json`.
"""

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from evalflow import store
from evalflow.config_fields import check_requirement, show
from evalflow.digests import changed_since_planned, digest, file_digest
from evalflow.errors import UserError
from evalflow.pythons import find_python, this_platform
from evalflow.requirements import merge_requirements, requirement_name
from evalflow.runners import runner_named
from evalflow.sources import Checkpoint, source_of

CHECKPOINT = "inference-last.ckpt"
METADATA = "anemoi.json"
LOCK = "requirements.txt"
SEAL = "env.json"
DEFINITIONS = "share/eccodes-cosmo-resources/definitions"
"""Local ecCodes definitions, where an environment brings some (the package eccodes-cosmo-resources)."""
LINKS = {True: "venv.squashfs", False: "venv"}
"""squash_venv → name of the link to the image in an environment's folder."""

_MOST_METADATA = 256 * 1024 * 1024
"""Bytes up to which the metadata of a checkpoint is read: a small archive may hold any number of them."""
_BLOCK = "1M"
_LEVEL = "3"


def scratch_folder() -> Path:
    """Return the user's node-local folder for builds and caches, below `$EVALFLOW_SCRATCH`, else `$TMPDIR`, or /tmp."""
    base = os.environ.get("EVALFLOW_SCRATCH") or os.environ.get("TMPDIR") or "/tmp"
    folder = Path(base) / f"evalflow-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: no scratch folder: {error.strerror}; set EVALFLOW_SCRATCH") from None
    if folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder}: belongs to somebody else; set EVALFLOW_SCRATCH to a folder of your own")
    return folder


@contextmanager
def temporary_scratch(purpose: str) -> Iterator[Path]:
    """Yield a new node-local folder; afterwards it is removed, at the latest by the next one for the same purpose."""
    base = scratch_folder()
    store.remove_stale(base, f"{purpose}-*")
    folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _uv(arguments: list[str], cwd: Path, what: str) -> str:
    """Run uv and return its output; its own explanation becomes the error text."""
    uv = Path(sys.executable).parent / "uv"
    environment = {
        name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
    }
    environment.setdefault("UV_SYSTEM_CERTS", "true")  # sites with certificates of their own have them there
    environment.setdefault("UV_CACHE_DIR", str(scratch_folder() / "uv-cache"))
    # Settings of some project around the launch folder must not leak into an environment.
    command = [str(uv), "--no-config", "--no-progress", "--color", "never", *arguments]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        lines = [line.strip(" ×╰─▶│├") for line in result.stderr.splitlines()]
        lines = [re.sub("^(error|cause): ", "", line) for line in lines]
        lines = [
            line for line in lines if line and not line.startswith(("Using ", "Resolved ", "Prepared ", "Creating "))
        ]
        raise UserError(f"{what}: {' '.join(lines) or f'uv ended with status {result.returncode}'}")
    return result.stdout


# --- checkpoint -------------------------------------------------------------------------------------------------------


def _read_member(path: Path, uri: str) -> bytes | None:
    """Return the metadata in a checkpoint as they stand there, or None where it has none."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(("ai-models.json", "anemoi.json")) and "anemoi-metadata" in name:
                    member = archive.getinfo(name)
                    if member.file_size > _MOST_METADATA:
                        raise ValueError(f"{member.file_size:,} bytes of metadata, more than {_MOST_METADATA:,}")
                    # Of these two, no more is decompressed at a time than is asked for.
                    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                        raise ValueError("metadata compressed in another way than by deflate")
                    with archive.open(member) as file:
                        return file.read(_MOST_METADATA)
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError) as error:
        reason = show(str(error))[1:-1]
        raise UserError(
            f"{uri}: the checkpoint's archive cannot be read: {reason}; save the checkpoint again"
        ) from None
    return None


def read_metadata(path: Path, uri: str) -> dict:
    """Return what a checkpoint says of itself: the metadata that anemoi stores in it, or else its format alone.

    A checkpoint may be a pickle: it is never loaded here, only the text member of its archive is read.

    Raises
    ------
    UserError
        Where the archive is damaged, or its metadata are not what can be stored as a JSON mapping.
    """
    text = _read_member(path, uri)
    if text is None:
        return {"format": Path(uri).suffix.lstrip(".") or "unknown"}
    try:
        metadata = json.loads(text)
        store.to_json(metadata).encode("utf-8")  # JSON may name half a character (\ud800), which no file can hold
        if isinstance(metadata, dict):
            return metadata
        problem = "not a mapping"
    except UnicodeEncodeError:
        problem = "no valid Unicode"
    except ValueError:
        problem = "not valid JSON"
    except RecursionError:
        problem = "nested too deeply"
    raise UserError(f"{uri}: the checkpoint's anemoi metadata is {problem}; save the checkpoint again")


def read_task(path: Path) -> str | None:
    """Return what an anemoi checkpoint was trained for (`forecaster`, `temporal_downscaler`, …), where it says so."""
    metadata = read_metadata(path, path.name)
    inference = metadata.get("metadata_inference")
    task = (inference.get("task") if isinstance(inference, dict) else None) or metadata.get("task")
    return task if isinstance(task, str) else None


def get_checkpoint(spec: dict) -> None:
    """Put the checkpoint and its metadata into an environment's folder.

    Parameters
    ----------
    spec : the environment as the plan has it; `spec["folder"]` is `{store}/runs/{env_id}`

    Raises
    ------
    UserError
        Where the checkpoint is not (or no longer) what was planned.
    """
    folder = Path(spec["folder"])
    checkpoint = Checkpoint(**spec["checkpoint"])
    final = folder / CHECKPOINT
    with store.new_in_store(final) as temporary:
        source_of(checkpoint.uri, "checkpoint").fetch(checkpoint, temporary)
        if checkpoint.sha256 and file_digest(temporary) != checkpoint.sha256:
            raise changed_since_planned(checkpoint.location)
        metadata = read_metadata(temporary, checkpoint.uri)
    store.write_new(folder / METADATA, store.to_json(metadata))


# --- lock -------------------------------------------------------------------------------------------------------------


def _torch_backend(spec: dict) -> list[str]:
    """Return uv's options for the builds of PyTorch that a run asks for; it takes them from PyTorch's own index."""
    backend = spec["torch_backend"]
    # uv's own `auto` looks for a GPU on the host that resolves, which may be another one than the model runs on.
    return [] if backend == "auto" else ["--torch-backend", backend]


def _with_backend(spec: dict) -> str:
    """Return what to add to an error text: PyTorch's own index may be out of reach where the usual one is not."""
    return "" if spec["torch_backend"] == "auto" else f" with torch_backend {spec['torch_backend']}"


def _warnings(spec: dict, metadata: dict, python: str) -> list[str]:
    """Return in what an environment differs from that of the training, though nobody asked for it."""
    runner = runner_named(spec["runner"])
    chosen = {requirement_name(text) for text in spec["extra_requirements"]}
    warnings = [text for package, text in runner.warnings(metadata) if package not in chosen]
    wanted = runner.python(metadata)
    if wanted and spec["python"] is None and not f"{python}.".startswith(f"{wanted}."):
        warnings.append(f"Python {wanted} of the training is not on this host; Python {python} is used")
    return warnings


def lock_requirements(spec: dict, metadata: Path) -> None:
    """Resolve an environment's requirements to a full lock with hashes, `requirements.txt` in the environment's folder.

    The first lines say for which Python and platform the lock is, and the image_id that follows from it: the same
    packages for the same Python, platform and recipe are one image.

    Raises
    ------
    UserError
        With the solver's own explanation, where the requirements cannot be met; where the checkpoint's metadata asks for
        what is no requirement.
    """
    runner = runner_named(spec["runner"])
    known = json.loads(metadata.read_text(encoding="utf-8"))
    try:
        needed = runner.requirements(known, not spec["disable_local_eccodes_definitions"])
    except UserError as error:
        raise UserError(f"{spec['checkpoint']['uri']}: {error}") from None
    wanted = merge_requirements(needed, spec["requirements"])
    wanted = merge_requirements(wanted, spec["extra_requirements"])
    # As URLs, local files may have any character in their path.
    wanted = [Path(text).as_uri() if os.path.isabs(text) else text for text in wanted]
    for text in wanted:  # those of the config are checked, but a checkpoint's metadata may hold any text
        try:
            check_requirement(text)
        except ValueError as error:
            cure = "if its metadata says so, name another in extra_requirements"
            raise UserError(f"{spec['checkpoint']['uri']}: requirement of its environment: {error}; {cure}") from None
    version, python = find_python(spec["python"] or runner.python(known), nearest=spec["python"] is None)
    for warning in _warnings(spec, known, version):
        click.echo(f"evalflow: {spec['env_id']}: warning: {warning}", err=True)
    with temporary_scratch("build") as scratch:
        (scratch / "requirements.in").write_text("\n".join(wanted) + "\n", encoding="utf-8")
        body = _uv(
            ["pip", "compile", "requirements.in", "--python", python, "--no-python-downloads", "--generate-hashes",
             "--no-header", "--no-annotate", *_torch_backend(spec)],
            scratch,
            f"{spec['env_id']}: requirements cannot be resolved{_with_backend(spec)}",
        ) if wanted else ""  # fmt: skip
    image_id = digest(
        {
            "lock": re.sub(r"file://\S*/", "", body),
            "python": version,
            "platform": spec["platform"],
            "recipe": spec["recipe"],
        }
    )[:8]
    header = f"# Locked by evalflow for Python {version} on {spec['platform']}.\n# image_id: {image_id}\n"
    sha256 = hashlib.sha256((header + body).encode()).hexdigest()
    store.write_new(Path(spec["folder"]) / LOCK, f"{header}# sha256: {sha256}\n{body}")


def read_lock(path: Path) -> dict | None:
    """Return what a lock file says (`python`, `image_id`), or None where it is not whole."""
    try:
        lines = path.read_bytes().decode("utf-8").split("\n", 3)
        python = re.fullmatch(r"# Locked by evalflow for Python (\S+) on \S+\.", lines[0])
        image_id = re.fullmatch(r"# image_id: ([0-9a-f]{8})", lines[1])
        sha256 = re.fullmatch(r"# sha256: ([0-9a-f]{64})", lines[2])
        if sha256[1] != hashlib.sha256("\n".join([*lines[:2], lines[3]]).encode()).hexdigest():
            return None
        return {"python": python[1], "image_id": image_id[1]}
    except (OSError, UnicodeDecodeError, IndexError, TypeError):
        return None


# --- image ------------------------------------------------------------------------------------------------------------


def image_name(image_id: str, squash: bool) -> str:
    """Return the name of an image in `{store}/images`: a SquashFS file, or a folder for sites that cannot mount."""
    return f"{image_id}.squashfs" if squash else image_id


def proof_of(image: Path) -> Path:
    """Return the path of the proof (size and digest) that lies beside an image."""
    return image.with_name(f"{image.name}.json")


def _clean_environment() -> dict[str, str]:
    """Return our environment variables without those that change what a Python interpreter does."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _make_venv(venv: Path, lock: Path, python: str, env_id: str, options: list[str]) -> None:
    """Build the environment; afterwards it is the same bytes wherever and whenever it is built."""
    what = f"{env_id}: the environment cannot be built"
    create = ["venv", "--relocatable", "--no-project", "--no-python-downloads", "--python", python]
    install = ["pip", "sync", "--link-mode", "copy", "--allow-empty-requirements", "--python"]
    _uv([*create, str(venv)], venv.parent, what)
    _uv([*install, str(venv / "bin" / "python"), os.path.abspath(lock), *options], venv.parent, what)
    for name in (".lock", ".gitignore", "CACHEDIR.TAG"):
        (venv / name).unlink(missing_ok=True)
    for about in venv.glob("lib/python*/site-packages/*.dist-info"):
        _forget_origin(about)
    _compile(venv, what)
    _set_modes(venv)


def _forget_origin(about: Path) -> None:
    """Remove from a package's metadata when it was downloaded, and which local file it was installed from."""
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
    """Compile all modules: in one process, in a fixed order, with fixed hashing: the bytes are always the same."""
    # Not with -I, which would ignore PYTHONHASHSEED. -B: what a .pth file imports at the start must not be compiled by
    # Python itself, with the time of the file in it, for compileall would keep that. -s keeps the path of the scratch
    # folder out of the compiled files.
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
        raise UserError(f"{what}: its modules cannot be compiled: {reason}")


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
        raise UserError(f"{env_id}: the environment is built but does not work: {reason}; see its requirements")


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
    """Return size in bytes and digest of an image; of a folder, over names and contents of all files below it."""
    if not image.is_dir():
        return store.describe_file(image)
    entries, size = [], 0
    for path in sorted(image.rglob("*")):
        if path.is_symlink():
            entries.append([str(path.relative_to(image)), os.readlink(path)])
        elif path.is_file():
            proof = store.describe_file(path)
            size += proof["size"]
            entries.append([str(path.relative_to(image)), proof["sha256"]])
    return {"size": size, "sha256": digest(entries)}


def build_image(spec: dict, lock: Path) -> None:
    """Build the environment of a lock on node-local scratch and put its image into the store.

    Only the image and its proof are written to the store (`spec["images"]`). With `squash_venv: false` the image is a
    folder.

    Raises
    ------
    UserError
        Where packages cannot be installed or imported, or where a disk is full. Nothing is left then.
    """
    locked = read_lock(lock)
    if locked is None:
        raise UserError(f"{lock}: not a whole lock file; launch again")
    if spec["platform"] != this_platform():
        raise UserError(
            f"{spec['env_id']}: this host is {this_platform()}, the environment is for {spec['platform']}; build it on such a "
            "node (docs/slurm.md), or set EVALFLOW_PLATFORM to the platform of the nodes that forecasts run on"
        )
    version, python = find_python(locked["python"])
    image = Path(spec["images"]) / image_name(locked["image_id"], spec["squash_venv"])
    with temporary_scratch("build") as scratch:
        venv = scratch / "venv"
        _make_venv(venv, lock, python, spec["env_id"], _torch_backend(spec))
        _check_imports(venv, runner_named(spec["runner"]).imports, spec["env_id"])
        with store.new_in_store(image) as temporary:
            if spec["squash_venv"]:
                _squash(venv, temporary)
            else:
                _copy(venv, temporary, image)
            # An image without a proof is of a build that was killed, or that is being finished with the same bytes.
            if image.exists() and store.read_json(proof_of(image)) is None and _describe(image) != _describe(temporary):
                store.set_aside(image)
    proof = {
        **_describe(image),
        "image_id": locked["image_id"],
        "python": version,
        "platform": spec["platform"],
        "recipe": spec["recipe"],
    }
    store.write_new(proof_of(image), store.to_json(proof))


def check_image(image: Path, verify: bool) -> str | None:
    """Return what is wrong with a stored image against its proof, or None."""
    proof = store.read_json(proof_of(image))
    if proof is None:
        return f"{proof_of(image).name} is missing or not whole"
    if image.is_dir():
        if not (image / "bin" / "python").is_symlink():
            return f"{image.name} has no bin/python"
        if verify and _describe(image)["sha256"] != proof.get("sha256"):
            return f"{image.name} has another content than when it was made (its digest differs)"
        return None
    return store.compare_file(image, proof, verify)


# --- seal -------------------------------------------------------------------------------------------------------------


def seal_environment(spec: dict, image: Path) -> None:
    """Write `env.json`, the last file of an environment: identity, sizes and digests of everything in it.

    Raises
    ------
    UserError
        Where a part of the environment is not whole.
    """
    folder, image = Path(os.path.realpath(spec["folder"])), Path(os.path.realpath(image))
    problem = check_image(image, verify=False)
    if problem:
        raise UserError(f"{image}: {problem}; launch again")
    locked = read_lock(folder / LOCK)
    if locked is None:
        raise UserError(f"{folder / LOCK}: not a whole lock file; launch again")
    link = folder / LINKS[spec["squash_venv"]]
    with store.new_in_store(link) as temporary:
        temporary.symlink_to(os.path.relpath(image, folder))
    proof = store.read_json(proof_of(image))
    files = {name: store.describe_file(folder / name) for name in (METADATA, LOCK)}
    checkpoint = folder / CHECKPOINT
    files[CHECKPOINT] = {"size": checkpoint.stat().st_size, "sha256": file_digest(checkpoint)}
    if Checkpoint(**spec["checkpoint"]).sha256 not in (None, files[CHECKPOINT]["sha256"]):
        raise changed_since_planned(checkpoint)
    files[link.name] = {"size": proof["size"], "sha256": proof["sha256"]}
    document = {
        "env_id": spec["env_id"],
        "sha256": digest(spec["identity"]),
        "identity": spec["identity"],
        "checkpoint": spec["checkpoint"]["uri"],
        "python": locked["python"],
        "image_id": locked["image_id"],
        "warnings": _warnings(spec, json.loads((folder / METADATA).read_text(encoding="utf-8")), locked["python"]),
        "files": dict(sorted(files.items())),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    store.write_new(folder / SEAL, store.to_json(document))
