"""Secrets of a user, where they are looked for, and a package index that wants a password."""

import base64
import os
import secrets
import stat
import threading
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from support.environments import make_wheel

SECRET_VARIABLES = (
    "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "UV_INDEX_OTHER_USERNAME", "UV_INDEX_OTHER_PASSWORD",
    "GITHUB_TOKEN", "MY_SECRET_TOKEN",
)  # fmt: skip
SECRET_FILES = {
    ".netrc": "machine example.org login me password {}\n",
    ".mlflow/credentials": "[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = {}\n",
    ".cache/huggingface/token": "{}",
    ".aws/credentials": "[default]\naws_access_key_id = me\naws_secret_access_key = {}\n",
    ".git-credentials": "https://me:{}@github.com\n",
    ".config/pip/pip.conf": "[global]\nextra-index-url = https://me:{}@example.org/simple\n",
}


def new_token() -> str:
    """Return a secret that looks different in a URL and in Base64."""
    return f"{secrets.token_hex(8)}+/{secrets.token_hex(8)}"


def forms(token: str) -> set[bytes]:
    """Return how a token may be written: as it is, in a URL, in Base64 (alone and, at any offset, among other text)."""
    found = {token.encode(), quote(token).encode(), quote(token, safe="").encode()}
    for before in range(3):
        raw = b"x" * before + token.encode()
        # The characters at both ends also depend on what is around.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(raw[: len(raw) // 3 * 3])[4 if before else 0 :])
    return found


def texts_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of all files below a folder, of links what they say, of zips what is in them."""
    for path in folder.rglob("*"):
        if path.is_symlink():
            yield str(path), os.readlink(path).encode()
        elif path.is_file():
            yield str(path), os.fsencode(path) + path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield from ((f"{path}:{name}", archive.read(name)) for name in archive.namelist())


def leaks(tokens: dict[str, str], texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return which tokens stand where."""
    wanted = [(name, form) for name, token in tokens.items() for form in forms(token)]
    return sorted({f"{name} in {where}" for where, text in texts for name, form in wanted if form in text})


class Index(BaseHTTPRequestHandler):
    """A package index with the wheels of `server.folder`, for those who have `server.password`."""

    def do_GET(self) -> None:
        login = f"Basic {base64.b64encode(f'me:{self.server.password}'.encode()).decode()}"
        if self.headers.get("Authorization") != login:
            return self._answer(401, b"who are you?")
        file = self.server.folder / self.path.rsplit("/", 1)[-1]
        if file.is_file():
            return self._answer(200, file.read_bytes())
        name = self.path.strip("/").rsplit("/", 1)[-1]
        wheels = [path.name for path in self.server.folder.glob(f"{name}-*.whl")]
        links = "".join(f'<a href="/{wheel}">{wheel}</a>' for wheel in wheels)
        self._answer(200 if wheels else 404, links.encode())

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/html")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


def modes(folder: Path) -> dict[str, int]:
    """Return path → mode of all that is below a folder, but for what is in images (see `_set_modes`)."""
    paths = [path for path in folder.rglob("*") if not path.is_symlink()]
    inside = [path for path in paths if path.parent.name == "images" and path.is_dir()]
    paths = [path for path in paths if not any(image in (path, *path.parents) for image in inside)]
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in paths}


@contextmanager
def private_index(folder: Path) -> Iterator[ThreadingHTTPServer]:
    """Serve a package index with the package `carried`, from `folder`, to those who have its `password`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    server.password, server.folder = new_token(), folder
    make_wheel(folder, "carried")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
