"""The runner `command`: a program of the user's own."""

import re

from evalflow.runners.base import ForecastRequest, Runner, common_settings
from evalflow.texts import length_text


def command(job: ForecastRequest) -> list[str]:
    """Return the command line of a forecast, with its placeholders filled in."""
    values = {
        "python": job.python,
        "checkpoint": str(job.checkpoint),
        "config": str(job.config),
        "output": str(job.output),
        "forecaster": job.forecaster,
        "init_time": job.init_time,
        "lead_time": length_text(job.lead_times[-1]),
        "start": length_text(job.lead_times[0]),
        "end": length_text(job.lead_times[-1]),
        "step": length_text(job.step),
    }
    # Not str.format: braces that are not a placeholder (JSON) belong to the program.
    return [re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), word) for word in job.command]


RUNNER = Runner(
    "command",
    version=1,
    requirements=lambda _metadata, _local, _chosen: [],
    imports=(),
    settings=common_settings,
    overrides=frozenset({"checkpoint", "date", "lead_time"}),
    command=command,
    same_fields=lambda _config: False,  # a program's own business
)
