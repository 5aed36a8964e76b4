"""Checkpoints on the Hugging Face hub (or at HF_ENDPOINT), by a file's URL as a browser shows it.

A commit never changes, so planning needs no network for it. A branch or a tag means its commit at
the time when the launch is planned.
"""

import os
import re
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from evalflow.checkpoints.base import Checkpoint
from evalflow.checkpoints.remote import (
    answers,
    check_space,
    check_url,
    client_settings,
    deliver,
    download_folder,
    is_loopback,
    is_transient,
    origin,
    shown,
)
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.host import scratch_folder
from evalflow.lookup import Lookup

HUB = "https://huggingface.co"
HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}
SUFFIXES = (".ckpt", ".onnx")
ALLOWED = f"{HUB}/ORG/REPO/resolve/REVISION/FILE.ckpt (or blob in place of resolve, or a .onnx file)"
_LOGIN = "set HF_TOKEN, or log in with `hf auth login`"
_SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_ETAG_TIMEOUT": "10",
}
_TRIES = 2


@dataclass(frozen=True)
class Reference:
    """A file of a model repository at a commit, branch or tag; `host` is the config's."""

    host: str
    repository: str
    revision: str
    file: str

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit."""
        return re.fullmatch(r"[0-9a-f]{40}", self.revision) is not None

    @property
    def url(self) -> str:
        """The URL that names the same file."""
        return f"{self.host}/{self.repository}/resolve/{quote(self.revision, safe='')}/{quote(self.file)}"


def endpoint(host: str, key: str) -> str:
    """Return the URL of the hub: `$HF_ENDPOINT`, as for the official client, else the public one.

    Raises
    ------
    UserError
        Where it holds credentials, or is neither encrypted nor on this machine (nor meant so by the
        config).
    """
    text = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    parts = check_url(text, f"{key}: HF_ENDPOINT")
    plain = parts.scheme == "http" and (is_loopback(parts.hostname or "") or host == _host(text))
    if parts.scheme != "https" and not plain:
        raise UserError(f"{key}: HF_ENDPOINT is {text}; allowed: an https URL, or http on this machine")
    return text


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{origin(parts)}"


def _is_hub(uri: str) -> bool:
    parts = urlsplit(uri)
    try:
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return False
        return parts.hostname in HOSTS or _host(uri) == _host(os.environ.get("HF_ENDPOINT") or HUB)
    except (ValueError, TypeError):  # HF_ENDPOINT is not a URL
        return False


def parse_reference(uri: str, key: str) -> Reference:
    """Return what a URL of the hub names.

    Raises
    ------
    UserError
        Where it is not the URL of a checkpoint file of a model repository.
    """
    parts = check_url(uri, key)
    # The hub writes the slash in the names of pull requests' revisions both ways.
    path = re.sub(r"/(blob|resolve)/refs/(pr|convert)/", r"/\1/refs%2F\2%2F", parts.path)
    names = [unquote(name) for name in path.lstrip("/").split("/")]
    prefix = urlsplit(os.environ.get("HF_ENDPOINT") or "").path.strip("/") if parts.hostname not in HOSTS else ""
    if prefix and path.startswith(f"/{prefix}/"):
        names = names[len(prefix.split("/")) :]
    good = (
        len(names) >= 5
        and names[2] in ("blob", "resolve")
        and all(re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII) for name in names[:2])
        and all(name not in ("", ".", "..") for name in names)
        and not any("/" in name for name in names[4:])
        and names[-1].endswith(SUFFIXES)
        and parts.query in ("", "download=true")
        and not parts.fragment
    )
    if not good:
        raise UserError(f"{key}: not the URL of a checkpoint on the Hugging Face hub: {shown(uri)}; allowed: {ALLOWED}")
    host = HUB if parts.hostname in HOSTS else _host(uri) + (f"/{prefix}" if prefix else "")
    return Reference(host, f"{names[0]}/{names[1]}", names[3], "/".join(names[4:]))


@contextmanager
def _asking(where: str, reference: Reference, hub: str):
    file, repository = reference.file, reference.repository

    def special(error: Exception) -> str | None:
        kinds = {kind.__name__ for cause in (error, error.__cause__) for kind in type(cause).__mro__}
        if "OfflineModeIsEnabled" in kinds:
            return "HF_HUB_OFFLINE is set: no network; name a commit (40 hex digits) to plan without, or unset it"
        if "GatedRepoError" in kinds:
            return f"access denied: the repository {repository} is gated; accept its terms on {hub}, and {_LOGIN}"
        if "RepositoryNotFoundError" in kinds:
            return f"there is no repository {repository} at {hub}, or it is private (404); {_LOGIN}"
        if "RevisionNotFoundError" in kinds:
            return f"the repository {repository} has no revision {reference.revision} (404)"
        if "EntryNotFoundError" in kinds and "LocalEntryNotFoundError" not in kinds:
            return f"the repository {repository} has no file {file} at revision {reference.revision} (404)"
        return None

    with client_settings(_SETTINGS), answers(where, hub, _LOGIN, f"{hub} has no such file", special):
        yield


def _client() -> Any:
    import huggingface_hub

    with client_settings({}, "huggingface_hub", "httpx2", "httpx", "filelock"):
        return huggingface_hub


def _patiently(call: Callable[[], Any]) -> Any:
    for left in reversed(range(_TRIES)):
        try:
            return call()
        except Exception as error:
            if not left or not is_transient(error):
                raise
            time.sleep(1)


def _metadata(reference: Reference, hub: str) -> Any:
    """Return the hub's `commit_hash`, `etag` (of large files the SHA-256) and `size` of a file."""
    client = _client()
    url = client.hf_hub_url(reference.repository, reference.file, revision=reference.revision, endpoint=hub)
    found = _patiently(lambda: client.get_hf_file_metadata(url, endpoint=hub))
    if not re.fullmatch(r"[0-9a-f]{40}", found.commit_hash or "") or not found.etag:
        raise UserError(f"{hub} does not answer like a Hugging Face hub; check HF_ENDPOINT and proxies")
    return found


