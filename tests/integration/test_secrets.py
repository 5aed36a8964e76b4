"""Secrets of the user stay out of all that a launch writes, and files get the modes that the umask asks for."""

import base64
import os
import secrets
import stat
import threading
import zipfile
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import eccodes
import pytest
import yaml
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.environment.image import build_image
from evalflow.environment.lock import lock_requirements
from evalflow.environment.seal import seal_environment
from evalflow.errors import UserError
from evalflow.inference.prepare import prepare_run
from evalflow.launch.summary import write_summary
from evalflow.plan.options import Options
from evalflow.plan.plan import make_plan, write_plan
from evalflow.requirements import read_lock
from evalflow.store.layout import LOCK, METADATA, image_name
from support.environments import lock, make_wheel
from support.launches import Result, Workspace
from support.paths import PROJECT
from support.specs import make_spec

MODEL = """
import shutil, sys
import carried  # from the private index

config, output = sys.argv[1:]
settings = dict(line.split(": ", 1) for line in open(config).read().splitlines())
if settings["fail"] == "true":
    raise RuntimeError("on purpose")
shutil.copyfile(settings["analyses"], f"{output}/000.grib")
"""
VARIABLES = (
    "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "UV_INDEX_OTHER_USERNAME", "UV_INDEX_OTHER_PASSWORD",
    "GITHUB_TOKEN", "MY_SECRET_TOKEN",
)  # fmt: skip
FILES = {
    ".netrc": "machine example.org login me password {}\n",
    ".mlflow/credentials": "[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = {}\n",
    ".cache/huggingface/token": "{}",
    ".aws/credentials": "[default]\naws_access_key_id = me\naws_secret_access_key = {}\n",
    ".git-credentials": "https://me:{}@github.com\n",
    ".config/pip/pip.conf": "[global]\nextra-index-url = https://me:{}@example.org/simple\n",
}


# --- secrets, and where they are looked for ---------------------------------------------------------------------------


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


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
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


@pytest.mark.parametrize("before", ["", "m", "me", "me:", "https://me:"])
def test_a_secret_is_found_however_it_is_written(tmp_path, before):
    token = new_token()
    whole = f"{before}{token}@host".encode()
    (tmp_path / "folder").mkdir()
    for text in (whole, base64.b64encode(whole), base64.urlsafe_b64encode(whole), quote(whole, safe="").encode()):
        (tmp_path / "folder" / "file").write_bytes(b"text " + text)
        assert leaks({"it": token}, contents(tmp_path)) == [f"it in {tmp_path}/folder/file"]
    with zipfile.ZipFile(tmp_path / "folder" / "file", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", 100 * whole)
    assert leaks({"it": token}, contents(tmp_path)) == [f"it in {tmp_path}/folder/file:inside"]


# --- an index that wants a password -----------------------------------------------------------------------------------


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


class Secretive(Workspace):
    """A workspace of a user who has many secrets, one of which is needed: the password of the package index.

    Attributes
    ----------
    tokens : where a secret was planted → the secret
    variables : the user's environment
    """

    def __init__(self, root: Path, index: ThreadingHTTPServer) -> None:
        super().__init__(root)
        self.tokens = {name: new_token() for name in (*VARIABLES, *FILES)} | {"UV_DEFAULT_INDEX": index.password}
        home = root / "home"
        for name, text in FILES.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(self.tokens[name]))
        self.variables = {
            **{name: self.tokens[name] for name in VARIABLES},
            "UV_DEFAULT_INDEX": f"http://me:{quote(index.password, safe='')}@127.0.0.1:{index.server_port}/simple",
            "UV_CACHE_DIR": str(root / "home" / "uv"),  # what it keeps of downloads is its own
            "HOME": str(home),
            "NXF_HOME": os.environ.get("NXF_HOME") or os.path.expanduser("~/.nextflow"),
            "EVALFLOW_SCRATCH": str(root / "scratch"),
            "TMPDIR": str(root / "tmp"),
        }
        (root / "tmp").mkdir()
        self.said = ""

    def try_launch(self, *arguments: str) -> Result:
        result = self.launch(*arguments, **self.variables)
        self.said += result.text
        return result

    def leaks(self) -> list[str]:
        """Return the secrets that can be read in what was said, or in any file but the user's own."""
        folders = [path for path in self.root.iterdir() if path.name != "home"]
        written = (item for folder in folders for item in contents(folder))
        return leaks(self.tokens, [("what was said", self.said.encode()), *written])


