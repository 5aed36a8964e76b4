"""Which forecast of a run verification opens: while a launch goes on, one that has no name yet."""

import json
from datetime import datetime

from evalflow.reading.opening import seal_of
from evalflow.store.layout import FORECAST_SEAL, MADE
from evalflow.verification.spec import SourceEntry
from support.stored import give_name, write_forecast

TIME = "202401010000"


def test_a_forecast_is_seen_as_soon_as_it_is_stored_and_by_its_name_afterwards(tmp_path):
    about = {"source_id": "env/run", "label": "run", "kind": "run", "sha256": "f" * 64, "lead_times": [0]}
    source = SourceEntry(**about, root=str(tmp_path))

    def seen() -> str | None:
        return seal_of(source, datetime(2024, 1, 1))

    assert seen() is None
    write_forecast(tmp_path / MADE / f"{TIME}.{'a' * 8}", "e" * 64)
    assert seen() is None, "of another run"
    one = write_forecast(tmp_path / MADE / f"{TIME}.{'b' * 8}", text="one")
    other = write_forecast(tmp_path / MADE / f"{TIME}.{'c' * 8}", text="other")
    digests = [json.loads((made / FORECAST_SEAL).read_text())["files"]["a.grib"]["sha256"] for made in (one, other)]
    assert digests[0] in seen(), "the same for all who look"
    give_name(other)
    assert digests[1] in seen()
