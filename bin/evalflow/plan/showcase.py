"""What the plan says of the showcase: which init times, params, domains and places are drawn."""

from datetime import datetime, timedelta

from evalflow import __version__
from evalflow.config.times import parse_time
from evalflow.fields.params import find_param
from evalflow.plan.domains import domain_entries
from evalflow.plan.experiment import Experiment
from evalflow.plan.verification import region_entries
from evalflow.showcase.spec import ShowcaseSpec, ShownTime, StationEntry
from evalflow.store.layout import init_time_name, init_time_of
from evalflow.verification.spec import VerificationSpec

MOST_BEFORE = 4
"""Init times that are drawn of a case: the last ones before its start whose lead times reach into it."""


def case_times(init_times: list[datetime], longest: timedelta, start: datetime, end: datetime) -> list[datetime]:
    """Return the init times to draw of a case: the last four not after its start that reach into it.

    Where all init times are later than its start, it is the first one that is in it.

    Parameters
    ----------
    init_times : rising
    longest : the longest lead time of any source
    """
    before = [time for time in init_times if time <= start <= time + longest]
    return before[-MOST_BEFORE:] or [time for time in init_times if start <= time <= end][:1]


def _times(experiment: Experiment, verification: VerificationSpec, target: str) -> list[ShownTime]:
    init_times = sorted(init_time_of(name) for name in experiment.init_times)
    longest = timedelta(hours=max((lead for source in verification.sources for lead in source.lead_times), default=0))
    cases: dict[datetime, list[str]] = {}
    for case in experiment.config.experiment.cases:
        for time in case_times(init_times, longest, parse_time(case.start), parse_time(case.end)):
            cases.setdefault(time, []).append(case.name)
    dates = {parse_time(text) for text in experiment.config.showcase.dates}
    drawn = init_times if target == "showcase" else [time for time in init_times if time in dates or time in cases]
    return [ShownTime(init_time=init_time_name(time), cases=cases.get(time, [])) for time in drawn]


def _stations(experiment: Experiment) -> list[StationEntry]:
    meteograms = experiment.config.showcase.meteograms
    return [
        StationEntry(name=station) if isinstance(station, str) else StationEntry(**station.model_dump())
        for station in (meteograms.stations if meteograms.enabled else [])
    ]


def showcase_spec(experiment: Experiment, verification: VerificationSpec, target: str) -> ShowcaseSpec:
    """Return what is to be drawn of an experiment.

    Raises
    ------
    UserError
        Where the file of a region is missing.
    """
    config = experiment.config.showcase
    named = config.meteograms.regions if config.meteograms.enabled else []
    regions = region_entries(experiment) if named else {}
    params = {param: find_param(param) for param in config.params}
    return ShowcaseSpec(
        evalflow=__version__,
        experiment_id=experiment.experiment_id,
        store=experiment.data,
        results=verification.results,
        times=_times(experiment, verification, target),
        sources=verification.sources,
        truths=verification.truths,
        grids=verification.grids,
        folders=verification.folders,
        params=list(dict.fromkeys(known.name for known in params.values() if known)),
        unknown_params=[param for param, known in params.items() if known is None],
        domains=domain_entries(config.animations.domains if config.animations.enabled else []),
        formats=list(config.animations.formats),
        frames_per_second=config.animations.frames_per_second,
        wind=config.animations.wind,
        stations=_stations(experiment),
        regions=[regions[name] for name in named],
        lapse_rate=verification.comparing.lapse_rate,
        awaited=verification.awaited,
    )
