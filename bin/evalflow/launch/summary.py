"""What a launch has done: the plan it began with, compared with the store as it is now."""

from pathlib import Path

from evalflow import __version__
from evalflow.inference.proof import check_forecast
from evalflow.plan.model import Plan
from evalflow.store.files import read_json, to_json, write_over
from evalflow.store.layout import (
    CHECKPOINT,
    ENVIRONMENT_SEAL,
    FORECAST_SEAL,
    LOCK,
    SANDBOX,
    environment_folder,
    forecast_folder,
    images_folder,
    results_folder,
    run_folder,
)


def _state(before: bool, now: bool, needed: bool, verb: str) -> str:
    if before and now:
        return "reused"
    if now:
        return verb
    return "MISSING" if needed else "not needed"


def make_summary(plan: Plan, cost: dict | None = None, made_twice: dict | None = None) -> dict:
    """Return what was built, made, reused and what is missing.

    Parameters
    ----------
    plan : the plan that the launch began with
    cost : what the launch has cost (`cost.read_cost`), where that is known
    made_twice : what another launch made as well (`cost.read_made_twice`)
    """
    data = plan.store
    environments = []
    for env in plan.envs:
        sealed = read_json(environment_folder(data, env.env_id) / ENVIRONMENT_SEAL)
        state = _state(env.complete, sealed is not None, env.needed, "built")
        known = {"image_id": (sealed or {}).get("image_id"), "warnings": (sealed or {}).get("warnings", [])}
        environments.append({"env_id": env.env_id, "state": state, **known})
    labels = plan.labels
    digests = {run.run_id: run.spec.sha256 for run in plan.runs}
    wanted = {(task.run_id, init_time) for task in plan.tasks for init_time in task.init_times}
    forecasts: dict[str, dict] = {
        run_id: {"made": 0, "reused": 0, "missing": [], "seconds": 0.0, "bytes": 0} for run_id in labels
    }
    for entry in plan.forecasts:
        counted = forecasts[entry.run_id]
        folder = forecast_folder(data, entry.run_id, entry.init_time)
        if entry.complete:
            counted["reused"] += 1
        elif entry.run_id in digests and check_forecast(folder, digests[entry.run_id]) is None:
            counted["made"] += 1
            proof = read_json(folder / FORECAST_SEAL)
            counted["seconds"] += proof["seconds"]
            counted["bytes"] += sum(file["size"] for file in proof["files"].values())
        elif (entry.run_id, entry.init_time) in wanted:
            counted["missing"].append(entry.init_time)
    runs = [{"run_id": run_id, "label": label, **forecasts[run_id]} for run_id, label in labels.items()]
    return {
        "evalflow": __version__,
        "experiment_id": plan.experiment_id,
        "environments": environments,
        "runs": runs,
        "cost": cost,
        "made_twice": made_twice,
        "warnings": plan.warnings,
    }


def _describe_cost(summary: dict) -> list[str]:
    lines = []
    cost, twice = summary["cost"], summary["made_twice"]
    if cost:
        made = sum(run["bytes"] for run in summary["runs"])
        size = f", {made / 1e6:,.1f} MB of forecasts" if made else ""
        gpu = f"{cost['gpu_hours']:.2f} GPU hours, " if cost["gpu_hours"] else ""
        failed = max(cost["failed_cpu_hours"] / cost["cpu_hours"], 0) if cost["cpu_hours"] else 0
        lost = f" ({failed:.0%} in attempts that failed)" if failed else ""
        lines.append(f"  cost         {gpu}{cost['cpu_hours']:.2f} CPU hours{lost}{size}")
    if twice and twice["forecasts"]:
        lines.append(
            f"  made twice   {twice['forecasts']} forecasts, by another launch at the same time "
            f"({twice['gpu_hours']:.2f} GPU hours); its are kept"
        )
    return lines


def describe_summary(plan: Plan, summary: dict) -> str:
    """Return the summary as text for people, with a picture of where the results are."""
    lines = ["", f"experiment {summary['experiment_id']}", ""]
    if plan.stub:
        return "\n".join(
            [*lines, f"stub run: every step was passed through, nothing was made; empty files in {plan.outdir}"]
        )
    for env in summary["environments"]:
        image = f"  image {env['image_id']}" if env["image_id"] else ""
        lines.append(f"  environment  {env['env_id']:<36} {env['state']}{image}")
    if plan.makes_forecasts:
        for run in summary["runs"]:
            counts = f"{run['made']} made, {run['reused']} reused, {len(run['missing'])} missing"
            lines.append(f"  forecasts    {run['run_id']:<36} {counts}  ({run['label']})")
    if plan.target == "sandbox":
        for run in plan.runs:
            zipped = run_folder(plan.store, run.run_id) / SANDBOX
            if run.needed:
                lines.append(f"  sandbox      {zipped if zipped.exists() else run.run_id + '  MISSING'}  ({run.label})")
    lines += _describe_cost(summary)
    lines += ["", f"results in {plan.outdir}"]
    lines += _tree(plan)
    missing = [f"{run['run_id']}/{init_time}" for run in summary["runs"] for init_time in run["missing"]]
    if missing and plan.makes_forecasts:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        lines += ["", f"missing: {', '.join(missing[:3])}{more}; launch again to make what is missing"]
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    for env in summary["environments"]:
        lines += [f"warning: {env['env_id']}: {warning}" for warning in env["warnings"] if env["state"] == "built"]
    return "\n".join(lines)


def _tree(plan: Plan) -> list[str]:
    data = plan.store
    lines = ["└── data"]
    images = sorted(path.name for path in images_folder(data).glob("*") if not path.name.startswith("."))
    if images:
        lines += ["    ├── images", f"    │   └── {', '.join(name for name in images if not name.endswith('.json'))}"]
    lines.append("    └── runs")
    for index, env in enumerate(plan.envs):
        last = index == len(plan.envs) - 1
        bar = "        " + ("    " if last else "│   ")
        lines.append(f"        {'└──' if last else '├──'} {env.env_id}")
        folder = environment_folder(data, env.env_id)
        files = [name for name in (CHECKPOINT, LOCK, ENVIRONMENT_SEAL) if (folder / name).exists()]
        runs = [run for run in plan.runs if run.env_id == env.env_id]
        entries = [", ".join(files)] if files else []
        for run in runs:
            done = sorted(path.parent.name for path in run_folder(data, run.run_id).glob(f"[0-9]*/{FORECAST_SEAL}"))
            if done:
                shown = done[0] if len(done) == 1 else f"{done[0]} … {done[-1]}"
                entries.append(
                    f"{run.run_id.rsplit('/', 1)[1]}/{{{shown}}}  {len(done)} forecast{'s' if len(done) > 1 else ''}"
                )
        for number, entry in enumerate(entries):
            lines.append(f"{bar}{'└──' if number == len(entries) - 1 else '├──'} {entry}")
    return lines


def write_summary(plan_file: Path, plan: Plan, summary: dict) -> Path:
    """Write plan and summary to `{outdir}/results/{experiment_id}` and return that folder."""
    folder = results_folder(plan.outdir, plan.experiment_id)
    write_over(folder / "summary.json", to_json(summary))
    write_over(folder / "plan.json", plan_file.read_text(encoding="utf-8"))
    write_over(folder / "config.yaml", plan.config_text)
    return folder
