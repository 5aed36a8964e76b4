"""Run uv, the program that resolves and installs packages."""

import os
import re
import subprocess
import sys
from pathlib import Path

from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError
from evalflow.host import scratch_folder, scratch_hint

_PROGRESS = ("Using ", "Resolved ", "Prepared ", "Creating ", "Updating ", "Updated ")
_GIT_FAILED = ("Git operation failed", "Git executable not found")
_STDERR = "--- stderr"
_MOST_CAUSE = 200
"""Characters of what Git says that are shown."""
_GIT_CURES = (
    ("executable", "install git, "),
    (
        "resolve host|connect|timed out|refused|unreachable|reset by peer|certificate|proxy",
        "check that this host reaches it (HTTPS_PROXY, certificates), ",
    ),
    ("our ref|remote ref|unadvertised|object|revision|a tree", "check that this commit was pushed there, "),
    (
        "username|password|authentication|denied|not found|host key|could not read|access|does not appear|40[134]",
        "check the address, and give Git access to it on this host (an ssh key, a credential helper), ",
    ),
)
"""What Git says → cure; the first that fits."""

_PASSED_ON = re.compile(
    r"UV_(?:INDEX|INDEX_URL|INDEX_STRATEGY|INDEX_\w+_(?:USERNAME|PASSWORD)|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX"
    r"|OFFLINE|CACHE_DIR|NO_CACHE|LINK_MODE|KEYRING_PROVIDER|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST|CLIENT_CERT|SSL_\w+"
    r"|HTTP_\w+|REQUEST_TIMEOUT|CONCURRENT_\w+|LOCK_TIMEOUT|CREDENTIALS_DIR|GITHUB_TOKEN|GIT_LFS|STACK_SIZE)"
)
"""What says where packages come from and how to get them: a matter of the site."""
_CHANGES_PACKAGES = re.compile(
    r"UV_(?:CONSTRAINT|OVERRIDE|EXCLUDE|BUILD_CONSTRAINT|EXCLUDE_NEWER\w*|RESOLUTION|PRERELEASE|FORK_STRATEGY|TORCH_BACKEND"
    r"|NO_BINARY\w*|ONLY_BINARY\w*|NO_BUILD\w*|NO_SOURCES\w*|NO_DEPS|CONFIG_FILE|REQUIRE_HASHES|NO_VERIFY_HASHES)"
)


def shut_out() -> list[str]:
    """Return the variables of the shell that would change which packages are installed.

    They are no part of env_id, so uv does not get them: two users would have two environments of
    one id.
    """
    return sorted(name for name, value in os.environ.items() if value and _CHANGES_PACKAGES.fullmatch(name))


def run_uv(arguments: list[str], cwd: Path, what: str) -> str:
    """Run uv and return its output; its own explanation becomes the error text."""
    uv = Path(sys.executable).parent / "uv"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
        and (not name.startswith("UV_") or _PASSED_ON.fullmatch(name))
    }
    environment.setdefault("UV_SYSTEM_CERTS", "true")  # sites with certificates of their own have them there
    environment.setdefault("UV_CACHE_DIR", str(scratch_folder() / "uv-cache"))
    # Settings of some project around the launch folder must not leak into an environment.
    command = [str(uv), "--no-config", "--no-progress", "--color", "never", *arguments]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        lines = [line.strip(" ×╰─▶│├") for line in result.stderr.splitlines()]
        lines = [re.sub("^(error|cause): ", "", line) for line in lines]
        lines = [line for line in lines if line and not line.startswith(_PROGRESS)]
        said = " ".join(lines) or f"uv ended with status {result.returncode}"
        git = _explain_git(lines)
        raise UserError(f"{what}: {git or said + scratch_hint(said, Path(environment['UV_CACHE_DIR']))}")
    return result.stdout


def _explain_git(lines: list[str]) -> str | None:
    """Return in one line why Git could not get a package, and a cure; None where Git is not the cause."""
    if not any(line.startswith(_GIT_FAILED) for line in lines):
        return None
    named = re.search("`([^`]+)`", lines[0])
    said = lines[lines.index(_STDERR) + 1 :] if _STDERR in lines else []
    # Git's first line has the cause; what follows are guesses.
    cause = next((line for line in said if not line.lower().startswith(("warning:", "hint:"))), lines[-1])
    cure = next((cure for pattern, cure in _GIT_CURES if re.search(pattern, cause, re.IGNORECASE)), "")
    package = f"{named[1]}: " if named else ""
    return f"{package}{cause[:_MOST_CAUSE]}; {cure}or name another source of it in extra_requirements"


def backend_options(spec: EnvironmentSpec) -> list[str]:
    """Return uv's options for the build of PyTorch that a run asks for (PyTorch's own index)."""
    backend = spec.torch_backend
    # uv's own `auto` looks for a GPU on the host that resolves, but the model may run on another
    # one.
    return [] if backend == "auto" else ["--torch-backend", backend]
