"""Stamped notebooks in the words of others: RO-Crate, OpenLineage, PROV. Pure.

What leaves: code, names, versions, digests, decisions, times. What does not: outputs, rows,
values of parameters, credentials. `docs/reference/export.md` says it field by field.
"""
