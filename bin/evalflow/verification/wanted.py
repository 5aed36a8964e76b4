"""What is wanted of each forecast, as the files of truth and forecasts look now."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path

from evalflow.digests import digest
from evalflow.fields.archives import is_zarr
from evalflow.fields.fingerprints import truth_fingerprint
from evalflow.fields.params import param_named
from evalflow.reading.opening import lead_times_of, look_of_forecast
from evalflow.scores.categories import values_of
from evalflow.scores.names import parse_threshold
from evalflow.verification.climatology import anomalies_from, climatology_folder, day_key, references, stored_fields
from evalflow.verification.found import DomainFound
from evalflow.verification.holdings import Holding, ParamHolding
from evalflow.verification.opening import truth_spec
from evalflow.verification.spec import ReferenceSpec, SourceEntry, VerificationSpec
from evalflow.verification.truth import hours_summed, minutes_of, times_needed

CORRECTED = "T_2M"
"""The param that is corrected for elevation."""

MaskDigests = Mapping[tuple[str, int], str]
"""(param, lead time in minutes) → digest of the points that count for all sources."""


class Wanted:
    """What is wanted of the forecasts of one truth, as the files of truth and forecasts look now.

    Anomalies are wanted as far as the store has the climatology that they are from.
    """

    def __init__(self, spec: VerificationSpec, found: DomainFound) -> None:
        self.spec, self.found = spec, found
        self._climatologies = {
            one.to_json(): stored_fields(climatology_folder(spec, found, one)) for one in references(spec)
        }
        self._anomalies_from = anomalies_from(spec)
        self._truth = truth_spec(spec, spec.truths[found.truth])
        root = Path(self._truth.root or "")
        self._by_time = bool(self._truth.pattern) or is_zarr(root)
        self._look_at, self._truth_at = cache(self._look_at_truth), cache(self._look_at_times)
        self._leads = cache(lambda number: lead_times_of(spec.sources[number]))
        self._days = cache(
            lambda number, init_time: {minutes_of(lead): day_key(init_time + lead) for lead in self._leads(number)}
        )
        self._numbers = {source.source_id: number for number, source in enumerate(spec.sources)}
        self._thresholds = {
            param: list(values_of([parse_threshold(text) for text in texts]))
            for param, texts in spec.thresholds.items()
        }

    def _look_at_truth(self, time: datetime | None) -> str:
        """Return what the truth's files of a time look like; what is not kept by time is looked at once."""
        return truth_fingerprint(self._truth, [] if time is None else [time])[:16]

    def _look_at_times(self, times: frozenset[datetime]) -> str:
        return digest([self._look_at(time) for time in sorted(times)])[:16]

    def _truth_of(self, source: SourceEntry, init_time: datetime, summed: str) -> dict[int, str]:
        """Return lead time in minutes → what the truth's files look like that a field of it needs.

        Parameters
        ----------
        summed : a param that is summed over the same time, if any
        """
        leads = self._leads(self._numbers[source.source_id])
        if not self._by_time:
            return dict.fromkeys(map(minutes_of, leads), self._look_at(None))
        found = {}
        for lead in leads:
            times = times_needed(source, init_time, lead, summed)
            looked_at = frozenset(hour for time in times for hour in hours_summed(summed, init_time, time))
            found[minutes_of(lead)] = self._truth_at(looked_at)
        return found

    def forecast(self, source: SourceEntry, init_time: datetime) -> str | None:
        """Return what the files of a forecast look like, or its seal; None if there are none."""
        return look_of_forecast(source, init_time)

    def holding(self, source: SourceEntry, init_time: datetime, masks: MaskDigests | None = None) -> Holding:
        """Return what is wanted of one forecast.

        Parameters
        ----------
        masks : where some points are left out because other sources lack them, just these params
            and lead times are wanted; None: all, over the forecast's own points
        """
        about = self.found.sources[source.source_id]
        looks = self.forecast(source, init_time)
        truth_of = cache(lambda summed: self._truth_of(source, init_time, summed))
        params = {}
        for param in about.params if looks else []:
            elevations = about.corrected if param == CORRECTED else None
            own = self._normals(source.reference, source, init_time, param)
            made_from = {
                minutes: _digest(truth, elevations, None if masks is None else masks[param, minutes], own.get(minutes))
                for minutes, truth in truth_of(param if _is_sum(param) else CORRECTED).items()
                if (masks is None or (param, minutes) in masks) and (minutes in own or source.reference is None)
            }
            if made_from:
                normals = self._normals(self._anomalies_from, source, init_time, param)
                params[param] = ParamHolding.model_construct(
                    made_from=made_from,
                    thresholds=self._thresholds.get(param, []),
                    anomalies={minutes: one for minutes, one in normals.items() if minutes in made_from},
                )
        return Holding.model_construct(
            params=params,
            regions=self.found.regions,
            scales=self.found.scales,
            forecast=f"{looks}-{about.grid}" if about.grid else looks or "nothing",
        )

    def _normals(
        self, reference: ReferenceSpec | None, source: SourceEntry, init_time: datetime, param: str
    ) -> dict[int, str]:
        """Return lead time in minutes → digest of a climatology at the valid time, where the store has it."""
        if reference is None:
            return {}
        there = self._climatologies[reference.to_json()]
        if not there:
            return {}
        keys = self._days(self._numbers[source.source_id], init_time)
        return {minutes: there[param, key] for minutes, key in keys.items() if (param, key) in there}


@cache
def _is_sum(param: str) -> bool:
    return param_named(param).accumulated


@lru_cache(maxsize=1 << 16)
def _digest(truth: str, elevations: str | None, mask: str | None, climatology: str | None) -> str:
    return digest([truth, elevations, mask, *([climatology] if climatology else [])])[:12]
