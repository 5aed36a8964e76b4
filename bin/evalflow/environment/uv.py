"""Run uv, the program that resolves and installs packages."""

import os
import re
import subprocess
import sys
from pathlib import Path

from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError
from evalflow.host import scratch_folder

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
        lines = [
            line for line in lines if line and not line.startswith(("Using ", "Resolved ", "Prepared ", "Creating "))
        ]
        raise UserError(f"{what}: {' '.join(lines) or f'uv ended with status {result.returncode}'}")
    return result.stdout


def backend_options(spec: EnvironmentSpec) -> list[str]:
    """Return uv's options for the build of PyTorch that a run asks for (PyTorch's own index)."""
    backend = spec.torch_backend
    # uv's own `auto` looks for a GPU on the host that resolves, but the model may run on another
    # one.
    return [] if backend == "auto" else ["--torch-backend", backend]
