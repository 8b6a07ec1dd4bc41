"""A visible row is the permission to open its file: proxied files of a local folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.errors import (
    AccessDeniedError,
    AuthenticationError,
    CatalogError,
    ColumnNotFoundError,
    FileChangedError,
    GovDataError,
    GrantError,
    NotVisibleError,
    ProtocolError,
    PurposeError,
    StorageError,
)
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.filing_grants import GRANTS_PER_PRINCIPAL
from jupyter_govdata.model.files import FileRead, FilesRequest
from jupyter_govdata.model.predicate import Compare
from jupyter_govdata.model.scan import At
from tests.gateway.files_world import (
    POLICIES,
    Reader,
    apply,
    consents,
    make_files_world,
    row,
    table,
)
from tests.gateway.world import World

STORAGE = '\n[storage.files]\ntype = "local"\nroot = "files"\nassets = ["imaging"]\n'
BIG = 9_000_000
CONTENT = {f"s{i}.svs": bytes([65 + i]) * (BIG if i == 0 else 1_000 + i) for i in range(8)}
STUDY = {f"s{i}.svs": ("S1", "S2")[i % 2] for i in range(8)}


def rows(world: World, names: list[str] | None = None) -> list[dict[str, object]]:
    """Write the files and return their inventory rows."""
    folder = world.lake / "files"
    folder.mkdir(exist_ok=True)
    found = []
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
        if names is None or name in names:
            found.append(row(f"files/{name}", content, f"P{name[1]}", STUDY[name]))
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_files_world(tmp_path, STORAGE)
    made.load("governance.consent", consents({f"P{i}": i != 3 for i in range(8)}))
    made.load("imaging.slides", table(rows(made)))
    made.load("imaging.named", table(rows(made)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lake with odd things among its files; each test writes its own inventory."""
    made = make_files_world(tmp_path_factory.mktemp("odd"), STORAGE)
    made.load("governance.consent", consents({"P0": True}))
    made.load("imaging.slides", table(rows(made)))
    folder = made.lake / "files"
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "link.svs").symlink_to(made.lake / "keys" / "signing.key")
    (folder / "linked").symlink_to(made.lake / "files")
    (made.lake / "files2").mkdir()
    (made.lake / "files2" / "s0.svs").write_bytes(b"sibling")
    yield made
    made.close()


@pytest.fixture
def ana(world: World) -> Reader:
    return Reader(world.connect("ana"))


@pytest.fixture
def miko(world: World) -> Reader:
    return Reader(world.connect("miko"))


# -- what is granted ---------------------------------------------------------------------------


def test_grant_holds_exactly_the_files_whose_rows_open_permits(ana: Reader, miko: Reader) -> None:
    """`open` narrows `select`: ana sees all rows, and opens those of her study."""
    grant = ana.grant()
    mine = {name for name, study in STUDY.items() if study == "S1"}
    assert set(ana.indexes(grant)) == mine
    assert (grant.count, grant.way, grant.formats) == (4, "proxied", {"svs": 4})
    assert grant.bytes == sum(len(CONTENT[name]) for name in mine)
    assert set(miko.indexes(miko.grant())) == set(CONTENT) - {"s3.svs"}


def test_grant_reads_every_file_whole_and_in_ranges(ana: Reader) -> None:
    grant = ana.grant()
    for name, index in ana.indexes(grant).items():
        assert ana.read(grant, index) == CONTENT[name]
        assert ana.read(grant, index, 10, 100) == CONTENT[name][10:110]
        assert ana.read(grant, index, len(CONTENT[name]) - 3, 50) == CONTENT[name][-3:]
        assert ana.read(grant, index, len(CONTENT[name]) + 5) == b""
        assert ana.read(grant, index, 5, 0) == b""


def test_grant_with_condition_reads_masked_values(ana: Reader) -> None:
    """The user's condition sees pseudonyms, never the patient (invariant 1)."""
    assert ana.grant(predicate=Compare("patient", "=", "P0")).count == 0
    assert ana.grant(predicate=Compare("bytes", ">", 5_000)).count == 1
    shown = ana.rows(ana.grant())["patient"][0].as_py()
    assert ana.grant(predicate=Compare("patient", "=", shown)).count == 1


def test_grant_condition_on_a_missing_column_is_refused(ana: Reader) -> None:
    with pytest.raises(ColumnNotFoundError):
        ana.grant(predicate=Compare("nothing", "=", "x"))


