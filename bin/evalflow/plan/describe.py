"""The plan as text for people."""

from evalflow.plan.model import Plan


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def describe_plan(plan: Plan) -> str:
    """Return the plan as text for people."""
    participants = [*plan.runs, *plan.external]
    done = {run.run_id: 0 for run in participants}
    for entry in plan.forecasts:
        done[entry.run_id] += entry.complete
    total = len(plan.init_times)
    first, last = plan.init_times[0], plan.init_times[-1]
    lines = [
        f"experiment  {plan.experiment_id}",
        f"config      {plan.config}",
        f"output      {plan.outdir}",
        f"init times  {total} ({first} to {last})",
        "",
    ]
    states = {True: "stored", False: "to build"}
    if plan.envs:
        rows = [("environment", "state")]
        rows += [
            (env.env_id, states[env.complete] if env.needed or env.complete else "not needed") for env in plan.envs
        ]
        lines += [*_table(rows), ""]
    if participants:
        rows = [("run", "label", "forecasts stored")]
        rows += [(run.run_id, run.label, f"{done[run.run_id]} of {total}") for run in participants]
        lines += [*_table(rows), ""]
    if plan.baselines:
        rows = [("baseline", "label", "root")]
        rows += [(entry.baseline_id, entry.label, entry.root) for entry in plan.baselines]
        lines += [*_table(rows), ""]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines).rstrip()
