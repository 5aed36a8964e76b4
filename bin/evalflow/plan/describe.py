"""The plan as text for people."""

from collections.abc import Sequence

from evalflow.plan.model import Plan


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def describe_plan(plan: Plan) -> str:
    """Return the plan as text for people."""
    done = dict.fromkeys(plan.labels, 0)
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
        rows: list[tuple[str, ...]] = [("environment", "state")]
        rows += [
            (env.env_id, states[env.complete] if env.needed or env.complete else "not needed") for env in plan.envs
        ]
        lines += [*_table(rows), ""]
    if plan.labels:
        rows = [("run", "label", "forecasts stored")]
        rows += [(run_id, label, f"{done[run_id]} of {total}") for run_id, label in plan.labels.items()]
        lines += [*_table(rows), ""]
    baselines = [source for source in plan.verification.sources if source.kind == "baseline"]
    if baselines:
        rows = [("baseline", "label", "root")]
        rows += [(entry.source_id, entry.label, entry.builtin or entry.root or "") for entry in baselines]
        lines += [*_table(rows), ""]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines).rstrip()