def test_grant_shows_no_address_where_it_is_masked(ana: Reader) -> None:
    """Slides are named by their patient: then the name is a pseudonym too."""
    grant = ana.grant("imaging.named")
    told = ana.rows(grant).to_pylist()
    assert grant.count == 4
    for one in told:
        assert not any(name in str(one) for name in CONTENT), one
        assert one["name"].endswith(".svs")
        assert one["name"] != one["uri"]
    index = next(one["index"] for one in told if one["size"] == BIG)
    assert ana.read(grant, index, 0, 4) == b"AAAA"
    assert "s0" not in str(ana.act("files_stat", grant, index=index))


def test_grant_of_a_key_names_the_same_file_again(ana: Reader, miko: Reader) -> None:
    first, second = ana.rows(ana.grant()), ana.rows(ana.grant())
    assert first["key"].to_pylist() == second["key"].to_pylist()
    others = miko.rows(miko.grant())["key"].to_pylist()
    assert not set(others) & set(first["key"].to_pylist())


@pytest.mark.attack("T72", surface="flight")
def test_grant_refuses_what_is_hidden_like_what_is_missing(world: World) -> None:
    reader = Reader(world.connect("nobody"))
    told = []
    for asset in ("imaging.slides", "imaging.absent"):
        with pytest.raises(NotVisibleError) as refused:
            reader.grant(asset)
        told.append(str(refused.value).replace(asset, ""))
    assert told[0] == told[1]


def test_grant_needs_a_purpose_that_permits(ana: Reader) -> None:
    with pytest.raises(AccessDeniedError):
        ana.grant(purpose="marketing")
    with pytest.raises(PurposeError):
        ana.grant(purpose="unheard of")


def test_grant_of_a_table_is_refused(world: World) -> None:
    with pytest.raises(CatalogError, match="no inventory"):
        Reader(world.connect("dina")).grant("governance.consent")


@pytest.mark.attack("T59", "T75", surface="flight")
def test_grant_is_in_the_audit_chain_before_its_bytes(world: World, ana: Reader) -> None:
    grant = ana.grant()
    ana.read(grant, 0)
    ana.read(grant, 0)
    newest = [e.record for e in world.gateway.ledger.records(limit=3)]
    details = [r.detail for r in newest if r.action == "open"]
    assert [d["index"] for d in details if "index" in d] == [0]
    assert details[-1]["files"] == 4
    assert all(r.purpose == "research" and r.permitted for r in newest if r.action == "open")
    text = "".join(e.line() for e in world.gateway.ledger.records(limit=3))
    assert grant.grant not in text
    assert "s0.svs" not in text


# -- whose it is -------------------------------------------------------------------------------


@pytest.mark.attack("T56", surface="flight")
def test_grant_is_useless_to_another_principal(ana: Reader, miko: Reader) -> None:
    grant = ana.grant()
    forged = [
        lambda: miko.read(grant, 0),
        lambda: miko.rows(grant),
        lambda: miko.act("files_stat", grant, index=0),
        lambda: miko.act("files_sign", grant, indexes=[0]),
        lambda: miko.act("files_session", grant),
        lambda: miko.act("files_manifest", grant),
    ]
    for call in forged:
        with pytest.raises(GrantError, match="unknown or expired"):
            call()


def test_grant_handle_is_in_no_repr(world: World, ana: Reader) -> None:
    grant = ana.grant()
    assert grant.grant not in repr(grant)
    held = world.gateway.filing.held("ana", grant.grant)
    assert grant.grant not in repr(held)
    assert "files/" not in repr(held)


@pytest.mark.attack("T56", "T66", surface="flight")
def test_grant_made_up_expired_or_gone_is_one_answer(world: World, ana: Reader) -> None:
    grant = ana.grant()
    for _ in range(GRANTS_PER_PRINCIPAL):
        ana.grant(predicate=Compare("bytes", "<", 0))
    with pytest.raises(GrantError) as pushed_out:
        ana.read(grant, 0)
    fresh = ana.grant()
    object.__setattr__(fresh, "grant", "x" * 43)
    with pytest.raises(GrantError) as made_up:
        ana.read(fresh, 0)
    assert str(pushed_out.value) == str(made_up.value)


@pytest.mark.attack("T48", surface="flight")
@pytest.mark.parametrize("index", [4, 10**12, 2**62])
def test_grant_has_no_file_beyond_its_rows(ana: Reader, index: int) -> None:
    with pytest.raises(ProtocolError):
        ana.read(ana.grant(), index)


