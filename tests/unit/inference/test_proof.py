"""Make forecasts with a shell script in the model's place, and tell whole ones from others."""

import hashlib
import json
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from evalflow.config.times import as_hours
from evalflow.digests import file_digest
from evalflow.errors import UserError
from evalflow.fields.grib.variables import OF_OTHERS
from evalflow.inference import output as inference_output
from evalflow.inference.proof import check_forecast
from evalflow.runners.base import ForecastRequest
from evalflow.runners.registry import runner_named
from evalflow.store.layout import FORECAST_SEAL, MADE, UNFINISHED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.environments import needs_root, run, small_disk
from support.grib_files import grib as small_grib
from support.shell_model import TIMES, WHOLE, Model, end_by, grib
from support.specs import RUN_ID

# --- one forecast -----------------------------------------------------------------------------------------------------


def test_forecast_lists_every_file_and_is_written_last(model):
    model.does(
        TIMES[0],
        WHOLE + '; mkdir -p "$1/more"; echo notes > "$1/more/notes.txt"; cp "$samples/lead-6.grib" "$1/more/again"',
    )
    assert model.run(TIMES[0]) == 0
    folder = model.output / TIMES[0]
    document = json.loads((folder / FORECAST_SEAL).read_text())
    others = [path for path in folder.rglob("*") if path.is_file() and path.name != FORECAST_SEAL]
    expected = {
        str(path.relative_to(folder)): {
            "size": len(path.read_bytes()),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in others
    }
    assert document["files"] == expected
    assert set(expected) == {
        "config.yaml",
        "forecast.log",
        "lead-0.grib",
        "lead-6.grib",
        "more/notes.txt",
        "more/again",
    }
    assert all(path.stat().st_mtime_ns <= (folder / FORECAST_SEAL).stat().st_mtime_ns for path in others)
    assert (document["run_id"], document["init_time"], document["sha256"]) == (RUN_ID, TIMES[0], "f" * 64)
    assert document["leads"] == {"0": 1, "6": 2} and document["environment"] == "folder"
    assert check_forecast(folder, "f" * 64, verify=True) is None
    assert model.names() == {MADE, TIMES[0]}


def test_config_of_a_forecast(model):
    assert model.run(TIMES[1]) == 0
    config = yaml.safe_load((model.output / TIMES[1] / "config.yaml").read_text())
    assert config["date"] == "2024-01-01T06:00" and config["lead_time"] == "6h"
    assert config["checkpoint"] == str(model.root / "checkpoint")
    assert config["scale"] == 1.0 and config["name"] == "$(x)"


def test_prepared_run(model):
    about = json.loads((model.store / "run.json").read_text())
    assert about["run_id"] == RUN_ID and about["sha256"] == "f" * 64 and "config" not in about
    assert yaml.safe_load((model.root / "prepared" / "inference.yaml").read_text()) == {"scale": 1.0, "name": "$(x)"}


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        ('cp "$samples/lead-0.grib" "$1"', 1, "no field for lead time 6 h in what the model wrote"),
        ('echo text > "$1/result.txt"', 1, "the model ended without an error but wrote no GRIB file"),
        (":", 1, "wrote no GRIB file"),
        (
            WHOLE + '; head -c 150 "$samples/lead-6.grib" > "$1/b.grib"',
            1,
            "the model wrote GRIB that cannot be read: b.grib: message 1, at byte 0, is cut off",
        ),
        (WHOLE + "; echo last words; exit 3", 3, "the model ended with status 3"),
        (WHOLE + "; kill -KILL $$", 137, "the model ended with status 137"),
        ("exec no-such-model", 127, "no-such-model"),
    ],
)
def test_forecast_that_is_not_whole_fails(model, capfd, script, status, reason):
    model.does(TIMES[0], script)
    assert model.run(TIMES[0]) == status
    captured = capfd.readouterr().err
    assert reason in captured
    last = captured.splitlines()[-1]
    assert last.startswith(f"evalflow: {RUN_ID} {TIMES[0]}: ") and last.endswith(
        f"; log: {model.unfinished / TIMES[0] / 'forecast.log'}"
    )
    if "last words" in script:
        assert "last words" in captured
    assert not (model.unfinished / TIMES[0] / FORECAST_SEAL).exists()
    assert model.names() == {UNFINISHED}, "only what is whole has the name of a forecast"


