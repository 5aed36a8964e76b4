"""Scripts of evalflow that fetch checkpoints, and servers on this machine that can be made to fail."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from support.paths import PROJECT

CONTENT = os.urandom(3_000_000)
OTHER = os.urandom(1_000_000)
SECRET = "hush-8d1f2c"


# --- evalflow ---------------------------------------------------------------------------------------------------------


@dataclass
class ScriptResult:
    """How a script ended."""

    status: int
    text: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        return self.text.strip().splitlines()


class Evalflow:
    """The scripts of evalflow, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.variables: dict[str, str] = {}
        for name in ("home", "scratch", "launch"):
            (root / name).mkdir(parents=True)

    def run(self, script: str, *arguments: str, text: str | None = None, before: tuple = ()) -> ScriptResult:
        environment = {
            "PATH": os.environ["PATH"],
            "EVALFLOW_VENV": sys.prefix,
            "HOME": str(self.root / "home"),
            "EVALFLOW_SCRATCH": str(self.root / "scratch"),
            **self.variables,
        }
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, *before, str(PROJECT / "bin" / script), *arguments], input=text, text=True, timeout=120,
            cwd=self.root / "launch", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return ScriptResult(done.returncode, done.stdout, time.monotonic() - start)

    def try_plan(self, *uris: str) -> ScriptResult:
        fields = {"steps": "0/6/6", "config": {"output": {"grib": "fields.grib"}}}
        runs = [{"forecaster": {"checkpoint": uri, **fields}} for uri in uris]
        config = {"description": "a test", "dates": ["2024-01-01T00:00"], "runs": runs}
        (self.root / "config.yaml").write_text(yaml.safe_dump(config))
        paths = ["--config", str(self.root / "config.yaml"), "--outdir", str(self.root / "out")]
        return self.run("plan.py", *paths, "--output", str(self.root / "plan.json"))

    def plan(self, *uris: str) -> list[dict]:
        """Return the environments of a plan."""
        result = self.try_plan(*uris)
        assert result.status == 0 and not result.text, result.text
        return json.loads((self.root / "plan.json").read_text())["envs"]

    def try_fetch(self, env: dict, before: tuple = ()) -> ScriptResult:
        return self.run("get_checkpoint.py", text=json.dumps(env["spec"]), before=before)

    def fetch(self, env: dict) -> bytes:
        """Return the checkpoint that lies in the store afterwards."""
        result = self.try_fetch(env)
        assert result.status == 0 and not result.text, result.text
        assert self.stored() >= {"anemoi.json", "inference-last.ckpt"}
        assert not self.left_over()
        return (Path(env["spec"]["folder"]) / "inference-last.ckpt").read_bytes()

    def stored(self) -> set[str]:
        return {path.name for path in (self.root / "out").rglob("*") if not path.is_dir()}

    def left_over(self) -> list[Path]:
        files = [path for path in (self.root / "scratch").rglob("*") if path.is_file() and "hf-xet" not in path.parts]
        return [*files, *(self.root / "launch").iterdir()]

    def holds(self, text: str) -> list[Path]:
        """Return the files in which `text` can be read: of the plan, the store, the scratch and the launch folder."""
        files = [path for path in self.root.rglob("*") if path.is_file() and "home" not in path.parts]
        return [path for path in files if text.encode() in path.read_bytes()]


def check_refused(evalflow: Evalflow, result: ScriptResult, *parts: str) -> None:
    """Check that a script ended with one clear line, and with nothing stored."""
    assert result.status == 1, result.text
    assert len(result.lines) == 1 and result.text.startswith("evalflow: "), result.text
    assert "checkpoint" in result.text and all(part in result.text for part in parts), result.text
    assert not evalflow.stored() and not evalflow.left_over()


KEY = "runs[0].forecaster.checkpoint: "


# --- a server that can be made to fail --------------------------------------------------------------------------------


@dataclass
class Faults:
    """What goes wrong at a server.

    Attributes
    ----------
    cuts : of the next downloads, break the connection after so many bytes
    status : answer every request with this status
    ranges : whether downloads can be resumed
    page : answer with this HTML page
    need : the Authorization header without which access is denied
    """

    cuts: list[int] = field(default_factory=list)
    status: int | None = None
    ranges: bool = True
    page: str | None = None
    need: str | None = None


class Server(ThreadingHTTPServer):
    """A server on loopback that notes what it is asked.

    Attributes
    ----------
    seen : (method, path, headers by their names in lower case) of the requests
    """

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.seen: list[tuple[str, str, dict]] = []
        self.faults = Faults()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def ranges(self) -> list[str]:
        """Return the ranges that were asked for."""
        return [headers["range"] for _, _, headers in self.seen if "range" in headers]


class Handler(BaseHTTPRequestHandler):
    """Answers requests, with the faults of the server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.seen.append(
            (self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        )
        faults = self.server.faults
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if faults.page is not None:
            self.send(200, {"Content-Type": "text/html"}, faults.page.encode())
        elif faults.status:
            self.send(faults.status, {}, f"<p>trouble with {self.headers.get('Authorization')}</p>".encode())
        elif faults.need and self.headers.get("Authorization") != faults.need:
            self.send(401, {}, b"who are you?")
        else:
            self.answer(body)

    def answer(self, body: bytes) -> None:
        raise NotImplementedError

    def send(self, status: int, headers: dict, body: bytes = b"", cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *_arguments) -> None:
        pass
