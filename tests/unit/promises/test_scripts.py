"""Every script finds the project's Python by itself, whichever Python starts it, and says how it is used."""

import os
import subprocess
import sys

import pytest
from support.paths import BIN


@pytest.mark.parametrize("script", sorted(path.name for path in BIN.glob("*.py")))
def test_a_script_runs_by_any_python_and_has_help(script):
    assert os.access(BIN / script, os.X_OK)
    environment = {"PATH": os.defpath, "EVALFLOW_VENV": sys.prefix}
    command = [sys._base_executable, BIN / script, "--help"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Usage: {script}") and "--help" in result.stdout


def test_without_the_environment_a_script_says_what_to_do():
    command = [sys._base_executable, BIN / "plan.py", "--help"]
    result = subprocess.run(command, env={"EVALFLOW_VENV": "/nonexistent"}, capture_output=True, text=True)
    assert result.returncode == 1 and "run 'make setup' in" in result.stderr and "Traceback" not in result.stderr
