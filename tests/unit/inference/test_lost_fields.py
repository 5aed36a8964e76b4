"""A forecast that loses a field on its way is not complete."""

from datetime import datetime

import eccodes
import pytest
from evalflow.errors import UserError
from evalflow.inference.output import Wanted, check_output


def field(lead: int, name: str = "2t", level: int | None = None) -> bytes:
    message = eccodes.GRIBMessage.from_samples("regular_ll_pl_grib2" if level else "regular_ll_sfc_grib2")
    message.set(
        {"dataDate": 20240101, "dataTime": 0, "step": lead, "shortName": name, **({"level": level} if level else {})}
    )
    return message.get_buffer()


def u(lead: int, level: int) -> bytes:
    return field(lead, "u", level)


@pytest.fixture
def count_fields(tmp_path):
    """Return a function that checks fields: file → messages, wanted lead times, whether all must have the same."""

    def run(files: dict[str, list[bytes]], wanted: list[int], same: bool = True) -> dict[int, int]:
        for name, messages in files.items():
            (tmp_path / name).write_bytes(b"".join(messages))
        return check_output(tmp_path, Wanted(datetime(2024, 1, 1), wanted, same)).leads

    return run


@pytest.mark.parametrize(
    "messages",
    [
        [field(0), field(6), field(12)],
        [field(0), u(0, 500), field(6), field(12)],  # a constant field, at the start only
        [field(0), field(6), field(6, "tp"), field(12), field(12, "tp")],  # no accumulation at the start
        [field(0), field(6), field(12), field(12, "tp")],  # … nor before its period has passed
        [field(0), field(3, "tp"), field(6), field(12)],  # at a lead time that nobody asked for
        [field(0), u(6, 500), u(6, 850), u(12, 500), u(12, 850)],
    ],
)
def test_these_are_whole(count_fields, messages):
    assert sum(count_fields({"all": messages}, [0, 6, 12]).values()) == len(messages)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            [field(0), field(6), u(6, 500), field(12)],
            "1 of the fields of earlier lead times are missing at 12 h: u (500)",
        ),
        ([field(0), u(6, 500), u(6, 850), u(12, 850)], "at 12 h: u (500)"),
        ([field(0), field(6), field(6), field(12)], "at 12 h: 2t"),  # of two outputs, one has lost it
    ],
)
def test_these_are_not(count_fields, messages, text):
    with pytest.raises(UserError) as caught:
        count_fields({"all": messages}, [0, 6, 12])
    assert text in str(caught.value) and "\n" not in str(caught.value)
    count_fields({"all": messages}, [0, 6, 12], same=False)


def test_fields_may_be_in_any_files(count_fields):
    assert count_fields({"a": [field(0), field(6)], "b": [u(12, 500), u(6, 500), field(12)]}, [0, 6, 12]) == {
        0: 1,
        6: 2,
        12: 2,
    }


def test_grib_1_too(count_fields):
    old = eccodes.GRIBMessage.from_samples("regular_ll_sfc_grib1")

    def message(lead: int, number: int) -> bytes:
        old.set({"dataDate": 20240101, "dataTime": 0, "step": lead, "indicatorOfParameter": number})
        return old.get_buffer()

    assert count_fields({"all": [message(6, 167), message(12, 167)]}, [6, 12]) == {6: 1, 12: 1}
    with pytest.raises(UserError, match="missing at 12 h"):
        count_fields({"all": [message(6, 167), message(12, 168)]}, [6, 12])