@pytest.mark.attack("T82", surface="flight")
@pytest.mark.parametrize(
    "ticket",
    [b"file:", b"file:{}", b'file:{"grant":1}', b"files:[]", b'files:{"grant":"x","offset":-1}'],
)
def test_ticket_that_is_malformed_is_refused(ana: Reader, ticket: bytes) -> None:
    with pytest.raises(GovDataError):
        ana.connection.read(ticket)


# -- permission is current ---------------------------------------------------------------------


@pytest.mark.attack("T50", "T51", surface="flight")
def test_consent_withdrawn_refuses_that_file_at_the_next_read(world: World, miko: Reader) -> None:
    grant = miko.grant()
    at = miko.indexes(grant)
    miko.read(grant, at["s1.svs"])
    world.gateway.loading.consent(
        "dina", "T:patient", "P1", "model_training", "withdrawn", "letter"
    )
    with pytest.raises(AccessDeniedError, match="no longer permitted"):
        miko.read(grant, at["s1.svs"])
    with pytest.raises(AccessDeniedError):
        miko.act("files_stat", grant, index=at["s1.svs"])
    assert miko.read(grant, at["s2.svs"]) == CONTENT["s2.svs"]
    assert set(miko.indexes(grant)) == set(at) - {"s1.svs"}
    world.gateway.loading.consent("dina", "T:patient", "P1", "model_training", "given", "letter")
    assert miko.read(grant, at["s1.svs"]) == CONTENT["s1.svs"]


@pytest.mark.attack("T64", surface="flight")
def test_consent_withdrawn_stops_a_stream_between_two_batches(world: World, miko: Reader) -> None:
    grant = miko.grant()
    held = world.gateway.filing.held("miko", grant.grant)
    index = miko.indexes(grant)["s0.svs"]
    stream = world.gateway.filing.read("miko", FileRead(grant.grant, index))
    next(stream)
    assert next(stream).num_rows == 1
    world.gateway.loading.consent(
        "dina", "T:patient", "P0", "model_training", "withdrawn", "letter"
    )
    with pytest.raises(AccessDeniedError):
        next(stream)
    assert held.basis.rows.part(0, 7).column("\0uri").null_count == 1


@pytest.mark.attack("T64", surface="flight")
def test_policy_changed_decides_the_grant_again(world: World, ana: Reader) -> None:
    grant = ana.grant()
    before = ana.indexes(grant)
    narrower = POLICIES.replace("resource.study == principal.study", "resource.bytes > 5000")
    apply(world, policies=narrower)
    assert set(ana.indexes(grant)) == {"s0.svs"}
    with pytest.raises(AccessDeniedError):
        ana.read(grant, before["s2.svs"])
    apply(world, policies=POLICIES.replace('@id("clinical-open")\npermit', '@id("x")\nforbid'))
    with pytest.raises(AccessDeniedError):
        ana.read(grant, before["s0.svs"])


def test_asset_hidden_after_the_grant_is_as_if_missing(world: World, ana: Reader) -> None:
    grant = ana.grant()
    apply(world, policies=POLICIES.replace('Namespace::"imaging"', 'Asset::"imaging.named"'))
    with pytest.raises(NotVisibleError):
        ana.read(grant, 0)


@pytest.mark.attack("T50", surface="flight")
def test_row_that_leaves_the_inventory_is_withdrawn(world: World, ana: Reader) -> None:
    grant, pinned_at = ana.grant(), world.gateway.catalog.resolve("imaging.slides").snapshot_id
    pinned = ana.grant(at=At(snapshot_id=pinned_at))
    at = ana.indexes(grant)
    world.load("imaging.slides", table(rows(world, ["s0.svs", "s4.svs"])), mode="overwrite")
    assert set(ana.indexes(grant)) == {"s0.svs", "s4.svs"}
    with pytest.raises(AccessDeniedError):
        ana.read(grant, at["s2.svs"])
    assert ana.read(grant, at["s4.svs"]) == CONTENT["s4.svs"]
    assert ana.read(pinned, at["s2.svs"]) == CONTENT["s2.svs"]


@pytest.mark.attack("T66", surface="flight")
def test_principal_removed_opens_nothing(world: World, ana: Reader) -> None:
    grant = ana.grant()
    held = world.gateway.filing.held("ana", grant.grant)
    files = {k: v for k, v in world.gateway.ledger.state().files.items() if not k.startswith(".")}
    files["principals.yaml"] = files["principals.yaml"].replace("  ana:", "  anna:")
    assert not world.gateway.loading.apply_files(files, "dina", dry_run=False).problems
    with pytest.raises((AuthenticationError, NotVisibleError)):
        world.gateway.filing.stat("ana", grant.grant, 0)
    assert held.principal == "ana"