def test_several_leads_in_one_file_of_any_name(model):
    (model.samples / "both").write_bytes(grib(6) + grib(0) + grib(6, shortName="msl"))
    model.does(TIMES[0], 'cp "$samples/both" "$1/odd name"')
    assert model.run(TIMES[0]) == 0
    assert json.loads((model.output / TIMES[0] / FORECAST_SEAL).read_text())["leads"] == {"0": 1, "6": 2}


def test_what_a_former_try_left_is_removed(model):
    for folder in (model.output / TIMES[0], model.unfinished / TIMES[0]):
        folder.mkdir(parents=True)
        (folder / "lead-6.grib").write_bytes(grib(6))
        (folder / FORECAST_SEAL).write_text("{}")
    model.does(TIMES[0], 'cp "$samples/lead-0.grib" "$1"')
    assert model.run(TIMES[0]) == 1
    assert model.names() == {UNFINISHED}
    assert not (folder / "lead-6.grib").exists() and not (folder / FORECAST_SEAL).exists()


@needs_root
def test_full_disk_fails_the_forecast_and_not_those_before_it(model, capfd):
    with small_disk(model.output, "64k"):
        model.does(TIMES[1], 'head -c 100000 /dev/zero > "$1/large"')
        assert model.run(*TIMES) == 0
        assert "No space left on device" in capfd.readouterr().err
        assert check_forecast(model.output / TIMES[0], "f" * 64, verify=True) is None
        assert not (model.output / TIMES[1]).exists()


# --- what it is made from ---------------------------------------------------------------------------------------------


def overwrite(file: Path) -> None:
    """Do what a training does with its last checkpoint."""
    file.with_name("new").write_text("others")
    file.with_name("new").replace(file)


@pytest.mark.parametrize("name", ["checkpoint", "grid"])
def test_what_has_changed_since_the_plan_is_not_run(model, capfd, name):
    (model.root / "grid").write_text("points")
    model.change(digests={str(model.root / "grid"): file_digest(model.root / "grid")})
    overwrite(model.root / name)
    with pytest.raises(UserError, match=f"{model.root / name}: has changed since the launch was planned; launch again"):
        model.run(*TIMES)
    assert "log:" not in capfd.readouterr().out


def test_what_changes_while_a_forecast_is_made_makes_it_nobodys(model, capfd):
    overwriting = f'echo others > "{model.root}/new"; mv "{model.root}/new" "{model.root}/checkpoint"'
    model.does(TIMES[1], f"{WHOLE}; {overwriting}")
    assert model.run(*TIMES[:2]) == 0
    assert set(model.stored()) == {TIMES[0]}
    assert (
        f"{TIMES[1]}: {model.root / 'checkpoint'}: has changed since the launch was planned" in capfd.readouterr().err
    )


# --- command ----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "a b",
    "'",
    '"',
    "new\nline",
    "; touch pwned",
    "*",
    "\\",
    "ü",
    "-rf",
    "%s",
    "${HOME}",
]


def test_text_of_a_command_is_data(model):
    program = "import json, sys; json.dump(sys.argv[1:], open(sys.argv[1] + '/words', 'w'))"
    copies = (
        "import shutil, sys; [shutil.copy(f'{s}/lead-%d.grib' % n, sys.argv[1]) for s in [sys.argv[2]] for n in (0, 6)]"
    )
    texts = [*HOSTILE, '{"json": [1, {"a": "{start}"}]}', "{", "}", "{}", "{{end}}", "{0}"]
    command = [
        "{python}",
        "-c",
        f"{program}\n{copies}",
        "{output}",
        str(model.samples),
        *texts,
        "x{start}-{end}/{step}y",
    ]
    model.change(command=command)
    assert model.run(TIMES[0]) == 0
    words = json.loads((model.output / TIMES[0] / "words").read_text())
    expected = [*HOSTILE, '{"json": [1, {"a": "0"}]}', "{", "}", "{}", "{6}", "{0}", "x0-6/6y"]
    assert words == [str(model.unfinished / TIMES[0]), str(model.samples), *expected]
    assert {path.name for path in (model.output / TIMES[0]).iterdir()} == {
        "words", "config.yaml", "forecast.log", "forecast.json", "lead-0.grib", "lead-6.grib",
    }  # fmt: skip


