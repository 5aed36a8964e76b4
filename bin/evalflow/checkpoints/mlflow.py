"""Checkpoints on MLflow servers, by the browser's URL of a run or of a registered model.

A run's id is unique and never reused, and a version of a registered model stays what it is:
planning needs no network for them. evalflow looks up only a model without a version ("latest"): it
means the version that is newest then.
"""

import os
import posixpath
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.remote import (
    answers,
    check_space,
    check_url,
    client_settings,
    deliver,
    download_folder,
    is_transient,
    origin,
    shown,
)
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.lookup import Lookup

ALLOWED = "https://HOST/PREFIX#/experiments/ID/runs/RUN[/artifacts/FILE.ckpt] or https://HOST/PREFIX#/models/NAME[/versions/N]"
PREFERRED = "inference-last.ckpt"
PATH_PARAMS = ("config.hardware.paths.checkpoints", "config.system.output.checkpoints.root")
"""Params in which anemoi-training logs the folder of a run's checkpoints."""
_LOGIN = "set MLFLOW_TRACKING_TOKEN (or …_USERNAME and …_PASSWORD), or write ~/.mlflow/credentials"
_PRIVATE = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_QUICK = {
    _TIMEOUT: "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
"""For questions: that a server is down shall be known within half a minute."""
_CONNECT_SECONDS = 8
_READ_SECONDS = 120  # servers in front of an object store fetch the whole file before they send its first byte
_TRIES = 4
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Reference:
    """What an MLflow URL names: a run (and an artefact), or a registered model (and a version).

    Attributes
    ----------
    tracking : URL of the server, in one spelling
    server : the same without the scheme
    """

    tracking: str
    server: str
    experiment: str | None = None
    run: str | None = None
    artifact: str | None = None
    model: str | None = None
    version: int | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"run {self.run}" if self.run else f"version {self.version} of the model {self.model}"

    @property
    def url(self) -> str:
        """The URL that names the same thing."""
        if self.run:
            tail = f"/artifacts/{quote(self.artifact)}" if self.artifact else ""
            return f"{self.tracking}#/experiments/{self.experiment}/runs/{self.run}{tail}"
        assert self.model is not None  # parse_reference
        tail = f"/versions/{self.version}" if self.version else ""
        return f"{self.tracking}#/models/{quote(self.model, safe='')}{tail}"

    @property
    def identity(self) -> dict:
        """What is named, whatever the server is called today."""
        if self.run:
            # A UUID is the same run under every name of the server. Ids that people chose may exist
            # on several servers.
            unique = re.fullmatch(r"[0-9a-f]{32}", self.run)
            return {
                "mlflow": f"run {self.run}",
                **({} if unique else {"server": self.server}),
                **({"artifact": self.artifact} if self.artifact else {}),
            }
        return {"mlflow": f"model {self.model} version {self.version}", "server": self.server}


def parse_reference(uri: str, key: str) -> Reference:
    """Return what an MLflow URL names.

    After a run, it ignores everything but the path of a `.ckpt`.

    Raises
    ------
    UserError
        Where it names neither a run nor a registered model.
    """
    parts = check_url(uri, key)
    path = parts.path.rstrip("/")
    server = f"{origin(parts)}{path}"
    tracking = f"{parts.scheme}://{server}"
    fragment = parts.fragment.split("?")[0].strip("/")
    run = re.fullmatch(r"experiments/([\w.-]+)/runs/([A-Za-z0-9][\w-]{3,255})(?:/(.+))?", fragment, re.ASCII)
    model = re.fullmatch(r"models/([^/]+)(?:/versions/([1-9][0-9]{0,9}))?", fragment)
    if run and not parts.query:
        artifact = re.fullmatch(r"artifacts/(.+\.ckpt)", unquote(run[3] or ""))
        return Reference(tracking, server, experiment=run[1], run=run[2], artifact=artifact[1] if artifact else None)
    if model and not parts.query:
        return Reference(tracking, server, model=unquote(model[1]), version=int(model[2]) if model[2] else None)
    raise UserError(f"{key}: not the URL of an MLflow run or registered model: {shown(uri)}; allowed: {ALLOWED}")


@contextmanager
def _asking(where: str, reference: Reference, missing: str):
    def special(error: Exception) -> str | None:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "valid JSON format" in str(error):
            return f"{reference.tracking} does not answer like an MLflow server (a login page?); {_LOGIN}"
        if "MlflowException" in kinds and "RestException" not in kinds and "error code 404" in str(error):
            return f"there is no MLflow server at {reference.tracking} (404)"
        return None

    with client_settings(_PRIVATE), answers(where, reference.tracking, _LOGIN, missing, special):
        yield


def _client(reference: Reference) -> Any:
    from mlflow import MlflowClient

    with client_settings({}, "mlflow", "urllib3", "requests"):
        return MlflowClient(tracking_uri=reference.tracking, registry_uri=reference.tracking)


@cache
def _newest_version(reference: Reference) -> int:
    """Return the newest version of a registered model; the same for the whole launch."""
    assert reference.model is not None
    client = _client(reference)
    quoted = reference.model.replace("'", "''")
    versions: list[int] = []
    token = None
    while True:
        page = client.search_model_versions(f"name='{quoted}'", page_token=token)
        versions += [int(version.version) for version in page if version.status == "READY"]
        token = page.token
        if not token:
            break
    if not versions:
        raise UserError(f"there is no registered model {reference.model} with a version at {reference.tracking}")
    return max(versions)


class MLflow:
    """A checkpoint that an MLflow server knows: of a run, or of a version of a registered model."""

    def accepts(self, uri: str) -> bool:
        """Return whether `uri` means this provider."""
        return re.match(r"https?://[^#]*#/?(experiments|models)(/|$)", uri, re.IGNORECASE) is not None

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        """Return what `uri` means now."""
        reference = parse_reference(uri, key)
        if reference.model and reference.version is None:
            missing = f"there is no registered model {reference.model} at {reference.tracking}"
            with _asking(key, reference, missing), client_settings(_QUICK):
                version = _newest_version(reference)
            reference = Reference(reference.tracking, reference.server, model=reference.model, version=version)
        identity = reference.identity
        return Checkpoint(uri, identity, reference.run[:4] if reference.run else digest(identity)[:4], reference.url)

    def fetch(self, checkpoint: Checkpoint, destination: Path) -> None:
        """Download the checkpoint, or link to it where it is on a file system that we see.

        Raises
        ------
        UserError
            Where there is none or more than one, or where the server does not give it to us whole.
        """
        reference = parse_reference(checkpoint.location, "checkpoint")
        missing = f"there is no {reference.name} at {reference.tracking}, or it has lost its checkpoint"
        where = f"{checkpoint.location}: the checkpoint cannot be fetched"
        with _asking(where, reference, missing):
            with client_settings(_QUICK):
                client = _client(reference)
                if reference.run:
                    found = _find_in_run(client, reference, reference.run)
                else:
                    found = _find_in_model(client, reference)
            path = found.local_path()
            if path is not None:
                destination.symlink_to(path)
                return
            with download_folder() as folder:
                check_space(folder, found.size)
                deliver(found.download(folder), destination, found.size, None)


# --- which file -------------------------------------------------------------------------------------------------------
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


def _find_in_run(client: Any, reference: Reference, run_id: str) -> Found:
    """Return the checkpoint of a run.

    It is an artefact `inference-last.ckpt`, else the file of that name in the folder that the run
    logged, else the only artefact that ends in `.ckpt` (which may be one to continue training
    from).
    """
    run = client.get_run(run_id)
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
    only = _the_only(found, f"run {run_id}", f"name one of them: …/runs/{run_id}/artifacts/PATH.ckpt")
    if only:
        return only
    elsewhere = f", and {looked[0]}, where it says it trained, is not on this host" if looked else ""
    raise UserError(f"run {run_id} has no artefact that ends in .ckpt{elsewhere}; log the checkpoint, or give its path")


def _named(repository: Any, path: str) -> Found:
    for entry in repository.list_artifacts(posixpath.dirname(path) or None):
        if entry.path == path and not entry.is_dir:
            return Found(repository, path, entry.file_size)
    raise UserError(f"the run has no artefact {path}")


def _find_in_model(client: Any, reference: Reference) -> Found:
    """Return the checkpoint of a model's version: what was registered, else its run's."""
    version = client.get_model_version(reference.model, str(reference.version))
    source = client.get_model_version_download_uri(reference.model, str(reference.version))
    found = _checkpoints_in(_repository(source, reference))
    only = _the_only(found, reference.name, "register a folder that holds one")
    if only:
        return only
    if not version.run_id:
        raise UserError(f"{reference.name} has no file that ends in .ckpt")
    return _find_in_run(client, reference, version.run_id)


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
    seconds = int(os.environ.get(_TIMEOUT, _READ_SECONDS))
    return http_request(
        get_default_host_creds(repository.artifact_uri), f"/{quote(path)}", "GET", stream=True, extra_headers=headers,
        timeout=(_CONNECT_SECONDS, seconds), max_retries=0, raise_on_status=False,
    )  # fmt: skip
