"""All hostile texts in all places of a config: those that tests/unit/promises/test_hostile_text.py leaves out."""

import pytest
from support.hostile import PLACES, Place, check_place, texts_of_every_day
from support.hostile_texts import HOSTILE


@pytest.mark.parametrize("place", PLACES, ids=Place.describe)
def test_all_hostile_text_is_data_or_refused(trial, given, place):
    tried = set(texts_of_every_day(place))
    check_place(trial, given, place, [text for text in HOSTILE if text not in tried])
