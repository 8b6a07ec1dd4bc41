"""Stamps: made, written as an output, read back strictly, and receipts verified."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import json
import uuid
from decimal import Decimal
from importlib.resources import files
from typing import Any

import jsonschema
import nbformat
import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from jupyter_govdata.errors import StampError
from jupyter_govdata.model.stamp import STAMP_MIME, Receipt, Stamp
from jupyter_govdata.stamps.stamp import (
    make_stamp,
    read_stamps,
    stamp_bundle,
    stamp_from_bundle,
)
from jupyter_govdata.stamps.verify import receipt_message, verify_receipt

SCHEMA = json.loads(
    files("jupyter_govdata.stamps").joinpath("stamp.v1.schema.json").read_text("utf-8")
)
TABLE = pa.table({"x": [1, 2]})
RECEIPT = Receipt(
    asset="trials.outcomes",
    snapshot_id=2**63 - 1,
    schema_id=0,
    epoch=7,
    principal="ana",
    purpose="research",
    decision_id="d" * 64,
    fragment_digest="a" * 64,
    filtered=True,
    masked=("patient_id",),
    key_id="k1",
    signature="c2ln",
)
OTHER = Receipt(**{**{f: getattr(RECEIPT, f) for f in Receipt.__slots__}, "asset": "a.b"})


def stamp(**changes: Any) -> Stamp:
    given: dict[str, Any] = {
        "query": "SELECT 1",
        "parameters": {"cut": 3},
        "receipts": [RECEIPT, OTHER, RECEIPT],
        "table": TABLE,
        "ordered": False,
        "wall": "advisory",
        "pins": {"trials.outcomes": 2**63 - 1},
    }
    return make_stamp(**{**given, **changes})


def notebook(*cells: Any) -> Any:
    return new_notebook(cells=list(cells))


def stamped_cell(data: Any, volatile: Any = None, **more: Any) -> Any:
    output = new_output("display_data", data=data, metadata={"govdata": volatile or {}})
    return new_code_cell("%%govsql", outputs=[output], **more)


def test_stamp_same_query_twice_is_equal() -> None:
    assert stamp() == stamp(receipts=[OTHER, RECEIPT])
    assert [r.asset for r in stamp().receipts] == ["a.b", "trials.outcomes"]


def test_stamp_another_query_parameter_or_order_differs() -> None:
    made = {
        (s.query_digest, s.parameters_digest, s.result_digest)
        for s in (
            stamp(),
            stamp(query="SELECT  1"),
            stamp(parameters={"cut": "3"}),
            stamp(parameters={}),
            stamp(ordered=True),
        )
    }
    assert len(made) == 5


def test_stamp_parameters_of_every_bindable_type_are_defined() -> None:
    values = [
        None,
        True,
        1,
        1.5,
        float("nan"),
        "a",
        b"a",
        Decimal("1.0"),
        dt.date(2026, 1, 1),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        dt.time(1),
        dt.timedelta(seconds=1),
        uuid.UUID(int=1),
        [1, "a"],
        {1, "a"},
        {"a": 1},
    ]
    digests = {stamp(parameters={"p": v}).parameters_digest for v in values}
    assert len(digests) == len(values)
    assert stamp(parameters={"p": np.int64(1)}) == stamp(parameters={"p": 1})
    assert stamp(parameters={"p": range(2)}) == stamp(parameters={"p": [0, 1]})
    assert stamp(parameters={"p": {"b", "a"}}) == stamp(parameters={"p": frozenset("ab")})


def test_stamp_parameter_of_unknown_type_refuses_without_its_value() -> None:
    with pytest.raises(StampError) as caught:
        stamp(parameters={"p": object()})
    assert "`p` of type `object`" in str(caught.value)
    assert "0x" not in str(caught.value)


def test_stamp_unknown_wall_refuses() -> None:
    with pytest.raises(StampError):
        stamp(wall="strong")


def test_bundle_follows_the_schema_and_reads_back_equal() -> None:
    data, metadata = stamp_bundle(stamp(), {"seconds": 0.5})
    jsonschema.Draft202012Validator(SCHEMA).validate(data[STAMP_MIME])
    assert metadata == {"govdata": {"seconds": 0.5}}
    assert stamp_from_bundle(json.loads(json.dumps(data))) == stamp()


def test_bundle_keeps_snapshot_ids_whole_for_javascript() -> None:
    data, _ = stamp_bundle(stamp(), {})
    assert data[STAMP_MIME]["receipts"][0]["snapshot_id"] == "9223372036854775807"


def test_bundle_text_names_assets_purpose_and_wall() -> None:
    data, _ = stamp_bundle(stamp(), {})
    assert data["text/plain"] == (
        "govdata: a.b @ 9223372036854775807, trials.outcomes @ 9223372036854775807"
        " · research · advisory"
    )
    data, _ = stamp_bundle(stamp(receipts=[]), {})
    assert data["text/plain"] == "govdata: no governed asset · advisory"


def test_notebook_with_stamps_gives_them_by_cell(tmp_path: Any) -> None:
    data, _ = stamp_bundle(stamp(), {})
    plain = new_code_cell("1", outputs=[new_output("stream", text="hello")])
    nb = notebook(new_markdown_cell("# t"), stamped_cell(data, {"ms": 3}, id="q1"), plain)
    nbformat.write(nb, tmp_path / "t.ipynb")
    again = nbformat.read(tmp_path / "t.ipynb", as_version=4)
    found = read_stamps(again)
    assert [(f.cell_id, f.stamp, f.volatile) for f in found] == [("q1", stamp(), {"ms": 3})]
    assert read_stamps(json.loads((tmp_path / "t.ipynb").read_text()))[0].stamp == stamp()


def test_notebook_cell_without_usable_id_is_named_by_place() -> None:
    data, _ = stamp_bundle(stamp(), {})
    nb = {"cells": [{"id": "\x1b[31m<b>", "outputs": [{"data": data}]}]}
    assert read_stamps(nb)[0].cell_id == "#0"
    for odd in ({}, {"cells": 1}, {"cells": [1, {"outputs": [1, {"data": [], "metadata": 1}]}]}):
        assert read_stamps(odd) == []


def test_notebook_with_newer_stamp_refuses_with_a_hint() -> None:
    newer = {"application/vnd.govdata.stamp.v2+json": {}, "text/plain": "x"}
    with pytest.raises(StampError, match="version 2") as caught:
        read_stamps(notebook(stamped_cell(newer, id="q1")))
    assert "q1" in caught.value.message
    assert caught.value.hint
    with pytest.raises(StampError, match="no stamp"):
        stamp_from_bundle({"text/plain": "x"})


SPOILED = [
    ("v", 2),
    ("v", True),
    ("query_digest", "A" * 64),
    ("parameters_digest", 1),
    ("receipts", {}),
    ("receipts", [1]),
    ("result_digest", "v9:" + "a" * 64),
    ("wall", "strong"),
    ("versions", {"a": 1}),
    ("more", 1),
    ("status", "done"),
    ("status", "failed"),
    ("result_digest", ""),
    ("error", 1),
    ("pins", {"a.b": 1}),
    ("pins", {"a.b": "1e3"}),
    ("receipts.0.snapshot_id", 12),
    ("receipts.0.snapshot_id", "1e3"),
    ("receipts.0.snapshot_id", "-1"),
    ("receipts.0.epoch", -1),
    ("receipts.0.epoch", True),
    ("receipts.0.filtered", 1),
    ("receipts.0.masked", [1]),
    ("receipts.0.fragment_digest", ""),
    ("receipts.0.more", 1),
]


@pytest.mark.parametrize(("path", "value"), SPOILED)
def test_bundle_spoiled_is_refused_by_schema_and_reader(path: str, value: Any) -> None:
    data = copy.deepcopy(stamp_bundle(stamp(), {})[0])
    place: Any = data[STAMP_MIME]
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    with pytest.raises(StampError):
        stamp_from_bundle(data)
    if value is not True or path != "v":  # JSON Schema holds `true` and 1 apart by const only
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(SCHEMA).validate(data[STAMP_MIME])


@pytest.mark.parametrize("field", sorted(SCHEMA["required"]))
def test_bundle_with_missing_field_is_refused(field: str) -> None:
    data, _ = stamp_bundle(stamp(), {})
    del data[STAMP_MIME][field]
    with pytest.raises(StampError, match="malformed"):
        stamp_from_bundle(data)


# -- receipts ------------------------------------------------------------------------------------


def signed(key: Ed25519PrivateKey) -> Receipt:
    fields = {f: getattr(RECEIPT, f) for f in Receipt.__slots__}
    signature = base64.b64encode(key.sign(receipt_message(RECEIPT))).decode()
    return Receipt(**{**fields, "signature": signature})


def pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_receipt_signed_by_the_gateway_verifies_after_a_round_trip() -> None:
    key = Ed25519PrivateKey.generate()
    data, _ = stamp_bundle(stamp(receipts=[signed(key)]), {})
    verify_receipt(stamp_from_bundle(data).receipts[0], pem(key))


@pytest.mark.attack("T78", surface="api")
@pytest.mark.parametrize("field", list(Receipt.__slots__))
def test_receipt_with_any_field_changed_refuses(field: str) -> None:
    key = Ed25519PrivateKey.generate()
    fields = {f: getattr(signed(key), f) for f in Receipt.__slots__}
    old = fields[field]
    match old:
        case bool():
            fields[field] = not old
        case int():
            fields[field] = old + 1
        case str():
            fields[field] = "A" * 88 if field == "signature" else old + "x"
        case tuple():
            fields[field] = ()
    with pytest.raises(StampError, match="does not fit"):
        verify_receipt(Receipt(**fields), pem(key))


def test_receipt_against_wrong_or_broken_key_refuses() -> None:
    receipt = signed(Ed25519PrivateKey.generate())
    for key in (
        pem(Ed25519PrivateKey.generate()),
        b"nonsense",
        pem(generate_private_key(SECP256R1())),
    ):
        with pytest.raises(StampError):
            verify_receipt(receipt, key)
    with pytest.raises(StampError):
        verify_receipt(
            Receipt(**{**{f: getattr(receipt, f) for f in Receipt.__slots__}, "signature": "é"}),
            pem(Ed25519PrivateKey.generate()),
        )
