"""A report whose tables are there."""

import pytest
from evalflow.report.spec import ReportSpec
from support.report import difference_rows, make_spec, score_rows, write_tables


@pytest.fixture
def spec(tmp_path) -> ReportSpec:
    """What is to be drawn; its tables are in its folder of results."""
    spec = make_spec(tmp_path)
    scores = score_rows()
    write_tables(spec.results, scores, difference_rows(scores))
    return spec