@pytest.fixture
def index(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    server.password, server.folder = new_token(), tmp_path / "index"
    make_wheel(server.folder, "carried")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def write_analysis(path: Path) -> None:
    """Write one field of the demo's analyses, of 15 January 1996, 00 UTC."""
    with open(PROJECT / "assets" / "demo" / "blizzard-1996-01.grib", "rb") as source, open(path, "wb") as target:
        while (handle := eccodes.codes_grib_new_from_file(source)) is not None:
            if (eccodes.codes_get(handle, "dataDate"), eccodes.codes_get(handle, "dataTime")) == (19960115, 0):
                eccodes.codes_write(handle, target)
                return


@pytest.fixture
def secretive(tmp_path, index) -> Secretive:
    workspace = Secretive(tmp_path / "user", index)
    folder = workspace.config_file.parent
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    write_analysis(folder / "analyses.grib")
    run = {
        "runner": "command",
        "command": ["{python}", "{checkpoint}", "{config}", "{output}"],
        "requirements": ["carried"],
        "checkpoint": "model.py",
        "config": {"analyses": "analyses.grib", "fail": False},
        "steps": "0/0/6",
        "squash_venv": False,  # to look into
    }
    config = {"description": "a test", "dates": ["1996-01-15T00:00"], "runs": [{"forecaster": run}]}
    workspace.config_file.write_text(yaml.safe_dump(config))
    return workspace


def modes(folder: Path) -> dict[str, int]:
    """Return path → mode of all that is below a folder, but for what is in images (see `_set_modes`)."""
    paths = [path for path in folder.rglob("*") if not path.is_symlink()]
    inside = [path for path in paths if path.parent.name == "images" and path.is_dir()]
    paths = [path for path in paths if not any(image in (path, *path.parents) for image in inside)]
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in paths}


@pytest.fixture
def umask():
    """Return a function that sets the umask for the rest of the test."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


def test_no_secret_is_written_by_launches_that_succeed_and_that_fail(secretive, umask):
    umask(0o077)
    result = secretive.try_launch()
    assert result.status == 0 and result.forecasts == 1, result.text
    assert secretive.try_launch("--target", "sandbox").status == 0
    assert secretive.leaks() == []
    store = modes(secretive.root / "out")
    assert store and not {path: oct(mode) for path, mode in store.items() if mode & 0o077}

    def entry(config: dict) -> dict:
        return config["runs"][0]["forecaster"]

    secretive.edit(lambda config: entry(config)["config"].update(fail=True))
    result = secretive.try_launch()
    assert result.status != 0 and "RuntimeError: on purpose" in result.text
    assert secretive.leaks() == []

    secretive.edit(lambda config: entry(config).update(requirements=["none-such", "carried"]))
    result = secretive.try_launch()
    assert result.status != 0 and "requirements cannot be resolved" in result.text
    assert secretive.leaks() == []

    # A program that shows its environment does what it is asked to. That it is found shows that the search finds.
    secretive.edit(
        lambda config: entry(config).update(requirements=["carried"], command=["sh", "-c", "env; exit 1", "{output}"])
    )
    assert secretive.try_launch().status != 0
    assert {leak.split(" in ")[0] for leak in secretive.leaks()} == {*VARIABLES, "UV_DEFAULT_INDEX"}


def test_the_password_of_an_index_that_is_wrong_is_not_shown(index, tmp_path, monkeypatch):
    token = new_token()
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:{quote(token, safe='')}@127.0.0.1:{index.server_port}/simple")
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    with pytest.raises(UserError, match="requirements cannot be resolved") as caught:
        lock(make_spec(tmp_path / "store", ["carried"]))
    written = (item for name in ("scratch", "store") for item in contents(tmp_path / name) if "uv-cache" not in item[0])
    assert leaks({"password": token}, [("message", str(caught.value).encode()), *written]) == []


# --- the umask --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002], ids=oct)
def test_files_have_the_modes_that_the_umask_asks_for(tmp_path, umask, monkeypatch, mask):
    wheel = make_wheel(tmp_path, "carried")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "model.py").write_text("weights")
    run = {
        "runner": "command",
        "command": "x {output}",
        "requirements": [wheel.name],
        "checkpoint": "model.py",
        "steps": "0/0/6",
    }
    config = {"description": "a test", "dates": ["1996-01-15"], "runs": [{"forecaster": run}]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    umask(mask)
    plan = make_plan(tmp_path / "config.yaml", Options(outdir=tmp_path / "out", launch=tmp_path))
    write_plan(plan, tmp_path / "out" / "plan.json")
    for squash in (True, False):
        spec = plan.envs[0].spec.model_copy(update={"squash_venv": squash})
        folder = spec.folder
        get_checkpoint(spec)
        lock_requirements(spec, folder / METADATA)
        image_id = read_lock(folder / LOCK)["image_id"]
        build_image(spec, folder / LOCK)
        seal_environment(spec, spec.images / image_name(image_id, squash))
    prepare_run(plan.runs[0].spec, tmp_path / "out" / "run")
    write_summary(tmp_path / "out" / "plan.json", plan, {})
    found = modes(tmp_path / "out")
    assert {Path(path).name for path in found} >= {
        "plan.json",
        "run.json",
        "env.json",
        "requirements.txt",
        f"{image_id}.squashfs",
    }
    for path, mode in found.items():
        # What mksquashfs writes is for nobody else to change.
        most = 0o777 if os.path.isdir(path) else 0o644 if path.endswith(".squashfs") else 0o666
        assert mode == most & ~mask, (path, oct(mode))
