"""What a plan says of an environment and of a run: the one place where tests spell it out."""

from collections.abc import Iterable
from pathlib import Path

from evalflow.checkpoints.base import Checkpoint
from evalflow.digests import hash_file
from evalflow.environment.spec import EnvironmentSpec
from evalflow.host import this_platform
from evalflow.inference.spec import RunSpec
from evalflow.store.layout import METADATA

ENV_ID = "forecaster-abcd-12345678"
RUN_ID = f"{ENV_ID}/87654321"


def make_spec(root: Path, requirements: Iterable[str | Path] = (), **changes) -> EnvironmentSpec:
    """Return the spec of an environment in the store `root`, whose folder has an `anemoi.json`."""
    folder = root / "runs" / ENV_ID
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METADATA).write_text("{}")
    fields = {
        "env_id": ENV_ID,
        "folder": folder,
        "images": root / "images",
        "sha256": "0" * 64,
        "identity": {"checkpoint": {"sha256": "0" * 64}, "requirements": sorted(map(str, requirements))},
        "checkpoint": Checkpoint(uri="model.pt", identity={}, model_id="abcd", location="/nowhere/model.pt"),
        "runner": "command",
        "requirements": [str(text) for text in requirements],
        "extra_requirements": [],
        "torch_backend": "auto",
        "disable_local_eccodes_definitions": False,
        "platform": this_platform(),
        "recipe": 1,
        "squash_venv": True,
    }
    return EnvironmentSpec(**fields | changes)


def make_checkpoint_spec(root: Path, path: Path) -> EnvironmentSpec:
    """Return the spec of an environment whose checkpoint is a file; nothing is in its folder."""
    sha256 = hash_file(path)
    known = {"uri": path.name, "identity": {"sha256": sha256}, "model_id": sha256[:4]}
    spec = make_spec(root, checkpoint=Checkpoint(**known, location=str(path), sha256=sha256))
    (spec.folder / METADATA).unlink()
    return spec


def make_run_spec(root: Path, **changes) -> RunSpec:
    """Return the spec of a run in the store `root`, with lead times of 0 and 6 hours."""
    fields = {
        "run_id": RUN_ID,
        "env_id": ENV_ID,
        "folder": root / "runs" / RUN_ID,
        "model_type": "forecaster",
        "runner": "command",
        "sha256": "f" * 64,
        "identity": {"steps": [0, 6, 6]},
        "lead_times": [0, 6],
        "step": 6,
        "command": ["model", "{output}"],
        "config": "",
        "disable_local_eccodes_definitions": False,
        "torch_backend": "auto",
        "code": "0" * 16,
    }
    return RunSpec(**fields | changes)
