"""Finding a Python interpreter of a wanted version."""

import os
import sys

import pytest
from evalflow.environment import pythons
from evalflow.environment.pythons import find_python
from evalflow.errors import UserError

OWN = "{}.{}.{}".format(*sys.version_info)


@pytest.fixture
def host_with_pythons(tmp_path, monkeypatch):
    """Return a function that puts an interpreter into a folder; besides these, the host has our own only."""
    for name in ("EVALFLOW_PYTHONS", "PYENV_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))

    def install(folder: str, version: str, answer: str | None = None) -> str:
        path = tmp_path / folder / f"python{version.rsplit('.', 1)[0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        answer = f'["{version}", "{path}"]' if answer is None else answer
        path.write_text(f"#!/bin/sh\necho '{answer}'\n")
        path.chmod(0o755)
        return str(path)

    return install


@pytest.mark.parametrize("wanted", [None, OWN, OWN.rsplit(".", 1)[0]])
def test_our_own_python_is_found(host_with_pythons, wanted):
    assert find_python(wanted) == (OWN, os.path.realpath(sys._base_executable))


def test_it_is_not_the_python_of_a_virtual_environment(host_with_pythons):
    assert not os.path.exists(os.path.join(os.path.dirname(os.path.dirname(find_python(None)[1])), "pyvenv.cfg"))


def test_the_order_is_named_folders_pyenv_path(host_with_pythons, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALFLOW_PYTHONS", f"{tmp_path / 'empty'}:{tmp_path / 'named'}")
    for folder in ("path", "home/.pyenv/versions/3.9.1/bin", "home/.pyenv/versions/3.9.2/bin", "named"):
        path = host_with_pythons(folder, "3.9.2")
        assert find_python("3.9") == ("3.9.2", path)


def test_a_full_version_is_exact(host_with_pythons):
    path = host_with_pythons("path", "3.9.1")
    assert find_python("3.9.1") == ("3.9.1", path)
    with pytest.raises(UserError) as caught:
        find_python("3.9.10")
    assert str(caught.value) == (
        "Python 3.9.10 is not on this host (of 3.9: 3.9.1); install it, or name the folder that holds python3.9 in "
        "EVALFLOW_PYTHONS"
    )


def test_a_version_that_is_not_there_is_said(host_with_pythons):
    host_with_pythons("path", "3.12.1")
    with pytest.raises(UserError, match=r"^Python 3\.1 is not on this host \(of 3\.1: none\)"):
        find_python("3.1")


@pytest.mark.parametrize("answer", ["", "garbage", "5", "[]", '["3.8.1", "/another/version"]'])
def test_a_python_that_does_not_answer_as_one_is_passed_over(host_with_pythons, tmp_path, monkeypatch, answer):
    monkeypatch.setenv("EVALFLOW_PYTHONS", str(tmp_path / "broken"))
    host_with_pythons("broken", "3.9.7", answer)
    path = host_with_pythons("path", "3.9.1")
    assert find_python("3.9") == ("3.9.1", path)


def test_a_python_that_hangs_is_passed_over(host_with_pythons, tmp_path, monkeypatch):
    path = tmp_path / "path" / "python3.9"
    host_with_pythons("path", "3.9.1")
    path.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    run = pythons.subprocess.run
    monkeypatch.setattr(pythons.subprocess, "run", lambda *args, **options: run(*args, **{**options, "timeout": 0.2}))
    with pytest.raises(UserError, match="not on this host"):
        find_python("3.9")
