"""Stamped queries as OpenLineage run events, one JSON object each. Pure.

Follows the OpenLineage specification 2-0-2 and its facets at the versions in `_FACETS`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.stamps.export.record import NotebookRun, QueryRun

_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "ColumnLineageDatasetFacet": "1-2-0",
    "DatasetVersionDatasetFacet": "1-0-1",
    "ErrorMessageRunFacet": "1-0-1",
    "JobTypeJobFacet": "2-0-4",
    "ParentRunFacet": "1-2-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "SQLJobFacet": "1-1-0",
}
_OURS = "urn:jupyter_govdata:facets:1:GovernanceRunFacet"
_END = {"complete": "COMPLETE", "partial": "COMPLETE", "failed": "FAIL", "interrupted": "ABORT"}

JOBS = "jupyter_govdata"
"""Namespace of jobs: notebooks and their queries."""

RESULTS = "govdata-results"
"""Namespace of results, which are in no lake."""


def dataset_namespace(receipt: Receipt) -> str:
    """Return the namespace of a gateway's assets; the key that it signs with names it."""
    return f"govdata://{receipt.key_id or 'unknown'}"


def events(run: NotebookRun) -> tuple[list[dict[str, Any]], list[str]]:
    """Return START and end events of all queries, and the names of those without a time.

    OpenLineage has no event without a time, and none is made up: a query of which only the
    folded copy is left is not in the events.
    """
    made: list[dict[str, Any]] = []
    missing = []
    for query in run.queries:
        if query.started is None or query.ended is None:
            missing.append(query.name)
            continue
        made.append(_event(run, query, "START", query.started))
        made.append(_event(run, query, _END[query.stamp.status], query.ended))
    return made, missing


def _event(run: NotebookRun, query: QueryRun, kind: str, at: dt.datetime) -> dict[str, Any]:
    stamp = query.stamp
    is_end = kind != "START"
    return {
        "eventType": kind,
        "eventTime": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "producer": _producer(query),
        "schemaURL": _EVENT,
        "run": {"runId": query.run_id, "facets": _run_facets(run, query, is_end)},
        "job": {"namespace": JOBS, "name": _job(run, query), "facets": _job_facets(query)},
        "inputs": [_input(query, r) for r in _once(stamp.receipts)],
        "outputs": [_output(run, query)] if kind == "COMPLETE" and stamp.result_digest else [],
    }


def _job(run: NotebookRun, query: QueryRun) -> str:
    return f"{run.name}/{query.name}"


def _producer(query: QueryRun) -> str:
    return f"urn:jupyter_govdata:{query.stamp.versions.get('jupyter_govdata', 'unknown')}"


def _facet(run: QueryRun, kind: str, /, **fields: Any) -> dict[str, Any]:
    url = f"{_SPEC}/facets/{_FACETS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": _producer(run), "_schemaURL": url, **fields}


def _run_facets(run: NotebookRun, query: QueryRun, is_end: bool) -> dict[str, Any]:
    stamp = query.stamp
    facets = {
        "parent": _facet(
            query,
            "ParentRunFacet",
            run={"runId": run.run_id},
            job={"namespace": JOBS, "name": run.name},
        ),
        "processing_engine": _facet(
            query,
            "ProcessingEngineRunFacet",
            name="DuckDB",
            version=stamp.versions.get("duckdb", "unknown"),
        ),
        "govdata": {
            "_producer": _producer(query),
            "_schemaURL": _OURS,
            "wall": stamp.wall,
            "status": stamp.status,
            "queryDigest": stamp.query_digest,
            "parametersDigest": stamp.parameters_digest,
            "versions": dict(stamp.versions),
            "decisions": [_decision(r) for r in stamp.receipts],
        },
    }
    if is_end and stamp.error:
        facets["errorMessage"] = _facet(
            query, "ErrorMessageRunFacet", message=stamp.error, programmingLanguage="SQL"
        )
    return facets


def _decision(receipt: Receipt) -> dict[str, Any]:
    return {
        "asset": receipt.asset,
        "snapshotId": str(receipt.snapshot_id),
        "principal": receipt.principal,
        "purpose": receipt.purpose,
        "decisionId": receipt.decision_id,
        "epoch": receipt.epoch,
        "filtered": receipt.filtered,
        "masked": list(receipt.masked),
        "keyId": receipt.key_id,
        "signature": receipt.signature,
    }


def _job_facets(query: QueryRun) -> dict[str, Any]:
    kind = _facet(
        query, "JobTypeJobFacet", processingType="BATCH", integration="JUPYTER", jobType="QUERY"
    )
    if query.sql is None:
        return {"jobType": kind}
    return {"jobType": kind, "sql": _facet(query, "SQLJobFacet", query=query.sql, dialect="duckdb")}


def _once(receipts: Iterable[Receipt]) -> list[Receipt]:
    found = {(r.key_id, r.asset, r.snapshot_id): r for r in receipts}
    return [found[key] for key in sorted(found)]


def _version(query: QueryRun, version: str) -> dict[str, Any]:
    return {"version": _facet(query, "DatasetVersionDatasetFacet", datasetVersion=version)}


def _input(query: QueryRun, receipt: Receipt) -> dict[str, Any]:
    return {
        "namespace": dataset_namespace(receipt),
        "name": receipt.asset,
        "facets": _version(query, str(receipt.snapshot_id)),
    }


def _output(run: NotebookRun, query: QueryRun) -> dict[str, Any]:
    facets = _version(query, query.stamp.result_digest)
    if any(query.columns.values()):
        # Which result column comes from which is not known exactly, so nothing is mapped: the
        # whole result depends on these columns.
        facets["columnLineage"] = _facet(
            query,
            "ColumnLineageDatasetFacet",
            fields={},
            dataset=[
                {
                    "namespace": dataset_namespace(receipt),
                    "name": receipt.asset,
                    "field": column,
                    "transformations": [
                        {
                            "type": "INDIRECT",
                            "description": "read by the query",
                            "masking": column in receipt.masked,
                        }
                    ],
                }
                for receipt in _once(query.stamp.receipts)
                for column in query.columns.get(receipt.asset, ())
            ],
        )
    return {"namespace": RESULTS, "name": _job(run, query), "facets": facets}
