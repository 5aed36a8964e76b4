"""What came of the verification of an experiment, as the summary and the pages read it."""

from pydantic import Field

from evalflow.documents import Document


class Headline(Document):
    """The RMSE of all sources for one truth, param and lead time, over the domain and all pairs."""

    truth: str = Field(description="Label of the truth.")
    param: str = Field(description="The param.")
    units: str = Field(description="Its unit.")
    lead_time: float = Field(description="Hours.")
    values: dict[str, float] = Field(description="Label of a source → RMSE.")
    best: str = Field(description="Label of the source with the smallest, of those on the common sample.")
    days: int = Field(description="Days of data.")


class Aggregated(Document):
    """What came of the verification of an experiment."""

    evalflow: str = Field(description="Version of evalflow.")
    made_from: str = Field(description="Digest of what the tables were made from.")
    computed: bool = Field(True, description="Whether the tables were made now; else they were there.")
    tables: list[str] = Field(description="Paths of the tables.")
    rows: dict[str, int] = Field(description="Table → number of its rows.")
    headline: list[Headline] = Field(description="RMSE of each source at two lead times.")
    domains: list[list[str]] = Field(description="How many points each source takes away, per truth, as lines of text.")
    notes: list[str] = Field(description="What was left out, a line each.")
    problems: list[str] = Field(description="What the config names and what could not be had, a line each.")
    without: dict[str, dict[str, str]] = Field(
        {}, description="source_id → init time → why there is nothing of a forecast, or what it lacks."
    )
    days: int = Field(description="The most days that a score is of.")


def describe_headline(headline: list[Headline]) -> list[str]:
    """Return the headline as lines of text; the best value of each row has a star."""
    lines = []
    for truth in dict.fromkeys(one.truth for one in headline):
        here = [one for one in headline if one.truth == truth]
        labels = list(dict.fromkeys(label for one in here for label in one.values))
        head = ["RMSE against " + truth, *labels]
        rows = []
        for one in here:
            cells = [f"{one.param} [{one.units}] {one.lead_time:g} h"]
            for label in labels:
                value = one.values.get(label)
                cells.append("" if value is None else f"{value:.4g}{' *' if label == one.best else '  '}")
            rows.append(cells)
        widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
        lines += [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in (head, *rows)
        ]
    return lines


def describe_aggregated(done: Aggregated, min_days: int) -> list[str]:
    """Return what came of verification as lines for the summary of a launch."""
    lines = describe_headline(done.headline)
    if done.headline:
        lines.append("  (* smallest)")
        if done.days < min_days:
            lines.append(
                f"  {done.days} days of data: too few for a verdict; differences have intervals from {min_days} days on"
            )
    lines += [f"scores in {path}" for path in done.tables]
    lines += [f"note: {line}" for line in done.notes]
    return lines + [f"problem: {line}" for line in done.problems]
