"""-resume: after a stub run, and after a change of the code, nothing is served that should not be."""

import json
import os
import shutil

from support import killed
from support.environments import fill, needs_root, small_disk
from support.launches import Workspace, copy_project, copy_workspace


def test_an_interrupted_stub_run_leaves_nothing_that_a_real_run_takes_for_real(quick, undisturbed):
    command = quick.options
    quick.options = (*command, "-stub-run")
    assert killed.launch_and_end(quick, 8, 0.5), "it ended before it was killed"
    quick.options = command
    result = killed.launch(quick, "-resume")
    assert result.status == 0, result.text
    assert quick.tree() == undisturbed.tree() and killed.begun(quick) == 6


@needs_root
def test_with_resume_after_a_change_of_the_code_nothing_stale_is_served(tmp_path):
    """Forecasts that could not be stored are not taken from the work of the code before."""
    workspace = Workspace(tmp_path, project=copy_project(tmp_path / "project"))
    killed.make_quick_workspace(workspace)
    with small_disk(tmp_path / "out", "20m") as disk:
        assert killed.launch(workspace, "--target", "environments").status == 0
        fill(disk)
        assert killed.launch(workspace).status != 0
        made = killed.begun(workspace)
        assert made and not killed.whole(workspace)
        code = workspace.project / "bin" / "evalflow" / "inference" / "seal.py"
        code.write_text(code.read_text().replace('"made": datetime', '"by": "changed code",\n        "made": datetime'))
        (disk / "filler").unlink()
        result = killed.launch(workspace, "-resume")
        assert result.status == 0 and killed.begun(workspace) == made + 6, result.text
        proofs = [json.loads(path.read_text()) for path in workspace.store.glob("runs/*/*/*/forecast.json")]
        assert len(proofs) == 6 and {proof["by"] for proof in proofs} == {"changed code"}


def test_with_resume_what_is_damaged_or_gone_is_made_again(undisturbed, tmp_path):
    """A forecast that is damaged in the store is set aside, and a name that leads nowhere is replaced."""
    workspace = copy_workspace(undisturbed, tmp_path)
    before = workspace.tree()
    workspace.edit(lambda config: config["dates"].append(killed.ANOTHER_DATE))
    assert killed.launch(workspace).forecasts == 2
    after = workspace.tree()
    victim, gone = sorted(workspace.store.glob("runs/*/*/202401090000"))
    os.truncate(victim / "000.grib", 100)
    shutil.rmtree(gone.resolve())
    result = killed.launch(workspace, "-resume")
    assert result.status == 0, result.text
    assert "100 bytes instead of" in result.text and f"{gone}: what it leads to is gone" in result.text
    assert result.forecasts == 2
    (aside,) = workspace.store.glob("runs/*/*/202401090000.bad-*")
    assert aside.parent == victim.parent and (aside / "000.grib").stat().st_size == 100
    shutil.rmtree(aside)
    assert workspace.tree() == after
    assert before.items() <= after.items()
