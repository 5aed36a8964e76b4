"""What a launch has done: the plan it began with, compared with the store as it is now."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from evalflow import __version__
from evalflow.errors import UserError, describe_os_error
from evalflow.inference.publish import StoredRun
from evalflow.launch.cost import read_cost
from evalflow.launch.failures import Failed, LeftOut, describe_failures, explain_what_is_missing
from evalflow.plan.model import Plan
from evalflow.showcase.spec import Shown
from evalflow.store.files import read_json, to_json, write_over
from evalflow.store.forecasts import list_made
from evalflow.store.layout import (
    CHECKPOINT,
    ENVIRONMENT_SEAL,
    FORECAST_SEAL,
    LOCK,
    SANDBOX,
    environment_folder,
    images_folder,
    is_init_time,
    results_folder,
    run_folder,
)
from evalflow.verification.aggregated import Aggregated
from evalflow.verification.done import PackDone

MISSING = "MISSING"
"""State of an environment that was to be built and is not there."""
MOST_NOTES = 5
"""How many lines on fields that were left out or repaired, or on what is odd in the forecasts of a
run, are shown; summary.json has all."""


def _state(before: bool, now: bool, needed: bool, verb: str) -> str:
    if before and now:
        return "reused"
    if now:
        return verb
    return MISSING if needed else "not needed"


def _give_name(stored: StoredRun, init_time: str, whole: Path) -> list[str]:
    """Give a whole forecast that has no name its name. Return a line where that cannot be."""
    try:
        stored.free_name(init_time)
        stored.give_name(init_time, whole)
    except (OSError, UserError) as error:
        why = describe_os_error(error) if isinstance(error, OSError) else error
        return [f"{whole}: is whole, but cannot be given its name: {why}"]
    return []


@dataclass
class _Counts:
    """What there is now of a run's forecasts.

    Attributes
    ----------
    missing : init times of those that the launch was to make and that cannot be found by their
        names
    unnamed : a line for each that is whole all the same
    warnings : what is odd in those that were made → in how many
    seconds, bytes : of those that were made
    """

    made: int = 0
    reused: int = 0
    missing: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    warnings: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    bytes: int = 0


def _count_forecasts(plan: Plan, run_id: str) -> _Counts:
    """Count the forecasts of a run. Those made elsewhere count as when the launch began."""
    entries = [entry for entry in plan.forecasts if entry.run_id == run_id]
    counts = _Counts(reused=sum(entry.complete for entry in entries))
    run = next((run for run in plan.runs if run.run_id == run_id), None)
    if run is None:
        return counts
    stored = StoredRun(run.spec.folder, run.spec.sha256)
    wanted = {time for task in plan.tasks if task.run_id == run_id for time in task.init_times}
    made = list_made(stored.folder)
    for init_time in [entry.init_time for entry in entries if not entry.complete]:
        problem = stored.problem(init_time)
        if problem and (whole := stored.first_whole(made.get(init_time, []))):
            counts.unnamed += _give_name(stored, init_time, whole)
            problem = stored.problem(init_time)
        if problem is None:
            counts.made += 1
            proof = read_json(stored.folder / init_time / FORECAST_SEAL) or {}
            counts.seconds += proof["seconds"]
            counts.bytes += sum(file["size"] for file in proof["files"].values())
            for warning in proof.get("warnings", []):
                counts.warnings[warning] = counts.warnings.get(warning, 0) + 1
        elif init_time in wanted:
            counts.missing.append(init_time)
    return counts


def count_statistics(plan: Plan, done: Iterable[PackDone], scores: Aggregated | None) -> list[dict]:
    """Return what this launch has verified.

    For each source: the number of statistics computed; init times of which this launch could not
    compute all, with the reason; those of them that are so by a fault; init times of which there is
    no forecast or not all, whether this launch looked for it or an earlier one; and what readers
    left out or repaired.

    A statistic is that of one source, init time and param against one truth.
    """
    of: dict[str, list[PackDone]] = {source.source_id: [] for source in plan.verification.sources}
    for pack in done:
        of[pack.source].append(pack)
    return [
        {
            "source_id": source.source_id,
            "label": source.label,
            "computed": sum(len(init.computed) for pack in of[source.source_id] for init in pack.inits),
            "lacking": _reasons(of[source.source_id]),
            "failed": sorted({init.init_time for pack in of[source.source_id] for init in pack.inits if init.failed}),
            "without": scores.without.get(source.source_id, {}) if scores else {},
            "notes": list(dict.fromkeys(note for pack in of[source.source_id] for note in pack.notes)),
        }
        for source in plan.verification.sources
    ]


def _reasons(packs: list[PackDone]) -> dict[str, str]:
    """Return init time → why some of it could not be computed: against several truths there may be several reasons."""
    found: dict[str, dict[str, None]] = {}
    for init in (init for pack in packs for init in pack.inits):
        if init.reason:
            found.setdefault(init.init_time, {})[init.reason] = None
    return {init_time: "; ".join(reasons) for init_time, reasons in found.items()}


def make_summary(
    plan: Plan,
    trace: Path | None = None,
    made_twice: dict | None = None,
    done: Iterable[PackDone] = (),
    scores: Aggregated | None = None,
) -> dict:
    """Return what was built, made and reused, what is missing, why, and what the launch has cost.

    Whole forecasts without a name get their name.

    Parameters
    ----------
    plan : the plan that the launch began with
    trace : Nextflow's trace of the launch, where there is one: what it has cost, and why something
        is missing, are not known without
    made_twice : what another launch made as well (`cost.read_made_twice`)
    done : what came of the packs that were verified
    scores : what came of the whole verification, where it came to an end
    """
    environments = []
    for env in plan.envs:
        sealed = read_json(environment_folder(plan.store, env.env_id) / ENVIRONMENT_SEAL)
        state = _state(env.complete, sealed is not None, env.needed, "built")
        known = {"image_id": (sealed or {}).get("image_id"), "warnings": (sealed or {}).get("warnings", [])}
        environments.append({"env_id": env.env_id, "state": state, **known})
    runs = [
        {"run_id": run_id, "label": label, **asdict(_count_forecasts(plan, run_id))}
        for run_id, label in plan.labels.items()
    ]
    failed: list[Failed] = []
    left_out: list[LeftOut] = []
    if trace and not plan.stub:
        missing = {run["run_id"]: run["missing"] for run in runs}
        unbuilt = [env["env_id"] for env in environments if env["state"] == MISSING]
        failed, left_out = explain_what_is_missing(plan, trace, missing, unbuilt)
    return {
        "evalflow": __version__,
        "experiment_id": plan.experiment_id,
        "environments": environments,
        "runs": runs,
        "statistics": count_statistics(plan, done, scores),
        "failed": [one.model_dump(mode="json") for one in failed],
        "left_out": [one.model_dump(mode="json") for one in left_out],
        "cost": read_cost(trace, plan) if trace else None,
        "made_twice": made_twice,
        "warnings": plan.warnings,
    }


def is_lacking(plan: Plan, summary: dict) -> bool:
    """Return whether not all is there that the launch was to make.

    What may be lacking is a forecast under its name, the verification of a forecast that failed for
    a fault, and whatever else a task that failed was to make.
    """
    missing = any(run["missing"] for run in summary["runs"]) or any(one["failed"] for one in summary["statistics"])
    return not plan.stub and (missing or bool(summary["failed"]))


def _describe_statistics(summary: dict) -> list[str]:
    lines = []
    for source in summary["statistics"]:
        lacking = {**source["without"], **source["lacking"]}
        lack = f", {len(lacking)} init times lack some" if lacking else ""
        lines.append(
            f"  statistics   {source['source_id']:<36} {source['computed']} computed{lack}  ({source['label']})"
        )
        if lacking:
            init_time, reason = next(iter({**source["lacking"], **lacking}.items()))
            lines.append(f"               {init_time}: {reason}")
    notes = list(dict.fromkeys(note for source in summary["statistics"] for note in source["notes"]))
    lines += [f"               note: {note}" for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        lines.append(f"               and {len(notes) - MOST_NOTES} more notes, in summary.json")
    return lines


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


def _describe_warnings(run: dict) -> list[str]:
    """Return what is odd in the forecasts of a run that were made, the most frequent first."""
    often = sorted(run["warnings"].items(), key=lambda one: -one[1])
    lines = [f"warning: {run['run_id']}: {text} (in {count} of {run['made']} made)" for text, count in often]
    more = f"warning: {run['run_id']}: and {len(lines) - MOST_NOTES} more warnings, in summary.json"
    return lines[:MOST_NOTES] + ([more] if len(lines) > MOST_NOTES else [])


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
    if plan.verifies:
        lines += _describe_statistics(summary)
    lines += _describe_cost(summary)
    lines += ["", f"results in {plan.outdir}"]
    lines += _tree(plan)
    failed = [Failed(**one) for one in summary["failed"]]
    lines += describe_failures(failed, [LeftOut(**one) for one in summary["left_out"]], plan.labels)
    missing = [f"{run['run_id']}/{init_time}" for run in summary["runs"] for init_time in run["missing"]]
    if missing and plan.makes_forecasts:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        lines += ["", f"missing: {', '.join(missing[:3])}{more}; launch again to make what is missing"]
        lines += [line for run in summary["runs"] for line in run["unnamed"]]
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    lines += [line for run in summary["runs"] for line in _describe_warnings(run)]
    for env in summary["environments"]:
        lines += [f"warning: {env['env_id']}: {warning}" for warning in env["warnings"] if env["state"] == "built"]
    return "\n".join(lines)


def describe_shown(shown: Shown) -> list[str]:
    """Return what came of the showcase, as text for people."""
    counts = f"{shown.animations} animations, {shown.meteograms} meteograms, {shown.drawn} products drawn now"
    lines = ["", f"  showcase     {counts}", *(f"               {line}" for line in shown.problems[:MOST_NOTES])]
    if len(shown.problems) > MOST_NOTES:
        lines.append(f"               and {len(shown.problems) - MOST_NOTES} more lines, on the page")
    return [*lines, *(["", f"showcase: {shown.page}"] if shown.page else [])]


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
            sealed = run_folder(data, run.run_id).glob(f"[0-9]*/{FORECAST_SEAL}")
            done = sorted(path.parent.name for path in sealed if is_init_time(path.parent.name))
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
