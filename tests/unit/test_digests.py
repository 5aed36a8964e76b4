"""Digests of files and of data."""

import pytest
from evalflow.digests import canonical, digest, file_digest
from hypothesis import given
from hypothesis import strategies as st
from support.ids import SCALARS, digest_of, shuffled


def test_a_rewrite_of_the_same_size_at_once_is_seen(tmp_path):
    """The clock of a file system is coarse: a file may change within one of its ticks."""
    path = tmp_path / "file"
    for index in range(300):
        path.write_text(f"{index:06}")
        assert file_digest(path) == digest_of(f"{index:06}")


def test_the_digest_of_a_file_that_was_just_written_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALFLOW_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "file"
    path.write_text("content")
    file_digest(path)
    assert not (tmp_path / "cache").exists()


def test_digests_are_read_from_the_cache_until_the_file_is_touched(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("content")
    monkeypatch.setattr("evalflow.digests._SETTLED_SECONDS", -1)
    reads = []
    monkeypatch.setattr("evalflow.digests.hash_file", lambda path: reads.append(path) or digest_of(path.read_text()))
    assert file_digest(path) == file_digest(path) == digest_of("content")
    assert len(reads) == 1
    path.write_text("another")
    assert file_digest(path) == digest_of("another")


@pytest.mark.parametrize("garbage", ["", "garbage", "0 1 2", "\x00", f"{64 * '0'} {64 * '1'}"])
def test_a_broken_digest_cache_only_costs_time(garbage, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("content")
    monkeypatch.setattr("evalflow.digests._SETTLED_SECONDS", -1)
    monkeypatch.setenv("EVALFLOW_CACHE", str(tmp_path / "cache"))
    assert file_digest(path) == digest_of("content")
    (entry,) = (tmp_path / "cache" / "digests").iterdir()
    entry.write_text(garbage)
    assert file_digest(path) == digest_of("content")
    monkeypatch.setenv("EVALFLOW_CACHE", "/proc/nowhere")
    assert file_digest(path) == digest_of("content")


JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.randoms(use_true_random=False))
def test_canonical_form_does_not_know_the_order_of_keys(data, random):
    assert canonical(shuffled(data, random)) == canonical(data)
    assert digest(shuffled(data, random)) == digest(data)


@given(JSON, JSON)
def test_canonical_form_tells_data_apart(one, other):
    assert (canonical(one) == canonical(other)) == (repr(sorted_keys(one)) == repr(sorted_keys(other)))


def sorted_keys(data):
    if isinstance(data, list):
        return [sorted_keys(item) for item in data]
    return {key: sorted_keys(data[key]) for key in sorted(data)} if isinstance(data, dict) else data


def test_canonical_form_takes_keys_of_all_kinds():
    assert canonical({500: "u", "z": 1, None: 2, True: 3, 0.5: 4}) == canonical(
        {True: 3, "z": 1, 0.5: 4, None: 2, 500: "u"}
    )
