"""`jretrievedwh:` with a stand-in for the service's program."""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from evalflow.errors import UserError
from evalflow.fields.observations import jretrieve
from evalflow.fields.observations.jretrieve import open_jretrieve
from evalflow.fields.observations.jretrieve_service import find_service, parse_selection

STAND_IN = Path(__file__).parents[2] / "support" / "jretrievedwh.py"
H = timedelta(hours=1)
ID, SECRET = "my-client", "s3cr3t-of-mine"
CONF = ".jretrievedwh-conf.prod.py"


class Site:
    """A launch folder with the configuration, a program on PATH, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.launch, self.log, self.fail = folder / "launch", folder / "log", folder / "fail"
        self.cache, self.bin = folder / "cache", folder / "bin"
        for made in (self.launch, self.bin):
            made.mkdir()
        (self.launch / CONF).write_text("import os\nassert os.environ['JRETRIEVE_CLIENT_ID']\n")
        program = self.bin / "jretrievedwh.py"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        program.chmod(0o755)

    def calls(self) -> list[dict[str, str]]:
        """Return the options of each call, and forget them."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [dict(zip(words[::2], words[1::2], strict=True)) for words in lines]

    def open(self, root="jretrievedwh:1,2"):
        """Return a reader as a task has it."""
        return open_jretrieve(root, [self.launch], self.cache)


@pytest.fixture
def site_of_service(tmp_path, monkeypatch):
    found = Site(tmp_path)
    monkeypatch.setenv("PATH", f"{found.bin}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_LOG", str(found.log))
    monkeypatch.setenv("FAKE_FAIL", str(found.fail))
    monkeypatch.setenv("JRETRIEVE_CLIENT_ID", ID)
    monkeypatch.setenv("JRETRIEVE_CLIENT_SECRET", SECRET)
    for name in ("JRETRIEVE_CONF_DIR", "JRETRIEVE_CONF_NAME", "OPR_HOME", "FAKE_FAIL_HOW"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jretrieve, "_PAUSES", (0, 0))
    return found


