"""What the plan says of verification: the sources, the truths, and how they are compared."""

from pathlib import Path
from typing import Literal

from evalflow.config.archives import BaselineConfig, ForecastsConfig, TruthConfig
from evalflow.config.areas import DomainArea, RegionConfig, RegularGrid, ShapeConfig
from evalflow.config.grids import grid_files
from evalflow.digests import digest
from evalflow.errors import UserError
from evalflow.fields.observations.jretrieve_service import PREFIX, find_service, parse_selection
from evalflow.fields.params import find_param
from evalflow.identity import comparison_parts
from evalflow.lookup import Lookup, canonical_path
from evalflow.plan.experiment import Experiment
from evalflow.plan.options import Options
from evalflow.sources import Source, collect_sources
from evalflow.store.layout import results_folder, run_folder
from evalflow.verification.spec import (
    CaseEntry,
    ComparingSpec,
    Dimension,
    GridFileEntry,
    MapsSpec,
    ReferenceSpec,
    RegionEntry,
    SignificanceSpec,
    SourceEntry,
    TruthEntry,
    VerificationSpec,
)


def _source_entry(source: Source, experiment: Experiment) -> SourceEntry:
    config, lookup = source.config, experiment.lookup
    about: dict = {
        "source_id": source.source_id,
        "label": source.label,
        "kind": source.kind,
        "sha256": digest(source.identity),
        "lead_times": [lead_time.total_seconds() / 3600 for lead_time in experiment.config.lead_times(config)],
    }
    if isinstance(config, ForecastsConfig | BaselineConfig):
        about |= {"pattern": config.pattern, "member": config.member, "units": config.units}
        about["root"] = canonical_path(config.root, lookup) if config.root is not None else None
    else:
        about["root"] = str(run_folder(experiment.data, source.source_id))
    if isinstance(config, BaselineConfig) and config.builtin:
        reference = config.reference
        about |= {"builtin": config.builtin}
        about["reference"] = ReferenceSpec(**reference.model_dump()) if reference else None
    return SourceEntry(**about)


def _truth_entry(truth: TruthConfig, experiment: Experiment) -> TruthEntry:
    lookup, settings = experiment.lookup, experiment.config.experiment
    return TruthEntry(
        label=truth.label,
        root=canonical_path(truth.root, lookup) if truth.root is not None else None,
        pattern=truth.pattern,
        command=truth.command or [],
        stations=canonical_path(truth.stations, lookup) if truth.stations is not None else None,
        columns=truth.columns,
        units=truth.units,
        identity=comparison_parts(truth, settings, lookup),
    )


def _shape(name: str, shape: ShapeConfig | RegionConfig, lookup: Lookup, key: str) -> RegionEntry:
    file = lookup.require(shape.file, f"{key}.file") if shape.file is not None else None
    return RegionEntry(name=name, box=shape.box, file=file)


def region_entries(experiment: Experiment) -> dict[str, RegionEntry]:
    """Return name → region: those of the stratification, then cases' own."""
    stratification, lookup = experiment.config.experiment.stratification, experiment.lookup
    key, regions = "experiment.stratification", {}
    for index, region in enumerate(stratification.regions):
        if isinstance(region, str):
            file = lookup.require(f"{stratification.root}/{region}.shp", f"{key}.regions[{index}]")
            regions[region] = RegionEntry(name=region, file=file)
        else:
            regions[region.name] = _shape(region.name, region, lookup, f"{key}.regions[{index}]")
    for index, case in enumerate(experiment.config.experiment.cases):
        if isinstance(case.region, ShapeConfig):
            name = _case_region(case.name)
            regions[name] = _shape(name, case.region, lookup, f"experiment.cases[{index}].region")
    return regions


def _case_region(case: str) -> str:
    return f"case {case}"


def _cases(experiment: Experiment) -> list[CaseEntry]:
    cases = []
    for case in experiment.config.experiment.cases:
        own = _case_region(case.name) if isinstance(case.region, ShapeConfig) else case.region or "all"
        cases.append(CaseEntry(name=case.name, start=case.start, end=case.end, region=own))
    return cases


