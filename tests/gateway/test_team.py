"""A team's gateway: its own process, TLS, tokens of an identity provider, health and metrics."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.config import read_gateway_config
from jupyter_govdata.errors import AuthenticationError, ConfigError, GovDataError
from jupyter_govdata.session import connect, init_lake
from tests.gateway.world import FILES, PATIENTS

KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Team:
    """A running gateway and what it takes to sign in to it."""

    address: str
    lake: Path
    health: str

    def token(self, user: str, **claims: object) -> str:
        """Return a token of the identity provider."""
        now = dt.datetime.now(dt.UTC)
        body = {
            "iss": "https://id.example.org",
            "aud": "govdata",
            "sub": user,
            "exp": now + dt.timedelta(minutes=5),
            **claims,
        }
        return jwt.encode(body, KEY, "ES256", headers={"kid": "k1"})


def certificate(folder: Path) -> None:
    """Write a self-signed certificate for 127.0.0.1."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(KEY, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Serve a lake as a configuration file says."""
    folder = tmp_path_factory.mktemp("team")
    source = folder / "source"
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    lake = init_lake(folder / "lake", source, "dina")
    with connect(lake, user="dina") as dina:
        dina.load(PATIENTS, "trials.patients")
    certificate(folder)
    key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
    (folder / "jwks.json").write_text(json.dumps({"keys": [{**key, "kid": "k1", "alg": "ES256"}]}))
    config = folder / "gateway.toml"
    config.write_text(
        f"""
lake = "lake"
listen = "grpc+tls://127.0.0.1:0"
health = "127.0.0.1:0"
[tls]
certificate = "{folder}/tls.crt"
key = "{folder}/tls.key"
[oidc]
issuer = "https://id.example.org"
audience = "govdata"
jwks = "{folder}/jwks.json"
algorithms = ["ES256"]
"""
    )
    command = [sys.executable, "-m", "jupyter_govdata.gateway", "serve", "--config", str(config)]
    with (folder / "log").open("wb") as log:
        gateway = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    assert gateway.stdout is not None
    ready = json.loads(gateway.stdout.readline())
    yield Team(ready["address"], lake, ready["health"])
    gateway.terminate()
    assert gateway.wait(timeout=30) == 0
    gateway.stdout.close()


@pytest.fixture(autouse=True)
def trusted(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVDATA_TLS_ROOTS", str(team.lake.parent / "tls.crt"))


def test_provider_token_signs_in_and_is_governed(team):
    with connect(team.address, token=team.token("ana")) as session:
        assert session.whoami()["principal"] == "ana"
        assert len(session.sql("FROM trials.patients")) == 10


def test_token_may_come_from_a_function_that_renews_it(team):
    given = iter([team.token("ana", exp=1), team.token("ana")])
    with connect(team.address, token=lambda: next(given)) as session:
        assert len(session.sql("FROM trials.patients")) == 10


def test_token_file_is_read_again_when_its_token_expired(team, tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(team.token("ana") + "\n")
    monkeypatch.setenv("GOVDATA_TOKEN_FILE", str(file))
    with connect(team.address) as session:
        session._endpoint._token = team.token("ana", exp=1)
        assert session.whoami()["principal"] == "ana"


@pytest.mark.parametrize(
    "claims",
    [{"exp": 1}, {"aud": "other"}, {"iss": "https://evil.example.org"}, {"sub": "mallory"}],
    ids=lambda c: next(iter(c)),
)
def test_token_that_is_not_for_us_is_refused(team, claims):
    with pytest.raises(AuthenticationError):
        connect(team.address, token=team.token("ana", **claims))


def test_embedded_token_is_not_accepted_beside_a_provider(team):
    with pytest.raises(AuthenticationError):
        connect(team.address, token=mint_embedded(team.lake, "dina", 60))


def test_untrusted_certificate_is_refused(team, monkeypatch):
    monkeypatch.delenv("GOVDATA_TLS_ROOTS")
    with pytest.raises(GovDataError):
        connect(team.address, token=team.token("ana"))


def test_client_never_sends_a_token_in_clear_over_a_network():
    with pytest.raises(ConfigError, match="in clear"):
        connect("grpc://192.0.2.7:8815", token="secret")


def test_gateway_refuses_to_listen_beyond_the_machine_without_tls(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text('lake = "."\nlisten = "grpc://0.0.0.0:8815"\n')
    with pytest.raises(ConfigError, match="without TLS"):
        read_gateway_config(file)


def test_unknown_setting_is_refused_by_name(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text('lake = "."\n[limits]\nmemmory = "1GB"\n')
    with pytest.raises(ConfigError, match=r"limits\.memmory"):
        read_gateway_config(file)


def test_health_and_metrics_answer_and_tell_no_names(team):
    with connect(team.address, token=team.token("ana")) as session:
        session.sql("FROM trials.patients")
    with urllib.request.urlopen(team.health + "/healthz") as answer:
        assert json.load(answer)["status"] == "ok"
    with urllib.request.urlopen(team.health + "/metrics") as answer:
        text = answer.read().decode()
    assert 'govdata_decisions_total{action="select",permitted="yes"}' in text
    assert "ana" not in text.replace("manage", "")
    assert "patients" not in text


def test_embedded_lake_cannot_be_served_twice_beside_a_team(team):
    with pytest.raises(GovDataError):
        connect(team.lake, user="dina")


def test_result_is_complete_over_tls(team):
    with connect(team.address, token=team.token("dina"), purpose="research") as session:
        table = session.sql("FROM trials.patients").arrow()
    assert table.num_rows == PATIENTS.num_rows
    assert isinstance(table, pa.Table)
