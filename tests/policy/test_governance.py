"""Reading a governance folder: what is wrong, and exactly where."""

from __future__ import annotations

import json

import pytest

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.policy.governance import Governance, read_all, read_governance
from jupyter_govdata.policy.validate import problems
from tests.policy.world import files

GOOD = '@id("p") permit (principal, action, resource);'


def errors(found: dict[str, str]) -> list[tuple[str, int, int, str]]:
    return [
        (e.detail["file"], e.detail["line"], e.detail["column"], e.message) for e in problems(found)
    ]


def test_folder_without_mistakes_is_read_whole() -> None:
    governance = read_governance(files(GOOD))
    ana = governance.principals["ana"]
    assert ana.attributes == {"study": "S1", "level": 3, "sites": ("BOS", "NYC"), "senior": True}
    assert (ana.groups, ana.purpose) == (("clinical",), "research")
    assert governance.purposes == {"research": "r", "model_training": ""}
    assert governance.tags["identifier"].values == ("direct", "quasi")
    card = governance.cards["trials.outcomes"]
    assert card.subject is not None
    assert card.column("patient_id").domain == "S:patient"
    assert [p.id for p in governance.policies] == ["p"]


def test_folder_that_is_empty_permits_nothing_and_is_no_error() -> None:
    assert read_governance({}) == Governance()


