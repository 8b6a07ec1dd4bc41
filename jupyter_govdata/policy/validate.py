"""Check policies and cards against the assets they govern, before they are applied.

Runs in `apply` and `jupyter govdata check`; pure. What passes here can be decided at run time:
a name that does not exist, a comparison of different types or a condition that no row filter
expresses is an error with a place, not a surprise.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Asset, namespace_of
from jupyter_govdata.model.predicate import FALSE
from jupyter_govdata.policy.checker import Checker
from jupyter_govdata.policy.compare import RowShape, template_columns
from jupyter_govdata.policy.entities import row_shape
from jupyter_govdata.policy.governance import Governance, read_all
from jupyter_govdata.policy.heads import (
    RESOURCES,
    annotation_findings,
    head_findings,
    kinds_in,
    mentioned_in,
)
from jupyter_govdata.policy.index import target_of
from jupyter_govdata.policy.records import PolicyText, conditions
from jupyter_govdata.policy.residual import bounded
from jupyter_govdata.policy.rows import for_rows
from jupyter_govdata.policy.scene import ACTION_KINDS, Finding, Scene, World, attribute_type
from jupyter_govdata.policy.templates import template_findings
from jupyter_govdata.policy.terms import CedarType, Truth
from jupyter_govdata.policy.tokens import statements
from jupyter_govdata.policy.yaml_source import Place, near

_NAME = re.compile(r"`([^`]+)`")


def problems(
    files: Mapping[str, str], assets: Mapping[str, Asset] | None = None
) -> list[PolicyFileError]:
    """Return everything that is wrong with a governance folder, by file and line.

    Args:
        files: As for `read_governance`.
        assets: Bound cards with column types, to check the policies against; None checks the
            files alone.
    """
    governance, found = read_all(files)
    if assets is not None:
        found = [*found, *check(governance, assets)]
    return sorted(found, key=_order)


def check(governance: Governance, assets: Mapping[str, Asset]) -> list[PolicyFileError]:
    """Check policies and cards against assets with column types.

    Args:
        governance: What the files say.
        assets: Bound cards by name. An asset whose columns have no types has no data yet:
            conditions on its columns are checked once it has.
    """
    inspector = _Inspector(governance, assets)
    found = list(_check_cards(governance, assets))
    for policy in (*governance.policies, *governance.templates):
        found.extend(inspector.policy(policy))
    return sorted(found, key=_order)


def _order(error: PolicyFileError) -> tuple[str, int, int]:
    detail = error.detail
    return str(detail.get("file", "")), int(detail.get("line", 0)), int(detail.get("column", 0))


def _bound(asset: Asset) -> bool:
    return any(column.type for column in asset.columns)


# -- cards -----------------------------------------------------------------------------------


def _check_cards(governance: Governance, assets: Mapping[str, Asset]) -> Iterator[PolicyFileError]:
    for name, card in governance.cards.items():
        bound = assets.get(name)
        if bound is None or not _bound(bound):
            continue
        columns = {column.name for column in bound.columns}
        for column in card.columns:
            wanted = {column.name, *template_columns(column.domain)}
            yield from _missing(governance, name, f"/{column.name}", wanted, columns)
        if card.subject is not None:
            wanted = {card.subject.column, *template_columns(card.subject.domain)}
            yield from _missing(governance, name, "//subject", wanted, columns)
        if card.files is not None:
            wanted = {column for column in astuple(card.files) if column}
            yield from _missing(governance, name, "//files", wanted, columns)


def _missing(
    governance: Governance, asset: str, what: str, wanted: set[str], columns: set[str]
) -> Iterator[PolicyFileError]:
    place = governance.places.get(f"card:{asset}{what}", Place(f"the card of `{asset}`", 1, 1))
    for column in sorted(wanted - columns):
        yield PolicyFileError(
            f"`{asset}` has no column `{column}`",
            hint=near(column, columns),
            file=place.file,
            line=place.line,
            column=place.column,
        )


# -- policies --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Walk:
    """What one walk over a condition gave."""

    findings: tuple[Finding, ...]
    always_false: bool


class _Inspector:
    """Checks policies one after the other against the same world."""

    def __init__(self, governance: Governance, assets: Mapping[str, Asset]) -> None:
        self.assets = {**governance.cards, **assets}
        types: dict[str, set[CedarType]] = defaultdict(set)
        for principal in governance.principals.values():
            for key, value in principal.attributes.items():
                types[key].add(attribute_type(value))
        self.world = World(
            groups=frozenset(governance.groups),
            principals=frozenset(governance.principals),
            purposes=frozenset(governance.purposes),
            tags=governance.tags,
            attributes={key: frozenset(found) for key, found in types.items()},
            assets=self.assets,
            namespaces=frozenset(namespace_of(name) for name in self.assets),
        )
        self._shapes = {name: row_shape(card) for name, card in self.assets.items()}
        self._by_column: dict[str, set[str]] = defaultdict(set)
        for name, shape in self._shapes.items():
            for column in shape.types:
                self._by_column[column].add(name)
        self._by_namespace: dict[str, set[str]] = defaultdict(set)
        for name in self.assets:
            self._by_namespace[namespace_of(name)].add(name)

    def policy(self, policy: PolicyText) -> list[PolicyFileError]:
        """Return what is wrong with one policy."""
        locate = _Locator(policy)
        head = [
            *template_findings(policy),
            *head_findings(policy, self.world),
            *annotation_findings(policy),
        ]
        if head:
            return [locate.error(finding) for finding in head]
        findings = self._conditions(policy)
        if not findings and policy.annotations.get("mask") == "pseudonym":
            findings = list(self._domains(policy))
        return [locate.error(finding) for finding in dict.fromkeys(findings)]

    # -- the condition ---------------------------------------------------------------------

    def _conditions(self, policy: PolicyText) -> list[Finding]:
        bodies = conditions(policy)
        if not bodies:
            return []
        covered = self._covered(policy)
        walks: dict[str, list[_Walk]] = {}
        for kind in kinds_in(policy, RESOURCES):
            scenes = self._scenes(policy, kind, covered)
            walks[kind] = [self._walk(policy, scene) for scene in scenes]
        if any(w.findings and _certain(w) for found in walks.values() for w in found):
            return [f for found in walks.values() for w in found for f in w.findings]
        failing: list[Finding] = []
        clean = False
        for action in policy.actions or ACTION_KINDS:
            kinds = kinds_in(policy, ACTION_KINDS[action])
            good = [kind for kind in kinds if not any(w.findings for w in walks[kind])]
            clean |= bool(good)
            if not good and kinds:
                failing.extend(f for w in walks[kinds[0]] for f in w.findings)
        # A permit on every action may ask what only some resources have: it errs on the others
        # and grants nothing. A forbid that errs forbids, so it must be answerable everywhere.
        if failing and (policy.actions or policy.effect == "forbid" or not clean):
            return failing if policy.actions else [_for_every_action(policy, failing[0])]
        used = [w for found in walks.values() for w in found if not w.findings]
        if used and all(w.always_false for w in used):
            place = (("when",), ("unless",))
            message = "the policy can never apply: its condition is always false"
            return [Finding(message, "remove the policy, or mend the condition", place)]
        return []

    def _walk(self, policy: PolicyText, scene: Scene) -> _Walk:
        checker = Checker(scene, self.world)
        always_false = False
        try:
            if scene.kind == "Row":
                for_rows(policy.cedar, ())
            for wanted, body in conditions(policy):
                truth: Truth = bounded(lambda body=body: checker.truth(body))  # type: ignore[misc]
                always_false |= (truth.yes if wanted else truth.no) == FALSE
        except PolicyFileError as exc:
            named = [name for name in _NAME.findall(exc.message) if name != "resource"]
            places = [("resource", ".", name) for name in named]
            words = [*((name,) for name in named), ("when",), ("unless",)]
            checker.note(exc.message, exc.hint, *places, *words)
        return _Walk(tuple(scene.findings), always_false)

    def _scenes(self, policy: PolicyText, kind: str, covered: set[str]) -> list[Scene]:
        mentioned, subject = mentioned_in(policy)
        bound = {name for name in covered if _bound(self.assets[name])}
        if kind != "Row":
            meant = {c: "" for c in mentioned if self._by_column.get(c, set()) & covered}
            return [Scene(kind, RowShape(meant))]
        if not mentioned and not subject:
            return [Scene(kind, RowShape({}))]
        full = set(bound)
        for column in mentioned:
            full &= self._by_column.get(column, set())
        if subject:
            full = {name for name in full if self._shapes[name].subject is not None}
        if not full:
            # Not one asset has all of them; say which name is wrong, unless data may come.
            return [] if bound != covered else [self._union(bound)]
        scenes: dict[object, Scene] = {}
        for name in sorted(full):
            shape = self._shapes[name]
            types = {column: shape.types[column] for column in sorted(mentioned)}
            key = (tuple(types.items()), shape.subject if subject else None)
            scenes.setdefault(key, Scene(kind, shape, where=name))
        return list(scenes.values())

    def _union(self, names: Iterable[str]) -> Scene:
        types: dict[str, str] = {}
        subject = None
        for name in sorted(names):
            shape = self._shapes[name]
            types = {**shape.types, **types}
            subject = subject or (shape.subject if shape.subject_columns <= set(types) else None)
        return Scene("Row", RowShape(types, subject))

    def _covered(self, policy: PolicyText) -> set[str]:
        entity = policy.resource.entity
        if entity is None or entity.type == "Lake":
            return set(self.assets)
        if entity.type == "Namespace":
            return set(self._by_namespace.get(entity.id, ()))
        asset = entity.id if entity.type == "Asset" else ".".join(entity.id.split(".")[:2])
        return {asset} & self.assets.keys()

    # -- pseudonyms ------------------------------------------------------------------------

    def _domains(self, policy: PolicyText) -> Iterator[Finding]:
        """Yield columns that would be shown as pseudonyms but belong to no domain."""
        seen: dict[object, bool] = {}
        for name in sorted(self._covered(policy)):
            asset = self.assets[name]
            for column in asset.columns:
                target = target_of("Column", name, column.name)
                if column.domain or not target.matches(policy.resource):
                    continue
                key = (tuple(sorted(column.tags.items())), tuple(sorted(asset.tags.items())))
                if policy.resource_use == "all" or key not in seen:
                    scene = Scene("Column", RowShape({}), column=column, asset=asset)
                    seen[key] = not self._walk(policy, scene).always_false
                if seen[key]:
                    yield Finding(
                        f"column `{column.name}` of `{name}` would be shown as a pseudonym but"
                        " has no `domain`",
                        "add its identifier `domain` to the card, e.g. `domain: STUDY:patient`",
                        (("mask",),),
                    )


def _certain(walk: _Walk) -> bool:
    """Return whether a finding is about a name or value that is wrong on every resource."""
    return any(f.message.startswith(_EVERYWHERE) for f in walk.findings)


_EVERYWHERE = ("there is no", "unknown tag", "nobody declares", "no principal has", "tag `")


def _for_every_action(policy: PolicyText, first: Finding) -> Finding:
    if policy.effect == "permit":
        return first
    return Finding(
        f"a forbid on every action must be answerable on every resource: {first.message}",
        'name the actions it is about, e.g. `action == Action::"select"`',
        first.sequences,
    )


class _Locator:
    """Finds the place of a finding in a policy's text."""

    def __init__(self, policy: PolicyText) -> None:
        self._policy = policy
        found = statements(policy.text)
        self._statement = found[0] if found else None

    def error(self, finding: Finding) -> PolicyFileError:
        """Return the error with file, line and column."""
        policy = self._policy
        line, column = policy.line, policy.column
        for sequence in finding.sequences:
            token = self._statement.find(*sequence) if self._statement is not None else None
            if token is not None:
                line = policy.line + token.line - 1
                column = token.column + (policy.column - 1 if token.line == 1 else 0)
                break
        return PolicyFileError(
            finding.message, hint=finding.hint, file=policy.file, line=line, column=column
        )