def test_placeholders_in_values_are_not_filled_in(tmp_path):
    job = ForecastRequest(
        tmp_path / "{output}",
        tmp_path / "{step}",
        tmp_path / "$(x) {start}",
        "2024-01-01T00:00",
        [6, 12],
        6,
        ["{output}{config}"],
    )
    assert runner_named("command").command(job) == [f"{tmp_path}/$(x) {{start}}{tmp_path}/{{step}}"]


@pytest.mark.parametrize(
    ("lead_times", "step", "words", "lead_time"),
    [
        ([0, 6, 12], 6, "0 12 6 12", "12h"),
        ([0, 0.5, 1], 0.5, "0 1 30m 1", "1h"),
        ([as_hours(minutes) for minutes in range(10, 91, 10)], as_hours(10), "10m 90m 10m 90m", "90m"),
    ],
)
def test_lengths_below_an_hour_are_minutes(tmp_path, lead_times, step, words, lead_time):
    """As anemoi-inference has them, which knows no half hours."""
    command = ["{start}", "{end}", "{step}", "{lead_time}"]
    job = ForecastRequest(tmp_path, tmp_path, tmp_path, "2024-01-01T00:00", lead_times, step, command)
    assert runner_named("command").command(job) == words.split()
    assert runner_named("anemoi").settings(job)["lead_time"] == lead_time
    assert runner_named("onnx").settings(job)["steps"] == "/".join(words.split()[:3])


def test_folders_of_any_name(tmp_path):
    model = Model(tmp_path / "odd $(touch pwned) 'name' \"q\" {output}")
    model.samples.rename(tmp_path / "samples")
    model.change(command=["cp", f"{tmp_path}/samples/lead-0.grib", f"{tmp_path}/samples/lead-6.grib", "{output}"])
    assert model.run(TIMES[0]) == 0
    assert check_forecast(model.output / TIMES[0], "f" * 64, verify=True) is None


