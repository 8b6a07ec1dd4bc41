"""Citations, and what cannot break out of them."""

from __future__ import annotations

import datetime as dt

from jupyter_govdata.gateway.versions import citation
from jupyter_govdata.model.asset import Asset, Column, Snapshot
from jupyter_govdata.model.view import completeness
from jupyter_govdata.model.wire import asset_from_wire, to_wire

MOMENT = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)


def test_citation_names_author_year_version_date_and_licence() -> None:
    card = Asset("trials.laml_outcomes", source="TCGA, NEJM 2013.", licence="MIT")
    found = citation(card, 42, MOMENT)
    assert found.text == (
        "TCGA, NEJM 2013 (2025). trials.laml_outcomes [dataset]. version 42, 2025-06-01."
        " Licence: MIT."
    )
    lines = found.bibtex.splitlines()
    assert lines[0] == "@misc{trials_laml_outcomes_42,"
    assert "  title = {{trials.laml\\_outcomes}}," in lines
    assert "  version = {42}," in lines


def test_bibtex_of_a_hostile_card_stays_one_entry() -> None:
    card = Asset("a.b", source="x}}\n@misc{evil, \\input{/etc/passwd}", licence="{MIT}")
    bibtex = citation(card, 1, None).bibtex
    assert bibtex.count("\n@") == 0
    unescaped = bibtex.replace("\\{", "").replace("\\}", "")
    assert unescaped.count("{") == unescaped.count("}")
    assert "\\input" not in bibtex


def test_card_stored_before_the_seven_questions_still_reads() -> None:
    new = ("generated_by", "transformations", "quality", "suitable_for", "limitations")
    wire = to_wire(Asset("a.b", columns=(Column("x", "long"),)))
    old = {k: v for k, v in wire.items() if k not in (*new, "intended_use", "risk_class")}
    assert asset_from_wire(old) == Asset("a.b", columns=(Column("x", "long"),))


def test_completeness_asks_for_version_and_columns_where_columns_are_shown() -> None:
    bare = completeness(Asset("a.b"), None)
    assert bare.filled == ()
    assert bare.share == 0
    assert "columns" not in bare.missing
    snapshot = Snapshot(1, 0, MOMENT, "append")
    card = Asset("a.b", description="d", columns=(Column("x", description="y"), Column("z")))
    assert completeness(card, snapshot).filled == ("description", "version")
    assert "columns" in completeness(card, snapshot).missing
