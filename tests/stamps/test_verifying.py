"""T84: every field of a stamp, forged: what a reviewer without any data finds out, and what not."""

from __future__ import annotations

import base64
import copy
import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from nbformat.v4 import new_code_cell, new_output

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.stamp import STAMP_MIME, Receipt
from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.stamps.folding import fold_stamps
from jupyter_govdata.stamps.shown import apart, shown_results
from jupyter_govdata.stamps.verify import receipt_message
from jupyter_govdata.stamps.verifying import (
    EXIT_STATUS,
    CheckedCell,
    Keyset,
    check_notebook,
    key_id,
    overall,
)
from tests.stamps.notebooks import notebook, output, query_cell, receipt, stamp

KEY = Ed25519PrivateKey.generate()
STRANGER = Ed25519PrivateKey.generate()
OTHER = "e" * 64


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(key: Ed25519PrivateKey = KEY, **changes: Any) -> Receipt:
    made = receipt(**{"masked": ("patient",), **changes}, key_id=key_id(pem(key)), signature="")
    signature = base64.b64encode(key.sign(receipt_message(made))).decode()
    return dataclasses.replace(made, signature=signature)


def queries(source: str) -> list[str]:
    return [query.sql for query in cell_queries(source)]


def check(nb: Any, *keys: Ed25519PrivateKey) -> list[CheckedCell]:
    return check_notebook(nb, Keyset(pem(key) for key in keys or (KEY,)), queries)


def verdict(nb: Any, *keys: Ed25519PrivateKey) -> tuple[str, str]:
    (cell,) = check(nb, *keys)
    return cell.verdict, cell.why


def genuine(query: str = "SELECT 1", **changes: Any) -> Any:
    made = stamp(query, **{"receipts": [signed()], **changes})
    return notebook(query_cell(query, made, id="q1"))


def body_of(nb: Any) -> Any:
    return nb.cells[0].outputs[0].data[STAMP_MIME]


def test_genuine_stamp_is_intact_also_from_its_folded_copy() -> None:
    nb = genuine()
    assert verdict(nb) == ("intact", "")
    fold_stamps(nb)
    nb.cells[0].outputs, nb.cells[0].execution_count = [], None
    (cell,) = check(nb)
    assert cell.verdict == "intact"
    assert "cleared" in cell.notes[0]


# -- forged, field by field ----------------------------------------------------------------------

SIGNED = {
    "asset": "trials.other",
    "snapshot_id": "12",
    "schema_id": 1,
    "epoch": 8,
    "principal": "dina",
    "purpose": "marketing",
    "decision_id": OTHER,
    "fragment_digest": OTHER,
    "filtered": True,
    "masked": [],
}


@pytest.mark.attack("T78", "T84", surface="stored")
@pytest.mark.parametrize("field", sorted(SIGNED))
def test_receipt_with_a_forged_field_is_found(field: str) -> None:
    nb = genuine()
    body_of(nb)["receipts"][0][field] = SIGNED[field]
    assert verdict(nb)[0] == "forged"


def test_every_field_of_a_receipt_is_tried() -> None:
    tried = {*SIGNED, "key_id", "signature"}
    assert tried == {field.name for field in dataclasses.fields(Receipt)}


@pytest.mark.attack("T78", "T84", surface="stored")
@pytest.mark.parametrize("value", ["", "c2ln", "not base64", "A" * 88])
def test_receipt_with_a_forged_signature_is_found(value: str) -> None:
    nb = genuine()
    body_of(nb)["receipts"][0]["signature"] = value
    assert verdict(nb)[0] == "forged"


@pytest.mark.attack("T78", "T84", surface="stored")
def test_receipt_signed_by_a_stranger_is_never_taken_for_the_gateways() -> None:
    nb = genuine(receipts=[signed(STRANGER)])
    found, why = verdict(nb)
    assert found == "not replayable"
    assert key_id(pem(STRANGER)) in why
    body_of(nb)["receipts"][0]["key_id"] = key_id(pem(KEY))
    assert verdict(nb)[0] == "forged"