def test_governance_survives_the_store_without_parsing_again() -> None:
    governance = read_governance(files(GOOD))
    assert Governance.from_json(json.loads(json.dumps(governance.to_json()))) == governance


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        (
            {"principals": "principals:\n  ana: {nme: Ana}\n"},
            ("principals.yaml", 2, 9, "unknown key `nme` in principal `ana`"),
        ),
        (
            {"principals": "groups: {g: {}}\nprincipals:\n  ana: {groups: [h]}\n"},
            ("principals.yaml", 3, 18, "unknown group `h`"),
        ),
        (
            {"principals": "principals:\n  ana:\n    purpose: reserch\n"},
            ("principals.yaml", 3, 14, "unknown purpose `reserch`"),
        ),
        (
            {"principals": "principals:\n  ana: {}\n  ana: {}\n"},
            ("principals.yaml", 3, 3, "`ana` stands here twice"),
        ),
        (
            {"principals": "principals:\n  ana: {attributes: {level: 1.5}}\n"},
            (
                "principals.yaml",
                2,
                29,
                (
                    "attribute `level` must be a text, a whole number, true, false or a list of"
                    " texts, not a decimal number"
                ),
            ),
        ),
        (
            {"principals": "principals:\n  ana: {name: 2024-01-01}\n"},
            ("principals.yaml", 2, 15, "`name` of principal `ana` must be a text, not a date"),
        ),
        (
            {"principals": "principals: [ana]\n"},
            ("principals.yaml", 1, 13, "`principals` must be a mapping, not a list"),
        ),
        (
            {"principals": 'principals:\n  "a b": {}\n'},
            ("principals.yaml", 2, 3, "`a b` cannot name a principal"),
        ),
        (
            {"principals": "groups: {x: {}}\nprincipals: {x: {}}\n"},
            ("principals.yaml", 2, 14, "`x` is a group already"),
        ),
        (
            {"purposes": "purposes:\n  research: yes\n"},
            ("purposes.yaml", 2, 13, "purpose `research` must be a mapping, not true or false"),
        ),
        (
            {"tags": "tags:\n  x: {scope: [colum]}\n"},
            ("tags.yaml", 2, 15, "unknown scope `colum` of tag `x`"),
        ),
        ({"tags": "tags: {x: \n"}, ("tags.yaml", 2, 1, "this is not YAML")),
        ({"tags": "a: b\n---\nc: d\n"}, ("tags.yaml", 2, 1, "this is not YAML")),
        (
            {"x": "assets:\n  Trials.x: {}\n"},
            ("assets/x.yaml", 2, 3, "`Trials.x` is not an asset name"),
        ),
        (
            {"x": "assets:\n  trials.outcomes: {}\n"},
            ("assets/x.yaml", 2, 3, "`trials.outcomes` has a card already"),
        ),
        (
            {"x": "assets:\n  a.b: {kind: tabel}\n"},
            ("assets/x.yaml", 2, 15, "unknown kind `tabel`"),
        ),
        (
            {"x": "assets:\n  a.b: {owner: stewards}\n"},
            ("assets/x.yaml", 2, 16, "unknown principal `stewards`"),
        ),
        (
            {"x": "assets:\n  a.b: {steward: nobody}\n"},
            ("assets/x.yaml", 2, 18, "unknown principal or group `nobody`"),
        ),
        (
            {"x": "assets:\n  a.b:\n    tags: {modalty: clinical}\n"},
            ("assets/x.yaml", 3, 12, "unknown tag `modalty`"),
        ),
        (
            {"x": "assets:\n  a.b:\n    tags: {modality: clinicl}\n"},
            ("assets/x.yaml", 3, 22, "tag `modality` has no value `clinicl`"),
        ),
        (
            {"x": "assets:\n  a.b:\n    tags: {modality: }\n"},
            ("assets/x.yaml", 3, 12, "tag `modality` needs a value"),
        ),
        (
            {"x": "assets:\n  a.b:\n    tags: {identifier: direct}\n"},
            ("assets/x.yaml", 3, 12, "tag `identifier` is not for assets"),
        ),
        (
            {"x": "assets:\n  a.b:\n    subject: {column: x}\n"},
            ("assets/x.yaml", 3, 14, "`subject` of `a.b` needs `column` and `domain`"),
        ),
        (
            {"x": 'assets:\n  a.b:\n    subject: {column: x, domain: "{a:b"}\n'},
            ("assets/x.yaml", 3, 34, "`{a:b` is not an identifier domain"),
        ),
        (
            {"x": "assets:\n  a.b:\n    columns: {subject: {}}\n"},
            ("assets/x.yaml", 3, 15, "`subject` cannot name a column"),
        ),
        (
            {"x": "assets:\n  a.b:\n    columns: {y: {unit: 5}}\n"},
            ("assets/x.yaml", 3, 25, "`unit` of column `y` must be a text, not a number"),
        ),
    ],
)
def test_mistake_in_a_yaml_file_is_found_in_its_place(
    replaced: dict[str, str], expected: tuple[str, int, int, str]
) -> None:
    found = [e for e in errors(files(GOOD, **replaced)) if e[0] == expected[0]]
    assert found[0][:3] == expected[:3], found
    assert found[0][3].startswith(expected[3])


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("permit (principal, action, resource);", 1, 1, "the policy has no `@id`"),
        (
            '\n // c\n@id("")\npermit (principal, action, resource);',
            3,
            2,
            "the policy has no `@id`",
        ),
        (f"{GOOD}\n{GOOD}", 2, 1, "the policy id `p` is taken"),
        (
            '@id("p")\npermit (principal, action, resource)\nwhen { resource.x == };',
            3,
            22,
            "unexpected token `}`",
        ),
        (
            '@id("p")\npermit (principal, action, resource)\nwhen { resource.x = 3 };',
            3,
            19,
            "'=' is not",
        ),
        ('@id("p") permit (principal, action, resouce);', 1, 37, "found an invalid variable"),
        ('@id("p") permit (principal, action, resource) when { 1 == 1 }', 1, 61, "unexpected end"),
        ('@id("p") permit (principal, action, resource) when { "x };', 1, 54, "invalid token"),
        (
            '@id("p") permit (principal, action, resource) when {'
            + " || ".join(f"resource.x == {i}" for i in range(100))
            + "};",
            1,
            1,
            "the condition is nested too deep",
        ),
    ],
)
def test_mistake_in_cedar_is_found_in_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    found = errors(files(text))
    assert len(found) == 1
    assert found[0][:3] == ("policies/p.cedar", line, column)
    assert found[0][3].startswith(message)


