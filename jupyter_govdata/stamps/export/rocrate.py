"""A stamped notebook as a Workflow Run RO-Crate (0.5, on RO-Crate 1.1). Pure.

The crate holds the notebook's code and what its stamps tell. Outputs stay out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.stamps.export.record import NotebookRun, QueryRun, snapshots

METADATA = "ro-crate-metadata.json"
_CRATE = "https://w3id.org/ro/crate/1.1"
_WORKFLOW = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    _WORKFLOW: ("Workflow RO-Crate", "1.0"),
}
_STATUS = {"complete": "CompletedActionStatus", "partial": "CompletedActionStatus"}
_UNSTATED = "not stated: ask whoever owns the notebook"

Entity = dict[str, Any]


def crate(run: NotebookRun, *, published: dt.date, licence: str = "") -> Entity:
    """Return the metadata document of a crate; its only file is the notebook `run.name`.

    Args:
        run: The notebook.
        published: Date that the crate is published on.
        licence: Address of the licence of the notebook; not stated otherwise.
    """
    graph = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": _ref("./"),
            "conformsTo": [_ref(_CRATE), _ref(_WORKFLOW)],
        },
        _root(run, published, licence),
        *(
            {"@id": url, "@type": "CreativeWork", "name": n, "version": v}
            for url, (n, v) in _PROFILES.items()
        ),
        _workflow(run),
        *_languages(),
        *map(_asset, snapshots(run.queries)),
        *_principals(run),
        _engine(run),
        _action(run),
        *(entity for query in run.queries for entity in _query(query)),
    ]
    return {"@context": _context(), "@graph": graph}


def _profiles() -> Iterable[Entity]:
    for url, (name, version) in _PROFILES.items():
        yield {"@id": url, "@type": "CreativeWork", "name": name, "version": version}


def _context() -> list[Any]:
    ours = (
        "snapshotId", "purpose", "decisionId", "epoch", "filtered", "masked", "keyId",
        "signature", "wall", "queryDigest", "parametersDigest", "status", "versions",
    )  # fmt: skip
    return [
        f"{_CRATE}/context",
        {f"govdata_{name}": f"urn:jupyter_govdata:terms#{name}" for name in ours},
    ]


def _ref(name: str) -> Entity:
    return {"@id": name}


def _refs(names: Iterable[str]) -> list[Entity]:
    return [_ref(name) for name in dict.fromkeys(names)]


def _root(run: NotebookRun, published: dt.date, licence: str) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Run of the notebook {run.name}",
        "description": "Code of the notebook, and what its governed queries read: assets at "
        "snapshots, decisions, digests of results. No rows.",
        "datePublished": published.isoformat(),
        "license": _ref(licence) if licence else _UNSTATED,
        "conformsTo": _refs(_PROFILES),
        "mainEntity": _ref(_file(run)),
        "hasPart": _refs([_file(run), *map(asset_id, snapshots(run.queries))]),
        "mentions": _refs([_run(run), *(_query_id(q, "run") for q in run.queries)]),
    }


def _file(run: NotebookRun) -> str:
    return quote(run.name)


def _run(run: NotebookRun) -> str:
    return f"#run-{run.run_id}"


def _query_id(query: QueryRun, part: str) -> str:
    return f"#{part}-{query.run_id}"


def asset_id(receipt: Receipt) -> str:
    """Return the address of an asset at a snapshot."""
    key = quote(receipt.key_id or "unknown", safe="")
    return f"urn:jupyter_govdata:asset:{key}/{quote(receipt.asset)}/{receipt.snapshot_id}"


def _workflow(run: NotebookRun) -> Entity:
    return {
        "@id": _file(run),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": run.name,
        "encodingFormat": "application/x-ipynb+json",
        "contentSize": str(len(run.code)),
        "programmingLanguage": _ref("#jupyter"),
        "hasPart": _refs(_query_id(q, "query") for q in run.queries),
    }


def _languages() -> Iterable[Entity]:
    yield {
        "@id": "#jupyter",
        "@type": "ComputerLanguage",
        "name": "Jupyter Notebook",
        "identifier": _ref("https://jupyter.org/"),
        "url": _ref("https://jupyter.org/"),
    }
    yield {
        "@id": "#sql",
        "@type": "ComputerLanguage",
        "name": "SQL of DuckDB",
        "url": _ref("https://duckdb.org/docs/sql/introduction"),
    }


def _asset(receipt: Receipt) -> Entity:
    return {
        "@id": asset_id(receipt),
        "@type": "Dataset",
        "name": f"{receipt.asset} @ {receipt.snapshot_id}",
        "description": "A governed asset at one snapshot. Who may read it is decided by its "
        "gateway; its rows are not in this crate.",
        "identifier": f"{receipt.asset}@{receipt.snapshot_id}",
        "govdata_snapshotId": str(receipt.snapshot_id),
        "govdata_keyId": receipt.key_id,
    }


def _principal(name: str) -> str:
    return f"#principal-{quote(name, safe='')}"


def _principals(run: NotebookRun) -> Iterable[Entity]:
    names = sorted({r.principal for q in run.queries for r in q.stamp.receipts})
    return ({"@id": _principal(n), "@type": "Person", "name": n} for n in names)


def _engine(run: NotebookRun) -> Entity:
    versions = sorted({q.stamp.versions.get("duckdb", "unknown") for q in run.queries})
    return {
        "@id": "#duckdb",
        "@type": "SoftwareApplication",
        "name": "DuckDB",
        "url": _ref("https://duckdb.org/"),
        "softwareVersion": ", ".join(versions),
    }


def _when(started: dt.datetime | None, ended: dt.datetime | None) -> Entity:
    pairs = (("startTime", started), ("endTime", ended))
    return {key: at.isoformat() for key, at in pairs if at is not None}


def _action(run: NotebookRun) -> Entity:
    agents = _refs(_principal(r.principal) for q in run.queries for r in q.stamp.receipts)
    states = {_state(q) for q in run.queries}
    return {
        "@id": _run(run),
        "@type": "CreateAction",
        "name": f"Run of {run.name}",
        "instrument": _ref(_file(run)),
        **_when(run.started, run.ended),
        **({"agent": agents} if agents else {}),
        "actionStatus": _ref("http://schema.org/" + max(states)),
        "object": _refs(map(asset_id, snapshots(run.queries))),
        "result": _refs(_query_id(q, "result") for q in run.queries if q.stamp.result_digest),
    }


def _state(query: QueryRun) -> str:
    return _STATUS.get(query.stamp.status, "FailedActionStatus")


def _query(query: QueryRun) -> Iterable[Entity]:
    stamp = query.stamp
    yield {
        "@id": _query_id(query, "query"),
        "@type": "SoftwareSourceCode",
        "name": f"Query of cell {query.name}",
        "programmingLanguage": _ref("#sql"),
        "runtimePlatform": "DuckDB",
        "govdata_queryDigest": stamp.query_digest,
        **({} if query.sql is None else {"text": query.sql}),
    }
    yield {
        "@id": _query_id(query, "run"),
        "@type": "CreateAction",
        "name": f"Run of cell {query.name}",
        "instrument": _refs([_query_id(query, "query"), "#duckdb"]),
        **_when(query.started, query.ended),
        **({"error": stamp.error} if stamp.error else {}),
        "actionStatus": _ref("http://schema.org/" + _state(query)),
        "object": _refs(map(asset_id, snapshots([query]))),
        "result": _refs([_query_id(query, "result")] if stamp.result_digest else []),
        "govdata_status": stamp.status,
        "govdata_wall": stamp.wall,
        "govdata_parametersDigest": stamp.parameters_digest,
        "govdata_versions": [f"{n} {v}" for n, v in sorted(stamp.versions.items())],
        "mentions": _refs(_query_id(query, f"decision-{i}") for i in range(len(stamp.receipts))),
    }
    for i, receipt in enumerate(stamp.receipts):
        yield _decision(_query_id(query, f"decision-{i}"), receipt)
    if stamp.result_digest:
        yield {
            "@id": _query_id(query, "result"),
            "@type": "PropertyValue",
            "name": f"Digest of the result of cell {query.name}",
            "propertyID": "urn:jupyter_govdata:terms#resultDigest",
            "value": stamp.result_digest,
        }


def _decision(name: str, receipt: Receipt) -> Entity:
    return {
        "@id": name,
        "@type": "PropertyValue",
        "name": f"Decision on {receipt.asset} for {receipt.purpose or 'no purpose'}",
        "propertyID": "urn:jupyter_govdata:terms#decisionId",
        "value": receipt.decision_id,
        "about": _ref(asset_id(receipt)),
        "govdata_purpose": receipt.purpose,
        "govdata_epoch": receipt.epoch,
        "govdata_filtered": receipt.filtered,
        "govdata_masked": list(receipt.masked),
        "govdata_keyId": receipt.key_id,
        "govdata_signature": receipt.signature,
    }
