"""Checkpoints on MLflow servers, by the browser's URL of a run or of a model.

The ids of a run and of a logged model are unique and never reused, and a version of a registered
model stays what it is: planning needs no network for them. evalflow looks up a registered model
without a version (its newest then) and an alias.
"""

import re
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.mlflow_addresses import Reference, parse_reference
from evalflow.checkpoints.mlflow_files import TIMEOUT, find_in_logged_model, find_in_model, find_in_run
from evalflow.checkpoints.remote import answers, check_space, client_settings, deliver, download_folder
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.lookup import Lookup

_LOGIN = "set MLFLOW_TRACKING_TOKEN (or …_USERNAME and …_PASSWORD), or write ~/.mlflow/credentials"
_PRIVATE = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
_QUICK = {
    TIMEOUT: "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
"""For questions: that a server is down shall be known within half a minute."""


@contextmanager
def _asking(where: str, reference: Reference, missing: str):
    def special(error: Exception) -> str | None:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if re.search(r"alias .* not found", str(error)):  # the server says 400
            return missing
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
def _version_now(reference: Reference) -> int:
    """Return the version that an alias means, or the newest; the same for the whole launch."""
    assert reference.model is not None
    client = _client(reference)
    if reference.alias:
        return int(client.get_model_version_by_alias(reference.model, reference.alias).version)
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
        return re.match(r"https?://[^#]*#/?(experiments|models|runs)(/|$)", uri, re.IGNORECASE) is not None

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        """Return what `uri` means now."""
        reference = parse_reference(uri, key)
        if reference.moves:
            called = f"alias {reference.alias} of the model" if reference.alias else "registered model"
            missing = f"there is no {called} {reference.model} at {reference.tracking}"
            with _asking(key, reference, missing), client_settings(_QUICK):
                reference = replace(reference, alias=None, version=_version_now(reference))
        identity = reference.identity
        return Checkpoint(uri, identity, reference.run[:4] if reference.run else digest(identity)[:4], reference.url)

    def pin(self, uri: str, identity: dict, key: str) -> str | None:
        """Return the URL of the version that `identity` is."""
        reference = parse_reference(uri, key)
        version = str(identity.get("mlflow", "")).rpartition(" version ")[2]
        return (
            replace(reference, alias=None, version=int(version)).url if reference.moves and version.isdigit() else None
        )

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
                    found = find_in_run(client, reference, reference.run)
                elif reference.logged:
                    found = find_in_logged_model(client, reference)
                else:
                    found = find_in_model(client, reference)
            path = found.local_path()
            if path is not None:
                destination.symlink_to(path)
                return
            with download_folder() as folder:
                check_space(folder, found.size)
                deliver(found.download(folder), destination, found.size, None)
