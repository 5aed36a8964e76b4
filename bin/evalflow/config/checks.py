"""What the parts of a config must have in common: labels, lead times, times."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from evalflow.config.archives import BaselineConfig, ForecastsConfig, ReferencePeriod, TruthConfig, look_up_param
from evalflow.config.experiment import ExperimentConfig
from evalflow.config.fields import Place, Problems
from evalflow.config.runs import RunConfig
from evalflow.config.showcase import ShowcaseConfig
from evalflow.config.times import Dates, hours_of, lead_times_of, parse_time
from evalflow.texts import did_you_mean, render, show

Participants = Sequence[tuple[str, RunConfig | ForecastsConfig | BaselineConfig]]
"""The entries of `runs`: (forecaster, temporal_downscaler, forecasts or baseline; what it says)."""


def _repeated(labels: Iterable[tuple[Place, str]], kind: str) -> Problems:
    seen: set[str] = set()
    wrong: Problems = []
    for place, label in labels:
        if label in seen:
            wrong.append(((*place, "label"), f"another {kind} is labelled {show(label)}; allowed: labels that differ"))
        seen.add(label)
    return wrong


def check_labels(participants: Participants, truths: list[TruthConfig]) -> Problems:
    """Check that baselines, and truths, can be told apart by their labels."""
    baselines: list[tuple[Place, str]] = [
        (("runs", index, kind), entry.label)
        for index, (kind, entry) in enumerate(participants)
        if isinstance(entry, BaselineConfig)
    ]
    return _repeated(baselines, "baseline") + _repeated(
        ((("truth", index), truth.label) for index, truth in enumerate(truths)), "truth"
    )


def find_source(label: str, participants: Participants) -> int | str:
    """Return the index in `runs` of the source with a label, or what is wrong with the label.

    A baseline goes before other entries of the same label, because baselines have labels of their
    own. An entry that stands twice counts once.
    """
    found = [index for index, (_, entry) in enumerate(participants) if entry.label == label]
    baselines = [index for index in found if participants[index][0] == "baseline"]
    if baselines or (found and all(participants[index] == participants[found[0]] for index in found)):
        return (baselines or found)[0]
    if found:
        return f"{len(found)} of the runs are labelled {show(label)}; allowed: a label that only one of them has"
    labels = list(dict.fromkeys(entry.label for _, entry in participants if entry.label))
    allowed = ", ".join(map(show, labels)) or "a label, but runs holds none"
    return f"nothing in runs is labelled {show(label)}{did_you_mean(label, labels)}; allowed: {allowed}"


def check_references(experiment: ExperimentConfig, participants: Participants, truths: list[TruthConfig]) -> Problems:
    """Check the labels that `references` and the scorecards name."""
    named: list[tuple[Place, str]] = []
    named += [(("experiment", "references", index), label) for index, label in enumerate(experiment.references or [])]
    cards = [(("experiment", "scorecards", "sections", name), card) for name, card in experiment.sections().items()]
    named += [((*place, "baseline"), card.baseline) for place, card in cards]
    found = [(place, find_source(label, participants)) for place, label in named]
    wrong: Problems = [(place, problem) for place, problem in found if isinstance(problem, str)]
    labels = [truth.label for truth in truths]
    allowed = ", ".join(map(show, labels)) or "none, for there is no truth"
    for place, card in cards:
        if card.truth is not None and card.truth not in labels:
            hint = did_you_mean(card.truth, labels)
            wrong.append(((*place, "truth"), f"no truth is labelled {show(card.truth)}{hint}; allowed: {allowed}"))
    return wrong


def check_score_maps(experiment: ExperimentConfig, participants: Participants) -> Problems:
    """Check that all sources have the lead times of the score maps."""
    maps = experiment.scoremaps
    if not maps or not maps.enabled:
        return []
    wrong: Problems = []
    for index, (kind, entry) in enumerate(participants):
        lead_times = set(hours_of(entry.steps)) if entry.steps else set(maps.leadtimes)
        missing = [hour for hour in maps.leadtimes if hour not in lead_times]
        if missing:
            hours = ", ".join(map(str, missing))
            what = f"{hours} h not in the steps {entry.steps} of runs[{index}].{kind}; allowed: hours that all have"
            wrong.append((("experiment", "scoremaps", "leadtimes"), what))
    return wrong


def check_regions(experiment: ExperimentConfig, showcase: ShowcaseConfig) -> Problems:
    """Check that regions which are named elsewhere are those of `stratification`."""
    known = experiment.stratification.names()
    named: list[tuple[Place, str]] = []
    named += [
        (("showcase", "meteograms", "regions", index), name) for index, name in enumerate(showcase.meteograms.regions)
    ]
    named += [
        (("experiment", "cases", index, "region"), case.region)
        for index, case in enumerate(experiment.cases)
        if isinstance(case.region, str)
    ]
    if not isinstance(experiment.domain, str) and experiment.domain.region is not None:
        named.append((("experiment", "domain", "region"), experiment.domain.region))
    allowed = ", ".join(map(show, known)) or "none, for experiment.stratification.regions is empty"
    return [
        (
            place,
            f"no region of experiment.stratification is called {show(name)}{did_you_mean(name, known)}; allowed: {allowed}",
        )
        for place, name in named
        if name not in known
    ]


def check_showcase_dates(showcase: ShowcaseConfig, init_times: list[datetime]) -> Problems:
    """Check that what is to be drawn is there: its init times are among the dates."""
    known = set(init_times)
    wrong: Problems = []
    for text in showcase.dates:
        time = parse_time(text)
        if time not in known:
            nearest = min(init_times, key=lambda other: abs(other - time)).isoformat(timespec="minutes")
            wrong.append(
                (("showcase", "dates"), f"{text} is no init time; allowed: init times, the nearest is {nearest}")
            )
    return wrong


def check_patterns(participants: Participants, init_times: list[datetime]) -> Problems:
    """Check that patterns tell init times apart that lie within an hour."""
    if len({time.replace(minute=0) for time in init_times}) == len(init_times):
        return []
    return [
        (
            ("runs", index, kind, "pattern"),
            f"{show(entry.pattern)} is the same for init times within an hour; allowed: year to minute, such as %Y%m%d%H%M",
        )
        for index, (kind, entry) in enumerate(participants)
        if isinstance(entry, ForecastsConfig | BaselineConfig)
        and entry.pattern is not None
        and datetime(2001, 1, 1).strftime(entry.pattern) == datetime(2001, 1, 1, 0, 1).strftime(entry.pattern)
    ]


def check_built_in(participants: Participants, truths: list[TruthConfig], init_times: list[datetime]) -> Problems:
    """Check that built-in baselines have a truth, lead times, and a past without the dates."""
    longest = max((lead_times_of(entry.steps)[-1] for _, entry in participants if entry.steps), default=None)
    wrong: Problems = []
    for index, (kind, entry) in enumerate(participants):
        if not isinstance(entry, BaselineConfig) or entry.builtin is None:
            continue
        place = ("runs", index, kind)
        if not truths:
            what = f"{entry.builtin} is made of the truth, and there is none; allowed: together with truth"
            wrong.append(((*place, "builtin"), what))
        if longest is None:
            what = "missing: nothing else in runs has lead times; allowed: text such as 0/120/6"
            wrong.append(((*place, "steps"), what))
        elif entry.reference is not None:
            wrong += [((*place, "reference"), what) for what in _dates_within(entry.reference, init_times, longest)]
    return wrong


def _dates_within(period: ReferencePeriod, init_times: list[datetime], longest: timedelta) -> list[str]:
    """Return what is wrong with a period that holds valid times of the experiment."""
    start, end = parse_time(period.start), parse_time(period.end)
    held = [time for time in init_times if time <= end and time + longest >= start]
    if not held:
        return []
    first = held[0].isoformat(timespec="minutes")
    return [f"holds times that are verified, of the forecast of {first} say; allowed: a period without them"]


def _named_params(experiment: ExperimentConfig) -> list[tuple[Place, str]]:
    """Return each place that names a param to verify, and the param."""
    named: list[tuple[Place, str]] = []
    named += [(("params", index), name) for index, name in enumerate(experiment.params)]
    named += [(("thresholds", name), name) for name in experiment.thresholds]
    for card, section in experiment.sections().items():
        named += [
            (("scorecards", "sections", card, "variables", index), variable.partition(":")[0])
            for index, variable in enumerate(section.variables)
        ]
    if experiment.scoremaps and experiment.scoremaps.enabled:
        named += [(("scoremaps", "params", index), name) for index, name in enumerate(experiment.scoremaps.params)]
    return named


def doubtful_params(experiment: ExperimentConfig) -> list[str]:
    """Return a line for each unknown param, and each threshold that its param never reaches."""
    found = [(place, look_up_param(name)) for place, name in _named_params(experiment)]
    lines = [f"{render(('experiment', *place))}: {param}" for place, param in found if isinstance(param, str)]
    for name, operators in experiment.thresholds.items():
        param = look_up_param(name)
        if isinstance(param, str):
            continue
        allowed = f"what {param.name} can be, {param.valid_min:g} to {param.valid_max:g} {param.units}"
        lines += [
            f"{render(('experiment', 'thresholds', name, operator, index))}: {value:g} is never reached; allowed: {allowed}"
            for operator, values in operators.items()
            for index, value in enumerate(values)
            if not param.valid_min <= value <= param.valid_max
        ]
    return lines


def doubtful_blacklist(dates: Dates) -> list[str]:
    """Return one line for each time to leave out that is none of the init times."""
    known = set(dates.all_times())
    return [
        f"dates.blacklist[{index}]: {text} is no init time, so nothing is left out for it; allowed: init times "
        f"{dates.frequency} apart from {dates.start} on"
        for index, text in enumerate(dates.blacklist)
        if parse_time(text) not in known
    ]
