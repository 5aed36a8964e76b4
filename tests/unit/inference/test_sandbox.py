"""What is in the zip of a sandbox, and under which names."""

import hashlib
import re
import shlex
import zipfile

import pytest
import yaml
from evalflow.inference.sandbox import create_sandbox
from evalflow.yamlio import dump_yaml
from support.specs import make_run_spec

OWN = {
    "README.md", "config.yaml", "inference-last.ckpt", "make_environment.sh", "requirements.txt", "run_forecast.sh",
}  # fmt: skip


@pytest.fixture
def sandbox(tmp_path):
    """Return a function that makes the sandbox of a command, and returns name → text of what is in it."""

    def make(command=("{python}", "{output}"), config=None, lock="", resources=None):
        head = "# Locked by evalflow for Python 3.11.0 on linux-x86_64.\n# image_id: 00000000\n"
        sha256 = hashlib.sha256(f"{head}{lock}".encode()).hexdigest()
        (tmp_path / "lock").write_text(f"{head}# sha256: {sha256}\n{lock}")
        (tmp_path / "checkpoint").write_text("weights")
        about = {"command": list(map(str, command)), "config": dump_yaml(config or {}), "resources": resources or {}}
        spec = make_run_spec(tmp_path, **about, disable_local_eccodes_definitions=True)
        zipped = tmp_path / "sandbox.zip"
        create_sandbox(spec, tmp_path / "checkpoint", tmp_path / "lock", "202401010000", zipped, link=False)
        with zipfile.ZipFile(zipped) as archive:
            names = archive.namelist()
            assert len(set(names)) == len(names), "each once"
            make.modes = {
                info.filename.split("/", 1)[1]: info.external_attr >> 16 & 0o777 for info in archive.infolist()
            }
            return {name.split("/", 1)[1]: archive.read(name).decode() for name in names}

    return make


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def command_of(files):
    """Return the command of a sandbox, each copy in it replaced by its text."""
    words = shlex.split(re.search("^exec (.*)", files["run_forecast.sh"], re.MULTILINE)[1])
    return [files.get(word.removeprefix("../"), word) if word.startswith("../") else word for word in words]


def test_without_files_a_sandbox_has_its_own_only(sandbox):
    files = sandbox()
    assert files.keys() == OWN and "command/" not in files["README.md"]


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_file_of_the_command_does_not_replace_one_of_the_sandbox(sandbox, tmp_path, name):
    own = sandbox()
    path = write(tmp_path / "elsewhere" / name, "of the command")
    files = sandbox(["{python}", path, "{output}"])
    assert files.keys() == OWN | {f"command/{name}"} and "`command/`" in files["README.md"]
    assert command_of(files) == ["python", "of the command", "."]
    assert all(files[other] == own[other] for other in OWN - {"run_forecast.sh", "README.md"})


def test_files_of_one_name_stay_apart_and_each_is_there_once(sandbox, tmp_path):
    one, two, three = (write(tmp_path / place / "model.py", place) for place in ("one", "two", "three"))
    files = sandbox([one, two, one, three, "{output}"])
    assert command_of(files) == ["one", "two", "one", "three", "."]
    assert files.keys() == OWN | {f"command/{name}" for name in ("model.py", "2/model.py", "3/model.py")}


def test_a_large_file_of_the_command_is_named_where_it_is(sandbox, tmp_path):
    path = tmp_path / "large.bin"
    with open(path, "wb") as file:
        file.truncate(21 * 1024 * 1024)
    files = sandbox(["{python}", path, tmp_path, "/no/such/file", "{output}"])
    assert command_of(files) == ["python", str(path), str(tmp_path), "/no/such/file", "."]
    assert files.keys() == OWN


def test_tables_of_ecCodes_that_a_shell_names_are_not_used(sandbox):
    """As in a task: the forecast of a sandbox is that of evalflow."""
    script = sandbox()["run_forecast.sh"]
    names = next(line for line in script.splitlines() if line.startswith("unset ")).split()
    assert {"ECCODES_DEFINITION_PATH", "GRIB_DEFINITION_PATH", "ECCODES_SAMPLES_PATH", "PYTHONPATH"} <= set(names)
    assert script.index("unset ") < script.index("exec ")


def test_a_program_stays_one(sandbox, tmp_path):
    sandbox([write(tmp_path / "model.sh", "#!/bin/sh\n", 0o700), write(tmp_path / "table.csv", ""), "{output}"])
    assert (sandbox.modes["command/model.sh"], sandbox.modes["command/table.csv"]) == (0o755, 0o644)


def test_files_of_the_inference_config_stay_apart(sandbox, tmp_path):
    paths = {place: write(tmp_path / place / "table.csv", place) for place in ("linked", "one", "two")}
    config = {"tables": [str(path) for path in paths.values()], "again": str(paths["one"])}
    files = sandbox(config=config, resources={"linked": {"table.csv": str(paths["linked"])}})
    read = yaml.safe_load(files["config.yaml"])
    assert [files[place] for place in read["tables"]] == ["linked", "one", "two"] and files[read["again"]] == "one"
    assert all(place.startswith("resources/") for place in read["tables"])


def test_the_same_run_gives_the_same_bytes(sandbox, tmp_path, monkeypatch):
    sandbox(config={"scale": 1.0})
    first = (tmp_path / "sandbox.zip").read_bytes()
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    sandbox(config={"scale": 1.0})
    assert (tmp_path / "sandbox.zip").read_bytes() == first


def test_packages_of_one_file_name_stay_apart(sandbox, tmp_path):
    """Archives keep their names: a wheel must be called what it is."""
    one, two = (write(tmp_path / place / "main.zip", place) for place in ("one", "t wo"))
    lines = [f"{name} @ {path.as_uri()} \\\n    --hash=sha256:00\n" for name, path in (("a", one), ("b", two))]
    files = sandbox(lock="".join(lines))
    places = re.findall(r"^\w @ \./(\S+) \\$", files["requirements.txt"], re.MULTILINE)
    assert [files[place] for place in places] == ["one", "t wo"]
    assert all(place.endswith("/main.zip") for place in places)
