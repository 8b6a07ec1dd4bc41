"""Reads Parquet files by DuckDB's httpfs, in an environment that has it. Run, not imported.

Takes JSON on standard input: ``{"reads": [SQL ...], "secret": CREATE SECRET ... or ""}``. Prints
the first value of each read, or that it was refused.
"""

import json
import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

asked = json.load(sys.stdin)
engine = duckdb.connect(":memory:", config={"allow_unsigned_extensions": False})
[extension] = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
engine.execute(f"LOAD '{extension}'")
if asked["secret"]:
    engine.execute(asked["secret"])
found = []
for sql in asked["reads"]:
    try:
        found.append(engine.execute(sql).fetchone()[0])
    except duckdb.HTTPException:
        found.append("refused")
print(json.dumps(found))
