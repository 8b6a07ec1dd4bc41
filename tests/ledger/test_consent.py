"""Consent is live, per purpose and person, and its absence is never consent (T61)."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_govdata.errors import CatalogError, ProtocolError, StaleDecisionError
from jupyter_govdata.ledger import Ledger

T0 = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def day(n: int) -> dt.datetime:
    return T0 + dt.timedelta(days=n)


def given_on(
    person: str, n: int, purpose: str = "research"
) -> tuple[str, str, str, dt.datetime, str]:
    return (person, purpose, "given", day(n), "form")


def withdrawn_on(
    person: str, n: int, purpose: str = "research"
) -> tuple[str, str, str, dt.datetime, str]:
    return (person, purpose, "withdrawn", day(n), "letter")


def test_nobody_consents_in_an_empty_register(ledger: Ledger) -> None:
    assert ledger.consenting("d", "research") == frozenset()
    assert ledger.consenting_pairs("research") == frozenset()
    assert ledger.register_source("consent") is None


def test_consent_of_a_person_covers_all_their_ids_and_no_other_purpose(ledger: Ledger) -> None:
    ledger.replace_aliases([("a", "1", "P"), ("a", "2", "P"), ("b", "1", "P"), ("b", "9", "Q")])
    ledger.replace_consents([given_on("P", 0)])
    assert ledger.consenting("a", "research") == {"1", "2"}
    assert ledger.consenting("b", "research") == {"1"}
    assert ledger.consenting_pairs("research") == {("a", "1"), ("a", "2"), ("b", "1")}
    assert ledger.consenting("a", "marketing") == frozenset()
    assert ledger.consenting("A", "research") == frozenset()


def test_consent_without_alias_belongs_to_the_id_itself(ledger: Ledger) -> None:
    ledger.replace_consents([given_on("d|x|1", 0), given_on("nobody", 0)])
    assert ledger.consenting_pairs("research") == {("d", "x|1")}
    assert ledger.person_of("d", "x|1") == "d|x|1"


def test_added_rows_mean_what_the_whole_register_would(ledger: Ledger) -> None:
    first = [given_on("d|1", 1), given_on("d|2", 1), withdrawn_on("d|3", 1)]
    more = [withdrawn_on("d|1", 2), given_on("d|3", 2), ("d|4", "research", "odd", day(2), "")]
    ledger.replace_consents(first, source=("r", 1))
    before = ledger.epoch()
    assert ledger.add_consents(more, by="dina", source=("r", 2), after=("r", 1)) == before + 1
    assert ledger.register_source("consent") == ("r", 2)
    added = ledger.consenting_pairs("research")
    ledger.replace_consents([*first, *more], source=("r", 2))
    assert ledger.consenting_pairs("research") == added == {("d", "2"), ("d", "3")}


@pytest.mark.parametrize("held", [None, ("r", 2), ("s", 1)])
def test_rows_are_not_added_to_another_snapshot(
    ledger: Ledger, held: tuple[str, int] | None
) -> None:
    ledger.replace_consents([given_on("d|1", 1)], source=held)
    before = ledger.epoch()
    with pytest.raises(StaleDecisionError):
        ledger.add_consents([withdrawn_on("d|1", 2)], by="dina", source=("r", 3), after=("r", 1))
    assert (ledger.epoch(), ledger.register_source("consent")) == (before, held)
    assert ledger.consenting("d", "research") == {"1"}


@pytest.mark.parametrize("n", [0, 1])
def test_row_that_is_not_the_latest_is_not_added(ledger: Ledger, n: int) -> None:
    """The clock may have been set back, and what was said last must count."""
    ledger.replace_consents([given_on("d|1", 1)], source=("r", 1))
    with pytest.raises(StaleDecisionError):
        ledger.add_consents([withdrawn_on("d|1", n)], by="dina", source=("r", 2), after=("r", 1))
    assert ledger.register_source("consent") == ("r", 1)


@pytest.mark.parametrize("order", [1, -1])
def test_latest_record_wins_whatever_the_order_of_rows(ledger: Ledger, order: int) -> None:
    rows = [given_on("d|1", 1), withdrawn_on("d|1", 2), withdrawn_on("d|2", 1), given_on("d|2", 2)]
    ledger.replace_consents(rows[::order])
    assert ledger.consenting("d", "research") == {"2"}


@pytest.mark.parametrize("order", [1, -1])
def test_tie_between_given_and_withdrawn_is_withdrawn(ledger: Ledger, order: int) -> None:
    ledger.replace_consents([given_on("d|1", 1), withdrawn_on("d|1", 1)][::order])
    assert ledger.consenting("d", "research") == frozenset()


@pytest.mark.parametrize("status", ["Given", "pending", "", "GIVEN ", "yes", "revoked"])
def test_status_that_is_not_plainly_given_withdraws(ledger: Ledger, status: str) -> None:
    ledger.replace_consents([given_on("d|1", 1), ("d|1", "research", status, day(2), "")])
    assert ledger.consenting("d", "research") == frozenset()


def test_consent_dated_in_the_future_is_not_given_yet_and_said_so(ledger: Ledger) -> None:
    future = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    ledger.replace_consents(
        [
            ("d|1", "research", "given", future, ""),
            given_on("d|2", 0),
            ("d|2", "research", "withdrawn", future, ""),
        ]
    )
    assert ledger.consenting("d", "research") == frozenset()
    assert "2 dated in the future" in ledger.history()[0].what


def test_withdrawal_now_outlives_a_register_that_does_not_know_it(ledger: Ledger) -> None:
    register = [given_on("P", 0)]
    ledger.replace_aliases([("d", "1", "P"), ("e", "7", "P")])
    ledger.replace_consents(register)
    ledger.set_consent("e", "7", "research", "withdrawn", "dina", "phone")
    assert ledger.consenting_pairs("research") == frozenset()
    ledger.replace_consents(register)
    assert ledger.consenting_pairs("research") == frozenset()
    ledger.set_consent("d", "1", "research", "given", "dina", "form")
    assert ledger.consenting_pairs("research") == {("d", "1"), ("e", "7")}


def test_last_word_counts_when_said_in_quick_succession(ledger: Ledger) -> None:
    for status in ("given", "withdrawn") * 10:
        ledger.set_consent("d", "1", "research", status, "dina", "")
        assert ledger.consenting("d", "research") == ({"1"} if status == "given" else frozenset())


def test_withdrawal_under_an_id_counts_for_the_person_it_turns_out_to_be(ledger: Ledger) -> None:
    ledger.replace_consents([given_on("P", 0)])
    ledger.set_consent("d", "1", "research", "withdrawn", "dina", "")
    ledger.replace_aliases([("d", "1", "P"), ("e", "7", "P")])
    assert ledger.consenting_pairs("research") == frozenset()


def test_id_that_two_persons_claim_has_no_consent(ledger: Ledger) -> None:
    ledger.replace_aliases([("d", "1", "P"), ("d", "1", "Q"), ("d", "2", "P"), ("d", "2", "P")])
    ledger.replace_consents([given_on("P", 0), given_on("Q", 0), given_on("d|1", 0)])
    assert ledger.consenting("d", "research") == {"2"}
    with pytest.raises(CatalogError, match="more than one person") as caught:
        ledger.person_of("d", "1")
    assert "`1`" not in str(caught.value)
    with pytest.raises(CatalogError):
        ledger.set_consent("d", "1", "research", "given", "dina", "")


def test_rows_without_a_usable_key_are_left_out(ledger: Ledger) -> None:
    ledger.replace_aliases(
        [("a|b", "1", "P"), ("d", "2\x00", "P"), ("d", "3", ""), ("d", "4", "P")]
    )
    ledger.replace_consents([given_on("P", 0), given_on("", 0), given_on("d|5\x00", 0)])
    assert ledger.consenting_pairs("research") == {("d", "4")}


def test_rows_without_a_time_zone_are_refused_as_a_whole(ledger: Ledger) -> None:
    ledger.replace_consents([given_on("d|1", 0)])
    naive = ("d|2", "research", "given", dt.datetime(2024, 1, 1), "")
    with pytest.raises(ProtocolError, match="time zone"):
        ledger.replace_consents([naive])
    assert ledger.consenting("d", "research") == {"1"}


def test_domain_with_a_bar_cannot_stand_for_another_domain(ledger: Ledger) -> None:
    with pytest.raises(ProtocolError):
        ledger.set_consent("d|1", "2", "research", "given", "ana", "")
    with pytest.raises(ProtocolError):
        ledger.person_of("d|1", "2")


def test_register_source_is_set_with_the_rows_and_only_with_them(ledger: Ledger) -> None:
    ledger.replace_aliases([("d", "1", "P")], source=("consent.crosswalk", 2**62 + 1))
    ledger.replace_consents([given_on("P", 0)], source=("consent.register", 5))
    assert ledger.register_source("crosswalk") == ("consent.crosswalk", 2**62 + 1)
    assert ledger.register_source("consent") == ("consent.register", 5)

    def broken() -> object:
        yield given_on("P", 1)
        raise CatalogError("the register ended early")

    with pytest.raises(CatalogError):
        ledger.replace_consents(broken(), source=("consent.register", 6))  # type: ignore[arg-type]
    assert ledger.register_source("consent") == ("consent.register", 5)
    assert ledger.consenting("d", "research") == {"1"}
    ledger.replace_consents([])
    assert ledger.register_source("consent") is None


def test_each_change_raises_the_epoch_and_is_seen_at_once_by_another_gateway(
    ledger: Ledger, store_url: str
) -> None:
    with Ledger.open(store_url) as other:
        assert other.consenting("d", "research") == frozenset()
        assert ledger.set_consent("d", "1", "research", "given", "dina", "") == 1
        assert other.consenting("d", "research") == {"1"}
        assert ledger.replace_aliases([("d", "1", "P")]) == 2
        assert ledger.replace_consents([]) == 3
        assert other.epoch() == 3


def test_lookup_is_kept_while_only_cards_change(ledger: Ledger) -> None:
    ledger.set_consent("d", "1", "research", "given", "dina", "")
    before = ledger.consenting("d", "research")
    ledger.apply({"a": "1"}, {}, "ana")
    assert ledger.consenting("d", "research") is before


def test_audit_and_history_of_consent_hold_no_id_of_a_subject(ledger: Ledger) -> None:
    ledger.replace_aliases([("d", "canary-1", "canary-person")], source=("c.x", 1))
    ledger.replace_consents([given_on("canary-person", 0)])
    ledger.set_consent("d", "canary-1", "research", "withdrawn", "dina", "letter")
    ledger.set_consent("d", "canary-2", "research", "withdrawn", "dina", "letter")
    assert "canary" not in repr(ledger.records()) + repr(ledger.history())
    one, two = (c.digest for c in ledger.history()[:2])
    assert one != two  # by their epochs; the digest of a guess can not be compared with them


def test_withdrawals_while_reading_are_seen_by_the_next_lookup(ledger: Ledger) -> None:
    ids = [str(i) for i in range(20)]
    ledger.replace_consents([given_on(f"d|{i}", 0) for i in ids])
    gone: set[str] = set()
    failures: list[set[str]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            known = set(gone)
            leaked = known & ledger.consenting("d", "research")
            if leaked:
                failures.append(leaked)

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    for i in ids:
        ledger.set_consent("d", i, "research", "withdrawn", "dina", "")
        gone.add(i)
    done.set()
    for watcher in watchers:
        watcher.join()
    assert failures == []
    assert ledger.consenting("d", "research") == frozenset()


# -- the register against a plain model of its rules ------------------------------------------

DOMAINS = ("d", "e")
IDS = ("1", "2", "3")
PERSONS = ("P", "Q", "d|1", "e|2")
alias_rows = st.lists(
    st.tuples(st.sampled_from(DOMAINS), st.sampled_from(IDS), st.sampled_from(("P", "Q"))),
    max_size=6,
)
consent_rows = st.lists(
    st.tuples(
        st.sampled_from(PERSONS),
        st.sampled_from(("research", "training")),
        st.sampled_from(("given", "withdrawn", "?")),
        st.integers(0, 4).map(day),
        st.just("s"),
    ),
    max_size=8,
)


def expected(
    aliases: list[tuple[str, str, str]],
    consents: list[tuple[str, str, str, dt.datetime, str]],
    purpose: str,
) -> set[tuple[str, str]]:
    owners: dict[tuple[str, str], set[str]] = {}
    for domain, id_value, person in aliases:
        owners.setdefault((domain, id_value), set()).add(person)
    result = set()
    for domain in DOMAINS:
        for id_value in IDS:
            mine = owners.get((domain, id_value), {f"{domain}|{id_value}"})
            if len(mine) > 1:
                continue
            keys = mine | {f"{d}|{i}" for (d, i), who in owners.items() if who == mine}
            records = [c for c in consents if c[0] in keys and c[1] == purpose]
            latest = [c for c in records if c[3] == max(r[3] for r in records)]
            if latest and all(c[2] == "given" for c in latest):
                result.add((domain, id_value))
    return result


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(aliases=alias_rows, consents=consent_rows)
def test_register_agrees_with_its_rules_on_random_rows(
    ledger: Ledger,
    aliases: list[tuple[str, str, str]],
    consents: list[tuple[str, str, str, dt.datetime, str]],
) -> None:
    ledger.replace_aliases(aliases)
    ledger.replace_consents(consents)
    for purpose in ("research", "training"):
        pairs = expected(aliases, consents, purpose)
        assert ledger.consenting_pairs(purpose) == pairs
        for domain in DOMAINS:
            assert ledger.consenting(domain, purpose) == {i for d, i in pairs if d == domain}


single_consents = st.lists(
    st.tuples(
        st.sampled_from(DOMAINS),
        st.sampled_from(IDS),
        st.sampled_from(("research", "training")),
        st.sampled_from(("given", "withdrawn")),
    ),
    max_size=6,
)
steps = st.lists(
    st.one_of(
        single_consents.map(lambda rows: ("set", rows)),
        alias_rows.map(lambda rows: ("aliases", rows)),
        consent_rows.map(lambda rows: ("consents", rows)),
        consent_rows.map(lambda rows: ("more consents", rows)),
        st.just(("nothing", [])),
    ),
    max_size=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(aliases=alias_rows, consents=consent_rows, steps=steps)
def test_lookup_that_follows_changes_equals_one_that_reads_all(
    ledger: Ledger,
    store_url: str,
    aliases: list[tuple[str, str, str]],
    consents: list[tuple[str, str, str, dt.datetime, str]],
    steps: list[tuple[str, list[Any]]],
) -> None:
    """A new reader has nothing to follow: it reads the whole register."""
    purposes = ("research", "training")
    persons = [(d, i, p) for d, i, p in aliases] + [("d", "3", "d|1")]
    ledger.replace_aliases(persons)
    ledger.replace_consents(consents)
    for step, rows in steps:
        for purpose in purposes:
            ledger.consenting_pairs(purpose)
        if step == "aliases":
            ledger.replace_aliases(rows)
        elif step == "consents":
            consents = list(rows)
            ledger.replace_consents(consents)
        elif step == "more consents":
            consents = [*consents, *rows]
            ledger.replace_consents(consents)
        elif step == "set":
            for domain, id_value, purpose, status in rows:
                with contextlib.suppress(CatalogError):  # two persons claim the id
                    ledger.set_consent(domain, id_value, purpose, status, "dina", "")
        else:
            ledger.apply({"a": "1"}, {}, "dina")
        with Ledger.open(store_url) as other:
            for purpose in purposes:
                assert ledger.consenting_pairs(purpose) == other.consenting_pairs(purpose)
                for domain in DOMAINS:
                    now = other.consenting(domain, purpose)
                    assert ledger.consenting(domain, purpose) == now


def test_withdrawal_that_is_followed_covers_all_ids_of_the_person(ledger: Ledger) -> None:
    ledger.replace_aliases([("d", "1", "P"), ("e", "2", "P"), ("d", "3", "Q")])
    rows = [given_on("P", 0), given_on("Q", 0)]
    ledger.replace_consents(rows)
    everybody = {("d", "1"), ("e", "2"), ("d", "3")}
    assert ledger.consenting_pairs("research") == everybody
    ledger.set_consent("e", "2", "research", "withdrawn", "dina", "letter")
    assert ledger.consenting_pairs("research") == {("d", "3")}
    assert ledger.consenting("d", "research") == {"3"}
    ledger.replace_consents([*rows, withdrawn_on("Q", 1)])
    assert ledger.consenting_pairs("research") == frozenset()
    ledger.set_consent("d", "1", "research", "given", "dina", "letter")
    assert ledger.consenting_pairs("research") == everybody - {("d", "3")}
