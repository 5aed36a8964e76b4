"""What came of a pack that was verified, as the summary reads it."""

from pydantic import Field

from evalflow.documents import Document


class InitDone(Document):
    """What came of one init time."""

    init_time: str = Field(description="`YYYYmmddHHMM`, UTC.")
    computed: list[str] = Field([], description="Params that were computed.")
    reason: str | None = Field(None, description="Why there is nothing, or less than was wanted.")
    failed: bool = Field(False, description="Whether that is a fault, and not that there is no forecast.")


class PackDone(Document):
    """What came of a pack."""

    source: str = Field(description="source_id.")
    truth: int = Field(description="Number of the truth.")
    inits: list[InitDone] = Field(description="What came of each init time.")
    notes: list[str] = Field([], description="What readers left out or repaired, a line each.")