def test_query_digest_of_another_query_is_found_by_the_code() -> None:
    nb = genuine()
    body_of(nb)["query_digest"] = OTHER
    assert verdict(nb)[0] == "different"


def test_pin_that_no_receipt_backs_is_found() -> None:
    nb = genuine()
    body_of(nb)["pins"] = {"trials.outcomes": "12"}
    assert verdict(nb)[0] == "forged"
    body_of(nb)["pins"] = {"trials.hidden": "11"}
    assert verdict(nb)[0] == "forged"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parameters_digest", OTHER),
        ("result_digest", "v1:" + OTHER),
        ("wall", "enforced"),
        ("versions", {"duckdb": "9"}),
    ],
)
def test_what_is_not_signed_is_said_to_be_found_by_a_run_only(field: str, value: Any) -> None:
    """The kernel is the user's: these cannot be signed, and the reference says so."""
    nb = genuine()
    body_of(nb)[field] = value
    assert verdict(nb)[0] == "intact"
    from pathlib import Path

    page = Path(__file__).parent.parent.parent / "docs" / "reference" / "stamp.md"
    row = next(r for r in page.read_text("utf-8").splitlines() if r.startswith(f"| `{field}` | no"))
    assert "run" in row


def test_query_that_failed_is_intact_and_says_so() -> None:
    made = stamp(receipts=[signed()], table=None, status="failed", error="query")
    (cell,) = check(notebook(query_cell("SELECT 1", made)))
    assert cell.verdict == "intact"
    assert "the query failed: `query`" in cell.notes


@pytest.mark.parametrize("status", ["interrupted", "partial"])
def test_query_that_did_not_end_is_not_replayable(status: str) -> None:
    made = stamp(receipts=[signed()], table=None, status=status)
    found, why = verdict(notebook(query_cell("SELECT 1", made)))
    assert found == "not replayable"
    assert why
    nb = notebook(query_cell("SELECT 1", made))
    body_of(nb)["status"] = "complete"
    assert verdict(nb)[0] == "forged"  # a complete one has a digest


def test_malformed_and_newer_stamps_are_named() -> None:
    nb = genuine()
    body_of(nb)["v"] = 1.0
    assert verdict(nb)[0] == "forged"
    nb.cells[0].outputs[0].data = {"application/vnd.govdata.stamp.v7+json": {}}
    assert verdict(nb)[0] == "forged"
    assert "version 7" in verdict(nb)[1]


# -- the code beside it --------------------------------------------------------------------------


@pytest.mark.attack("T84", surface="stored")
def test_changed_code_beside_a_stamp_is_different() -> None:
    nb = genuine()
    nb.cells[0].source = "%%govsql\nSELECT 2"
    assert verdict(nb) == ("different", "the code was changed since it was stamped")


def test_changed_options_beside_a_stamp_are_no_other_query() -> None:
    nb = genuine()
    nb.cells[0].source = "%%govsql --limit 5\nSELECT 1"
    (cell,) = check(nb)
    assert cell.verdict == "intact"
    assert "edited" in cell.notes[0]


@pytest.mark.attack("T84", surface="stored")
def test_stamp_moved_beside_other_code_is_different() -> None:
    nb = genuine()
    nb.cells.append(query_cell("SELECT 2", stamp("SELECT 2", receipts=[signed()]), id="q2"))
    nb.cells[0].outputs, nb.cells[1].outputs = nb.cells[1].outputs, nb.cells[0].outputs
    assert [cell.verdict for cell in check(nb)] == ["different", "different"]


def test_query_without_a_stamp_is_not_replayable_and_python_not_governed() -> None:
    nb = notebook(new_code_cell("%%govsql\nSELECT 1"), new_code_cell("x = 1"))
    assert [cell.verdict for cell in check(nb)] == ["not replayable", "not governed"]


