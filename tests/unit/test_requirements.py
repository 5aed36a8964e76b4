"""Requirements: one spelling, and merging that loses nothing."""

import pytest
from evalflow.errors import UserError
from evalflow.lookup import Lookup
from evalflow.requirements import canonical_requirement, identify_requirement, merge_requirements, requirement_name
from hypothesis import given
from hypothesis import strategies as st

CANONICAL = {
    "numpy": "numpy",
    " Numpy ": "numpy",
    "numpy >= 1.0": "numpy>=1.0",
    "numpy (>=1.0)": "numpy>=1.0",
    "numpy>=1,<2": "numpy<2,>=1",
    "numpy<2, >=1": "numpy<2,>=1",
    "Foo_Bar.baz": "foo-bar-baz",
    "dask[Dist_Ributed,array]": "dask[array,dist-ributed]",
    "tomli; python_version<'3.11'": 'tomli; python_version < "3.11"',
    "git+https://example.org/Org/Repo.git@Main": "git+https://example.org/Org/Repo.git@Main",
    " https://example.org/a-1.0-py3-none-any.whl": "https://example.org/a-1.0-py3-none-any.whl",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_one_spelling(text, canonical):
    assert canonical_requirement(text) == canonical


NAMES = {
    "Foo_Bar>=1": "foo-bar",
    "a[b] @ https://example.org/x.whl": "a",
    "https://example.org/w/flash_attn-2.7.4.post1+cu12-cp312-cp312-linux_x86_64.whl": "flash-attn",
    "https://example.org/w/a-1.0-1-py3-none-any.whl#sha256=00": "a",
    "wheels/my_model-1.0-py3-none-any.whl": "my-model",
    "/abs/my_model-1.0-py3-none-any.whl": "my-model",
    "git+https://example.org/o/Some_Repo.git@main": "some-repo",
    "git+https://example.org/o/repo": "repo",
    "git+ssh://git@example.org/o/repo.git@v1.0": "repo",
    "git+https://example.org/o/repo.git@feature/other": "repo",
    "git+https://example.org/o/repo@main#egg=Real_Name": "real-name",
    "git+https://example.org/o/repo@main#subdirectory=a&egg=Real_Name": "real-name",
    # What these install cannot be told from the text: they stand for themselves.
    "git+https://example.org/o/repo@main#subdirectory=models": "git+https://example.org/o/repo@main#subdirectory=models",
    "https://example.org/archive/main.zip": "https://example.org/archive/main.zip",
    "/abs/a-1.0.tar.gz": "/abs/a-1.0.tar.gz",
}


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_what_a_requirement_installs(text, name):
    assert requirement_name(text) == name


MERGED = {
    "extra wins": (["numpy==1.0", "scipy"], ["numpy==2.0"], ["numpy==2.0", "scipy"]),
    "in any spelling": (["Foo_Bar==1"], ["foo.bar"], ["foo-bar"]),
    "as a repository": (["anemoi-inference==0.1"], ["git+https://e.org/anemoi-inference.git@main"], None),
    "as a wheel": (["model==0.1"], ["/w/model-1.0-py3-none-any.whl"], ["/w/model-1.0-py3-none-any.whl"]),
    "a requirement with its markers": (
        ["a<2; python_version<'3.11'", "a>=2; python_version>='3.11'"],
        [],
        ['a<2; python_version < "3.11"', 'a>=2; python_version >= "3.11"'],
    ),
    "nothing": ([], [], []),
}


@pytest.mark.parametrize(("base", "extra", "merged"), MERGED.values(), ids=MERGED)
def test_merging(base, extra, merged):
    assert merge_requirements(base, extra) == (extra if merged is None else merged)


# --- laws ---------------------------------------------------------------------------------------------------------

names = st.from_regex(r"[a-z]{1,3}([-_.][a-z0-9]{1,2}){0,2}", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True)
operators = st.sampled_from(["==", ">=", "<=", "<", ">", "!="])


@st.composite
def spellings(draw):
    """Return two spellings of one requirement."""
    name = draw(names)
    clauses = draw(st.lists(st.tuples(operators, versions), max_size=3, unique=True))
    extras = draw(st.lists(st.sampled_from(["one", "two", "three"]), max_size=2, unique=True))
    marker = draw(st.sampled_from(["", "; python_version<'3.12'", '; python_version < "3.12"']))

    def spell() -> str:
        space = st.sampled_from(["", " ", "  "])
        text = draw(space) + "".join(draw(st.sampled_from([char, char.upper()])) for char in name)
        text = "".join(draw(st.sampled_from("-_.")) if char in "-_." else char for char in text)
        inside = [draw(space) + extra.upper() + draw(space) for extra in draw(st.permutations(extras))]
        text += f"{draw(space)}[{','.join(inside)}]" if extras else ""
        text += draw(space) + ",".join(a + draw(space) + b + draw(space) for a, b in draw(st.permutations(clauses)))
        return text + (marker if not marker else draw(space) + marker)

    return spell(), spell()


@given(spellings())
def test_canonical_form_does_not_know_the_spelling_and_is_its_own(pair):
    one, other = map(canonical_requirement, pair)
    assert one == other == canonical_requirement(one)


requirements = st.one_of(
    st.builds(
        lambda name, version: f"{name}=={version}", st.sampled_from(["a", "B", "b", "c_c", "C-c", "d"]), versions
    ),
    st.sampled_from(["git+https://e.org/o/a.git@main", "https://e.org/b-1.0-py3-none-any.whl", "https://e.org/x.zip"]),
)
lists = st.lists(requirements, max_size=5)


@given(lists, lists, st.randoms(use_true_random=False))
def test_laws_of_merging(base, extra, random):
    merged = merge_requirements(base, extra)
    assert merge_requirements(merged, extra) == merged == merge_requirements(merged, []), "idempotent"
    mixed = [random.sample(part, len(part)) for part in (base, extra)]
    assert merge_requirements(*mixed) == merged, "order does not count"
    assert {canonical_requirement(text) for text in extra} <= set(merged), "extra wins"
    packages = {requirement_name(text) for text in base + extra}
    assert {requirement_name(text) for text in merged} == packages, "no package is lost and none is added"
    untouched = {
        canonical_requirement(text) for text in base if requirement_name(text) not in map(requirement_name, extra)
    }
    assert untouched <= set(merged), "what extra does not name stays as it is"


# --- local files --------------------------------------------------------------------------------------------------


def test_a_local_file_is_name_and_content(tmp_path):
    lookup = Lookup(tmp_path, tmp_path)
    (tmp_path / "sub").mkdir()
    wheel = tmp_path / "sub" / "a-1.0-py3-none-any.whl"
    wheel.write_text("one")
    identity, text = identify_requirement("sub/a-1.0-py3-none-any.whl", lookup, "key")
    assert text == str(wheel), "an absolute path, to install it from anywhere"
    assert str(tmp_path) not in identity and "a-1.0-py3-none-any.whl" in identity
    wheel.write_text("two")
    assert identify_requirement(str(wheel), lookup, "key")[0] != identity
    for name in ("missing-1.0-py3-none-any.whl", "missing.tar.gz"):
        with pytest.raises(UserError, match=f"^key: no such file: {name}"):
            identify_requirement(name, lookup, "key")
