"""What the plan says of the report: sources, truths and products as its pages show them."""

from evalflow import __version__
from evalflow.config.times import lead_times_of
from evalflow.plan.domains import domain_entries
from evalflow.plan.experiment import Experiment
from evalflow.plan.options import VERIFIES, Options
from evalflow.report.spec import ReportCase, ReportSource, ReportSpec, ReportTruth, SectionSpec
from evalflow.verification.spec import CaseEntry, SourceEntry, TruthEntry, VerificationSpec

DEFAULT_SCORES = "RMSE,BIAS,CORR"
"""Rows of the scorecard of an experiment that asks for none, for each param."""


def _source(entry: SourceEntry, experiment: Experiment) -> ReportSource:
    run = experiment.runs.get(entry.source_id)
    about = {"source_id": entry.source_id, "label": entry.label, "kind": entry.kind, "lead_times": entry.lead_times}
    if run is None:
        return ReportSource(**about, origin=entry.builtin or entry.root or "")
    checkpoint = run.checkpoint
    return ReportSource(
        **about, origin=checkpoint.uri, checkpoint=checkpoint.sha256, env_id=run.env_id, runner=run.config.runner
    )


def _truth(entry: TruthEntry, license: str | None) -> ReportTruth:
    return ReportTruth(label=entry.label, origin=entry.root or " ".join(entry.command[:1]), license=license)


def _case(entry: CaseEntry, verification: VerificationSpec) -> ReportCase:
    where = entry.region
    if entry.region == f"case {entry.name}":
        box = next((region.box for region in verification.regions if region.name == entry.region), None)
        where = "an area of its own" if box is None else f"{box[0]:g} to {box[1]:g}°E, {box[2]:g} to {box[3]:g}°N"
    elif entry.region == "all":
        where = "the whole domain"
    return ReportCase(name=entry.name, start=entry.start, end=entry.end, region=where)


def _sections(experiment: Experiment, verification: VerificationSpec) -> list[SectionSpec]:
    settings = experiment.config.experiment
    if settings.scorecards and not settings.scorecards.enabled:
        return []
    if not settings.sections():
        variables = [f"{param}:{DEFAULT_SCORES}" for param in verification.params]
        return [SectionSpec(name="overview", baseline=one, variables=variables) for one in verification.references[:1]]
    # A baseline goes before others of the same label, as in the checks of the config.
    by_kind = sorted(verification.sources, key=lambda source: source.kind == "baseline")
    ids = {source.label: source.source_id for source in by_kind}
    return [
        SectionSpec(
            name=name,
            baseline=ids.get(card.baseline, card.baseline),
            lead_times=[lead.total_seconds() / 3600 for lead in lead_times_of(card.lead_times)],
            stratification=card.stratification,
            variables=card.variables,
            truth=card.truth,
        )
        for name, card in settings.sections().items()
    ]


def with_absent(spec: ReportSpec, external: dict[str, dict[str, bool]]) -> ReportSpec:
    """Say which forecasts made elsewhere are not there: source_id → init time → whether there are files."""
    sources = [
        source.model_copy(
            update={"absent": [time for time, there in external.get(source.source_id, {}).items() if not there]}
        )
        for source in spec.sources
    ]
    return spec.model_copy(update={"sources": sources})


def report_spec(
    experiment: Experiment, verification: VerificationSpec, options: Options, showcase: bool = False
) -> ReportSpec:
    """Return what the pages of an experiment are drawn from, besides its tables of scores.

    Parameters
    ----------
    showcase : whether there is a page with single forecasts
    """
    significance, maps = verification.significance, experiment.config.experiment.scoremaps
    return ReportSpec(
        evalflow=__version__,
        experiment_id=experiment.experiment_id,
        question=(experiment.config.description or "").strip(),
        config=experiment.path,
        config_text=experiment.text,
        store=experiment.data,
        results=verification.results,
        init_times=experiment.init_times,
        sources=[_source(entry, experiment) for entry in verification.sources],
        truths=[
            _truth(entry, truth.license)
            for entry, truth in zip(verification.truths, experiment.config.truths(), strict=True)
        ],
        params=verification.params,
        references=verification.references,
        sections=_sections(experiment, verification),
        cases=[_case(entry, verification) for entry in verification.cases],
        plots=list(experiment.config.experiment.plots.formats),
        map_domains=domain_entries(maps.regions if maps and maps.enabled else []),
        level=significance.level,
        false_discovery_rate=significance.false_discovery_rate,
        min_days=significance.min_days,
        verifies=options.target in VERIFIES and bool(verification.truths),
        showcase=showcase,
    )
