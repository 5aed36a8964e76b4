"""What a launch leaves."""

from pathlib import Path

from evalflow.launch.summary import write_summary
from evalflow.plan.model import Plan
from evalflow.plan.plan import write_plan


def test_the_config_that_is_kept_is_the_one_that_was_planned(experiment, tmp_path):
    """A launch takes days, and the file may be edited for the next one meanwhile."""
    plan = experiment.plan()
    file = Path(plan["config"])
    before = file.read_text()
    write_plan(Plan(**plan), tmp_path / "plan.json")
    file.write_text("for: the next experiment")
    assert (write_summary(tmp_path / "plan.json", Plan(**plan), {}) / "config.yaml").read_text() == before
