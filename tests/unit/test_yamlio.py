"""YAML: the same text always means the same data, and data that is written comes back."""

import pytest
import yaml
from evalflow.errors import UserError
from evalflow.yamlio import dump_yaml, parse_yaml, read_yaml
from hypothesis import example, given
from hypothesis import strategies as st

MEANINGS = {
    # text → what it means
    "2024-01-01": "2024-01-01",
    '"2024-01-01"': "2024-01-01",
    "2024-01-01T00:00:00Z": "2024-01-01T00:00:00Z",
    "2024-01-01 06:00:00": "2024-01-01 06:00:00",
    "2024-13-45": "2024-13-45",
    "01:30:00": "01:30:00",
    "1:30": "1:30",
    "06": "06",
    "000": "000",
    "0o17": "0o17",
    "0b11": "0b11",
    "0x1F": 31,
    "0x_": "0x_",
    "12": 12,
    "-12": -12,
    "+12": 12,
    "1_000": 1000,
    "1.50": 1.5,
    ".5": 0.5,
    "1e5": 1e5,
    "1.5e-3": 1.5e-3,
    "-.inf": float("-inf"),
    "6h": "6h",
    "0/120/6": "0/120/6",
    "=": "=",
    "null": None,
    "~": None,
    "": None,
    "true": True,
    "off": False,
    "'off'": "off",
    "[a, {b: 1}]": ["a", {"b": 1}],
}


@pytest.mark.parametrize(("text", "value"), MEANINGS.items())
def test_what_a_value_means(text, value):
    parsed = parse_yaml(f"key: {text}", "name")["key"]
    assert (parsed, type(parsed)) == (value, type(value))


