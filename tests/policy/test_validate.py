"""Policies against the assets they govern: no surprise is left for run time."""

from __future__ import annotations

import re
from importlib.resources import files as package_files

import pytest

from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.policy.governance import read_governance
from jupyter_govdata.policy.validate import check, problems
from tests.policy.world import assets, bind, files

SELECT = 'permit (principal, action == Action::"select", resource in Namespace::"trials")'


def found(policies: str, *, extra: dict[str, Asset] | None = None, **others: str) -> list[str]:
    governance = read_governance(files(policies, **others))
    bound = {**assets(governance), **(extra or {})}
    return [str(e) for e in check(governance, bound)]


def condition(text: str, head: str = SELECT) -> list[str]:
    return found(f'@id("p") {head}\nwhen {{ {text} }};')


@pytest.mark.parametrize(
    "text",
    [
        'resource.site == principal.study && context.purpose == "research"',
        "principal.sites.contains(resource.site)",
        "resource.age > principal.level + 1",
        'resource has birth && resource.birth < context.now.offset(duration("-30d"))',
        'resource.dose.lessThan(decimal("1.5"))',
        "resource.subject.consents.contains(context.purpose)",
        '["research", "model_training"].contains(context.purpose)',
        'resource.hasTag("modality") && resource.getTag("modality") == "clinical"',
        "resource.asset.owner == principal || principal in resource.asset.steward",
        'principal has study && resource.asset.name like "trials.*"',
        'principal in [Group::"ml", Group::"clinical"]',
        "if principal.senior then resource.age > 1 else resource.withdrawn",
        'resource["site"] == "a" && resource.asset.kind == "table"',
        "principal.sites.isEmpty() || [] == principal.sites",
        'context.now.toDate() > datetime("2024-01-01")',
        'context.now.durationSince(datetime("2024-01-01")).toDays() > 7',
        "resource is Row && principal is User",
    ],
)
def test_condition_that_can_be_decided_passes(text: str) -> None:
    assert condition(text) == []


@pytest.mark.attack("T68", surface="stored")
@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (
            "resource.sitte == principal.study",
            17,
            "no asset in the policy's scope has a column `sitte` (hint: did you mean `site`?)",
        ),
        ("resource has agee && 1 == 1", 21, "no asset in the policy's scope has a column `agee`"),
        ('resource["agge"] == 1', 17, "no asset in the policy's scope has a column `agge`"),
        (
            'resource.hasTag("modalty")',
            24,
            "unknown tag `modalty` (hint: did you mean `modality`?)",
        ),
        (
            'resource.hasTag("modality") && resource.getTag("modality") == "clinicl"',
            70,
            "tag `modality` has no value `clinicl` (hint: did you mean `clinical`?)",
        ),
        ('resource.hasTag("identifier")', 24, "tag `identifier` is not for assets"),
        (
            'Asset::"trials.visits".owner == principal',
            31,
            'look into `Asset::"trials.visits"`: no request brings what it holds (hint: it can',
        ),
        ('Asset::"trials.visits" has owner', 35, "a policy cannot look into `Asset::"),
        ('User::"ana".level > 1', 20, 'a policy cannot look into `User::"ana"`'),
        ("resource.asset.owner.level > 1", 29, "a policy cannot look into another `User`"),
        ('resource.asset.owner in Group::"ml"', 29, "a policy cannot look into another `User`"),
        (
            'Asset::"trials.visits".hasTag("modality")',
            31,
            "a policy cannot look into `Asset::",
        ),
        (
            'resource.site == "a" && Asset::"trials.visits" in Namespace::"trials"',
            55,
            "a policy cannot look into `Asset::",
        ),
        (
            'context.purpose == "reserch"',
            27,
            "nobody declares the purpose `reserch` (hint: did you mean `research`?)",
        ),
        ('["reserch"].contains(context.purpose)', 9, "nobody declares the purpose `reserch`"),
        (
            'resource.subject.consents.contains("reserch")',
            43,
            "nobody declares the purpose `reserch`",
        ),
        ("context.today == 1", 16, "`context` has no `today`"),
        (
            "principal.stdy == resource.site",
            18,
            "no principal has the attribute `stdy` (hint: did you mean `study`?)",
        ),
        ("principal has stdy", 22, "no principal has the attribute `stdy`"),
        (
            'principal in Group::"clincal"',
            28,
            "there is no group `clincal` (hint: did you mean `clinical`?)",
        ),
        ('resource.asset == Asset::"trials.outcome"', 33, "there is no asset `trials.outcome`"),
        ("resource.asset.ownr == principal", 23, "`Asset` has no attribute `ownr`"),
        (
            "resource.owner == principal",
            17,
            "has a column `owner` (hint: write `resource.asset.owner`)",
        ),
        (
            'resource.age == "18"',
            17,
            "column `age` of `trials.outcomes` is `int` and is used as a text",
        ),
        (
            "resource.age < resource.site",
            17,
            "column `age` of `trials.outcomes` is `int` and is used as a text",
        ),
        (
            'resource.age.lessThan(decimal("1.0"))',
            17,
            "column `age` of `trials.outcomes` is `int` and is used as a decimal",
        ),
        (
            "resource.age",
            17,
            "column `age` of `trials.outcomes` is `int` and is used as true or false",
        ),
        (
            "resource.ratio == 1",
            17,
            "column `ratio` of `trials.outcomes` is `double`, which Cedar cannot compare exactly",
        ),
        (
            'resource.codes.contains("a")',
            17,
            "column `codes` of `trials.outcomes` is `list<string>`",
        ),
        (
            "resource.age + 1 < 3",
            17,
            "arithmetic on column `age` cannot be turned into a row filter",
        ),
        (
            "resource.birth < resource.embargo",
            17,
            "the comparison of columns `birth` (date) and `embargo`",
        ),
        ('resource.birth < datetime("2024-13-01")', 34, "`2024-13-01` is not a datetime"),
        ('resource.dose == decimal("1.23456")', 33, "`1.23456` is not a decimal"),
        ("false", 1, "the policy can never apply: its condition is always false"),
        ("1 == 2 && resource.age > 1", 1, "the policy can never apply"),
        (
            "(if principal.senior then resource else resource).age > 1",
            1,
            "`resource` in this position",
        ),
        ('principal.level == "3"', 27, "a whole number is used as a text"),
        (
            'resource.subject.consent.contains("research")',
            25,
            "`resource.subject` has no `consent`",
        ),
        ("resource is Table", 20, "there is no entity type `Table`"),
    ],
)
def test_condition_that_cannot_be_decided_is_an_error_in_its_place(
    text: str, column: int, message: str
) -> None:
    errors = condition(text)
    assert errors, "no error"
    assert message in errors[0]
    assert errors[0].startswith(f"policies/p.cedar:2:{column}: "), errors[0]


