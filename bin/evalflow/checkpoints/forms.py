"""How checkpoints are written elsewhere, and the form of the same name that works here."""

import os
import re
from urllib.parse import quote

from evalflow.checkpoints.remote import check_url
from evalflow.errors import UserError

_RUN = r"[0-9a-f]{32}"
_HUB = "https://huggingface.co"


def _tracking() -> str:
    """Return the URL of MLflow that the user's shell names, else a placeholder."""
    text = os.environ.get("MLFLOW_TRACKING_URI", "")
    try:
        return (
            text.rstrip("/")
            if text.startswith(("http://", "https://")) and check_url(text, "")
            else "https://HOST/PREFIX"
        )
    except UserError:  # with a password in it
        return "https://HOST/PREFIX"


def form_that_works(name: str) -> str | None:
    """Return how a checkpoint must be written here that has another tool's form; None for others.

    Forms are those of MLflow's clients (`models:/NAME/3`, `runs:/RUN/PATH`, a bare run id) and of
    the Hugging Face hub's (`hf://ORG/REPO/FILE`, `ORG/REPO`).
    """
    if match := re.fullmatch(rf"(?:runs:/+)?({_RUN})(?:/(.+))?", name):
        path = match[2] if match[2] and match[2].endswith(".ckpt") else None
        tail = f"/artifacts/{quote(path)}" if path else ""
        return f"{_tracking()}#/experiments/ID/runs/{match[1]}{tail}"
    if match := re.fullmatch(rf"(?:models:/+)?(m-{_RUN})(?:/.*)?", name):
        return f"{_tracking()}#/experiments/ID/models/{match[1]}"
    if match := re.fullmatch(r"models:/+([^/@]+)(?:/([^/]+)|@([^/]+))?", name):
        version = f"/versions/{match[2]}" if match[2] and match[2].isdigit() else ""
        alias = f"@{quote(match[3], safe='')}" if match[3] else ""
        return f"{_tracking()}#/models/{quote(match[1], safe='')}{alias}{version}"
    if match := re.fullmatch(r"hf://(?:models/)?([\w.-]+/[\w.-]+)(?:@([^/]+))?/(.+)", name):
        return f"{_HUB}/{match[1]}/resolve/{match[2] or 'main'}/{quote(match[3])}"
    if re.fullmatch(r"(?:hf://)?[A-Za-z0-9][\w-]*/[\w.-]+", name) and not name.endswith((".ckpt", ".onnx", ".pt")):
        return f"the path of a file, or {_HUB}/{name.removeprefix('hf://')}/resolve/REVISION/FILE.ckpt"
    return None
