"""Which file of an MLflow server is the checkpoint, and how it is downloaded."""

import os
import posixpath
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalflow.checkpoints.mlflow_addresses import Reference
from evalflow.checkpoints.remote import is_transient
from evalflow.errors import UserError

PREFERRED = "inference-last.ckpt"
PATH_PARAMS = ("config.hardware.paths.checkpoints", "config.system.output.checkpoints.root")
"""Params in which anemoi-training logs the folder of a run's checkpoints."""
TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
CONNECT_SECONDS = 8
_READ_SECONDS = 120  # servers in front of an object store fetch the whole file before they send its first byte
_TRIES = 4
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Found:
    """A checkpoint: an artefact in a repository of MLflow's client, or a file that we see.

    Attributes
    ----------
    path : of the artefact below the repository's root; of the file, absolute
    size : bytes, where the server tells
    """

    repository: Any
    path: str
    size: int | None = None

    def local_path(self) -> str | None:
        """Return the absolute path where the file can be linked to."""
        from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

        if self.repository is None:
            return self.path
        if isinstance(self.repository, LocalArtifactRepository):
            return os.path.abspath(self.repository.download_artifacts(self.path))
        return None

    def download(self, folder: Path) -> Path:
        """Download the artefact to a file in `folder` and return that."""
        from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

        if not isinstance(self.repository, HttpArtifactRepository):
            return Path(self.repository.download_artifacts(self.path, str(folder)))
        target = folder / "artifact"
        _download(self.repository, self.path, self.size, target)
        return target


def _repository(uri: str, reference: Reference) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(uri, tracking_uri=reference.tracking, registry_uri=reference.tracking)
    return getattr(repository, "repo", repository)  # of runs:/… and models:/…, what they point to


def _checkpoints_in(repository: Any) -> list[Found]:
    """Return an artefact store's checkpoints: uppermost `inference-last.ckpt`, else all."""
    found: list[Found] = []
    folders: list[str | None] = [None]
    while folders:
        entries = [entry for folder in folders for entry in repository.list_artifacts(folder)]
        files = [entry for entry in entries if not entry.is_dir and entry.path.endswith(".ckpt")]
        level = [Found(repository, entry.path, entry.file_size) for entry in files]
        preferred = [one for one in level if posixpath.basename(one.path) == PREFERRED]
        if preferred:  # runs log hundreds of folders of plots: no need to look into them
            return preferred
        found += level
        folders = [entry.path for entry in entries if entry.is_dir]
    return found


def _the_only(found: list[Found], what: str, cure: str) -> Found | None:
    if len(found) > 1:
        names = ", ".join(sorted(one.path for one in found)[:20])
        raise UserError(f"{what} has {len(found)} checkpoints: {names}; {cure}")
    return found[0] if found else None


def find_in_run(client: Any, reference: Reference, run_id: str) -> Found:
    """Return the checkpoint of a run.

    It is an artefact `inference-last.ckpt`, else the file of that name in the folder that the run
    logged, else the only artefact that ends in `.ckpt` (which may be one to continue training
    from), else that of the model that the run logged (MLflow 3).

    Raises
    ------
    UserError
        Where the run is deleted, or has no checkpoint or several.
    """
    run = client.get_run(run_id)
    if run.info.lifecycle_stage == "deleted":
        raise UserError(f"run {run_id} is deleted; restore it, or name another")
    if reference.artifact:
        return _named(_repository(run.info.artifact_uri, reference), reference.artifact)
    logged = [Path(run.data.params[name]) for name in PATH_PARAMS if run.data.params.get(name)]
    folders = [below for folder in logged if folder.is_absolute() for below in (folder, folder / run_id)]
    looked = [folder / PREFERRED for folder in folders]
    seen = next((path for path in looked if path.is_file()), None)
    try:
        found = _checkpoints_in(_repository(run.info.artifact_uri, reference))
    except Exception:
        if seen is None:  # a storage that we cannot read does not matter where we see the file
            raise
        found = []
    preferred = found and posixpath.basename(found[0].path) == PREFERRED
    if seen and not preferred:
        return Found(None, str(seen))
    cure = f"name one of them: …/runs/{run_id}/artifacts/PATH.ckpt"
    only = _the_only(found, f"run {run_id}", cure) or _find_in_outputs(client, reference, run)
    if only:
        return only
    elsewhere = f", and {looked[0]}, where it says it trained, is not on this host" if looked else ""
    raise UserError(f"run {run_id} has no artefact that ends in .ckpt{elsewhere}; log the checkpoint, or give its path")


