"""Secrets of the user stay out of all that launches write, also launches that fail."""

import os
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import eccodes
import pytest
import yaml
from support.launches import Result, Workspace
from support.paths import PROJECT
from support.secrets_of_users import SECRET_FILES, SECRET_VARIABLES, leaks, modes, new_token, private_index, texts_below

MODEL = """
import shutil, sys
import carried  # from the private index

config, output = sys.argv[1:]
settings = dict(line.split(": ", 1) for line in open(config).read().splitlines())
if settings["fail"] == "true":
    raise RuntimeError("on purpose")
shutil.copyfile(settings["analyses"], f"{output}/000.grib")
"""


class Secretive(Workspace):
    """A workspace of a user who has many secrets, one of which is needed: the password of the package index.

    Attributes
    ----------
    tokens : where a secret was planted → the secret
    variables : the user's environment
    """

    def __init__(self, root: Path, password_index: ThreadingHTTPServer) -> None:
        super().__init__(root)
        self.tokens = {name: new_token() for name in (*SECRET_VARIABLES, *SECRET_FILES)} | {
            "UV_DEFAULT_INDEX": password_index.password
        }
        home = root / "home"
        for name, text in SECRET_FILES.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(self.tokens[name]))
        self.variables = {
            **{name: self.tokens[name] for name in SECRET_VARIABLES},
            "UV_DEFAULT_INDEX": (
                f"http://me:{quote(password_index.password, safe='')}@127.0.0.1:{password_index.server_port}/simple"
            ),
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
        written = (item for folder in folders for item in texts_below(folder))
        return leaks(self.tokens, [("what was said", self.said.encode()), *written])


@pytest.fixture
def password_index(tmp_path):
    with private_index(tmp_path / "index") as server:
        yield server


def write_analysis(path: Path) -> None:
    """Write one field of the demo's analyses, of 15 January 1996, 00 UTC."""
    with open(PROJECT / "assets" / "demo" / "blizzard-1996-01.grib", "rb") as source, open(path, "wb") as target:
        while (handle := eccodes.codes_grib_new_from_file(source)) is not None:
            if (eccodes.codes_get(handle, "dataDate"), eccodes.codes_get(handle, "dataTime")) == (19960115, 0):
                eccodes.codes_write(handle, target)
                return


@pytest.fixture
def secretive(tmp_path, password_index) -> Secretive:
    workspace = Secretive(tmp_path / "user", password_index)
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
    assert {leak.split(" in ")[0] for leak in secretive.leaks()} == {*SECRET_VARIABLES, "UV_DEFAULT_INDEX"}
