"""Tables of the governance store and the steps that make them. Runs in the gateway.

Version N of the schema is what `MIGRATIONS[:N]` make; a store remembers its version.
Moments are ISO 8601 text in UTC with microseconds, so they sort alike in every database.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
    update,
)

metadata = MetaData()
_Big = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "govdata_meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
# One row. `consent` is the epoch of the last change of aliases or consents.
epochs = Table(
    "govdata_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", _Big, nullable=False),
    Column("consent", _Big, nullable=False),
)
changes = Table(
    "govdata_change",
    metadata,
    Column("epoch", _Big, primary_key=True, autoincrement=False),
    Column("when", String(40), nullable=False),
    Column("by", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)
files = Table(
    "govdata_file",
    metadata,
    Column("path", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("epoch", _Big, nullable=False, server_default="0"),
)
cards = Table(
    "govdata_card",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("card", Text, nullable=False),
    Column("epoch", _Big, nullable=False, server_default="0", index=True),
)
# `self_key` is `domain|id_value`: the person key that an id has without an alias.
aliases = Table(
    "govdata_alias",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("id_value", Text, primary_key=True),
    Column("person_key", Text, nullable=False, index=True),
    Column("self_key", Text, nullable=False, unique=True),
)
# `origin` is `register` (mirrored, replaced as a whole) or `set` (recorded here, kept).
consents = Table(
    "govdata_consent",
    metadata,
    Column("seq", _Big, primary_key=True, autoincrement=True),
    Column("person_key", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("recorded_at", String(40), nullable=False),
    Column("source", Text, nullable=False),
    Column("origin", String(16), nullable=False),
    Index("govdata_consent_purpose", "purpose", "person_key"),
)
registers = Table(
    "govdata_register",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("asset", String(200), nullable=False),
    Column("snapshot_id", _Big, nullable=False),
)
audit = Table(
    "govdata_audit",
    metadata,
    Column("seq", _Big, primary_key=True, autoincrement=False),
    Column("when", String(40), nullable=False, index=True),
    Column("principal", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("permitted", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("epoch", _Big, nullable=False),
    Column("snapshot_id", _Big, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
# One row: the last record of the chain.
heads = Table(
    "govdata_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", _Big, nullable=False),
    Column("hash", String(64), nullable=False),
)
loads = Table(
    "govdata_load",
    metadata,
    Column("id", _Big, primary_key=True, autoincrement=True),
    Column("asset", String(200), nullable=False, index=True),
    Column("snapshot_id", _Big, nullable=False),
    Column("source", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("rows", _Big, nullable=False),
    Column("rejected", _Big, nullable=False),
    Column("by", Text, nullable=False),
    Column("when", String(40), nullable=False),
)
# `state` is what was decided; that `until` is past shows in what is read, not in what is stored.
requests = Table(
    "govdata_request",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("asset", String(200), nullable=False),
    Column("principal", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_at", String(40), nullable=False),
    Column("until", String(40), nullable=True),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", String(40), nullable=True),
    Column("decision_reason", Text, nullable=False),
    Index("govdata_request_principal", "principal", "asset"),
    Index("govdata_request_state", "state", "asset"),
)

# Data of `origin` went into a snapshot of `asset`; `proof` is `receipt` or `declared`.
lineage = Table(
    "govdata_lineage",
    metadata,
    Column("id", _Big, primary_key=True, autoincrement=True),
    Column("asset", String(200), nullable=False, index=True),
    Column("snapshot_id", _Big, nullable=False),
    Column("origin", String(200), nullable=False, index=True),
    Column("origin_snapshot_id", _Big, nullable=True),
    Column("proof", String(16), nullable=False),
    Column("by", Text, nullable=False),
    Column("when", String(40), nullable=False),
)

# A guard against accidents; whoever owns the database can drop it, which the chain then shows.
_NO_CHANGE = """
CREATE TRIGGER govdata_audit_{verb} BEFORE {verb} ON govdata_audit
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END
"""
_NO_CHANGE_FUNCTION = """
CREATE FUNCTION govdata_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit chain is append-only'; END $$
"""
_NO_CHANGE_TRIGGER = """
CREATE TRIGGER govdata_audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON govdata_audit
FOR EACH STATEMENT EXECUTE FUNCTION govdata_append_only()
"""
_APPEND_ONLY = {
    "sqlite": (_NO_CHANGE.format(verb="UPDATE"), _NO_CHANGE.format(verb="DELETE")),
    "postgresql": (_NO_CHANGE_FUNCTION, _NO_CHANGE_TRIGGER),
}


def _version_1(conn: Connection) -> None:
    later = {requests.name, lineage.name}
    metadata.create_all(conn, [t for t in metadata.sorted_tables if t.name not in later])
    for statement in _APPEND_ONLY[conn.dialect.name]:
        conn.exec_driver_sql(statement)
    conn.execute(epochs.insert().values(id=1, epoch=0, consent=0))
    conn.execute(heads.insert().values(id=1, seq=0, hash="0" * 64))
    conn.execute(meta.insert().values(key="version", value="0"))


def _version_2(conn: Connection) -> None:
    requests.create(conn)


def _version_3(conn: Connection) -> None:
    lineage.create(conn)
    # The epoch of a card's last change, so that a new epoch reads what changed and no more.
    for table in (cards, files):
        if "epoch" in {column["name"] for column in inspect(conn).get_columns(table.name)}:
            continue
        conn.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN epoch BIGINT DEFAULT 0 NOT NULL")
        for index in table.indexes:
            index.create(conn)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_version_1, _version_2, _version_3)


def found_version(conn: Connection) -> int:
    """Return the schema version of the store, 0 if there is none."""
    if not inspect(conn).has_table(meta.name):
        return 0
    value = conn.execute(select(meta.c.value).where(meta.c.key == "version")).scalar()
    return int(value or 0)


def migrate(conn: Connection, version: int) -> None:
    """Bring a store of `version` to the newest one, in the caller's transaction."""
    for step in MIGRATIONS[version:]:
        step(conn)
    conn.execute(update(meta).where(meta.c.key == "version").values(value=str(len(MIGRATIONS))))
