"""Held snapshots outlive expiry exactly as long as they are held."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog

from jupyter_govdata.catalog import Catalog, holding
from jupyter_govdata.errors import CatalogError, LimitError, SnapshotNotFoundError
from jupyter_govdata.model.scan import At

NAME = "trials.held"
UTC = dt.UTC


START = dt.datetime.now(UTC).replace(microsecond=0)


def in_days(days: int) -> dt.datetime:
    return START + dt.timedelta(days=days)


def filled(catalog: Catalog, versions: int = 3) -> list[int]:
    mode = "create"
    made = []
    for value in range(versions):
        made.append(catalog.write(NAME, pa.table({"x": [value]}), mode=mode).snapshot_id)  # type: ignore[arg-type]
        mode = "overwrite"
    return made


def kept(catalog: Catalog) -> list[int]:
    return [s.snapshot_id for s in catalog.versions(NAME)]


def test_hold_keeps_a_snapshot_and_its_files_through_expiry(catalog: Catalog, lake: Path) -> None:
    ids = filled(catalog)
    made = catalog.holds.hold(NAME, ids[0], "ana", "paper-2026", in_days(30))
    assert catalog.expire(NAME, in_days(1)) == 1
    assert kept(catalog) == [ids[0], ids[2]]
    assert catalog.holds.of(NAME, "ana") == [made]
    assert len(list(lake.rglob("*.parquet"))) == 2
    assert catalog.holds.release(NAME, "ana", "paper-2026") == [made]
    assert catalog.expire(NAME, in_days(1)) == 1
    assert kept(catalog) == [ids[2]]
    assert len(list(lake.rglob("*.parquet"))) == 1


def test_hold_that_lapsed_is_dropped_by_expiry(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = filled(catalog)
    catalog.holds.hold(NAME, ids[0], "ana", "p", in_days(1))

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime(2100, 1, 1, tzinfo=tz)

    monkeypatch.setattr("jupyter_govdata.catalog.expiring.dt.datetime", Later)
    assert catalog.expire(NAME, in_days(1)) == 2
    assert kept(catalog) == [ids[2]]
    assert catalog.holds.of(NAME, "ana") == []


def test_hold_is_a_tag_whose_age_counts_from_the_snapshot(catalog: Catalog, lake: Path) -> None:
    """As the Iceberg specification says, so that other engines keep to it."""
    ids = filled(catalog, 2)
    until = in_days(10)
    catalog.holds.hold(NAME, ids[0], "ana", "p", until)
    ice = load_catalog(
        "govdata",
        type="sql",
        uri=f"sqlite:///{lake / 'catalog.db'}",
        warehouse=f"file://{lake / 'warehouse'}",
    ).load_table(NAME)
    (tag,) = [name for name in ice.refs() if name != "main"]
    snapshot = ice.snapshot_by_id(ids[0])
    assert snapshot is not None
    age = ice.refs()[tag].max_ref_age_ms
    assert age == int(until.timestamp() * 1000) - snapshot.timestamp_ms
    assert "ana" not in tag


def test_hold_again_moves_its_end_and_another_snapshot_is_another_hold(catalog: Catalog) -> None:
    ids = filled(catalog)
    catalog.holds.hold(NAME, ids[0], "ana", "p", in_days(10))
    catalog.holds.hold(NAME, ids[0], "ana", "p", in_days(5))
    catalog.holds.hold(NAME, ids[1], "ana", "p", in_days(7))
    found = catalog.holds.of(NAME, "ana")
    assert {(h.snapshot_id, h.until) for h in found} == {(ids[0], in_days(5)), (ids[1], in_days(7))}
    assert len(catalog.holds.release(NAME, "ana", "p")) == 2


def test_holds_of_two_holders_under_one_name_are_apart(catalog: Catalog) -> None:
    ids = filled(catalog, 2)
    catalog.holds.hold(NAME, ids[0], "ana", "p", in_days(10))
    catalog.holds.hold(NAME, ids[0], "miko", "p", in_days(10))
    assert len(catalog.holds.release(NAME, "ana", "p")) == 1
    assert catalog.holds.of(NAME, "ana") == []
    assert len(catalog.holds.of(NAME, "miko")) == 1
    assert catalog.expire(NAME, in_days(1)) == 0


def test_hold_is_no_tag_that_others_see_or_read_at(catalog: Catalog) -> None:
    ids = filled(catalog, 2)
    catalog.holds.hold(NAME, ids[0], "ana", "secret-project", in_days(10))
    assert catalog.versions(NAME)[0].tags == ()
    tag = f"+hold.{holding._hash('ana')}.secret-project.{ids[0]}"
    with pytest.raises(SnapshotNotFoundError):
        catalog.resolve(NAME, At(tag=tag))
    with pytest.raises(CatalogError, match="not a tag name"):
        catalog.tag(NAME, tag, ids[0])


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "-x", "a/b", "ä", "+hold"])
def test_hold_names_are_checked(catalog: Catalog, name: str) -> None:
    ids = filled(catalog, 1)
    with pytest.raises(CatalogError, match="not the name of a hold"):
        catalog.holds.hold(NAME, ids[0], "ana", name, in_days(1))


def test_hold_of_unknown_snapshot_or_before_it_was_made_refuses(catalog: Catalog) -> None:
    ids = filled(catalog, 1)
    with pytest.raises(SnapshotNotFoundError):
        catalog.holds.hold(NAME, 17, "ana", "p", in_days(1))
    with pytest.raises(CatalogError, match="after the snapshot"):
        catalog.holds.hold(NAME, ids[0], "ana", "p", in_days(-1))


def test_holds_of_an_asset_are_limited(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = filled(catalog, 1)
    monkeypatch.setattr(holding, "MAX_HOLDS", 2)
    for name in ("a", "b", "b"):
        catalog.holds.hold(NAME, ids[0], "ana", name, in_days(1))
    with pytest.raises(LimitError):
        catalog.holds.hold(NAME, ids[0], "ana", "c", in_days(1))


def test_lifetimes_say_why_and_until_when(catalog: Catalog) -> None:
    ids = filled(catalog, 4)
    catalog.tag(NAME, "v1", ids[0])
    catalog.holds.hold(NAME, ids[1], "ana", "p", in_days(3))
    catalog.holds.hold(NAME, ids[1], "miko", "p", in_days(5))
    told = [(life.snapshot_id, life.why, life.until) for life in catalog.holds.lifetimes(NAME)]
    assert told == [
        (ids[0], "tagged", None),
        (ids[1], "held", in_days(5)),
        (ids[2], "open", None),
        (ids[3], "newest", None),
    ]


def test_lifetimes_follow_the_retention_of_the_table(catalog: Catalog) -> None:
    day = 86_400_000
    schema = pa.schema([("x", pa.int64())])
    properties = {"history.expire.max-snapshot-age-ms": str(7 * day)}
    catalog.create(NAME, schema, properties=properties)
    ids = []
    for value in range(3):
        ids.append(catalog.write(NAME, pa.table({"x": [value]})).snapshot_id)
    catalog.holds.hold(NAME, ids[0], "ana", "p", in_days(2))
    lives = catalog.holds.lifetimes(NAME)
    assert [life.why for life in lives] == ["held", "retention", "newest"]
    for life in lives[:2]:
        assert life.until is not None
        assert abs(life.until - in_days(7)) < dt.timedelta(hours=1)
