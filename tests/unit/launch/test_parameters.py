"""The one list of parameters: what it lists is there, and what it does not list, or not so, is refused."""

import json
import re
from pathlib import Path

import pytest
from evalflow.errors import UserError
from evalflow.launch.parameters import SCHEMA, check_folders, check_parameters, parameters_table, read_parameters, usage
from evalflow.lookup import PROJECT
from evalflow.plan.options import TARGETS, Options
from evalflow.texts import insert_generated
from hypothesis import given
from hypothesis import strategies as st

KNOWN = read_parameters()


def problems(**values) -> list[str]:
    with pytest.raises(UserError) as error:
        check_parameters(values)
    return str(error.value).splitlines()


# --- the list and what there is


def defaults_in(config: Path) -> dict[str, str]:
    """Return the params that a config of Nextflow sets: name → the text of its value."""
    (block,) = re.findall(r"^params \{\n(.*?)^\}", config.read_text(), re.M | re.S)
    lines = [line.split("//")[0] for line in block.splitlines()]
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines if "=" in line)}


def test_the_list_has_the_params_of_the_configs_and_their_defaults():
    configs = defaults_in(PROJECT / "nextflow.config") | defaults_in(PROJECT / "conf" / "slurm.config")
    expected = {}
    for name, parameter in KNOWN.items():
        text = f"'{parameter.default}'" if isinstance(parameter.default, str) else json.dumps(parameter.default)
        expected[name] = '"${projectDir}/config/demo.yaml"' if name == "config" else text
    assert configs == expected


def test_every_group_of_the_list_counts():
    schema = json.loads(SCHEMA.read_text())
    assert [entry["$ref"] for entry in schema["allOf"]] == [f"#/$defs/{name}" for name in schema["$defs"]]


def test_the_list_agrees_with_the_planner():
    assert KNOWN["target"].enum == list(TARGETS)
    fields = Options.__dataclass_fields__
    for name in set(fields) & set(KNOWN):
        assert fields[name].default == KNOWN[name].default or name == "outdir"
    assert set(fields) - set(KNOWN) == {"launch", "repair", "stub"}


def test_help_and_manual_name_every_parameter():
    manual = (PROJECT / "docs" / "usage.md").read_text()
    for name in KNOWN:
        assert re.search(rf"^  --{name}\b", usage(), re.M) and f"| `--{name}" in manual
    assert max(len(line) for line in usage().splitlines()) <= 100
    assert insert_generated(manual, "parameters", parameters_table()) == manual, "run bin/schema.py"


def test_a_manual_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="no marks"):
        insert_generated("# Usage\n", "parameters", "text")


# --- names


@given(st.sampled_from(sorted(KNOWN)), st.randoms(use_true_random=False))
def test_another_spelling_is_refused_with_the_right_one(name, random):
    letters = [random.choice([char, char.upper()]) for char in name if char != "_" or random.random() < 0.5]
    spelled = "".join(random.choice("-_") if char == "_" else char for char in letters)
    if spelled != name:
        assert problems(**{spelled: 1}) == [f"unknown parameter --{spelled}: write --{name}"]


@pytest.mark.parametrize(
    ("spelled", "right"),
    [
        ("verify-store", "verify_store"),
        ("verifyStore", "verify_store"),
        ("VERIFY_STORE", "verify_store"),
        ("max-gpus", "max_gpus"),
        ("initsPerTask", "inits_per_task"),
    ],
)
def test_spellings_that_were_accepted_and_ignored(spelled, right):
    assert problems(**{spelled: True}) == [f"unknown parameter --{spelled}: write --{right}"]


def test_an_unknown_name_is_refused_with_the_nearest():
    assert problems(inits_per_tsk=3) == [
        "unknown parameter --inits_per_tsk, did you mean --inits_per_task? --help lists all"
    ]
    assert problems(zzz=3, slurm={"partition": "x"})[0] == "unknown parameter --zzz; --help lists all"