@pytest.mark.parametrize(
    ("policy", "place", "message"),
    [
        ('permit (principal in Group::"x", action, resource);', "1:29", "there is no group `x`"),
        (
            'permit (principal == User::"anna", action, resource);',
            "1:28",
            "there is no principal `anna` (hint: did you mean `ana`?)",
        ),
        (
            'permit (principal == Group::"ml", action, resource);',
            "1:19",
            "`principal` is always a user",
        ),
        (
            'permit (principal in Asset::"trials.outcomes", action, resource);',
            "1:29",
            "`principal` is never a `Asset`",
        ),
        (
            'permit (principal, action == Action::"selct", resource);',
            "1:38",
            "there is no action `selct`",
        ),
        (
            'permit (principal, action, resource in Namespace::"trails");',
            "1:51",
            "there is no namespace `trails`",
        ),
        (
            'permit (principal, action == Action::"select", resource in Namespace::"later");',
            "1:71",
            "there is no namespace `later`",
        ),
        (
            'permit (principal, action, resource in Asset::"trials.outcme");',
            "1:47",
            "there is no asset `trials.outcme`",
        ),
        (
            'permit (principal, action == Action::"select", resource == Asset::"trials.outcomes");',
            "1:57",
            'write `resource in Asset::"trials.outcomes"`',
        ),
        (
            'permit (principal, action == Action::"reveal", resource is Row);',
            "1:57",
            "`reveal` can never match this resource",
        ),
        (
            (
                'permit (principal, action == Action::"reveal", resource == '
                'Column::"trials.outcomes.agee");'
            ),
            "1:68",
            "`trials.outcomes` has no column `agee`",
        ),
        (
            '@mask("null") forbid (principal, action == Action::"select", resource);',
            "1:7",
            "`@mask` belongs to a forbid on `reveal`",
        ),
        (
            '@mask("null") permit (principal, action == Action::"reveal", resource);',
            "1:7",
            "`@mask` belongs to a forbid on `reveal`",
        ),
        (
            '@mask("hash") forbid (principal, action == Action::"reveal", resource);',
            "1:7",
            "unknown mask `hash`",
        ),
        (
            '@mask("last") forbid (principal, action == Action::"reveal", resource);',
            "1:7",
            "mask `last` needs how many",
        ),
        (
            '@mask("round:0") forbid (principal, action == Action::"reveal", resource);',
            "1:7",
            "mask `round` needs the step",
        ),
        (
            '@masks("null") forbid (principal, action == Action::"reveal", resource);',
            "1:2",
            "unknown annotation `@masks`",
        ),
        (
            "forbid (principal, action, resource) when { resource.withdrawn };",
            "1:54",
            "a forbid on every action must be answerable on every resource",
        ),
        (
            (
                'permit (principal, action in [Action::"select", '
                'Action::"reveal"], resource in Asset::"trials.outcomes") when { '
                'resource.site == "a" };'
            ),
            "1:122",
            "`resource.site` is of a row",
        ),
        (
            (
                'forbid (principal, action == Action::"reveal", resource) when { '
                'resource.site == "a" };'
            ),
            "1:74",
            "`resource.site` is of a row",
        ),
    ],
)
def test_head_or_annotation_that_is_wrong_is_an_error_in_its_place(
    policy: str, place: str, message: str
) -> None:
    errors = found(re.sub(r"\b(permit|forbid)\b", r'@id("p") \1', policy, count=1))
    assert errors, "no error"
    assert message in errors[0]
    line, column = place.split(":")
    shift = 0 if policy.startswith("@") else 9
    assert errors[0].startswith(f"policies/p.cedar:{line}:{int(column) + shift}: "), errors[0]


