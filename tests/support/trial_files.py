"""Real files that are not part of the project: tests that need one are skipped where it is absent."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


def trial_file(name: str) -> Path:
    """Return a file of $EVALFLOW_TRIAL_DATA, else of ../shared/data beside the checkout.

    The test that asks for it is skipped where it is absent.
    """
    path = Path(os.environ.get("EVALFLOW_TRIAL_DATA") or _BESIDE) / name
    if not path.is_file():
        pytest.skip(f"no trial data: {path} is absent (EVALFLOW_TRIAL_DATA says where it is)")
    return path
