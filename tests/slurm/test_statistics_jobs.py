"""Verification on a Slurm: jobs that are killed or cancelled amid a file of statistics are tried again."""

from support.cluster import LONG, meanwhile, wait_until
from support.slurm import on_slurm
from support.verifying import check_tables, disturb, make_workspace, remains, statistics, verify

FIRST_KILLED_NEXT_WAITS = """
(marks / str(os.getpid())).touch()
if len(list(marks.glob("*"))) == 1:
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(300)
"""


def test_jobs_that_are_killed_or_cancelled_amid_a_file_are_tried_again(cluster, tmp_path):
    undisturbed = make_workspace(tmp_path / "local")
    expected = verify(undisturbed)
    workspace = on_slurm(make_workspace(tmp_path / "slurm"))
    disturb(workspace, FIRST_KILLED_NEXT_WAITS)

    def strike() -> None:
        marks = workspace.root / "marks"
        wait_until(lambda: len(list(marks.iterdir())) == 2, LONG, "two writers of statistics")
        running = [job for job in cluster.jobs() if job.state == "RUNNING" and "VERIFY_PACKS_VERIFY" in job["JobName"]]
        (waiting,) = [job for job in running if job.folder.is_relative_to(workspace.root)]
        cluster.run("scancel", str(waiting.id))

    with meanwhile(strike):
        launch = verify(workspace)
    rows = [row for row in workspace.trace() if row["process"].endswith("VERIFY_PACKS:VERIFY")]
    assert sorted(row["exit"] for row in rows) == ["0", "0", "137", "143"], launch.result.text
    check_tables(launch, expected)
    assert launch.computed == expected.computed
    assert statistics(workspace).keys() == statistics(undisturbed).keys()
    assert {path.suffix for path in remains(workspace)} == {".tmp"}, "what was half-made never gets a name"