@pytest.mark.parametrize("local", [True, False])
def test_a_shell_s_own_tables_of_ecCodes_reach_neither_the_model_nor_the_check(model, tmp_path, local):
    """A `boot.def` of another version ends whoever reads GRIB by SIGABRT."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "boot.def").write_text("this is no definition {{{\n")
    (model.image / "share" / "eccodes-cosmo-resources" / "definitions").mkdir(parents=True)
    model.change(disable_local_eccodes_definitions=not local)
    model.does(TIMES[0], f'{WHOLE}; env > "$1/env.txt"')
    script, *words = model.words(TIMES[0])
    shell = dict.fromkeys(OF_OTHERS, str(tmp_path / "tables"))
    done = run(script, *words, spec=model.spec, env=shell)
    assert done.returncode == 0, done.stderr
    assert json.loads((model.stored()[TIMES[0]] / FORECAST_SEAL).read_text())["leads"] == {"0": 1, "6": 1}
    seen = (model.stored()[TIMES[0]] / "env.txt").read_text()
    given = [line for line in seen.splitlines() if line.split("=")[0] in OF_OTHERS]
    definitions = model.image / "share" / "eccodes-cosmo-resources" / "definitions"
    assert given == ([f"ECCODES_DEFINITION_PATH={definitions}"] if local else [])


def test_what_is_odd_is_in_the_seal(model):
    (model.samples / "empty").write_bytes(b"".join(missing(6 * number) for number in range(2)))
    model.does(TIMES[0], WHOLE + '; cp "$samples/empty" "$1"')
    assert model.run(TIMES[0]) == 0
    document = json.loads((model.output / TIMES[0] / FORECAST_SEAL).read_text())
    assert document["warnings"] == ["every value is missing at all lead times: 10u (10)"]


def missing(lead: int) -> bytes:
    return small_grib([float("nan")] * 12, shortName="10u", dataDate=20240101, step=lead)


def test_a_check_that_is_ended_loses_no_forecast_and_no_model(model, monkeypatch, capfd):
    """It is kept with its log, also where it was made on the node, and the status asks for no retry."""
    monkeypatch.setattr(inference_output, "_by_field", lambda _entries: end_by(signal.SIGABRT))
    assert model.run(*TIMES[:2], on_node=True) == 1
    assert "the check of what the model wrote was ended (SIGABRT), twice; log: " in capfd.readouterr().err
    for init_time in TIMES[:2]:
        names = {path.name for path in (model.unfinished / init_time).iterdir()}
        assert names == {"lead-0.grib", "lead-6.grib", "config.yaml", "forecast.log"}
    monkeypatch.undo()
    assert model.run(*TIMES) == 0 and set(model.stored()) == set(TIMES)


def test_local_definitions_of_ecCodes(model):
    definitions = model.image / "share" / "eccodes-cosmo-resources" / "definitions"
    definitions.mkdir(parents=True)
    for number, disabled in enumerate([False, True]):
        model.change(disable_local_eccodes_definitions=disabled)
        model.does(TIMES[number], WHOLE + '; echo "path: $ECCODES_DEFINITION_PATH"')
        assert model.run(TIMES[number]) == 0
        log = (model.output / TIMES[number] / "forecast.log").read_text()
        assert f"path: {'' if disabled else definitions}\n" in log


# --- complete or not --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_forecast(tmp_path_factory):
    """A whole forecast, as bytes of its files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALFLOW_SCRATCH", str(tmp_path_factory.mktemp("scratch")))
        model = Model(tmp_path_factory.mktemp("whole"))
        model.does(TIMES[0], WHOLE + '; mkdir "$1/more"; echo notes > "$1/more/notes.txt"')
        assert model.run(TIMES[0]) == 0
    folder = model.output / TIMES[0]
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_complete_is_when_all_files_agree(whole_forecast, tmp_path, data):
    """With --verify_store every change of every file shows; without, every change of a size."""
    files = dict(whole_forecast)
    for name in data.draw(st.lists(st.sampled_from(sorted(set(whole_forecast) - {FORECAST_SEAL})), max_size=2)):
        content = files.get(name, b"")
        place = data.draw(st.integers(0, max(0, len(content) - 1)))
        change = data.draw(st.sampled_from(["cut", "flip", "longer", "remove"]))
        if change == "remove":
            files.pop(name, None)
        elif change == "flip" and content:
            files[name] = (
                content[:place] + bytes([content[place] ^ (1 << data.draw(st.integers(0, 7)))]) + content[place + 1 :]
            )
        else:
            files[name] = content[:place] if change == "cut" else content + b"\0"
    folder = put(tmp_path / "forecast", files)
    (folder / "not listed").write_text("of no interest")
    sizes = {name: len(content) for name, content in files.items()}
    assert (check_forecast(folder, "f" * 64, verify=True) is None) == (files == whole_forecast)
    assert (check_forecast(folder, "f" * 64) is None) == (
        sizes == {name: len(content) for name, content in whole_forecast.items()}
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_seal_never_counts_as_whole_what_it_does_not_describe(whole_forecast, tmp_path, data):
    seal = whole_forecast[FORECAST_SEAL]
    place = data.draw(st.integers(0, len(seal) - 1))
    rest = data.draw(st.sampled_from([seal[place + 1 :], b""]))
    folder = put(
        tmp_path / "forecast", {**whole_forecast, FORECAST_SEAL: seal[:place] + data.draw(st.binary(max_size=1)) + rest}
    )
    try:
        problem = check_forecast(folder, "f" * 64, verify=True)
    except UserError as error:
        problem = f"refused: {error}"
    assert not problem or not problem.startswith("refused") or "another run" in problem
    if problem is None:
        assert json.loads((folder / FORECAST_SEAL).read_bytes())["files"] == json.loads(seal)["files"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"files": [], "sha256": "f"}',
        '{"files": {"a": 1}, "sha256": "f"}',
        '{"files": {"a": {}}, "sha256": "f"}',
    ],
)
def test_seal_of_another_form(tmp_path, text):
    assert (
        check_forecast(put(tmp_path / "forecast", {FORECAST_SEAL: text.encode()}), "f")
        == f"{FORECAST_SEAL} is not whole"
    )


def test_forecast_of_another_run_is_refused(whole_forecast, tmp_path):
    with pytest.raises(UserError, match="another run with the same id"):
        check_forecast(put(tmp_path / "forecast", whole_forecast), "e" * 64)


def test_missing_forecast(tmp_path):
    assert check_forecast(tmp_path / "none", "f" * 64) == "missing"
    assert check_forecast(put(tmp_path / "forecast", {"lead-0.grib": b"GRIB"}), "f" * 64) == "missing"