def test_sql_made_by_python_is_said_not_to_be_compared() -> None:
    nb = genuine()
    nb.cells[0].source = "session.sql(text)"
    nb.cells[0].outputs = [output(stamp("SELECT 1", receipts=[signed()]))]
    (cell,) = check(nb)
    assert cell.verdict == "intact"
    assert "Python" in cell.notes[0]


def test_query_of_local_data_alone_is_not_governed() -> None:
    assert verdict(genuine(receipts=[], pins={}))[0] == "not governed"


def test_key_that_was_rotated_still_verifies_by_its_id() -> None:
    nb = genuine()
    nb.cells.append(query_cell("SELECT 2", stamp("SELECT 2", receipts=[signed(STRANGER)])))
    assert [cell.verdict for cell in check(nb, STRANGER, KEY)] == ["intact", "intact"]
    one_file = Keyset([pem(STRANGER) + b"# old\n" + pem(KEY)])
    assert [c.verdict for c in check_notebook(nb, one_file, queries)] == ["intact", "intact"]


@pytest.mark.parametrize("text", [b"", b"x", pem(KEY)[:-30]], ids=["empty", "short", "cut"])
def test_file_that_holds_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigError):
        Keyset([text])
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigError):
        Keyset([private])


def test_worst_verdict_is_the_notebooks() -> None:
    def cells(*verdicts: str) -> list[CheckedCell]:
        return [CheckedCell("a", 0, v) for v in verdicts]

    assert overall(cells("intact", "forged", "different")) == "forged"
    assert overall(cells("not replayable", "different", "exact")) == "different"
    assert overall(cells("exact", "not replayable")) == "not replayable"
    assert EXIT_STATUS[overall(cells("exact", "not governed", "within tolerance"))] == 0
    assert EXIT_STATUS[overall([])] == 0


def test_forgery_in_a_copy_is_ignored_while_outputs_hold_the_stamp() -> None:
    nb = genuine()
    fold_stamps(nb)
    forged = copy.deepcopy(nb.cells[0].metadata.jupyter_govdata)
    forged["stamps"][0]["receipts"][0]["epoch"] = 1
    nb.cells[0].metadata.jupyter_govdata = forged
    assert verdict(nb)[0] == "intact"
    nb.cells[0].outputs = []
    assert verdict(nb)[0] == "forged"


# -- tolerance -----------------------------------------------------------------------------------

SHOWN = "arm      mean\n───────  ────\nplacebo   1.5\nlow      1e-3\n2 rows · t.p @ 7 · 3 ms"


def test_shown_tables_are_compared_by_their_numbers_only() -> None:
    later = SHOWN.replace("1.5", "1.5000001").replace("@ 7 · 3 ms", "@ 7 · 99 ms")
    assert apart(SHOWN, SHOWN, 0) == ""
    assert apart(SHOWN, later, 1e-6) == ""
    assert "differ by" in apart(SHOWN, later, 1e-9)


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (SHOWN.replace("placebo", "Placebo"), "more than numbers"),
        (SHOWN.replace("low      1e-3\n", ""), "other rows"),
        (SHOWN.replace("1e-3", "nan"), "NaN"),
        (SHOWN.replace("low  ", "l…w  "), "only a part of the new"),
        ("(first 20 of 100 rows)\n" + SHOWN, "only a part of the new"),
        ("", "not in the notebook"),
    ],
)
def test_shown_tables_that_cannot_be_compared_say_why(later: str, why: str) -> None:
    assert why in apart(SHOWN, later, 0.5)


def test_shown_results_leave_stamps_and_streams_out() -> None:
    cell = query_cell()
    cell.outputs += [
        new_output("stream", text="1"),
        new_output("execute_result", data={"text/plain": ["a\n", "b"]}),
    ]
    assert shown_results(cell) == ["a\nb"]
