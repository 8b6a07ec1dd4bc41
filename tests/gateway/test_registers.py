"""Consents that are recorded: in the register asset, and live at once."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jupyter_govdata.gateway import registers
from jupyter_govdata.ledger import Ledger
from tests.gateway.world import CONSENTED, World

PURPOSE = "model_training"


def record(world: World, patient: str, status: str) -> int:
    return world.gateway.loading.consent("dina", "T:patient", patient, PURPOSE, status, "letter")


def consenting(ledger: Ledger) -> frozenset[str]:
    return ledger.consenting("T:patient", PURPOSE)


def test_one_consent_is_told_without_reading_the_register(
    fresh_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, catalog = fresh_world.gateway.ledger, fresh_world.gateway.catalog
    assert consenting(ledger) == CONSENTED
    epoch = ledger.epoch()
    with monkeypatch.context() as patch:
        patch.delattr(registers, "open_scan")
        assert record(fresh_world, "P001", "withdrawn") == epoch + 1
        assert record(fresh_world, "P003", "given") == epoch + 2
    told = (CONSENTED - {"P001"}) | {"P003"}
    assert consenting(ledger) == told
    newest = catalog.resolve("governance.consent", None).snapshot_id
    assert ledger.register_source("consent") == ("governance.consent", newest)
    ledger.replace_consents([], source=("governance.consent", 1))
    fresh_world.gateway.registers.catch_up()
    assert consenting(ledger) == told


def test_consent_after_a_commit_of_another_engine_counts_both(fresh_world: World) -> None:
    ledger, catalog = fresh_world.gateway.ledger, fresh_world.gateway.catalog
    schema = catalog.resolve("governance.consent", None).schema
    row = {"person_key": "T:patient|P002", "purpose": PURPOSE, "status": "withdrawn"}
    theirs = pa.Table.from_pylist([row], schema)
    catalog.write("governance.consent", theirs, mode="append")
    record(fresh_world, "P001", "withdrawn")
    assert consenting(ledger) == CONSENTED - {"P001", "P002"}