# --- values: the first of each is what the command line gives in Nextflow 24.10, the second in 26.04, where all is text


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("max_gpus", 4, 4),
        ("max_gpus", "4", 4),
        ("max_gpus", None, None),
        ("gpus", "0", 0),
        ("verify_store", True, True),
        ("verify_store", "true", True),
        ("verify_store", False, False),
        ("verify_store", "false", False),
        ("outdir", "out put", "out put"),
        ("outdir", 2024, "2024"),
        ("outdir", None, None),
        ("target", "sandbox", "sandbox"),
        ("slurm_options", "", ""),
        ("slurm_options", "--nice=7", "--nice=7"),
    ],
)
def test_a_value_gets_the_type_of_its_parameter(name, value, read):
    checked = check_parameters({name: value})
    assert checked == {known: KNOWN[known].default for known in KNOWN} | {name: read}
    assert type(checked[name]) is type(read)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("target", "dashboards", '--target: got "dashboards"; allowed: ' + ", ".join(TARGETS)),
        ("target", "sandbx", '--target: got "sandbx", did you mean sandbox; allowed: ' + ", ".join(TARGETS)),
        ("inits_per_task", 0, "--inits_per_task: got 0; allowed: a whole number from 1 on"),
        ("inits_per_task", "two", '--inits_per_task: got "two"; allowed: a whole number from 1 on'),
        ("inits_per_task", 1.5, "--inits_per_task: got 1.5; allowed: a whole number from 1 on"),
        ("inits_per_task", True, "--inits_per_task: has no value; allowed: a whole number from 1 on"),
        ("inits_per_task", None, "--inits_per_task: has no value; allowed: a whole number from 1 on"),
        ("gpus", -1, "--gpus: got -1; allowed: a whole number from 0 on"),
        ("gpus", False, "--gpus: got false; allowed: a whole number from 0 on"),
        ("max_gpus", [1, 2], "--max_gpus: got a list of 2; allowed: a whole number from 1 on"),
        ("verify_store", "yes", '--verify_store: got "yes"; allowed: true or false'),
        ("verify_store", 1, "--verify_store: got 1; allowed: true or false"),
        ("outdir", True, "--outdir: has no value; allowed: a folder"),
        ("outdir", "", "--outdir: has no value; allowed: a folder"),
        ("outdir", "true", "--outdir: has no value; allowed: a folder"),
        ("inits_per_task", "true", "--inits_per_task: has no value; allowed: a whole number from 1 on"),
        ("config", None, "--config: has no value; allowed: a file"),
        ("slurm_qos", 2.5, "--slurm_qos: got 2.5; allowed: a text"),
        ("help", "no", '--help: got "no"; allowed: true or false'),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(name, value, message):
    assert problems(**{name: value}) == [message]


def test_all_problems_are_told_at_once():
    assert len(problems(target="x", maxGpus=3, gpus=-2)) == 3


def test_help_goes_before_all_mistakes():
    assert check_parameters({"help": True, "wrong": 1}) == {"help": True}
    assert check_parameters({"help": "true", "wrong": 1}) == {"help": True}


def test_a_dollar_in_the_name_of_a_folder_of_tasks_is_one_line():
    """Nextflow's scripts would look for `/data//home/me/work`."""
    check_folders({"the work folder": "/data/a b/ü 'x' $(1) $ /work", "the project": "/src/evalflow"})
    with pytest.raises(UserError) as caught:
        check_folders({"the work folder": "/data/$HOME/work"})
    assert str(caught.value) == (
        "the work folder /data/$HOME/work: the scripts of tasks take the $ in this name for a variable; choose another "
        'folder (where a variable was meant, do not put it into single quotes: -work-dir "$HOME/work")'
    )


def test_a_name_that_the_locale_lacks_is_one_line():
    """Java has a mark in the place of each byte of it, where a batch job has no LANG."""
    (line,) = problems(outdir="/data/\ufffd\ufffdn")
    assert line.startswith("--outdir: Nextflow cannot read ") and line.endswith("; set LC_ALL=C.UTF-8 and launch again")
