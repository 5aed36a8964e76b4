"""Whether a launch may write where it has to."""

import os

from evalflow.errors import UserError
from evalflow.plan.model import Plan
from evalflow.store.layout import environment_folder, images_folder, run_folder


def check_writable(plan: Plan) -> None:
    """Check that a launch may write where it has to: before anything is built, and with one line.

    Raises
    ------
    UserError
        Where something is missing in a store that may only be read.
    """
    data = plan.store
    envs = [env for env in plan.envs if env.needed and not env.complete]
    forecasts = sum(len(task.init_times) for task in plan.tasks)
    folders = [environment_folder(data, env.env_id) for env in envs] + [images_folder(data)] * bool(envs)
    folders += [run_folder(data, run.run_id) for run in plan.runs if run.needed]
    for folder in folders:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(
                f"{there}: may only be read, and {len(envs)} environments and {forecasts} forecasts are missing in this "
                "store; use one of your own (--outdir), or ask its owner for the right to write"
            )
