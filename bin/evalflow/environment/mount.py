"""Make an environment's image visible on this host, however the host allows it; run commands in it.

evalflow tries, in this order: `squashfs-mount`, a loop mount in a private mount namespace (root),
`squashfuse`, unpacking to node-local scratch (once per node and image). A mount lasts as long as
its command: it belongs to a private namespace, or to a child process that the kernel ends with us.
So a failure, a signal or SIGKILL leaves nothing but an empty folder.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalflow.digests import file_digest
from evalflow.errors import UserError
from evalflow.fields.grib.variables import OF_OTHERS
from evalflow.host import scratch_folder
from evalflow.processes import die_with_parent, end_process, exit_status, running
from evalflow.store.files import new_in_store, read_json
from evalflow.store.layout import proof_of

DEFINITIONS = "share/eccodes-cosmo-resources/definitions"
"""Local ecCodes definitions, where an environment has some (package eccodes-cosmo-resources)."""
_MOUNT_SECONDS = 20
_AS_IT_IS = ("sh", "-c", 'exec "$@"', "sh")
"""Prefix of methods that need none.

So a command that cannot be run has the same status with all methods: 126 or 127.
"""
_SETUID_DROPS = ("LD_LIBRARY_PATH", "LD_PRELOAD", "TMPDIR")
"""Variables that a command started by a setuid program (squashfs-mount) would not get."""


@dataclass(frozen=True)
class Environment:
    """An image that can be used now.

    Attributes
    ----------
    method : how it was made visible
    root : folder in which commands see it
    prefix : words to put before a command so that it sees it
    """

    method: str
    root: Path
    prefix: tuple[str, ...] = _AS_IT_IS

    def variables(self) -> dict[str, str]:
        """Return the environment variables of a command that runs in this environment."""
        # Tables of ecCodes that a shell names would change a forecast, and nothing would show it.
        dropped = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "EVALFLOW_VENV", *OF_OTHERS}
        variables = {name: value for name, value in os.environ.items() if name not in dropped}
        variables["PATH"] = f"{self.root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        variables["VIRTUAL_ENV"] = str(self.root)
        variables["PYTHONNOUSERSITE"] = "1"
        return variables

    def has(self, folder: str) -> bool:
        """Return whether the environment contains `folder` (a path relative to its root)."""
        command = [*self.prefix, "test", "-d", str(self.root / folder)]
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0

    def start(self, command: list[str], **options) -> AbstractContextManager[subprocess.Popen]:
        """Start `command` in the environment; leaving the context that is returned ends it.

        The command and what it started in the background end when we do, even by SIGKILL, and at
        the latest when the command does. `options` are those of `subprocess.Popen`.
        """
        options.setdefault("env", self.variables())
        return running([*self.prefix, *command], **options)

    def run(self, command: list[str], **options) -> int:
        """Run `command` as `start` does; return its exit status (128 + number after a signal)."""
        with self.start(command, **options) as process:
            return exit_status(process.wait())


def _works(environment: Environment) -> str | None:
    """Return why the environment's interpreter does not run, or None."""
    try:
        result = subprocess.run(
            [*environment.prefix, str(environment.root / "bin" / "python"), "-I", "-c", ""],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if result.returncode == 0:
        return None
    return " ".join(result.stderr.split())[-300:] or f"status {result.returncode}"


@contextmanager
def _mount_point() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mount-", dir=scratch_folder()))
    try:
        yield folder
    finally:
        try:
            folder.rmdir()
        except OSError:
            pass


@contextmanager
def _squashfs_mount(image: Path) -> Iterator[Environment]:
    if shutil.which("squashfs-mount") is None:
        raise UserError("not installed")
    kept = [f"{name}={os.environ[name]}" for name in _SETUID_DROPS if name in os.environ]
    with _mount_point() as root:
        problems: list[str] = []
        for mount in (f"--sqfs={image}:{root}", f"{image}:{root}"):  # as part of uenv; version 1
            environment = Environment("squashfs-mount", root, ("squashfs-mount", mount, "--", "env", *kept))
            problem = _works(environment)
            if problem is None:
                yield environment
                return
            problems.append(problem)
        raise UserError("; ".join(problems))


@contextmanager
def _loop(image: Path) -> Iterator[Environment]:
    if os.geteuid() != 0:
        raise UserError("only for root")
    program = 'mount -t squashfs -o loop,ro,nodev,nosuid "$1" "$2" && shift 2 && exec "$@"'
    with _mount_point() as root:
        prefix = ("unshare", "--mount", "--propagation", "private", "sh", "-c", program, "sh", str(image), str(root))
        yield Environment("loop mount", root, prefix)


def _is_mounted(root: Path) -> bool:
    try:
        return os.stat(root).st_dev != os.stat(root.parent).st_dev
    except OSError:  # the process behind a FUSE mount was killed
        return True


@contextmanager
def _squashfuse(image: Path) -> Iterator[Environment]:
    if shutil.which("squashfuse") is None:
        raise UserError("not installed")
    with _mount_point() as root:
        process = subprocess.Popen(
            ["squashfuse", "-f", str(image), str(root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C must end the command before its file system
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        )
        assert process.stderr is not None  # a pipe
        try:
            deadline = time.monotonic() + _MOUNT_SECONDS
            while not _is_mounted(root):
                if process.poll() is not None:
                    raise UserError(" ".join(process.stderr.read().split()) or f"status {process.returncode}")
                if time.monotonic() > deadline:
                    raise UserError(f"not mounted after {_MOUNT_SECONDS} s")
                time.sleep(0.02)
            yield Environment("squashfuse", root)
        finally:
            end_process(process)
            process.stderr.close()
            if _is_mounted(root):
                tool = shutil.which("fusermount3") or "fusermount"
                subprocess.run([tool, "-u", "-z", str(root)], capture_output=True, stdin=subprocess.DEVNULL)


@contextmanager
def _unpacked(image: Path) -> Iterator[Environment]:
    if shutil.which("unsquashfs") is None:
        raise UserError("unsquashfs is not installed")
    sha256 = (read_json(proof_of(image)) or {}).get("sha256") or file_digest(image)
    root = scratch_folder() / "unpacked" / f"{image.stem}-{sha256[:16]}"
    root.parent.mkdir(exist_ok=True)
    with open(root.with_name(f"{root.name}.lock"), "w") as lock:
        # One of the jobs on this node unpacks, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            with new_in_store(root) as temporary:
                result = subprocess.run(
                    ["unsquashfs", "-no-progress", "-quiet", "-dest", str(temporary), str(image)],
                    capture_output=True, text=True, stdin=subprocess.DEVNULL,
                )  # fmt: skip
                if result.returncode != 0:
                    raise UserError(" ".join(result.stderr.split())[-300:] or f"unsquashfs: status {result.returncode}")
    yield Environment("unpacked", root)


_METHODS = {"squashfs-mount": _squashfs_mount, "loop": _loop, "squashfuse": _squashfuse, "unpack": _unpacked}


@contextmanager
def mounted(image: Path) -> Iterator[Environment]:
    """Yield the environment in `image`, by the first method that works on this host.

    `$EVALFLOW_MOUNT_METHODS` restricts and orders the methods (`loop,unpack`).

    Raises
    ------
    UserError
        With the reason of every method, where none works.
    """
    image = Path(os.path.realpath(image))
    if not image.exists():
        raise UserError(f"{image}: no such image")
    if image.is_dir():
        environment = Environment("folder", image)
        problem = _works(environment)
        if problem:
            raise UserError(f"{image}: the environment does not run on this host: {problem}")
        yield environment
        return
    wanted = os.environ.get("EVALFLOW_MOUNT_METHODS") or ",".join(_METHODS)
    problems = []
    for name in (text.strip() for text in wanted.split(",")):
        if name not in _METHODS:
            raise UserError(f"EVALFLOW_MOUNT_METHODS: unknown method {name!r}; allowed: {', '.join(_METHODS)}")
        manager = _METHODS[name](image)
        try:
            environment = manager.__enter__()
        except (UserError, OSError) as error:
            problems.append(f"{name}: {error}")
            continue
        try:
            problem = _works(environment)
            if problem is None:
                yield environment
                return
            problems.append(f"{name}: {problem}")
        finally:
            manager.__exit__(None, None, None)
    raise UserError(
        f"{image}: cannot be made visible on this host ({'; '.join(problems)}); install squashfuse or squashfs-tools, "
        "or set squash_venv: false"
    )
