"""Stamped queries as PROV-JSON (W3C member submission of 24 April 2013). Pure."""

from __future__ import annotations

import datetime as dt
from typing import Any

from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.stamps.export.record import NotebookRun, QueryRun, identifier

PREFIXES = {
    "govdata": "urn:jupyter_govdata:",
    "asset": "urn:jupyter_govdata:asset:",
    "run": "urn:uuid:",
}

Document = dict[str, dict[str, Any]]


def document(run: NotebookRun) -> Document:
    """Return a PROV document: assets at snapshots, queries, runs, results, who and for what."""
    made: Document = {"prefix": dict(PREFIXES)}
    whole = f"run:{run.run_id}"
    _put(made, "activity", whole, {"prov:label": run.name, **_times(run.started, run.ended)})
    for query in run.queries:
        _query(made, run, query, whole)
    return made


def _put(made: Document, kind: str, name: str, body: dict[str, Any]) -> str:
    made.setdefault(kind, {}).setdefault(name, body)
    return name


def _relate(made: Document, kind: str, **ends: Any) -> None:
    name = f"_:{kind}{len(made.get(kind, {}))}"
    made.setdefault(kind, {})[name] = {
        f"prov:{k}" if ":" not in k else k: v for k, v in ends.items()
    }


def _times(started: dt.datetime | None, ended: dt.datetime | None) -> dict[str, str]:
    pairs = (("prov:startTime", started), ("prov:endTime", ended))
    return {key: at.isoformat() for key, at in pairs if at is not None}


def _qualified(value: str) -> dict[str, str]:
    return {"$": value, "type": "prov:QUALIFIED_NAME"}


def _query(made: Document, run: NotebookRun, query: QueryRun, whole: str) -> None:
    stamp = query.stamp
    activity = _put(
        made,
        "activity",
        f"run:{query.run_id}",
        {
            "prov:label": f"{run.name}/{query.name}",
            **_times(query.started, query.ended),
            "govdata:status": stamp.status,
            "govdata:wall": stamp.wall,
            "govdata:parametersDigest": stamp.parameters_digest,
            **{f"govdata:version-{name}": v for name, v in sorted(stamp.versions.items())},
            **({"govdata:error": stamp.error} if stamp.error else {}),
        },
    )
    _relate(made, "wasInformedBy", informed=activity, informant=whole)
    plan = _put(
        made,
        "entity",
        f"govdata:query-{stamp.query_digest}",
        {
            "prov:type": _qualified("prov:Plan"),
            "govdata:queryDigest": stamp.query_digest,
            **({} if query.sql is None else {"prov:value": query.sql}),
        },
    )
    for receipt in stamp.receipts:
        _receipt(made, receipt, activity, plan)
    if stamp.result_digest:
        name = f"govdata:result-{identifier([query.run_id, stamp.result_digest])}"
        _put(made, "entity", name, {"govdata:resultDigest": stamp.result_digest})
        _relate(made, "wasGeneratedBy", entity=name, activity=activity)
        for entity in dict.fromkeys(map(_asset, stamp.receipts)):
            _relate(made, "wasDerivedFrom", generatedEntity=name, usedEntity=entity)


def _asset(receipt: Receipt) -> str:
    return f"asset:{receipt.key_id or 'unknown'}/{receipt.asset}/{receipt.snapshot_id}"


def _receipt(made: Document, receipt: Receipt, activity: str, plan: str) -> None:
    entity = _put(
        made,
        "entity",
        _asset(receipt),
        {
            "prov:label": f"{receipt.asset} @ {receipt.snapshot_id}",
            "govdata:asset": receipt.asset,
            "govdata:snapshotId": str(receipt.snapshot_id),
        },
    )
    _relate(
        made,
        "used",
        activity=activity,
        entity=entity,
        **{
            "govdata:purpose": receipt.purpose,
            "govdata:decisionId": receipt.decision_id,
            "govdata:epoch": receipt.epoch,
            "govdata:filtered": receipt.filtered,
            "govdata:masked": ", ".join(receipt.masked),
            "govdata:signature": receipt.signature,
        },
    )
    agent = _put(
        made,
        "agent",
        f"govdata:principal-{identifier(receipt.principal)}",
        {"prov:label": receipt.principal, "prov:type": _qualified("prov:Agent")},
    )
    gateway = _put(
        made,
        "agent",
        f"govdata:gateway-{identifier(receipt.key_id)}",
        {"prov:type": _qualified("prov:SoftwareAgent"), "govdata:keyId": receipt.key_id},
    )
    for who, extra in ((agent, {"plan": plan}), (gateway, {})):
        known = made.get("wasAssociatedWith", {}).values()
        ends = {"activity": activity, "agent": who, **extra}
        if {f"prov:{k}": v for k, v in ends.items()} not in known:
            _relate(made, "wasAssociatedWith", **ends)