def bomb(form, first="x"):
    """Return a document in which every anchor stands for ten times the one before it."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} " + form.format(", ".join(10 * [f"*a{n - 1}"])) for n in range(1, 100)]
    return "\n".join(lines)


def chain(length):
    """Return a document in which every anchor holds the one before it."""
    return "\n".join(["a0: &a0 []", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, length))])


REFUSED = {
    # text → where, and what is said
    "duplicate key": ("a: 1\nb: 2\na: 3", "name:3:1", "duplicate key 'a'"),
    "duplicate key deep inside": ("a:\n  - b: 1\n    b: 2", "name:3:5", "duplicate key 'b'"),
    "a key quoted and not": ("a: 1\n'a': 2", "name:2:1", "duplicate key 'a'"),
    "a number and its text as keys": ("1: a\n'1': b", "name:2:1", "duplicate key '1'"),
    "two spellings of true as keys": ("yes: a\ntrue: b", "name:2:1", "duplicate key 'true'"),
    "a mapping as a key": ("? {a: 1}\n: 2", "name:1:3", "a key must be a plain value"),
    "a list not closed": ("a: [1, 2\n", "name:2:1", "expected ',' or ']'"),
    "a tab": ("a:\n\tb: 1", "name:2:1", "cannot start any token"),
    "two documents": ("a: 1\n---\nb: 2", "name:2:1", "another document"),
    "an unknown anchor": ("a: *b", "name:1:4", "undefined alias"),
    "an anchor in itself": ("a: &a [*a]", "name:1:8", "an anchor that contains itself"),
    "an anchor around all": ("&a [*a]", "name:1:5", "an anchor that contains itself"),
    "an anchor deep in itself": ("a: &a\n  b: [1, {c: *a}]", "name:2:14", "an anchor that contains itself"),
    "an anchor merged into itself": ("a: &a {<<: *a}", "name:1:12", "an anchor that contains itself"),
    "aliases of aliases": (bomb("[{}]"), "name:6:45", "its aliases mean more than 1,000,000 characters"),
    "merges of merges": (
        bomb("{{<<: [{}]}}", "{k: v}"),
        "name:6:20",
        "its aliases mean more than 1,000,000 characters",
    ),
    "aliases of a long text": (
        bomb("[{}]", 100_000 * "x"),
        "name:2:55",
        "its aliases mean more than 1,000,000 characters",
    ),
    "aliases of what is deep": (chain(101), "name:101:7", "nested too deeply, more than 100 levels"),
    "rather deep": (101 * "[" + 101 * "]", "name:1:1", "nested too deeply, more than 100 levels"),
    "rather deep mappings": (101 * "{a: " + 101 * "}", "name:1:1", "nested too deeply, more than 100 levels"),
    "an object": ("a: !!python/object:os.system x", "name:1:4", "could not determine a constructor"),
    "a date by tag": ("a: !!timestamp 2001-01-01", "name", "a value of type date"),
    "bytes": ("a: !!binary aGk=", "name", "a value of type bytes"),
    "a set": ("a: !!set {x}", "name", "a value of type set"),
    "pairs": ("a: !!omap [x: 1]", "name", "a value of type tuple"),
    "text tagged as a number": ("a: !!int text", "name", "invalid literal"),
    "a number of too many digits": (f"a: {5000 * '1'}", "name", "4300 digits"),
    "a control character": ("a: \x01", "name", "special characters are not allowed"),
    "too deep": (5000 * "[" + 5000 * "]", "name", "nested too deeply"),
}


@pytest.mark.parametrize(("text", "where", "what"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_in_one_line(text, where, what):
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "name")
    assert str(caught.value).startswith(f"{where}: not valid YAML: ")
    assert what in str(caught.value) and len(str(caught.value).splitlines()) == 1


FILES = {
    "missing": (None, "no such file"),
    "not UTF-8": (b"a: \xff\xfe", "not UTF-8 text"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_read_is_said(content, message, tmp_path):
    path = tmp_path / "file.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}: {message}"
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_merge_keys_work_and_what_is_said_wins():
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", "name") == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


def test_aliases_within_reason_are_data():
    common = "&a {" + ", ".join(f"key{n}: text of some length {n}" for n in range(100)) + "}"
    data = parse_yaml(f"common: {common}\nruns:\n" + 50 * "  - {<<: *a, more: *a}\n", "name")
    assert len(data["runs"]) == 50 and data["runs"][49]["more"] == data["common"]


def test_a_document_without_aliases_may_be_large():
    assert len(parse_yaml("[" + 1_100_000 * "x" + "]", "name")[0]) == 1_100_000


def test_what_is_read_can_be_written():
    for opening, closing in (("[", "]"), ("{a: ", "}")):
        text = dump_yaml(parse_yaml(100 * opening + 100 * closing, "name"))
        assert dump_yaml(parse_yaml(text, "name")) == text
    assert dump_yaml(parse_yaml(chain(90), "name"))


# Text that some YAML reader may take for something else.
tricky = st.sampled_from([
    "1e5", "1.5e5", "-2E3", "+.5e3", "2024-01-01", "2024-01-01T00:00", "01:30:00", "1:30", "06", "0o7", "017", "0x1F",
    "1_000", ".5", ".", "-", "~", "null", "yes", "off", "y", "=", "<<", ".inf", ".nan", "", " ", "a: b", "- a", "#", "a #b",
    "*a", "&a", "!a", "%a", "@a", "`", "'", '"', "{", "[", "?", "a\nb", "a\n", "\ta", "\x85", "\u2028", "\ufeff", "\x00", "---",
])  # fmt: skip
numbers_as_text = st.one_of(st.floats().map(str), st.integers().map(str), st.floats().map("{:e}".format))
times_as_text = st.one_of(st.dates().map(str), st.datetimes().map(str), st.times().map(str))
texts = st.text() | tricky | numbers_as_text | times_as_text
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def typed(data):
    """Return `data` such that 1, 1.0 and True are not equal."""
    if isinstance(data, dict):
        return {key: typed(value) for key, value in data.items()}
    return [typed(item) for item in data] if isinstance(data, list) else (type(data), data)


@given(data)
@example({"key": "1e5", "1e5": "key"})
def test_what_is_written_comes_back(data):
    assert typed(parse_yaml(dump_yaml(data), "name")) == typed(data)


@given(st.one_of(tricky, numbers_as_text, times_as_text))
def test_text_that_is_written_is_text_to_other_readers_too(text):
    """Models read their inference config with PyYAML."""
    assert yaml.safe_load(dump_yaml({"key": text})) == {"key": text}


def test_order_is_kept_and_nothing_is_an_anchor():
    shared = {"z": 1, "a": 2}
    assert dump_yaml({"b": shared, "a": shared}) == "b:\n  z: 1\n  a: 2\na:\n  z: 1\n  a: 2\n"
