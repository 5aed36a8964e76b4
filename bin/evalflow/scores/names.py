"""How scores and thresholds are written: `RMSE`, `ETS > 0.1`, `ETS_gt_0p1`, `RMSE_50km`."""

import math
import re
from dataclasses import dataclass

from evalflow.errors import UserError
from evalflow.scores.table import METRICS

OPERATORS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}

_WORDS = {**{word: word for word in OPERATORS}, **{sign: word for word, sign in OPERATORS.items()}}
_WORDS.update({"≥": "ge", "≤": "le", "=": "eq", "≠": "ne"})

_NUMBER = r"[-+]?(?:\d+(?:[.p]\d*)?|[.p]\d+)(?:e[-+]?\d+)?"
_THRESHOLD = re.compile(rf"(?:(gt|ge|lt|le|eq|ne)[_ ]|(>=|<=|==|!=|[><=≥≤≠])) *({_NUMBER})", re.IGNORECASE)
_SCORE = re.compile(
    r"([A-Za-z]\w*?)(?:_(\d+(?:[.p]\d+)?)km)?(?:_(?=(?:gt|ge|lt|le|eq|ne)_)|\s*(?=[><=!≥≤≠])|\s+|$)(.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Threshold:
    """An event: a value of the param, in its unit, that is greater (less, …) than `value`."""

    operator: str
    value: float

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise UserError(f"operator {self.operator!r}: unknown; allowed: {', '.join(OPERATORS)}")
        if not math.isfinite(self.value):
            raise UserError(f"threshold {self.value}: is not a number; allowed: a finite number in the param's unit")

    @property
    def text(self) -> str:
        """The threshold as tables and pages show it: `> 0.1`."""
        return f"{OPERATORS[self.operator]} {self.value:.12g}"

    @property
    def name(self) -> str:
        """The threshold as part of a name: `gt_0p1`, and `gt_5p0` as evalml writes it."""
        return f"{self.operator}_{float(self.value)!s}".replace(".", "p")


@dataclass(frozen=True, order=True)
class Score:
    """One score: a metric, and the threshold or the scale (km; 0 is the grid) where it has one."""

    metric: str
    threshold: Threshold | None = None
    scale: float = 0.0

    def __post_init__(self) -> None:
        metric = METRICS.get(self.metric)
        if metric is None:
            raise UserError(f"score {self.metric!r}: unknown; allowed: {', '.join(METRICS)}")
        if self.threshold and not metric.categorical:
            raise UserError(f"score {self.metric!r}: has no threshold ({self.threshold.text}); leave the threshold out")
        if self.scale and not metric.at_scales:
            known = ", ".join(name for name, metric in METRICS.items() if metric.at_scales)
            raise UserError(f"score {self.metric!r}: is not computed at {self.scale:g} km; allowed at scales: {known}")

    @property
    def name(self) -> str:
        """The score as a name in files: `RMSE`, `RMSE_50km`, `ETS_gt_0p1`."""
        scale = f"_{self.scale:g}km".replace(".", "p") if self.scale else ""
        return self.metric + scale + (f"_{self.threshold.name}" if self.threshold else "")

    @property
    def text(self) -> str:
        """The score as pages show it: `RMSE`, `RMSE at 50 km`, `ETS > 0.1`."""
        scale = f" at {self.scale:g} km" if self.scale else ""
        return self.metric + scale + (f" {self.threshold.text}" if self.threshold else "")


def _number(text: str) -> float:
    return float(text.lower().replace("p", "."))


def parse_threshold(text: str) -> Threshold:
    """Return the threshold that `> 0.1`, `gt_0p1` or `gt 0.1` means.

    Raises
    ------
    UserError
        Where the text is anything else.
    """
    match = _THRESHOLD.fullmatch(text.strip())
    if not match:
        raise UserError(f"threshold {text!r}: is not understood; allowed: an operator and a number, such as '> 0.1'")
    word, sign, number = match.groups()
    return Threshold(_WORDS[(word or sign).lower()], _number(number))


def parse_score(text: str) -> Score:
    """Return the score that `RMSE`, `ETS > 0.1`, `ETS_gt_0.1`, `ETS_gt_0p1` or `RMSE_50km` names.

    A metric that needs a threshold and comes without one stands for all thresholds of its param.

    Raises
    ------
    UserError
        Where no metric has that name, the threshold is not understood, or the metric takes none.
    """
    match = _SCORE.fullmatch(text.strip())
    if not match:
        raise UserError(f"score {text!r}: is not understood; allowed: a name such as RMSE or 'ETS > 0.1'")
    metric, scale, rest = match.groups()
    threshold = parse_threshold(rest) if rest else None
    return Score(metric.upper(), threshold, _number(scale) if scale else 0.0)
