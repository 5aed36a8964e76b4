"""-resume: after a stub run, and after a change of the code, nothing is served that should not be."""

import json
import shutil
import subprocess

from support import killed
from support.launches import Workspace


def test_an_interrupted_stub_run_leaves_nothing_that_a_real_run_takes_for_real(quick, undisturbed):
    command = quick.options
    quick.options = (*command, "-stub-run")
    assert killed.launch_and_end(quick, 8, 0.5), "it ended before it was killed"
    quick.options = command
    result = killed.launch(quick, "-resume")
    assert result.status == 0, result.text
    assert quick.tree() == undisturbed.tree() and killed.begun(quick) == 6


def test_with_resume_after_a_change_of_the_code_nothing_stale_is_served(undisturbed, tmp_path):
    """Forecasts that are gone from the store are not taken from the work of the code before."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("main.nf", "nextflow.config", "modules", "conf", "bin", "assets", "config"):
        subprocess.run(["cp", "-r", str(Workspace(tmp_path).project / name), str(project)], check=True)
    workspace = Workspace(tmp_path, project=project)
    killed.make_quick_workspace(workspace)
    assert killed.launch(workspace).status == 0

    def lose_forecasts() -> None:
        for path in workspace.store.glob("runs/*/*/[0-9]*"):
            shutil.rmtree(path)

    lose_forecasts()
    result = killed.launch(workspace, "-resume")
    assert result.status == 0 and result.forecasts == 0, "the same code: published again from work"
    assert workspace.tree() == undisturbed.tree()
    code = project / "bin" / "evalflow" / "forecast.py"
    code.write_text(code.read_text().replace('"made": datetime', '"by": "changed code",\n        "made": datetime'))
    lose_forecasts()
    result = killed.launch(workspace, "-resume")
    assert result.status == 0 and result.forecasts == 6, result.text
    proofs = [json.loads(path.read_text()) for path in workspace.store.glob("runs/*/*/*/forecast.json")]
    assert len(proofs) == 6 and {proof["by"] for proof in proofs} == {"changed code"}
