"""Bad input gives one clear typed error with the way out, and the session stays usable."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path

import jwt
import pyarrow as pa
import pytest

from jupyter_govdata.client.endpoint import EmbeddedGateway
from jupyter_govdata.errors import (
    AccessDeniedError,
    AuthenticationError,
    ColumnNotFoundError,
    ConfigError,
    GovDataError,
    LakeLockedError,
    LakeVersionError,
    LoadError,
    NotVisibleError,
    PurposeError,
    QueryError,
    SnapshotNotFoundError,
    StorageError,
)
from jupyter_govdata.session import Session, connect, init_lake

COUNT = "SELECT count(*) AS n FROM trials.patients"


def usable(session: Session) -> bool:
    return session.sql(COUNT).arrow().column("n").to_pylist() == [10]


@pytest.mark.attack("T72", surface="api")
@pytest.mark.parametrize("name", ["trials.hidden", "trials.missing", "trials.patient"])
def test_unknown_and_hidden_assets_get_one_answer_and_a_suggestion_of_visible_ones(ana, name):
    with pytest.raises(NotVisibleError) as caught:
        ana.sql(f"SELECT * FROM {name}")
    assert f"`{name}` does not exist or is not visible to you" in str(caught.value)
    assert "hidden" not in str(caught.value).replace("trials.hidden", "")
    assert usable(ana)


def test_misspelt_column_suggests_the_right_one(ana):
    with pytest.raises(ColumnNotFoundError, match="study") as caught:
        ana.sql("SELECT stuudy FROM trials.patients")
    assert "__gd" not in str(caught.value)
    assert usable(ana)


@pytest.mark.attack("T22", surface="api")
def test_hidden_column_is_reported_like_a_missing_one(ana):
    for name in ("secret", "sekret"):
        with pytest.raises(ColumnNotFoundError):
            ana.sql(f"SELECT {name} FROM trials.patients")


def test_no_purpose_declared_says_how_to_declare_one(tmp_path):
    lake = init_lake(tmp_path / "lake", steward="olga")
    text = (lake / "governance/principals.yaml").read_text().replace("    purpose: research\n", "")
    (lake / "governance/principals.yaml").write_text(text)
    with connect(lake, user="olga") as session:
        session.load(pa.table({"x": [1]}), "lab.runs")
        session.apply(lake / "governance")
        with pytest.raises(PurposeError, match="no purpose is declared") as caught:
            session.sql("SELECT * FROM lab.runs")
        assert "research" in (caught.value.hint or "")
        session.purpose = "research"
        assert len(session.sql("SELECT * FROM lab.runs")) == 1


def test_unknown_purpose_lists_the_known_ones(ana):
    with pytest.raises(PurposeError, match="curiosity") as caught:
        ana.sql(COUNT, purpose="curiosity")
    assert "model_training" in (caught.value.hint or "")
    assert usable(ana)


def test_purpose_that_no_policy_permits_says_so(ana):
    with pytest.raises(AccessDeniedError, match="purpose `marketing`") as caught:
        ana.sql(COUNT, purpose="marketing")
    assert "explain" in (caught.value.hint or "")
    assert usable(ana)


def test_syntax_error_shows_the_position_in_the_users_own_text(ana):
    with pytest.raises(QueryError) as caught:
        ana.sql("SELECT study,\n  count(*) FRM trials.patients")
    assert caught.value.detail["line"] == 2
    assert usable(ana)


def test_missing_and_unknown_parameters_are_named(ana):
    with pytest.raises(QueryError, match="study"):
        ana.sql("SELECT * FROM trials.patients WHERE study = $study")
    with pytest.raises(QueryError, match="stduy"):
        ana.sql("SELECT * FROM trials.patients WHERE study = $study", {"study": "S1", "stduy": 1})
    assert len(ana.sql("FROM trials.patients WHERE study = :study", {"study": "S1"})) == 10


def test_parameter_is_bound_and_never_pasted(ana):
    hostile = "x' OR '1'='1"
    for form in ("$v", ":v", "{{ v }}"):
        assert len(ana.sql(f"FROM trials.patients WHERE study = {form}", {"v": hostile})) == 0


def test_gateway_that_died_is_started_again(lake):
    with connect(lake, user="ana") as session:
        assert usable(session)
        pid = int((lake / "run" / "gateway.lock").read_text())
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert usable(session)


def test_expired_token_is_renewed_for_an_embedded_session(shared_lake):
    with connect(shared_lake, user="ana") as session:
        endpoint = session._endpoint
        assert isinstance(endpoint, EmbeddedGateway)
        claims = jwt.decode(endpoint.token(renew=True), options={"verify_signature": False})
        key = bytes.fromhex((shared_lake / "keys" / "embedded.key").read_text().strip())
        old = dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)
        claims |= {"exp": int(old.timestamp()), "iat": int(old.timestamp()) - 60}
        endpoint._token = jwt.encode(claims, key, "HS256")
        assert usable(session)


@pytest.mark.attack("T66", surface="api")
def test_expired_token_of_a_team_session_says_how_to_renew(shared_lake):
    with connect(shared_lake, user="ana") as session:
        endpoint = session._endpoint
        token = endpoint.token(renew=True)
        claims = jwt.decode(token, options={"verify_signature": False})
        key = bytes.fromhex((shared_lake / "keys" / "embedded.key").read_text().strip())
        expired = jwt.encode({**claims, "exp": 100, "iat": 50}, key, "HS256")
        with pytest.raises(AuthenticationError, match="expired") as caught:
            connect(endpoint.location(), token=expired)
        assert caught.value.hint
        assert expired not in str(caught.value)


def test_unknown_and_expired_snapshots_point_to_the_versions(shared_lake):
    with connect(shared_lake, user="dina") as session:
        with pytest.raises(SnapshotNotFoundError) as caught:
            session.sql("SELECT * FROM trials.patients AT (VERSION => 12345)")
        assert "versions trials.patients" in (caught.value.hint or "")
        with pytest.raises(SnapshotNotFoundError):
            session.sql("SELECT * FROM trials.patients AT (TIMESTAMP => '1999-01-01')")
        assert len(session.sql("FROM trials.patients")) == 40


@pytest.mark.attack("T25", "T57", surface="api")
def test_corrupt_data_file_names_the_asset_and_not_the_file(lake):
    with connect(lake, user="dina") as session:
        for file in (lake / "warehouse").rglob("*.parquet"):
            file.write_bytes(b"PAR1 this is no parquet PAR1")
        with pytest.raises(StorageError, match=r"trials\.patients") as caught:
            session.sql("FROM trials.patients")
        assert ".parquet" not in str(caught.value)


def test_second_gateway_on_one_lake_is_refused_and_says_who_serves(shared_lake):
    lake = shared_lake
    with connect(lake, user="dina") as session:
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_govdata.gateway", "serve", "--lake", str(lake)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert LakeLockedError.code in done.stdout
        assert (lake / "run" / "gateway.lock").read_text() in done.stdout
        assert len(session.sql("FROM trials.patients")) == 40


def test_second_session_joins_the_running_gateway(shared_lake):
    with connect(shared_lake, user="dina") as one, connect(shared_lake, user="ana") as two:
        assert len(one.sql("FROM trials.patients")) == 40
        assert usable(two)


def test_lake_of_a_newer_version_is_refused_with_the_way_out(lake):
    marker = lake / "govdata.toml"
    marker.write_text(marker.read_text().replace("format = 1", "format = 99"))
    with pytest.raises(LakeVersionError, match="format 99") as caught:
        connect(lake, user="dina")
    assert "upgrade" in (caught.value.hint or "")


def test_folder_that_is_no_lake_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        connect(tmp_path)
    assert f"jupyter govdata init {tmp_path}" in (caught.value.hint or "")


def test_lake_cannot_be_made_twice(shared_lake):
    with pytest.raises(ConfigError, match="a lake already"):
        init_lake(shared_lake)


# -- loading -----------------------------------------------------------------------------------


def test_bytes_that_are_not_utf8_are_read_or_refused_but_never_mangled(dina, tmp_path):
    file = tmp_path / "units [µ] 1.csv"
    file.write_bytes("id;unit\n1;µg/ml\n2;≥ 5\n".encode("utf-16"))
    dina.load(file, "lab.units", delimiter=";")
    assert dina.sql("FROM lab.units ORDER BY id").arrow().column("unit").to_pylist() == [
        "µg/ml",
        "≥ 5",
    ]
    latin = tmp_path / "latin.csv"
    latin.write_bytes("id,unit\n1,µg/ml\n".encode("latin-1"))
    dina.load(latin, "lab.latin", encoding="latin-1")
    assert dina.sql("SELECT unit FROM lab.latin").arrow().column(0).to_pylist() == ["µg/ml"]


def test_infinity_in_a_number_column_stays_a_number(dina, tmp_path):
    file = tmp_path / "survival.tsv"
    file.write_text("p\tdays\na\t-Inf\nb\t12\nc\tNA\n")
    dina.load(file, "trials.survival")
    rows = dina.sql("SELECT p, days FROM trials.survival ORDER BY p").arrow().to_pylist()
    assert rows == [
        {"p": "a", "days": float("-inf")},
        {"p": "b", "days": 12.0},
        {"p": "c", "days": None},
    ]


def test_rows_that_do_not_fit_are_counted_and_kept_in_a_reject_file(dina, tmp_path):
    file = tmp_path / "TMA1_[3,B] cells.csv"
    file.write_text("id,n\n" + "".join(f"{i},{i}\n" for i in range(50)) + "50,many\n51,51\n")
    rejects = tmp_path / "rejects.csv"
    snapshot = dina.load(file, "spatial.cells", types={"n": "long"}, reject_file=rejects)
    assert snapshot.total_rows == 51
    assert snapshot.provenance["rows_rejected"] == "1"
    assert "52" in rejects.read_text()
    assert "many" in rejects.read_text()


def test_failed_first_load_leaves_no_asset_behind(dina, tmp_path):
    file = tmp_path / "cut.csv.gz"
    file.write_bytes(b"\x1f\x8b\x08\x00 not really gzip")
    with pytest.raises(LoadError):
        dina.load(file, "lab.cut")
    with pytest.raises(NotVisibleError):
        dina.sql("FROM lab.cut")


@pytest.mark.attack("T81", surface="api")
def test_load_by_somebody_who_may_not_publish_is_refused(shared_lake):
    with connect(shared_lake, user="ana") as session:
        with pytest.raises(AccessDeniedError, match="publish"):
            session.load(pa.table({"x": [1]}), "trials.mine")
        with pytest.raises(AccessDeniedError, match="publish"):
            session.load(pa.table({"x": [1]}), "trials.patients", mode="append")


@pytest.mark.attack("T45", surface="api")
def test_new_asset_is_closed_to_everybody_but_its_owner_and_stewards(dina, ana):
    dina.load(pa.table({"x": [1]}), "lab.closed")
    assert len(dina.sql("FROM lab.closed")) == 1
    with pytest.raises(NotVisibleError):
        ana.sql("FROM lab.closed")


@pytest.mark.parametrize("name", ["patients", "Trials.X", "trials.x y", "a.b.c", "trials.*", "1.x"])
def test_unusable_asset_names_are_refused_with_the_rule(dina, name):
    with pytest.raises(GovDataError, match="not an asset name") as caught:
        dina.load(pa.table({"x": [1]}), name)
    assert "lower-case" in (caught.value.hint or "")


def test_create_of_an_existing_asset_and_append_to_a_missing_one_are_refused(dina):
    table = pa.table({"x": [1]})
    with pytest.raises(GovDataError, match="exists already"):
        dina.load(table, "trials.patients")
    with pytest.raises(GovDataError, match="does not exist yet"):
        dina.load(table, "trials.other", mode="append")


def test_disk_full_while_loading_commits_nothing_and_leaves_no_file(tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root: run `sudo make test-all`")
    try:
        lake = init_lake(small / "lake", steward="olga")
        with connect(lake, user="olga") as session:
            session.load(pa.table({"x": [1]}), "lab.fits")
            big = pa.table({"blob": [os.urandom(1 << 20) for _ in range(30)]})
            with pytest.raises(StorageError, match="disk is full") as caught:
                session.load(big, "lab.big")
            assert str(small) not in caught.value.message
            with pytest.raises(NotVisibleError):
                session.sql("FROM lab.big")
            assert len(session.sql("FROM lab.fits")) == 1
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