def test_what_is_asked_and_what_comes(site_of_service):
    archive = site_of_service.open("jretrievedwh:locations=ARO, KLO")
    assert {"T_2M", "U_10M", "V_10M", "TOT_PREC6"} <= archive.params() and archive.valid_times("T_2M") is None
    grid = archive.grid("T_2M")
    assert (grid.kind, grid.names) == ("stations", ("ARO", "KLO"))
    np.testing.assert_allclose(
        (grid.latitudes, grid.longitudes, grid.elevation), ([46.79, 47.48], [9.68, 8.54], [1878, 426])
    )
    (asked,) = site_of_service.calls()
    assert asked["--meta-info"] == "lat,lon,elev,name,nat_abbr" and asked["-i"] == "nat_abbr,ARO,KLO"
    times = [datetime(2025, 1, 31, 18), datetime(2025, 1, 31, 23), datetime(2025, 2, 1, 0)]
    found = {
        (name, time): values
        for name, time, values in archive.read_many(["T_2M", "PS", "TOT_PREC6", "U_10M", "V_10M"], times)
    }
    np.testing.assert_allclose(found["T_2M", times[0]], [283.65, 283.65], rtol=1e-6)
    np.testing.assert_allclose(found["PS", times[1]], [np.nan, 96_000])
    np.testing.assert_allclose(found["TOT_PREC6", times[2]], [np.nan, 0.3], rtol=1e-6)
    np.testing.assert_allclose(found["U_10M", times[2]], [np.nan, -4])  # from the east
    np.testing.assert_allclose(found["V_10M", times[2]], [np.nan, 0], atol=1e-6)
    names = "dkl010z0,fkl010z0,prestas0,rre006i0,tre200s0"
    assert [(call["-n"], call["-t"], call["-i"]) for call in site_of_service.calls()] == [
        (names, "202501010000,202501312359,60", "nat_abbr,ARO,KLO"),
        (names, "202502010000,202502282359,60", "nat_abbr,ARO,KLO"),
    ]
    assert archive.accumulation("TOT_PREC6", times[0]) == 6 * H


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("jretrievedwh:1,2", ["-a", "stn_group_id,1,2"]),
        ("jretrievedwh:group=SwissMetNet;stage=prod;seq_type=surface", ["-a", "stn_group_id,SwissMetNet"]),
        ("jretrievedwh:locations=ARO,KLO", ["-i", "nat_abbr,ARO,KLO"]),
        ("jretrievedwh:bbox=45.8,47.8,5.9,10.5", ["-l", "45.8,47.8,5.9,10.5"]),
    ],
)
def test_selections(root, words):
    found = parse_selection(root)
    assert found.words() == words and (found.stage, found.seq_type) == ("prod", "surface")
    assert parse_selection("jretrievedwh:1;stage=devt;seq_type=x").stage == "devt"


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("jretrievedwh:", '"" is not understood'),
        ("jretrievedwh:group=1;locations=KLO", "names group and locations"),
        ("jretrievedwh:stage=prod", "names no stations"),
        ("jretrievedwh:bbox=47.8,45.8,5.9,10.5", "47.8,45.8,5.9,10.5 is no box"),
        ("jretrievedwh:bbox=1,2,3", "1,2,3 is no box"),
        ("jretrievedwh:station=KLO", '"station=KLO" is not understood'),
        ("jretrievedwh:1;1", '"1" is not understood'),
        ("jretrievedwh:group=1;group=2", '"group=2" is not understood'),
    ],
)
def test_selections_that_are_none(root, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_selection(root)
    assert "allowed: " in str(caught.value) and "\n" not in str(caught.value)


def test_a_month_is_asked_for_once(site_of_service):
    """Other tasks and launches find what is kept; one more param asks for that alone."""
    times = [datetime(2025, 1, day, hour) for day in (3, 14, 29) for hour in (0, 6)]
    for time in times:
        archive = site_of_service.open()
        assert len(list(archive.read_many(["T_2M", "SP_10M"], [time, time + H]))) == 4
        archive.read("T_2M", time)
    assert [call.get("-n") for call in site_of_service.calls()][1:] == ["fkl010z0,tre200s0"]
    assert [path.name.split(".")[0] for path in site_of_service.open().files(["T_2M", "PS"], times)] == [
        "fkl010z0+tre200s0"
    ]
    site_of_service.calls()
    found = {name: values for name, _, values in site_of_service.open().read_many(["PS", "T_2M"], [times[0]])}
    np.testing.assert_allclose(found["T_2M"], [283.65, 283.65], rtol=1e-6)
    np.testing.assert_allclose(found["PS"], [np.nan, 96_000])
    assert [call["-n"] for call in site_of_service.calls()] == ["prestas0"]
    site_of_service.open("jretrievedwh:locations=KLO").read("T_2M", times[0])
    assert len(site_of_service.calls()) == 2  # other stations: their table and their month


def test_a_month_that_is_not_over_is_asked_for_again(site_of_service, monkeypatch):
    now = datetime(2025, 1, 20, 12, 30)
    monkeypatch.setattr(jretrieve, "_now", lambda: now)
    archive = site_of_service.open()
    late = datetime(2025, 1, 20, 6)
    for _ in range(2):  # the same process does not ask twice
        assert np.isfinite(archive.read("T_2M", late)).all()
        list(archive.read_many(["T_2M"], [late]))
        archive.read("T_2M", datetime(2024, 12, 1))
    assert [call["-t"] for call in site_of_service.calls()][1:] == [
        "202501010000,202501201230,60",
        "202412010000,202412312359,60",
    ]
    list(site_of_service.open().read_many(["T_2M"], [datetime(2025, 1, 19, 6)]))
    assert site_of_service.calls() == []  # so old that it was complete
    now = datetime(2025, 2, 1, 6)
    site_of_service.open().read("T_2M", datetime(2025, 1, 10))
    assert site_of_service.calls() == []
    now = datetime(2025, 2, 5)
    list(site_of_service.open().read_many(["T_2M"], [late]))
    assert [call["-t"] for call in site_of_service.calls()] == ["202501010000,202501312359,60"]
    list(site_of_service.open().read_many(["T_2M"], [datetime(2025, 1, 31, 23)]))
    assert site_of_service.calls() == []


def test_times_between_hours(site_of_service):
    archive = site_of_service.open()
    half = datetime(2025, 1, 3, 6, 30)
    np.testing.assert_allclose(archive.read("T_2M", half), [283.65, 283.65], rtol=1e-6)
    assert [call["-t"] for call in site_of_service.calls()][1:] == ["202501010000,202501312359,10"]


@pytest.mark.parametrize("how", ["status", "text", "header"])
def test_three_tries(site_of_service, monkeypatch, how):
    monkeypatch.setenv("FAKE_FAIL_HOW", how)
    archive = site_of_service.open()
    site_of_service.calls()
    site_of_service.fail.write_text("2")
    assert np.isfinite(archive.read("T_2M", datetime(2025, 1, 3))).all()
    assert len(site_of_service.calls()) == 3
    site_of_service.fail.write_text("3")
    with pytest.raises(
        UserError, match="jretrievedwh:group=1,2: no observations of 2025-02 after 3 tries: status"
    ) as caught:
        archive.read("T_2M", datetime(2025, 2, 3))
    assert len(site_of_service.calls()) == 3
    said = str(caught.value)
    assert SECRET not in said and ID not in said and "\n" not in said
    assert {"status": "401 for …", "text": "no token for …", "header": "no token for Basic …"}[how] in said
    # What failed is not kept: the next launch asks again.
    assert np.isfinite(archive.read("T_2M", datetime(2025, 2, 3))).all()


def test_no_answer_in_time(site_of_service, monkeypatch):
    archive = site_of_service.open()
    monkeypatch.setattr(jretrieve, "_TIMEOUT", 0.01)
    with pytest.raises(UserError, match=r"no observations of 2025-01 after 3 tries: no answer within 0.01 s"):
        archive.read("T_2M", datetime(2025, 1, 3))


def test_credentials_are_in_no_file_and_no_text(site_of_service, tmp_path):
    archive = site_of_service.open()
    archive.read("T_2M", datetime(2025, 1, 3))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 4
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in repr(find_service(parse_selection("jretrievedwh:1"), [site_of_service.launch]))
    assert all(SECRET not in json.dumps(call) for call in site_of_service.calls())


def test_credentials_from_a_file(site_of_service, monkeypatch):
    monkeypatch.delenv("JRETRIEVE_CLIENT_ID")
    monkeypatch.delenv("JRETRIEVE_CLIENT_SECRET")
    (site_of_service.launch / ".env").write_text(
        f"# mine\nexport JRETRIEVE_CLIENT_ID={ID}\nJRETRIEVE_CLIENT_SECRET = '{SECRET}'\nOTHER=1\n"
    )
    service = find_service(parse_selection("jretrievedwh:1"), [site_of_service.launch])
    assert dict(service.credentials) == {"JRETRIEVE_CLIENT_ID": ID, "JRETRIEVE_CLIENT_SECRET": SECRET}
    assert np.isfinite(site_of_service.open().read("T_2M", datetime(2025, 1, 3))).all()


def test_what_is_missing_is_said_at_launch(site_of_service, monkeypatch, tmp_path):
    selection = parse_selection("jretrievedwh:1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("JRETRIEVE_CLIENT_SECRET")
    with pytest.raises(UserError) as caught:
        find_service(selection, [tmp_path])
    said = str(caught.value)
    for part in ("jretrievedwh.py (on PATH or below $OPR_HOME)", f"{CONF} (in $JRETRIEVE_CONF_DIR, {tmp_path})",
                 "JRETRIEVE_CLIENT_SECRET (in the environment or in .env)"):  # fmt: skip
        assert part in said
    assert "\n" not in said and "JRETRIEVE_CLIENT_ID" not in said and ID not in said
    monkeypatch.setenv("JRETRIEVE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("OPR_HOME", str(site_of_service.bin.parent))
    monkeypatch.setenv("JRETRIEVE_CONF_DIR", str(site_of_service.launch))
    service = find_service(selection, [tmp_path])
    assert (
        service.program == str(site_of_service.bin / "jretrievedwh.py")
        and service.conf == site_of_service.launch / CONF
    )
    with pytest.raises(UserError, match=r"\.jretrievedwh-conf\.devt\.py"):
        find_service(parse_selection("jretrievedwh:1;stage=devt"), [tmp_path])


def test_a_table_of_stations_that_is_none_is_not_kept(site_of_service, monkeypatch):
    program = site_of_service.bin / "jretrievedwh.py"
    whole = program.read_text()
    for text, message in (
        ("station;latitude;longitude", "there are no stations"),
        ("station;lat", "no column latitude; there are station, lat"),
        ("<html>", "no stations after 3 tries: status 0: <html>"),
    ):
        program.write_text(f"#!/bin/sh\necho '{text}'\n")
        with pytest.raises(UserError, match=message):
            site_of_service.open()
    program.write_text(whole)
    assert site_of_service.open().grid("T_2M").size == 2


def test_a_month_without_observations(site_of_service):
    archive = site_of_service.open()
    (site_of_service.bin / "jretrievedwh.py").write_text("#!/bin/sh\n")
    assert np.isnan(archive.read("T_2M", datetime(2025, 1, 3))).all()
    assert list(archive.read_many(["T_2M"], [datetime(2025, 1, 3)])) == []