def test_owner_policy_on_every_action_passes() -> None:
    assert (
        condition(
            "resource.asset.owner == principal || principal in resource.asset.steward",
            "permit (principal, action, resource)",
        )
        == []
    )


def test_namespace_to_publish_into_may_be_empty() -> None:
    head = 'permit (principal, action == Action::"publish", resource in Namespace::"sandbox")'
    assert condition('principal in Group::"ml"', head) == []


def test_column_of_an_asset_without_data_waits_for_the_data() -> None:
    head = 'permit (principal, action == Action::"select", resource in Asset::"later.table")'
    card = {"later.table": Asset("later.table", columns=(Column("x"),))}
    assert found(f'@id("p") {head} when {{ resource.anything == 1 }};', extra=card) == []


def test_column_with_two_types_in_scope_is_named_with_its_asset() -> None:
    errors = found(
        '@id("p") permit (principal, action == Action::"select", resource) '
        'when { resource.slide == "a" };',
        extra={"trials.other": bind(Asset("trials.other"), (("slide", "long"),))},
    )
    assert len(errors) == 1
    assert "column `slide` of `trials.other` is `long` and is used as a text" in errors[0]


def test_card_with_a_column_that_the_table_lacks_is_an_error() -> None:
    card = (
        'assets:\n  a.b:\n    subject: {column: pid, domain: "{stdy}:p"}\n'
        "    columns:\n      sit: {}\n"
    )
    table = bind(Asset("a.b"), (("site", "string"), ("study", "string"), ("pid", "string")))
    assert found("", extra={"a.b": table}, x=card) == [
        "assets/x.yaml:3:14: `a.b` has no column `stdy` (hint: did you mean `study`?)",
        "assets/x.yaml:5:7: `a.b` has no column `sit` (hint: did you mean `site`?)",
    ]


PSEUDONYM = (
    '@id("p") @mask("pseudonym") forbid (principal, action == Action::"reveal", resource) '
    'when {{ resource.hasTag("identifier") && resource.getTag("identifier") == "{}" }};'
)


def test_pseudonym_of_a_column_without_a_domain_is_an_error() -> None:
    errors = found(PSEUDONYM.format("quasi"))
    assert len(errors) == 1
    assert "column `birth` of `trials.outcomes` would be shown as a pseudonym" in errors[0]


def test_pseudonym_of_columns_with_a_domain_passes() -> None:
    assert found(PSEUDONYM.format("direct")) == []


@pytest.mark.parametrize("folder", ["demo/governance", "gateway/template"])
def test_governance_that_we_ship_has_no_mistakes(folder: str) -> None:
    root = package_files("jupyter_govdata").joinpath(folder)
    shipped: dict[str, str] = {}
    waiting = [("", root)]
    while waiting:
        path, node = waiting.pop()
        if node.is_dir():
            waiting += [(f"{path}/{n.name}".lstrip("/"), n) for n in node.iterdir()]
        else:
            shipped[path] = node.read_text(encoding="utf-8")
    assert problems(shipped, {}) == []