@pytest.mark.attack("T52", surface="flight")
def test_large_grant_is_mapped_and_decided_again_alike(world: World, miko: Reader) -> None:
    rows(world)
    many = [row(f"files/x{i}.svs", b"x", f"P{i % 8}", "S1") for i in range(60_000)]
    world.load("imaging.slides", table(many), mode="overwrite")
    grant = miko.grant()
    assert grant.count == 60_000 * 7 // 8
    assert not list((world.lake / "run").glob("rows-*"))
    world.gateway.loading.consent(
        "dina", "T:patient", "P1", "model_training", "withdrawn", "letter"
    )
    # The first read asks about the rows around it only; the withdrawn row is among them.
    held = world.gateway.filing.held("miko", grant.grant)
    addresses = held.basis.rows.granted["\0uri"].to_pylist()
    gone = addresses.index("files/x1.svs")
    with pytest.raises(AccessDeniedError, match="no longer permitted"):
        miko.read(grant, gone)
    assert held.basis.rows.knows([gone])
    assert not held.basis.rows.knows([grant.count - 1])
    left = miko.rows(grant)
    assert left.num_rows == 60_000 * 6 // 8
    names = left["name"].to_pylist()
    assert {int(n[1:-4]) % 8 for n in names} == {0, 2, 4, 5, 6, 7}
    index, name = left["index"][-1].as_py(), names[-1]
    assert miko.rows(grant, index, 1)["name"].to_pylist() == [name]


# -- the file of the row, and no other ----------------------------------------------------------


