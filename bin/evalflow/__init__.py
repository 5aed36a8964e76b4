"""The logic of evalflow: no workflow engine in here.

Importing the package from a script in `bin/` first makes sure that the script runs on the project's
own Python environment, wherever it was started: in a task, on a cluster node that shares the file
system, or by hand.
"""

import os
import sys

__version__ = "0.2.0"


def _use_project_python():
    bin_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    project = os.path.dirname(bin_folder)
    venv = os.environ.get("EVALFLOW_VENV") or os.path.join(project, ".venv")
    python = os.path.join(venv, "bin", "python3")
    is_script = os.path.dirname(os.path.realpath(sys.argv[0])) == bin_folder
    if not is_script or os.path.realpath(sys.prefix) == os.path.realpath(venv):
        return
    if not os.access(python, os.X_OK):
        sys.exit(f"evalflow: no Python environment at {venv}; run 'make setup' in {project} (or set EVALFLOW_VENV)")
    os.environ["PYTHONNOUSERSITE"] = "1"
    os.environ.pop("PYTHONHOME", None)
    os.execv(python, [python, *sys.argv])


_use_project_python()
