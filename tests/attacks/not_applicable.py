"""Attacks of the list that have nothing to act on here, each with the reason.

A feature that gives one of them something to act on moves its number from here to a test.
"""

NOT_APPLICABLE = {
    "T39": "there is no release of aggregates with a smallest group: who may read rows may count"
    " them (THREAT_MODEL.md, not defended)",
    "T40": "as T39: a group of one is a row that its reader may read anyway",
    "T41": "as T39: there is no memory of earlier queries, so two overlapping counts are two reads",
    "T42": "as T39: totals and cells are all computed from rows that their reader may read",
    "T43": "as T39: no rule of dominance is promised, nor a smallest number of contributors",
    "T44": "nothing checks what leaves a kernel: whoever sees a row can plot, pickle or send it"
    " (THREAT_MODEL.md, not defended)",
    "T62": "no quarantine of derived assets is promised; lineage lists them"
    " (tests/session/test_lineage.py), and each is read under its own consent filter",
    "T67": "purposes are the lake's own words and consent is given to a purpose; no DUO code is"
    " interpreted, so none can be interpreted wrongly. Unknown ones are refused",
    "T70": "the gateway has no vector index and no search by neighbours; kernels compute them over"
    " permitted rows only, which T80 compares",
    "T71": "as T70: a vector is a column like any other, filtered and masked as one; there are no"
    " lists, centroids or statistics of an index to ask for",
    "T77": "there are no principals for agents: a cell runs as the session's principal, whoever"
    " typed it, and is decided and recorded as theirs",
}