@cache
def _now(reference: Reference, hub: str) -> Any:
    """Return the metadata of a file on a branch or tag; the same for the whole launch."""
    return _metadata(reference, hub)


def _sha256(etag: str) -> str | None:
    return etag if re.fullmatch(r"[0-9a-f]{64}", etag) else None


class HuggingFace:
    """A checkpoint in a model repository of the Hugging Face hub."""

    def accepts(self, uri: str) -> bool:
        """Return whether `uri` means this provider."""
        return _is_hub(uri)

    def resolve(self, uri: str, lookup: Lookup, key: str) -> Checkpoint:
        """Return what `uri` means now."""
        reference = parse_reference(uri, key)
        size = sha256 = None
        if not reference.pinned:
            hub = endpoint(reference.host, key)
            with _asking(key, reference, hub):
                found = _now(reference, hub)
            reference = replace(reference, revision=found.commit_hash)
            size, sha256 = found.size, _sha256(found.etag)
        # Not the host: a commit's id is a digest of all that it holds, on every mirror.
        identity = {"huggingface": f"{reference.repository}@{reference.revision}", "file": reference.file}
        return Checkpoint(uri, identity, digest(identity)[:4], reference.url, size, sha256)

    def pin(self, uri: str, identity: dict, key: str) -> str | None:
        """Return the URL of the file at the commit that `identity` is of."""
        commit = str(identity.get("huggingface", "")).rpartition("@")[2]
        pinned = replace(parse_reference(uri, key), revision=commit)
        return pinned.url if pinned.pinned else None

    def fetch(self, checkpoint: Checkpoint, destination: Path) -> None:
        """Download the checkpoint with the official client, which resumes broken downloads.

        Raises
        ------
        UserError
            Where the hub does not give it to us, or where it is not what the hub says that it is.
        """
        reference = parse_reference(checkpoint.location, "checkpoint")
        where = f"{checkpoint.location}: the checkpoint cannot be fetched"
        hub = endpoint(reference.host, where)
        # What the client keeps in between is for this node, not for the home folder.
        scratch = {"HF_XET_CACHE": str(scratch_folder() / "hf-xet")}
        with client_settings(scratch), _asking(where, reference, hub):
            found = _metadata(reference, hub)
            sha256 = _sha256(found.etag)
            if found.commit_hash != reference.revision or (checkpoint.sha256 and sha256 != checkpoint.sha256):
                raise UserError("the hub has another file there now than when the launch was planned; launch again")
            with download_folder() as folder:
                check_space(folder, found.size)
                path = _client().hf_hub_download(
                    reference.repository, reference.file, revision=reference.revision, endpoint=hub, local_dir=folder
                )
                deliver(Path(path), destination, found.size, sha256)