def _find_in_outputs(client: Any, reference: Reference, run: Any) -> Found | None:
    """Return the checkpoint of the models that a run logged, where there is one."""
    outputs = getattr(run, "outputs", None)
    ids = dict.fromkeys(output.model_id for output in outputs.model_outputs) if outputs else {}
    found = [
        (model_id, one) for model_id in ids for one in _checkpoints_in(_logged_repository(client, reference, model_id))
    ]
    if len(found) > 1:
        names = ", ".join(f"models/{model_id}/artifacts/{one.path}" for model_id, one in found[:20])
        raise UserError(
            f"run {run.info.run_id} logged {len(found)} checkpoints: {names}; name one: …#/experiments/ID/models/…"
        )
    return found[0][1] if found else None


def _logged_repository(client: Any, reference: Reference, model_id: str) -> Any:
    return _repository(client.get_logged_model(model_id).artifact_location, reference)


def find_in_logged_model(client: Any, reference: Reference) -> Found:
    """Return the checkpoint of a logged model (MLflow 3).

    Raises
    ------
    UserError
        Where it was not finished, or has no checkpoint or several.
    """
    model_id = str(reference.logged)
    status = str(client.get_logged_model(model_id).status)
    if status in ("FAILED", "PENDING"):
        raise UserError(f"{reference.name} is not whole: its status is {status}; name another")
    repository = _logged_repository(client, reference, model_id)
    if reference.artifact:
        return _named(repository, reference.artifact)
    cure = f"name one of them: …/models/{model_id}/artifacts/PATH.ckpt"
    only = _the_only(_checkpoints_in(repository), reference.name, cure)
    if only is None:
        raise UserError(f"{reference.name} has no artefact that ends in .ckpt; log the checkpoint, or give its path")
    return only


def _named(repository: Any, path: str) -> Found:
    for entry in repository.list_artifacts(posixpath.dirname(path) or None):
        if entry.path == path and not entry.is_dir:
            return Found(repository, path, entry.file_size)
    raise UserError(f"there is no artefact {path}")


def find_in_model(client: Any, reference: Reference) -> Found:
    """Return the checkpoint of a model's version: what was registered, else its run's.

    Raises
    ------
    UserError
        Where the version is not whole, or has no checkpoint or several.
    """
    version = client.get_model_version(reference.model, str(reference.version))
    if version.status != "READY":
        raise UserError(f"{reference.name} is not whole: its status is {version.status}; name another")
    source = client.get_model_version_download_uri(reference.model, str(reference.version))
    found = _checkpoints_in(_repository(source, reference))
    only = _the_only(found, reference.name, "register a folder that holds one")
    if only:
        return only
    if not version.run_id:
        raise UserError(f"{reference.name} has no file that ends in .ckpt")
    return find_in_run(client, reference, version.run_id)


def _download(repository: Any, path: str, size: int | None, target: Path) -> None:
    """Download an artefact through the server to `target`; MLflow's own download has one try.

    After a broken connection it resumes where it was, if the server allows it (a strong ETag, and
    ranges), else from the start. It gives up when several tries in a row bring nothing more.
    """
    tag, tries = None, _TRIES
    with open(target, "wb") as file:
        while True:
            before = file.tell()
            broken: Exception = ConnectionResetError("the answer is too short")
            try:
                with _request(repository, path, before if tag else 0, tag) as response:
                    response.raise_for_status()
                    range_sent = response.headers.get("Content-Range", "") if response.status_code == 206 else ""
                    if not range_sent.startswith(f"bytes {before}-"):
                        file.seek(0)
                        file.truncate()
                    tag = response.headers.get("ETag", "")
                    tag = tag if tag.startswith('"') else None
                    for block in response.iter_content(_CHUNK):
                        file.write(block)
                if size is None or file.tell() >= size:
                    return
            except Exception as error:
                if not is_transient(error):
                    raise
                broken = error
            tries = _TRIES if file.tell() > before else tries - 1
            if not tries:
                raise broken
            time.sleep(2 ** (_TRIES - tries) / 2)


def _request(repository: Any, path: str, start: int, tag: str | None) -> Any:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    headers = {"Accept-Encoding": "identity"}  # a range of a compressed answer would be useless
    if start and tag:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag}
    seconds = int(os.environ.get(TIMEOUT, _READ_SECONDS))
    return http_request(
        get_default_host_creds(repository.artifact_uri), f"/{quote(path)}", "GET", stream=True, extra_headers=headers,
        timeout=(CONNECT_SECONDS, seconds), max_retries=0, raise_on_status=False,
    )  # fmt: skip
