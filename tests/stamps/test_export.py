"""Exports follow the published models, name the same things the same way, and hold no rows."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pyarrow as pa
import pytest
from nbformat.v4 import new_code_cell, new_output
from openlineage.client import facet_v2
from openlineage.client.generated.base import RunEvent
from openlineage.client.serde import Serde
from prov.model import ProvDocument

from jupyter_govdata.cli import main
from jupyter_govdata.errors import StampError
from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.stamps.export import openlineage, prov, rocrate
from jupyter_govdata.stamps.export.record import NotebookRun, record
from jupyter_govdata.stamps.folding import fold_stamps
from tests.stamps.notebooks import notebook, query_cell, receipt, stamp

CANARY = "CANARY-7Q-patient-4711"
QUERY = "SELECT arm FROM trials.outcomes WHERE id = $patient"


def queries(source: str) -> list[str]:
    return [query.sql for query in cell_queries(source)]


def sample() -> Any:
    """Two assets, a mask, a failed query, and rows, parameters and prints that must stay."""
    made = stamp(
        QUERY,
        parameters={"patient": CANARY},
        table=pa.table({"arm": [CANARY]}),
        receipts=[
            receipt(masked=("birth",), filtered=True),
            receipt("genomics.calls", 12, decision_id="e" * 64),
        ],
    )
    failed = stamp("SELECT 2", receipts=[], table=None, status="failed", error="refused")
    shown = new_output("execute_result", data={"text/plain": CANARY, "text/html": CANARY})
    first = query_cell(QUERY, made, id="q1")
    first.outputs.insert(0, shown)
    first.metadata["note"] = CANARY
    plain = new_code_cell("x", outputs=[new_output("stream", text=CANARY)], id="p")
    nb = notebook(plain, first, query_cell("SELECT 2", failed, id="q2"))
    nb.metadata["papermill"] = {"parameters": {"patient": CANARY}}
    return nb


def recorded(nb: Any = None) -> NotebookRun:
    return record(nb or sample(), "study.ipynb", queries_of=queries)


def all_exports(run: NotebookRun) -> list[str]:
    day = dt.date(2026, 1, 1)
    return [
        json.dumps(openlineage.events(run)[0]),
        json.dumps(prov.document(run)),
        json.dumps(rocrate.crate(run, published=day)),
        run.code.decode(),
    ]


def test_exports_hold_no_rows_parameters_or_outputs():
    for text in all_exports(recorded()):
        assert CANARY not in text
        assert QUERY in text or "GovernanceRunFacet" not in text


def test_exports_of_the_same_notebook_are_equal_and_of_another_run_differ():
    assert all_exports(recorded()) == all_exports(recorded(copy.deepcopy(sample())))
    later = sample()
    later.cells[1].outputs[1].metadata["govdata"]["at"] = "2026-01-02T00:00:00+00:00"
    assert recorded().queries[0].run_id != recorded(later).queries[0].run_id
    assert recorded().queries[1].run_id == recorded(later).queries[1].run_id


def test_export_of_an_edited_cell_names_the_digest_and_not_the_text():
    nb = sample()
    nb.cells[1].source = "%%govsql\nSELECT 'forged'"
    run = recorded(nb)
    assert [query.sql for query in run.queries] == [None, "SELECT 2"]
    digest = hashlib.sha256(QUERY.encode()).hexdigest()
    for text in all_exports(run)[:3]:
        assert "forged" not in text
        assert digest in text


# -- OpenLineage ---------------------------------------------------------------------------------

FACETS: dict[str, Any] = {
    "parent": facet_v2.parent_run.ParentRunFacet,
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "sql": facet_v2.sql_job.SQLJobFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
}
"""Classes that the project generates from its JSON schemas: each knows its fields and its URL."""


def checked(facets: dict[str, Any]) -> set[str]:
    for name, facet in facets.items():
        if name == "govdata":
            assert {"_producer", "_schemaURL"} <= facet.keys()
            continue
        fields = {k: v for k, v in facet.items() if not k.startswith("_")}
        made = FACETS[name](**fields)
        assert facet["_schemaURL"] == made._get_schema()
        said = Serde.to_dict(made)
        assert {k: said[k] for k in fields} == fields
    return set(facets)


def test_openlineage_events_follow_the_published_model():
    made, missing = openlineage.events(recorded())
    assert not missing
    assert [event["eventType"] for event in made] == ["START", "COMPLETE", "START", "FAIL"]
    for event in made:
        RunEvent(
            **{k: event[k] for k in ("eventTime", "run", "job", "inputs", "outputs", "producer")}
        )
        assert event["schemaURL"] == RunEvent._get_schema()
        names = checked(event["run"]["facets"])
        assert ("errorMessage" in names) == (event["eventType"] == "FAIL")
        assert checked(event["job"]["facets"]) == {"jobType", "sql"}
        for dataset in event["inputs"] + event["outputs"]:
            checked(dataset["facets"])
    ended = made[1]
    assert [(d["name"], d["facets"]["version"]["datasetVersion"]) for d in ended["inputs"]] == [
        ("genomics.calls", "12"),
        ("trials.outcomes", "11"),
    ]
    decision = ended["run"]["facets"]["govdata"]["decisions"][1]
    assert (decision["purpose"], decision["masked"]) == ("research", ["birth"])
    assert made[0]["eventTime"] <= ended["eventTime"]


def test_openlineage_query_without_a_time_is_left_out_and_named():
    nb = sample()
    fold_stamps(nb)
    nb.cells[1].outputs = []
    made, missing = openlineage.events(recorded(nb))
    assert missing == ["q1"]
    assert {event["job"]["name"] for event in made} == {"study.ipynb/q2"}


@pytest.mark.parametrize("at", ["yesterday", None, 7, "9999-99-99", "0001-01-01T00:00:00+23:59"])
def test_openlineage_time_that_is_none_is_no_time(at):
    nb = sample()
    nb.cells[1].outputs[1].metadata["govdata"]["at"] = at
    assert openlineage.events(recorded(nb))[1] == ["q1"]


def test_openlineage_lineage_of_columns_is_told_where_the_output_tells_it():
    made, _ = openlineage.events(recorded())
    assert "columnLineage" not in made[1]["outputs"][0]["facets"]
    nb = sample()
    nb.cells[1].outputs[1].metadata["govdata"]["columns"] = {
        "trials.outcomes": ["arm", "birth", 7],
        "genomics.calls": "all",
        "trials.secret": ["x"],
    }
    made, _ = openlineage.events(recorded(nb))
    facet = made[1]["outputs"][0]["facets"]["columnLineage"]
    checked({"columnLineage": facet})
    told = [(d["name"], d["field"], d["transformations"][0]["masking"]) for d in facet["dataset"]]
    assert told == [("trials.outcomes", "arm", False), ("trials.outcomes", "birth", True)]


# -- PROV ----------------------------------------------------------------------------------------


def test_prov_document_is_read_and_written_back_equal():
    made = prov.document(recorded())
    read = ProvDocument.deserialize(content=json.dumps(made), format="json")
    again = ProvDocument.deserialize(content=read.serialize(format="json"), format="json")
    assert read == again
    written = json.loads(read.serialize(format="json"))
    assert {k: len(v) for k, v in written.items()} == {k: len(v) for k, v in made.items()}
    used = {body["prov:entity"] for body in made["used"].values()}
    assert used <= made["entity"].keys()
    for body in made["wasAssociatedWith"].values():
        assert body["prov:agent"] in made["agent"]
        assert body["prov:activity"] in made["activity"]


# -- RO-Crate ------------------------------------------------------------------------------------


def test_crate_references_lead_to_entities_and_ids_are_unique():
    made = rocrate.crate(recorded(), published=dt.date(2026, 1, 1))
    ids = [entity["@id"] for entity in made["@graph"]]
    assert len(ids) == len(set(ids))

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            if value.keys() == {"@id"}:
                return [value["@id"]]
            return [r for k, v in value.items() if k != "@id" for r in references(v)]
        return [r for v in value for r in references(v)] if isinstance(value, list) else []

    loose = {r for r in references(made["@graph"]) if r not in ids}
    assert not {r for r in loose if not r.startswith(("http://", "https://"))}


def exported(tmp_path: Path, *more: str) -> Path:
    nbformat.write(sample(), tmp_path / "my study.ipynb")
    out = tmp_path / "crate"
    assert main(["export", str(tmp_path / "my study.ipynb"), "-o", str(out), *more]) == 0
    return out


def test_crate_folder_holds_the_code_and_the_metadata_only(tmp_path):
    out = exported(tmp_path, "--to", "ro-crate")
    assert sorted(p.name for p in out.iterdir()) == ["my study.ipynb", "ro-crate-metadata.json"]
    assert not [p for p in out.iterdir() if CANARY in p.read_text()]
    nbformat.validate(nbformat.read(out / "my study.ipynb", as_version=4))
    again = ["export", str(tmp_path / "my study.ipynb"), "-o", str(out), "--to", "ro-crate"]
    assert main(again) == 1


@pytest.mark.services
@pytest.mark.skipif("GOVDATA_CRATE_PYTHON" not in os.environ, reason="`make test-all` sets it")
def test_crate_is_valid_against_the_published_profiles(tmp_path):
    out = exported(tmp_path, "--to", "ro-crate")
    validate = Path(__file__).with_name("validate_crate.py")
    command = [os.environ["GOVDATA_CRATE_PYTHON"], str(validate), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 findings" in done.stdout


# -- bad input -----------------------------------------------------------------------------------


def test_export_of_forged_or_missing_stamps_is_refused(tmp_path, capsys):
    with pytest.raises(StampError, match="no stamps"):
        recorded(notebook(new_code_cell("x")))
    nb = sample()
    nb.cells[1].outputs[1].data["application/vnd.govdata.stamp.v1+json"]["wall"] = "strong"
    with pytest.raises(StampError, match="cell `q1`"):
        recorded(nb)
    nbformat.write(nb, tmp_path / "n.ipynb")
    for to in ("ro-crate", "openlineage", "prov"):
        out = tmp_path / "out"
        assert main(["export", str(tmp_path / "n.ipynb"), "--to", to, "-o", str(out)]) == 1
        assert not out.exists()
    assert "cell `q1`" in capsys.readouterr().err
