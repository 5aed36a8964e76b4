"""The Python interpreters of this host. Nothing is ever downloaded."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from evalflow.errors import UserError

_ASK = "import json,platform,sys; print(json.dumps([platform.python_version(), sys._base_executable]))"


def _ask(executable: Path) -> tuple[str, str] | None:
    """Return version and path of the interpreter `executable`, or None if it does not run."""
    try:
        answer = subprocess.run(
            [executable, "-I", "-c", _ASK], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
        )
        version, base = json.loads(answer.stdout)
    except (OSError, ValueError, TypeError, subprocess.TimeoutExpired):
        return None
    return version, os.path.realpath(base)


def _candidates(minor: str) -> list[Path]:
    folders = [Path(text) for text in os.environ.get("EVALFLOW_PYTHONS", "").split(os.pathsep) if text]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    if pyenv.is_dir():
        folders += [folder / "bin" for folder in sorted(pyenv.glob(f"{minor}.*"), reverse=True)]
    folders += [Path(text) for text in os.environ.get("PATH", "").split(os.pathsep) if text]
    found = [folder / f"python{minor}" for folder in folders]
    found.insert(0, Path(getattr(sys, "_base_executable", sys.executable)))
    return [path for path in dict.fromkeys(found) if os.access(path, os.X_OK)]


def _patch_level(version: str) -> int:
    match = re.match(r"\d+\.\d+\.(\d+)", version)
    assert match is not None, version
    return int(match[1])


def find_python(wanted: str | None, nearest: bool = False) -> tuple[str, str]:
    """Return version (`3.11.7`) and real path of an interpreter.

    Parameters
    ----------
    wanted : `3.11` or `3.11.7`; None means the version that evalflow itself runs on
    nearest : take another patch level of the same minor version where the host does not have this
        one

    Raises
    ------
    UserError
        Where no interpreter of that version is on the host: evalflow's own Python, those in the
        folders of `$EVALFLOW_PYTHONS`, pyenv's versions and PATH.
    """
    if wanted is None:
        wanted = "{}.{}.{}".format(*sys.version_info)
    minor = ".".join(wanted.split(".")[:2])
    found: dict[str, str] = {}
    for path in _candidates(minor):
        version, python = _ask(path) or ("", "")
        if f"{version}.".startswith(f"{wanted}."):
            return version, python
        if f"{version}.".startswith(f"{minor}."):
            found.setdefault(version, python)
    if nearest and found:
        patch = _patch_level(wanted)
        version = min(found, key=lambda version: abs(_patch_level(version) - patch))
        return version, found[version]
    have = ", ".join(sorted(found)) or "none"
    raise UserError(
        f"Python {wanted} is not on this host (of {minor}: {have}); install it, or name the folder that holds "
        f"python{minor} in EVALFLOW_PYTHONS" + (", or choose another with python: in the run entry" if nearest else "")
    )
