"""SQL that an attacker would have the trusted side run, by number.

`{lake}` is the lake's folder, `{away}` a folder beside it, `{port}` a port that listens. The same
texts arrive as cells, as queries of the Python API, in every text of the protocol and of the REST
API, and as descriptions that are stored. The asset is `trials.visits` (`tests/attacks/world.py`).
"""

from __future__ import annotations

import os

SQL: dict[str, tuple[str, ...]] = {
    "T01": (
        "SELECT * FROM read_parquet('{lake}/warehouse/**/*.parquet')",
        "SELECT (SELECT content FROM read_text('{lake}/keys/ticket.key'))",
        "FROM read_csv('http://127.0.0.1:{port}/x.csv')",
        "FROM read_blob('{lake}/keys/*')",
        "FROM read_json('{lake}/run/gateway.json')",
    ),
    "T02": (
        "FROM glob('{lake}/**')",
        "FROM parquet_metadata('{lake}/warehouse/**/*.parquet')",
        "FROM parquet_bloom_probe('{lake}/warehouse/**/*.parquet', 'n', 1)",
        "FROM sniff_csv('{lake}/govdata.toml')",
    ),
    "T03": (
        "FROM '{lake}/warehouse/x.parquet'",
        "FROM 's3://bucket/trial-42/x.parquet'",
        "FROM '/proc/self/environ'",
    ),
    "T04": ("FROM leak_tbl", "SELECT * FROM gateway", "FROM ACTIONS"),
    "T05": (
        "COPY (FROM trials.visits) TO '{away}/out.csv'",
        "COPY trials.unseen TO '{away}/unseen.parquet'",
        "EXPORT DATABASE '{away}/export'",
    ),
    "T06": (
        "ATTACH '{lake}/governance.db' AS store",
        "ATTACH 'http://127.0.0.1:{port}/x.db' AS far",
        "USE nowhere",
        "DETACH trials",
    ),
    "T07": (
        "LOAD 'nosuchextension'",
        "INSTALL nosuch FROM '{away}/nowhere'",
        "SELECT ST_Point(1, 2)",
    ),
    "T08": (
        "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
        "FROM duckdb_secrets()",
        "SELECT which_secret('s3://x', 's3')",
    ),
    "T09": (
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET disabled_optimizers",
        "SET VARIABLE stolen = 1; SELECT getvariable('stolen')",
        "PRAGMA enable_profiling",
    ),
    "T10": (
        "SELECT getenv('PATH')",
        "SELECT current_setting('s3_secret_access_key')",
        "FROM duckdb_settings()",
        "FROM read_text('/proc/self/environ') WHERE false",
    ),
    "T11": (
        "FROM query('FROM trials.unseen')",
        "FROM query_table(['trials.unseen'])",
        "SELECT json_execute_serialized_sql(json_serialize_sql('FROM trials.unseen'))",
        "PREPARE p AS FROM trials.unseen; EXECUTE p",
        "CREATE MACRO t() AS TABLE FROM trials.unseen; FROM t()",
    ),
    "T12": (
        "SELECT 1; FROM trials.unseen",
        "SELECT 1 /* */ -- x\n; FROM trials.unseen",
        "\ufeffSELECT 1\u2028FROM trials.unseen",
        "SELECT n FROM trials.visits WHERE word = 'x' OR 1 = 1 -- '",
    ),
    "T13": (
        "INSERT INTO trials.visits SELECT * FROM trials.visits",
        "UPDATE trials.visits SET study = 'S1'",
        "DELETE FROM trials.visits RETURNING *",
        "CREATE TABLE trials.mine AS FROM trials.visits",
        "MERGE INTO trials.visits USING (SELECT 1 AS n) s USING (n) WHEN MATCHED THEN DELETE",
    ),
    "T14": (
        "DROP VIEW trials.visits",
        "DROP TABLE trials.visits",
        "ALTER VIEW trials.visits RENAME TO open",
        "CREATE OR REPLACE VIEW trials.visits AS FROM trials.unseen",
    ),
    "T15": (
        "FROM read_text('{away}/../lake/keys/ticket.key') WHERE false",
        "FROM read_text('file://{lake}/keys/ticket.key')",
        "FROM read_text('{away}/%2e%2e/lake/keys/ticket.key')",
        "FROM read_text('~/../{lake}//KEYS/ticket.key')",
    ),
    "T16": (
        "CREATE FUNCTION f(x) AS (FROM trials.unseen)",
        "SELECT python_map(n) FROM trials.visits",
    ),
    "T17": (
        "WITH visits AS (SELECT 1 AS n) FROM visits",
        "WITH t AS (SELECT * FROM trials.visits) SELECT * FROM t",
        "WITH RECURSIVE t AS (SELECT n FROM trials.visits UNION SELECT 99 FROM t) FROM t",
    ),
    "T18": (
        "SELECT v FROM trials.visits v",
        "SELECT COLUMNS(*) FROM trials.visits",
        "SELECT * EXCLUDE (n) REPLACE (note AS study) FROM trials.visits",
        "PIVOT trials.visits ON study USING max(patient)",
        "UNPIVOT (SELECT patient, phone FROM trials.visits) ON patient, phone",
        "FROM trials.visits a, LATERAL (SELECT b.note FROM trials.visits b WHERE b.n >= a.n)",
        "SELECT * FROM trials.visits a POSITIONAL JOIN trials.visits b",
        "TABLE trials.visits",
        "SUMMARIZE trials.visits",
        "DESCRIBE trials.visits",
        "SHOW ALL TABLES",
        "SELECT secret FROM trials.visits",
        "SELECT to_json(v) FROM trials.visits v",
    ),
    "T19": (
        "FROM memory.main.visits",
        "FROM memory.trials.unseen",
        "FROM temp.main.trials",
        "SET search_path = 'trials'; FROM unseen",
        "FROM system.main.unseen",
    ),
}
"""Number -> statements."""


def texts(number: str) -> tuple[str, ...]:
    """Return the statements of an attack; `make test-all` tries all of them by every way."""
    return SQL[number] if os.environ.get("GOVDATA_TEST_ALL") == "1" else SQL[number][:2]


TEXTS = tuple(text for texts in SQL.values() for text in texts)
