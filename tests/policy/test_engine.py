"""Decisions: discover, rows, columns, whole assets."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from jupyter_govdata.errors import PurposeError, RefusalError
from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.decision import Decision, Mask
from jupyter_govdata.model.predicate import FALSE, TRUE, Compare
from tests.policy.world import COLUMNS, NOW, engine

ALL = """
@id("find") permit (principal, action == Action::"discover", resource);
@id("rows") permit (principal, action == Action::"select", resource);
@id("show") permit (principal, action == Action::"reveal", resource);
"""
OWNERS = """
@id("owners") permit (principal, action, resource)
when { resource.asset.owner == principal || principal in resource.asset.steward };
"""


def select(policies: str, who: str = "ana", asset: str = "trials.outcomes") -> Decision:
    return engine(policies).decide(who, "research", asset, NOW)


# -- permission ------------------------------------------------------------------------------


def test_asset_without_policies_is_refused() -> None:
    decision = select("")
    assert (decision.permitted, decision.row_filter, decision.policies) == (False, FALSE, ())


def test_asset_that_all_may_see_is_whole() -> None:
    decision = select(ALL)
    assert decision.whole
    assert decision.policies == ("find", "rows", "show")


@pytest.mark.parametrize("missing", ["find", "rows"])
def test_select_without_discover_or_rows_is_refused(missing: str) -> None:
    kept = [line for line in ALL.splitlines() if f'"{missing}"' not in line]
    assert not select("\n".join(kept)).permitted


def test_select_without_reveal_hides_every_column() -> None:
    decision = select("\n".join(ALL.splitlines()[:3]))
    assert decision.permitted
    assert len(decision.hidden) == 10


@pytest.mark.parametrize("action", ["discover", "select"])
def test_forbid_wins_over_permits(action: str) -> None:
    decision = select(
        f'{ALL} @id("no") forbid (principal, action == Action::"{action}", resource);'
    )
    assert not decision.permitted
    assert decision.policies == ("no",)


@pytest.mark.attack("T68", surface="stored")
@pytest.mark.parametrize("action", ["discover", "select", "reveal"])
def test_forbid_that_errs_forbids(action: str) -> None:
    text = f'@id("no") forbid (principal, action == Action::"{action}", resource)'
    decision = select(f"{ALL} {text} when {{ principal.missing == 1 }};")
    assert not decision.permitted or len(decision.hidden) == 10


def test_permit_that_errs_grants_nothing() -> None:
    text = ALL.replace("resource);", "resource) when { principal.missing == 1 };")
    assert not select(text).permitted


def test_missing_asset_is_refused_like_a_hidden_one() -> None:
    hidden = select("", asset="trials.outcomes")
    missing = select("", asset="trials.nothing")
    same = {"asset": "", "decision_id": ""}
    assert replace(hidden, **same) == replace(missing, **same)


@pytest.mark.parametrize("who", ["otto", "dina"])
def test_owner_and_steward_policy_covers_every_action(who: str) -> None:
    judge = engine(OWNERS)
    assert judge.decide(who, "research", "trials.outcomes", NOW).whole
    for action in ("discover", "publish", "approve", "hold", "manage", "open"):
        assert judge.allows(who, action, "trials.outcomes", "research", NOW).permitted, action
        assert not judge.allows("ana", action, "trials.outcomes", "research", NOW).permitted
        assert not judge.allows(who, action, "trials", "research", NOW).permitted


def test_steward_who_is_a_user_is_covered_too() -> None:
    assert engine(OWNERS).decide("ana", "research", "trials.visits", NOW).permitted


# -- rows ------------------------------------------------------------------------------------


def test_permits_are_alternatives_and_forbids_narrow() -> None:
    text = (
        ALL.splitlines()[1]
        + ALL.splitlines()[3]
        + """
    @id("b") permit (principal, action == Action::"select", resource) when { resource.site == "b" };
    @id("a") permit (principal, action == Action::"select", resource) when { resource.site == "a" };
    @id("n") forbid (principal, action == Action::"select", resource) when { resource.withdrawn };
    """
    )
    decision = select(text)
    assert decision.policies == ("a", "b", "find", "n", "show")
    assert str(decision.row_filter).startswith(
        "And(args=(Or(args=(Compare(column='site', op='=', value='a')"
    )


def test_policy_of_another_group_action_or_asset_does_not_count() -> None:
    text = (
        ALL
        + """
    @id("1") forbid (principal in Group::"ml", action, resource);
    @id("2") forbid (principal, action == Action::"publish", resource);
    @id("3") forbid (principal, action, resource in Namespace::"imaging");
    @id("4") forbid (principal, action, resource in Asset::"trials.visits");
    @id("5") forbid (principal == User::"otto", action, resource);
    @id("6") forbid (principal, action == Action::"select", resource is Asset);
    """
    )
    assert select(text).whole


def test_open_needs_select_on_the_row() -> None:
    text = (
        ALL
        + """
    @id("o") permit (principal, action == Action::"open", resource) when { resource.site == "a" };
    @id("n") forbid (principal, action == Action::"select", resource) when { resource.withdrawn };
    """
    )
    decision = engine(text).decide("ana", "research", "trials.outcomes", NOW, action="open")
    assert (decision.action, decision.permitted) == ("open", True)
    assert {"o", "n"} <= set(decision.policies)
    assert not engine(ALL).decide("ana", "research", "trials.outcomes", NOW, "open").permitted


def test_clock_moves_a_row_filter_that_asks_for_it() -> None:
    text = ALL + (
        '@id("e") forbid (principal, action == Action::"select", resource) '
        "when { resource.embargo > context.now };"
    )
    judge = engine(text)
    later = NOW + dt.timedelta(seconds=1)
    first = judge.decide("ana", "research", "trials.outcomes", NOW)
    second = judge.decide("ana", "research", "trials.outcomes", later)
    assert first.now_dependent
    assert first.row_filter == Compare("embargo", "<=", NOW)
    assert second.row_filter == Compare("embargo", "<=", later)
    assert first.decision_id != second.decision_id
    assert not judge.decide("ana", "research", "imaging.slides", NOW).permitted  # it errs there


def test_decision_without_the_clock_holds_for_the_epoch() -> None:
    judge = engine(ALL)
    first = judge.decide("ana", "research", "trials.outcomes", NOW)
    again = judge.decide("ana", "research", "trials.outcomes", NOW + dt.timedelta(days=1))
    assert not first.now_dependent
    assert first == again


def test_decision_id_depends_on_every_fact() -> None:
    ids = {
        select(ALL).decision_id,
        select(ALL, who="miko").decision_id,
        select(ALL, asset="trials.visits").decision_id,
        select(ALL.replace('"rows"', '"other"')).decision_id,
        engine(ALL).decide("ana", "model_training", "trials.outcomes", NOW).decision_id,
        engine(ALL).allows("ana", "discover", "trials.outcomes", "research", NOW).decision_id,
    }
    assert len(ids) == 6
    assert all(len(found) == 64 for found in ids)


# -- columns ---------------------------------------------------------------------------------

DIRECT = 'resource.hasTag("identifier") && resource.getTag("identifier") == "direct"'
QUASI = 'resource.hasTag("identifier") && resource.getTag("identifier") == "quasi"'


def forbid(name: str, condition: str, mask: str = "") -> str:
    note = f'@mask("{mask}")' if mask else ""
    return (
        f'@id("{name}") {note} forbid (principal, action == Action::"reveal", resource) '
        f"when {{ {condition} }};"
    )


def test_mask_replaces_a_column_by_its_tag() -> None:
    decision = select(ALL + forbid("m", DIRECT, "pseudonym") + forbid("y", QUASI, "year"))
    assert decision.masks == {
        "birth": Mask("year", "", "y"),
        "patient_id": Mask("pseudonym", "", "m"),
    }
    assert not decision.hidden


@pytest.mark.attack("T68", surface="stored")
def test_strictest_of_several_masks_applies() -> None:
    text = ALL + forbid("a", DIRECT, "last4") + forbid("b", DIRECT, "last:2")
    assert select(text).masks["patient_id"] == Mask("last", "2", "b")
    text += forbid("c", DIRECT, "constant:withheld")
    assert select(text).masks["patient_id"] == Mask("constant", "withheld", "c")
    text += forbid("d", DIRECT, "null")
    assert select(text).masks["patient_id"] == Mask("null", "", "d")


def test_forbid_without_a_mask_hides_whatever_the_others_say() -> None:
    decision = select(ALL + forbid("m", DIRECT, "null") + forbid("h", DIRECT))
    assert decision.hidden == {"patient_id"}
    assert not decision.masks


def test_forbid_that_errs_masks_at_least_as_much_as_it_says() -> None:
    decision = select(ALL + forbid("m", "principal.missing", "null"))
    assert set(decision.masks) == {name for name, _ in COLUMNS}
    decision = select(ALL + forbid("m", "principal.missing"))
    assert len(decision.hidden) == 10


def test_mask_without_a_permit_to_reveal_hides() -> None:
    kept = "\n".join(ALL.splitlines()[:3])
    assert "patient_id" in select(kept + forbid("m", DIRECT, "pseudonym")).hidden


@pytest.mark.parametrize(
    ("mask", "column"),
    [("pseudonym", "birth"), ("last4", "birth"), ("round:5", "site"), ("year", "age")],
)
def test_mask_that_does_not_fit_a_column_hides_it(mask: str, column: str) -> None:
    decision = select(ALL + forbid("m", f'resource.name == "{column}"', mask))
    assert decision.hidden == {column}
    assert not decision.masks


@pytest.mark.attack("T68", surface="stored")
def test_mask_that_is_not_understood_hides() -> None:
    assert select(ALL + forbid("m", DIRECT, "rot13")).hidden == {"patient_id"}


def test_columns_may_be_named_by_scope() -> None:
    text = ALL.splitlines()[1] + ALL.splitlines()[2]
    text += (
        '@id("c") permit (principal, action == Action::"reveal", resource == '
        'Column::"trials.outcomes.age");'
    )
    decision = select(text)
    assert len(decision.hidden) == 9
    assert "age" not in decision.hidden


def test_row_filter_may_ask_a_hidden_column() -> None:
    text = ALL.replace('select", resource)', 'select", resource) when { resource.age > 3 }')
    decision = select(text + forbid("h", 'resource.name == "age"'))
    assert decision.hidden == {"age"}
    assert decision.row_filter == Compare("age", ">", 3)


# -- whole assets and places -----------------------------------------------------------------


def test_publish_of_a_new_asset_is_asked_on_its_namespace() -> None:
    judge = engine(
        '@id("p") permit (principal, action == Action::"publish", resource in Namespace::"trials");'
    )
    assert judge.allows("ana", "publish", "trials.new", "research", NOW).permitted
    assert judge.allows("ana", "publish", "trials", "research", NOW).permitted
    assert judge.allows("ana", "publish", "trials.outcomes", "research", NOW).permitted
    for elsewhere in ("imaging.new", "imaging", "*", "trial.new", "trials2.new"):
        assert not judge.allows("ana", "publish", elsewhere, "research", NOW).permitted


def test_lake_is_asked_by_a_star() -> None:
    judge = engine(
        '@id("m") permit (principal in Group::"stewards", action == Action::"manage", resource);'
    )
    decision = judge.allows("dina", "manage", "*", "research", NOW)
    assert (decision.permitted, decision.row_filter, decision.asset) == (True, TRUE, "*")
    assert not judge.allows("ana", "manage", "*", "research", NOW).permitted


def test_forbid_on_one_asset_stops_publish_into_it() -> None:
    judge = engine(
        '@id("p") permit (principal, action == Action::"publish", resource);'
        '@id("f") forbid (principal, action, resource == Asset::"trials.outcomes");'
    )
    assert not judge.allows("ana", "publish", "trials.outcomes", "research", NOW).permitted
    assert judge.allows("ana", "publish", "trials.visits", "research", NOW).permitted


@pytest.mark.parametrize("action", ["open", "approve", "hold"])
def test_whole_asset_that_may_not_be_discovered_may_not_be_used(action: str) -> None:
    permit = f'@id("p") permit (principal, action == Action::"{action}", resource);'
    assert not engine(permit).allows("ana", action, "trials.outcomes", "research", NOW).permitted
    both = permit + ALL.splitlines()[1]
    assert engine(both).allows("ana", action, "trials.outcomes", "research", NOW).permitted


@pytest.mark.parametrize("action", ["select", "reveal"])
def test_allows_does_not_answer_for_rows_and_columns(action: str) -> None:
    with pytest.raises(RefusalError):
        engine(ALL).allows("ana", action, "trials.outcomes", "research", NOW)


# -- who, what for, when ---------------------------------------------------------------------


def test_principal_that_is_unknown_is_refused() -> None:
    judge = engine(ALL)
    for ask in (
        lambda: judge.decide("eve", "research", "trials.outcomes", NOW),
        lambda: judge.allows("eve", "discover", "trials.outcomes", None, NOW),
        lambda: judge.discoverable("eve", "", NOW),
    ):
        with pytest.raises(RefusalError, match="`eve` is not known"):
            ask()


@pytest.mark.parametrize("purpose", ["", None])
def test_select_without_a_purpose_names_the_declared_ones(purpose: str | None) -> None:
    with pytest.raises(PurposeError) as caught:
        engine(ALL).decide("ana", purpose, "trials.outcomes", NOW)
    assert caught.value.hint == "declared purposes: `model_training`, `research`"


def test_purpose_that_nobody_declared_is_refused_even_to_discover() -> None:
    judge = engine(ALL)
    with pytest.raises(PurposeError, match="did you mean `research`"):
        judge.decide("ana", "reserch", "trials.outcomes", NOW)
    with pytest.raises(PurposeError):
        judge.discoverable("ana", "reserch", NOW)


def test_discover_needs_no_purpose() -> None:
    judge = engine(
        '@id("a") permit (principal, action == Action::"discover", resource in '
        'Namespace::"trials");'
        '@id("b") permit (principal, action == Action::"discover", resource) '
        'when { context.purpose == "research" };'
    )
    assert judge.discoverable("ana", None, NOW) == ("trials.outcomes", "trials.visits")
    assert judge.discoverable("ana", "research", NOW)[0] == "imaging.slides"
    assert judge.allows("ana", "discover", "trials.visits", "", NOW).purpose == ""


@pytest.mark.parametrize("clock", [dt.datetime(2026, 1, 1), dt.datetime(1999, 1, 1, tzinfo=dt.UTC)])
def test_clock_out_of_range_refuses(clock: dt.datetime) -> None:
    with pytest.raises(RefusalError, match="clock"):
        engine(ALL).decide("ana", "research", "trials.outcomes", clock)


def test_clock_in_another_zone_is_the_same_moment() -> None:
    text = ALL.replace(
        'discover", resource)',
        'discover", resource) when { context.now < datetime("2026-01-01T12:00:01Z") }',
    )
    zone = dt.timezone(dt.timedelta(hours=9))
    assert engine(text).decide("ana", "research", "trials.outcomes", NOW.astimezone(zone)).permitted
    later = NOW + dt.timedelta(seconds=1)
    assert not engine(text).decide("ana", "research", "trials.outcomes", later).permitted


# -- names that look like something else -----------------------------------------------------


@pytest.mark.attack("T20", "T21", surface="stored")
def test_column_names_cannot_pretend_to_be_something_else() -> None:
    odd = ("asset", "subject", "?has site", "a.b", 'q"u', "has site", "ünï cødé", "site")
    card = Asset("x.odd", columns=tuple(Column(n, "string", i + 1) for i, n in enumerate(odd)))
    text = ALL + (
        '@id("f") forbid (principal, action == Action::"select", resource) '
        'when { resource.subject == "x" || resource has site };'
    )
    decision = engine(text, {"x.odd": card}).decide("ana", "research", "x.odd", NOW)
    assert not decision.permitted  # `subject` is no column: the forbid errs
    text = ALL + (
        '@id("f") forbid (principal, action == Action::"select", resource) '
        'when { resource has site && resource["ünï cødé"] == "x" };'
    )
    decision = engine(text, {"x.odd": card}).decide("ana", "research", "x.odd", NOW)
    assert "ünï cødé" in str(decision.row_filter)
    assert not decision.hidden
