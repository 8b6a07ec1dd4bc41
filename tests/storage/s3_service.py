"""The Ceph gateway that `tests/services/ceph.sh` brings up, for tests that need a real store."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

needs_ceph = pytest.mark.services("s3")


@dataclass(frozen=True)
class Service:
    """Where it is, and whose keys it knows.

    Buckets are also found by name, as `BUCKET.s3.test`, for whoever can resolve that.
    """

    endpoint: str
    region: str
    folder: str
    secure: str
    ca: str
    role: str
    loose_role: str
    owner: list[str]
    broker: list[str]

    @classmethod
    def running(cls) -> Service:
        """Return the one that runs for these tests."""
        return cls(**json.loads(Path(os.environ["GOVDATA_TEST_S3"]).read_text()))

    def client(self, access_key: str, secret_key: str, token: str = "", service: str = "s3") -> Any:
        """Return a client as anybody would make it."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token or None,
            config=Config(
                signature_version="s3v4" if service == "s3" else "v4",
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def bucket(self, objects: dict[str, bytes], *, versioned: bool = False) -> Bucket:
        """Make a bucket of the owner with some objects."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        owner = self.client(*self.owner)
        owner.create_bucket(Bucket=name)
        if versioned:
            owner.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        made = Bucket(name, owner)
        for key, content in objects.items():
            made.put(key, content)
        return made

    def toml(self, bucket: str, ways: str, *, role: str = "", seconds: int = 900) -> str:
        """Return a storage section of `govdata.toml`; keys come from the environment."""
        return f"""
[storage.slides]
type = "s3"
bucket = "{bucket}"
assets = ["imaging"]
endpoint = "{self.endpoint}"
region = "{self.region}"
credentials = {{ access_key_env = "GD_OWNER_KEY", secret_key_env = "GD_OWNER_SECRET" }}
ways = {{ {ways} }}
[storage.slides.sts]
role_arn = "{role or self.role}"
seconds = {seconds}
credentials = {{ access_key_env = "GD_BROKER_KEY", secret_key_env = "GD_BROKER_SECRET" }}
"""

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the variables that `toml` names."""
        for name, value in zip(
            ("GD_OWNER_KEY", "GD_OWNER_SECRET", "GD_BROKER_KEY", "GD_BROKER_SECRET"),
            (*self.owner, *self.broker),
            strict=True,
        ):
            monkeypatch.setenv(name, value)


@dataclass(frozen=True)
class Bucket:
    """A bucket of a test."""

    name: str
    owner: Any

    def put(self, key: str, content: bytes) -> tuple[str, str]:
        """Write an object; return its version, or empty, and its tag."""
        told = self.owner.put_object(Bucket=self.name, Key=key, Body=content)
        return told.get("VersionId", ""), told["ETag"]


def status(call: Any) -> int:
    """Return the HTTP status of a boto3 call."""
    try:
        told = call()
    except ClientError as exc:
        return int(exc.response["ResponseMetadata"]["HTTPStatusCode"])
    if "Body" in told:
        told["Body"].read()
    return int(told["ResponseMetadata"]["HTTPStatusCode"])
