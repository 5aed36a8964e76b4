"""Variables of the shell change no environment: two users with one env_id have the same packages."""

import pytest
from evalflow.environment.uv import shut_out
from evalflow.requirements import read_lock
from support.environments import lock
from support.specs import make_spec

LOW = "alpha==1.0\nbeta==1.5\n"
CHANGING = {
    "UV_CONSTRAINT": "constraints.txt",
    "UV_OVERRIDE": "constraints.txt",
    "UV_EXCLUDE": "constraints.txt",
    "UV_BUILD_CONSTRAINT": "constraints.txt",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_RESOLUTION": "lowest",
    "UV_PRERELEASE": "allow",
    "UV_TORCH_BACKEND": "cpu",
    "UV_NO_BINARY": "1",
    "UV_NO_BINARY_PACKAGE": "beta",
    "UV_NO_BUILD": "1",
    "UV_CONFIG_FILE": "uv.toml",
}


@pytest.fixture
def locked(tmp_path):
    """Return what is locked without any of these variables, of a package in two versions."""
    return lock(make_spec(tmp_path / "before", ["beta"])).read_text()


@pytest.mark.parametrize("name", CHANGING)
def test_a_variable_that_changes_a_resolution_is_shut_out(tmp_path, monkeypatch, locked, name):
    (tmp_path / "constraints.txt").write_text("beta<2\n")
    (tmp_path / "uv.toml").write_text('resolution = "lowest"\n')
    value = CHANGING[name]
    monkeypatch.setenv(name, str(tmp_path / value) if "." in value else value)
    assert shut_out() == [name]
    assert "beta==2.0" in locked and lock(make_spec(tmp_path / "after", ["beta"])).read_text() == locked
    assert read_lock(tmp_path / "after" / "runs" / "forecaster-abcd-12345678" / "requirements.txt")


@pytest.mark.parametrize(
    "name",
    ["UV_DEFAULT_INDEX", "UV_INDEX_OTHER_PASSWORD", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_HTTP_TIMEOUT", "UV_PYTHON"],
)
def test_what_says_where_packages_are_is_no_warning(monkeypatch, name):
    monkeypatch.setenv(name, "x")
    assert shut_out() == []


def test_uv_gets_a_newer_variable_that_nobody_knows_neither(tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *words, env, **options: seen.append(env) or Done())
    from evalflow.environment.uv import run_uv

    class Done:
        returncode, stdout = 0, ""

    seen: list[dict[str, str]] = []
    monkeypatch.setenv("UV_SOME_NEW_SETTING", "1")
    monkeypatch.setenv("UV_INDEX_OTHER_USERNAME", "me")
    run_uv([], tmp_path, "test")
    assert "UV_SOME_NEW_SETTING" not in seen[0] and seen[0]["UV_INDEX_OTHER_USERNAME"] == "me"
    assert seen[0]["UV_FIND_LINKS"]


def test_the_plan_names_them_where_an_environment_is_to_be_built(experiment, monkeypatch):
    monkeypatch.setenv("UV_RESOLUTION", "lowest")
    monkeypatch.setenv("UV_CONSTRAINT", "c.txt")
    (line,) = experiment.plan()["warnings"]
    assert line.startswith(
        "UV_CONSTRAINT, UV_RESOLUTION of the shell would change which packages are installed, and is not"
    )
    assert "extra_requirements" in line
    assert experiment.plan(target="report")["warnings"] == []