def test_all_mistakes_are_collected_and_the_first_is_raised() -> None:
    wrong = files("permit (principal, action, resource);", tags="tags: {x: {scop: []}}")
    _, found = read_all(wrong)
    assert len(found) >= 2
    with pytest.raises(PolicyFileError) as caught:
        read_governance(wrong)
    assert caught.value.message == found[0].message


@pytest.mark.parametrize("path", ["policy.cedar", "principals.yml", "assets/x.json", "x/y.yaml"])
def test_file_without_a_place_in_the_folder_is_an_error(path: str) -> None:
    found = errors({**files(GOOD), path: ""})
    assert found[0][0] == path


@pytest.mark.parametrize("path", ["README.md", ".gitignore", "policies/README.md"])
def test_file_for_people_is_left_alone(path: str) -> None:
    assert errors({**files(GOOD), path: "anything: ["}) == []


def test_near_miss_is_suggested() -> None:
    wrong = files(GOOD, x="assets:\n  a.b: {owner: anna}\n")
    with pytest.raises(PolicyFileError, match="did you mean `ana`"):
        read_governance(wrong)


DEEP = 100_000
HEAD = '@id("p") permit (principal, action, resource) when { '


@pytest.mark.attack("T82", surface="stored")
@pytest.mark.parametrize(
    "text",
    [
        HEAD + "(" * DEEP + "true" + ")" * DEEP + " };",
        HEAD + "[" * DEEP + "]" * DEEP + " == [] };",
        HEAD + "{a: " * DEEP + "1" + "}" * DEEP + " == 1 };",
        HEAD + "true && " * DEEP + "true };",
        HEAD + "if true then true else " * DEEP + "true };",
        HEAD + "principal" + ".a" * DEEP + " };",
        HEAD + "principal has a" + ".a" * DEEP + " };",
        HEAD + "1 == 1" + " + 1" * DEEP + " };",
        "(" * DEEP,
    ],
    ids=range(9),
)
def test_cedar_that_would_exhaust_the_stack_is_refused(text: str) -> None:
    found = errors(files(text))
    assert found[0][3] in ("the policy is nested too deep", "the policy is too long")


def test_cedar_with_a_long_list_of_values_is_read() -> None:
    values = ", ".join(f'"{i}"' for i in range(5_000))
    text = HEAD + f"[{values}].contains(context.purpose) }};"
    assert errors(files(text)) == []


@pytest.mark.attack("T82", surface="stored")
@pytest.mark.parametrize("text", ["[" * DEEP, "{a: " * DEEP, "- " * DEEP, "a: &x [1]\ntags: *x\n"])
def test_yaml_that_would_exhaust_the_stack_is_refused(text: str) -> None:
    found = [e for e in errors(files(GOOD, tags=text)) if e[0] == "tags.yaml"]
    assert found[0][3] in ("this is nested too deep", "aliases (`*name`) are not supported")


def test_card_answers_the_seven_questions() -> None:
    card = """assets:
  trials.outcomes:
    generated_by: Sequenced at two sites.
    transformations: None.
    quality: [Row counts checked., Ids are unique.]
    suitable_for: Survival analysis.
    limitations: Few patients.
    intended_use: A trial.
    risk_class: moderate
"""
    found, problems = read_all(files(trials=card))
    assert problems == []
    asset = found.cards["trials.outcomes"]
    assert asset.generated_by == "Sequenced at two sites."
    assert asset.quality == ("Row counts checked.", "Ids are unique.")
    assert asset.risk_class == "moderate"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("risk_class: moderat", "unknown risk class `moderat`", "did you mean `moderate`?"),
        ("quality: fine", "`quality` of `trials.outcomes`", None),
        ("quality: [a, a]", "`a` stands in `quality` of `trials.outcomes` twice", None),
        ("limitation: none", "limitation", "did you mean `limitations`?"),
    ],
)
def test_wrong_answer_of_a_card_is_named_with_its_place(
    line: str, message: str, hint: str | None
) -> None:
    _, (problem, *_) = read_all(files(trials=f"assets:\n  trials.outcomes:\n    {line}\n"))
    assert message in problem.message
    assert problem.detail["line"] == 3
    if hint is not None:
        assert problem.hint == hint