def _comparing(experiment: Experiment, regions: dict[str, RegionEntry]) -> ComparingSpec:
    settings = experiment.config.experiment
    domain: Literal["common", "truth"] | RegionEntry
    if isinstance(settings.domain, DomainArea):
        box, region = settings.domain.box, settings.domain.region
        if region is not None and region not in regions:
            raise UserError(
                f"experiment.domain.region: no region is called {region}; allowed: {', '.join(regions) or 'none is named'}"
            )
        domain = RegionEntry(name="domain", box=box) if region is None else regions[region]
    else:
        domain = settings.domain
    grid = settings.verification_grid
    return ComparingSpec(
        domain=domain,
        verification_grid=grid.regular if isinstance(grid, RegularGrid) else None,
        mapping=settings.mapping,
        max_distance=settings.max_distance,
        weights=settings.weights,
        scales=settings.scales,
        lapse_rate=str(experiment.config.lapse_rate_correction).lower(),
        common_sample=settings.common_sample,
        min_coverage=settings.min_coverage,
    )


def _thresholds(experiment: Experiment) -> dict[str, list[str]]:
    settings = experiment.config.experiment
    found: dict[str, list[str]] = {}
    for param in settings.verified_params():
        events = [one.text for one in settings.thresholds_of(param)]
        if events:
            found[_canonical(param)] = list(dict.fromkeys([*found.get(_canonical(param), []), *events]))
    return found


def _canonical(param: str) -> str:
    """Return the name that tables have of a param; of one that is not known, as it is written."""
    known = find_param(param)
    return known.name if known else param


def _all_canonical(params: list[str]) -> list[str]:
    return list(dict.fromkeys(_canonical(param) for param in params))


def _maps(experiment: Experiment) -> MapsSpec | None:
    maps = experiment.config.experiment.scoremaps
    if maps is None or not maps.enabled:
        return None
    return MapsSpec(
        params=_all_canonical(maps.params),
        lead_times=sorted(maps.leadtimes),
        scores=list(maps.scores),
        seasons=list(maps.seasons),
        init_hours=maps.init_hours,
    )


def _crossed(experiment: Experiment) -> list[list[Dimension]]:
    """Return the dimensions besides the region that the dashboard crosses."""
    listed = [name for name in experiment.config.experiment.dashboard.stratification if name != "region"]
    return [listed] if len(listed) > 1 else []


def _check_services(truths: list[TruthConfig], launch: Path) -> None:
    """Check that stations services can be asked, before anything is computed."""
    for truth in truths:
        if (truth.root or "").startswith(PREFIX):
            find_service(parse_selection(truth.root or ""), [launch])


def verification_spec(experiment: Experiment, options: Options) -> VerificationSpec:
    """Return what the steps of verification work from.

    Raises
    ------
    UserError
        Where a file of a region or of a grid is missing, or what a stations service needs.
    """
    config = experiment.config
    sources = collect_sources(config, experiment.runs, experiment.lookup)
    regions = region_entries(experiment) if config.truths() else {}  # without a truth nobody looks at them
    by_index = {index: source.source_id for source in sources.values() for index in source.indexes}
    settings = config.experiment
    if options.target in ("verification", "experiment") and not options.stub:
        _check_services(config.truths(), options.launch)
    site = options.launch / options.grids if options.grids else None
    return VerificationSpec(
        experiment_id=experiment.experiment_id,
        store=experiment.data,
        results=results_folder(experiment.outdir, experiment.experiment_id),
        stub=options.stub,
        verify_store=options.verify_store,
        init_times=experiment.init_times,
        sources=[_source_entry(source, experiment) for source in sources.values()],
        truths=[_truth_entry(truth, experiment) for truth in config.truths()],
        grids=[
            GridFileEntry(file=grid.file, points=grid.points, uuid=grid.uuid)
            for grid in grid_files(config.grids, experiment.lookup, site)
        ],
        folders=[options.launch],
        params=_all_canonical(settings.verified_params()),
        named_params=_all_canonical(settings.named_params()),
        thresholds=_thresholds(experiment),
        regions=list(regions.values()),
        cases=_cases(experiment),
        comparing=_comparing(experiment, regions),
        crossed=_crossed(experiment),
        references=list(dict.fromkeys(by_index[index] for index in config.references())),
        significance=SignificanceSpec(**settings.significance.model_dump()),
        maps=_maps(experiment),
    )
