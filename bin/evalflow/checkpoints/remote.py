"""What providers on servers share: URLs without secrets, failures in one line, local downloads.

Nothing here imports a client: planning needs them only where a name can move.
"""

import errno
import hashlib
import ipaddress
import logging
import os
import re
import shutil
import socket
import ssl
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from evalflow.errors import UserError
from evalflow.host import temporary_scratch

_CHUNK = 1 << 22
_LOCAL_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_NO_WAY = {errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_SECRETS = (
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip
_BROKEN_OFF = {
    "BrokenPipeError", "ChunkedEncodingError", "ConnectionResetError", "IncompleteRead", "NetworkError",
    "ProtocolError", "RemoteDisconnected", "RemoteProtocolError",
}  # fmt: skip
_PACKAGES = {"botocore": "boto3", "google": "google-cloud-storage", "azure": "azure-storage-blob"}
"""Modules that storages of MLflow import → what to install for them."""


def shown(uri: str) -> str:
    """Return `uri` for a message, without user, password or a storage's signature."""
    return re.sub(r"\?[^#]*", "?…", re.sub(r"//.*@", "//…@", uri))


def check_url(uri: str, key: str) -> SplitResult:
    """Return the parts of a URL.

    Raises
    ------
    UserError
        Where it is not a URL, or holds credentials: what is in a config ends up in plans, logs and
        repositories.
    """
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        raise UserError(f"{key}: not a valid URL: {shown(uri)}") from None
    # A password may hold a slash: what is left of it is then taken for a port.
    if "@" in parts.netloc or (parts.port is not None and "@" in parts.path):
        raise UserError(
            f"{key}: a URL with a user name or password in it: {shown(uri)}; write it without, and give credentials "
            "in the environment (MLFLOW_TRACKING_TOKEN, HF_TOKEN, …) or in the client's own file"
        )
    if not parts.hostname:
        raise UserError(f"{key}: not a valid URL, it names no host: {shown(uri)}")
    return parts


def origin(parts: SplitResult) -> str:
    """Return host and, where it is not the scheme's own, port: in one spelling."""
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def client_settings(defaults: Mapping[str, str], *loggers: str) -> Iterator[None]:
    """Give a client settings that the user did not give, and keep it quiet.

    Parameters
    ----------
    defaults : environment variables to set in the block where they are not set
    loggers : names of the loggers to silence for good
    """
    added = [name for name in defaults if name not in os.environ]
    os.environ.update({name: defaults[name] for name in added})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in loggers:
                logging.getLogger(name).setLevel(logging.CRITICAL)
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _chain(error: BaseException) -> list[BaseException]:
    """Return `error` and all that it was made of: clients wrap the telling one several times."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and not any(current is known for known in found):
            found.append(current)
            waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
    return found


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that a client's exception is about, or None."""
    chain = _chain(error)
    for cause in chain:
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        match = re.search(r"too many ([45]\d\d) error responses|failed with error code ([345]\d\d) ", str(cause))
        if match:
            return int(match[1] or match[2])
    for cause in chain:
        if hasattr(cause, "get_http_status_code") and getattr(cause, "error_code", None) != "INTERNAL_ERROR":
            return cause.get_http_status_code()
    return None


def network_trouble(error: BaseException) -> str | None:
    """Return why a server was not reached or did not finish its answer; None for another cause."""
    chain = _chain(error)
    names = {kind.__name__ for cause in chain for kind in type(cause).__mro__}
    if any(isinstance(cause, socket.gaierror) for cause in chain) or "NameResolutionError" in names:
        return "there is no such host (or no DNS)"
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            what = getattr(cause, "verify_message", "") or cause.reason or "handshake failed"
            return (
                f"no trusted TLS connection: {what} (a site's own certificates: set REQUESTS_CA_BUNDLE, SSL_CERT_FILE)"
            )
    for cause in chain:
        if isinstance(cause, OSError) and cause.errno in _NO_WAY:
            return os.strerror(cause.errno).lower()
    if any("Timeout" in name for name in names):
        return "no answer in time"
    if "ProxyError" in names:
        return "the proxy does not let us through"
    if names & _BROKEN_OFF or "Consistency check failed" in str(error):
        return "the connection broke off"
    if {"ConnectError", "NewConnectionError"} & names:
        return "no connection"
    return None


class Unreachable(UserError):
    """A server was not reached, or did not answer: what it has may be known from before."""


def is_transient(error: BaseException) -> bool:
    """Return whether asking again may help."""
    return network_trouble(error) is not None or (status_of(error) or 0) in {408, 429, 500, 502, 503, 504}


def scrub(text: str) -> str:
    """Return the first line of a text that we did not write, without what may be a secret."""
    text = (text.strip().splitlines() or [""])[0]
    for name in _SECRETS:
        if os.environ.get(name):
            text = text.replace(os.environ[name], "…")
    text = re.sub(r"(?i)\b(bearer|basic)\s+\S+", r"\1 …", text)
    text = re.sub(r"//[^/\s]*@", "//…@", text)
    text = re.sub(r"\bhf_\w+", "…", text)
    text = re.sub(r"\?[^\s\"']+", "?…", text)  # signatures of storage services
    return text[:200]


@contextmanager
def answers(
    where: str, server: str, login: str, missing: str, special: Callable[[Exception], str | None]
) -> Iterator[None]:
    """Turn what a client raises in the block into one line of our own, without secrets.

    Parameters
    ----------
    where : what the line begins with: a key of the config, or what was being fetched
    server : URL of the server
    login : how to give credentials, for a server that denies access
    missing : what does not exist where the server says 404
    special : returns what is said of errors that only this client has, or None

    Raises
    ------
    UserError
        In place of every other exception.
    """
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _LOCAL_TROUBLE:
            cure = "free some space there or set EVALFLOW_SCRATCH to another folder"
            place = error.filename or tempfile.gettempdir()
            raise UserError(f"{where}: {os.strerror(error.errno)} ({place}); {cure}") from None
        offline = any(type(cause).__name__ == "OfflineModeIsEnabled" for cause in _chain(error))
        kind = Unreachable if offline or is_transient(error) else UserError
        raise kind(f"{where}: {special(error) or _reason(error, server, login, missing)}") from None


def _reason(error: Exception, server: str, login: str, missing: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = _PACKAGES.get(error.name.split(".")[0], error.name)
        return f"the storage needs a Python package: {sys.executable} -m pip install {package}"
    trouble = network_trouble(error)
    if trouble:
        return f"{server}: {trouble}; check the address, or try again later"
    status = status_of(error)
    if status in (401, 403):
        return f"{server} denies access ({status}); {login}"
    if status == 404:
        return f"{missing} (404)"
    if status == 429:
        return f"{server} wants fewer requests (429); try again later"
    if status is not None and status >= 500:
        return f"{server} failed ({status}); try again later"
    if status is not None:
        return f"{server} refused (status {status})"
    return f"{type(error).__name__}: {scrub(str(error))}"


def download_folder() -> AbstractContextManager[Path]:
    """Yield a node-local folder to download to: nothing unfinished may lie in the store."""
    return temporary_scratch("download")


def check_space(folder: Path, size: int | None) -> None:
    """Stop before a download that cannot fit.

    Raises
    ------
    UserError
        Where `size` bytes are more than is free.
    """
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise UserError(
            f"{size} bytes do not fit into {folder.parent} ({free} are free); set EVALFLOW_SCRATCH elsewhere"
        )


def deliver(path: Path, destination: Path, size: int | None, sha256: str | None) -> None:
    """Copy a finished download to `destination`, if it is what the server promised.

    Raises
    ------
    UserError
        Where size (bytes) or digest (64 hex digits) are known and differ, or where the file is
        empty.
    """
    count, digest = 0, hashlib.sha256()
    with open(path, "rb") as source, open(destination, "wb") as target:
        while block := source.read(_CHUNK):
            target.write(block)
            digest.update(block)
            count += len(block)
    if size is not None and count != size:
        raise UserError(f"{count} bytes arrived of {size}: the download is not whole; launch again")
    if count == 0:
        raise UserError("the file is empty")
    if sha256 and digest.hexdigest() != sha256:
        raise UserError(f"the download is damaged: its digest is {digest.hexdigest()}, expected {sha256}; launch again")