@pytest.mark.attack("T53", surface="flight")
def test_overwritten_file_is_noticed(world: World, ana: Reader) -> None:
    grant = ana.grant()
    index = ana.indexes(grant)["s2.svs"]
    path = world.lake / "files" / "s2.svs"
    assert ana.read(grant, index) == CONTENT["s2.svs"]
    before = path.stat()
    path.write_bytes(b"Z" * len(CONTENT["s2.svs"]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(FileChangedError):
        ana.read(grant, index)
    path.write_bytes(CONTENT["s2.svs"])
    assert ana.read(grant, index) == CONTENT["s2.svs"]


@pytest.mark.attack("T53", surface="flight")
def test_file_overwritten_while_it_is_read_is_noticed(world: World, ana: Reader) -> None:
    grant = ana.grant()
    index = ana.indexes(grant)["s0.svs"]
    stream = world.gateway.filing.read("ana", FileRead(grant.grant, index))
    next(stream)
    next(stream)
    with (world.lake / "files" / "s0.svs").open("r+b") as file:
        file.write(b"zzz")
    with pytest.raises(FileChangedError):
        for _ in stream:
            pass


@pytest.mark.attack("T15", "T46", "T49", "T55", surface="stored")
@pytest.mark.parametrize(
    "address",
    [
        "files/../keys/signing.key",
        "files/./s0.svs",
        "files//s0.svs",
        "keys/signing.key",
        "file:///etc/passwd",
        "/etc/passwd",
        "files",
        "files/",
        "../lake/files/s0.svs",
        "files/%2e%2e/keys/signing.key",
        "files\\..\\keys",
        "http://127.0.0.1/s0.svs",
        "s3://bucket/key",
        "files/s0.svs\n",
        "files/pipe",
        "files/folder",
        "files/link.svs",
        "files/linked/s0.svs",
        "files/absent.svs",
        "files2/s0.svs",
        "",
    ],
)
def test_address_that_leads_out_opens_nothing(odd: World, address: str) -> None:
    """The rows are the steward's, and yet an address never leads out of the storage's root."""
    one = row(address, b"", "P0", "S1") | {"bytes": None, "sha256": None}
    odd.load("imaging.slides", table([one]), mode="overwrite")
    reader = Reader(odd.connect("ana"))
    grant = reader.grant()
    with pytest.raises(StorageError) as refused:
        reader.read(grant, 0)
    assert not isinstance(refused.value, FileChangedError)
    assert str(odd.lake) not in str(refused.value)


@pytest.mark.attack("T49", surface="stored")
@pytest.mark.parametrize(
    "name",
    [
        "a b.svs",
        "a*?$:%41[1].svs",
        "a\\b.svs",
        "é.svs",
        "e\u0301.svs",
        "日本.svs",
        "a%2fb.svs",
        "#",
    ],
)
def test_name_with_special_characters_opens_exactly_its_file(odd: World, name: str) -> None:
    folder = odd.lake / "files"
    for other in ("é.svs", "e\u0301.svs", "aA.svs", "a b.svs", "a%2fb.svs"):
        (folder / other).write_bytes(other.encode())
    (folder / name).write_bytes(name.encode())
    only = table([row(f"files/{name}", name.encode(), "P0", "S1")])
    odd.load("imaging.slides", only, mode="overwrite")
    reader = Reader(odd.connect("ana"))
    assert reader.read(reader.grant(), 0) == name.encode()


@pytest.mark.attack("T46", surface="stored")
def test_row_of_an_asset_that_the_storage_does_not_serve_opens_nothing(world: World) -> None:
    """Else whoever may publish anything could open every file by naming it."""
    files = {k: v for k, v in world.gateway.ledger.state().files.items() if not k.startswith(".")}
    card = files["assets/imaging.yaml"].split("  imaging.named:")[0].replace("imaging.", "mine.")
    files["assets/mine.yaml"] = card
    assert not world.gateway.loading.apply_files(files, "dina", dry_run=False).problems
    world.load("mine.slides", table(rows(world)))
    reader = Reader(world.connect("dina"))
    grant = reader.grant("mine.slides")
    assert grant.count == len(CONTENT)
    with pytest.raises(StorageError, match="no storage"):
        reader.read(grant, 0)


@pytest.mark.attack("T46", "T55", surface="stored")
def test_row_never_opens_data_files_of_tables(tmp_path: Path) -> None:
    both = STORAGE + '[storage.tables]\ntype = "local"\nroot = "warehouse"\ntables = true\n'
    made = make_files_world(tmp_path, both)
    try:
        made.load("governance.consent", consents({"P0": True}))
        [data] = (made.lake / "warehouse").rglob("*.parquet")
        one = row(str(data), data.read_bytes(), "P0", "S1")
        made.load("imaging.slides", table([one]))
        reader = Reader(made.connect("ana"))
        with pytest.raises(StorageError, match="no storage"):
            reader.read(reader.grant(), 0)
    finally:
        made.close()


@pytest.mark.attack("T54", surface="stored")
def test_sidecar_needs_a_row_of_its_own(world: World, ana: Reader) -> None:
    (world.lake / "files" / "s0.svs.bai").write_bytes(b"index")
    grant = ana.grant()
    assert "s0.svs.bai" not in ana.indexes(grant)


def test_two_rows_of_one_file_one_withdrawn_leaves_the_other(world: World, miko: Reader) -> None:
    both = [row("files/s1.svs", CONTENT["s1.svs"], p, "S1") for p in ("P1", "P2")]
    world.load("imaging.slides", table(both), mode="overwrite")
    grant = miko.grant()
    assert grant.count == 2
    for patient in ("P1", "P2"):
        assert miko.read(grant, 0) == CONTENT["s1.svs"]
        world.gateway.loading.consent(
            "dina", "T:patient", patient, "model_training", "withdrawn", "letter"
        )
    with pytest.raises(AccessDeniedError):
        miko.read(grant, 0)


# -- gateway gone ------------------------------------------------------------------------------


def test_restarted_gateway_knows_no_grant_and_gives_a_new_one(tmp_path: Path) -> None:
    made = make_files_world(tmp_path, STORAGE)
    made.load("governance.consent", consents({"P0": True}))
    made.load("imaging.slides", table(rows(made, ["s0.svs"])))
    first = made.gateway.filing.grant("ana", FilesRequest("imaging.slides"))
    stream = made.gateway.filing.read("ana", FileRead(first.grant, 0))
    stat, half = next(stream), next(stream).column(0)[0].as_py()
    stream.close()
    made.close()
    gateway = Gateway(GatewayConfig(lake=made.lake))
    try:
        with pytest.raises(GrantError):
            gateway.filing.stat("ana", first.grant, 0)
        again = gateway.filing.grant("ana", FilesRequest("imaging.slides"))
        found = iter(gateway.filing.read("ana", FileRead(again.grant, 0, len(half))))
        same = next(found)
        assert (same.version, same.key, same.size) == (stat.version, stat.key, stat.size)
        whole = half + b"".join(b.column(0)[0].as_py() for b in found)
        assert hashlib.sha256(whole).hexdigest() == stat.checksum
        assert gateway.verify_audit().ok
    finally:
        gateway.close()
