"""Compare values that only a request knows, by stand-ins.

Runs in `apply` and `jupyter govdata check`; pure. A comparison with a stand-in is open: neither
always true nor always false.
"""

from __future__ import annotations

from typing import Any

from jupyter_govdata.model.predicate import IsNull, Op
from jupyter_govdata.policy.residual import Translator
from jupyter_govdata.policy.scene import (
    SAMPLES,
    WORDS,
    Finding,
    Scene,
    StandIn,
    World,
    attribute_places,
)
from jupyter_govdata.policy.terms import (
    Col,
    Const,
    Elapsed,
    SetOf,
    Term,
    Truth,
)
from jupyter_govdata.policy.tokens import quoted
from jupyter_govdata.policy.yaml_source import near

OPEN = Truth(IsNull("?"), IsNull("?", negated=True), frozenset())
"""Neither always true nor always false: it depends on the request."""


class Samples(Translator):
    """The translator with stand-ins for values; notes comparisons that no request can meet."""

    def __init__(self, scene: Scene, world: World) -> None:
        super().__init__(scene.row)
        self.scene = scene
        self.world = world

    def note(self, message: str, hint: str | None, *sequences: tuple[str, ...]) -> None:
        """Note something wrong."""
        finding = Finding(message, hint, sequences)
        if finding not in self.scene.findings:
            self.scene.findings.append(finding)

    def decide(self, left: Const, op: Op, right: Const) -> Truth:
        """Compare two values that a request knows; note literals that none can have."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one.value, StandIn) and isinstance(other.value, str):
                self._literal_for(one.value.origin, other.value)
        if isinstance(left.value, StandIn) or isinstance(right.value, StandIn):
            return OPEN
        if left.type == "entity" or left.value is None or right.value is None:
            return OPEN
        return super().decide(left, op, right)

    def _literal_for(self, origin: str, value: str) -> None:
        if origin == "purpose" and value not in self.world.purposes:
            self.note(
                f"nobody declares the purpose `{value}`",
                near(value, self.world.purposes),
                ("purpose", "==", quoted(value)),
                ("purpose", "!=", quoted(value)),
                (quoted(value),),
            )
        if origin.startswith("tag:"):
            definition = self.world.tags.get(origin[4:])
            if definition is not None and definition.values and value not in definition.values:
                self.note(
                    f"tag `{definition.key}` has no value `{value}`",
                    near(value, definition.values),
                    (quoted(value),),
                )

    def purpose(self, const: Const) -> str:
        """Return the purpose that a consent is asked for, noting an unknown one."""
        if isinstance(const.value, str):
            self._literal_for("purpose", const.value)
        return super().purpose(const)

    def literal(self, const: Const) -> Any:
        """Return the value, or a sample of its type."""
        return SAMPLES[const.type] if isinstance(const.value, StandIn) else const.value

    def apply(self, name: str, terms: tuple[Term, ...]) -> Term | None:
        """Apply arithmetic or a date method to samples."""
        stands = any(isinstance(t, Const) and isinstance(t.value, StandIn) for t in terms)
        sampled = tuple(
            Const(t.type, self.literal(t)) if isinstance(t, Const) else t for t in terms
        )
        result = super().apply(name, sampled)
        if result is None:
            kinds = " and ".join(WORDS[t.type] for t in terms)
            self.note(f"`{name}` does not take {kinds}", None, (name,))
        return Const(result.type, StandIn()) if stands and isinstance(result, Const) else result

    def like(self, term: Term, pattern: tuple[str | None, ...]) -> Truth:
        """Return when ``term like pattern``."""
        if isinstance(term, Const) and isinstance(term.value, StandIn) and term.type == "string":
            return OPEN
        return super().like(term, pattern)

    def is_empty(self, group: Term) -> Truth:
        """Return when ``group.isEmpty()``."""
        return OPEN if _stands(group) else super().is_empty(group)

    def equal(self, left: Term, right: Term) -> Truth:
        """Return when ``left == right``; the size of a stand-in set is open."""
        sets = isinstance(left, SetOf) and isinstance(right, SetOf)
        if sets and (_stands(left) or _stands(right)):
            return OPEN
        return super().equal(left, right)

    def mismatch(self, left: Term, right: Term) -> None:
        """Note terms that can never be equal or ordered."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Col | Elapsed):
                where = f" of `{self.scene.where}`" if self.scene.where else ""
                self.note(
                    f"column `{one.column}`{where} is `{self.row.types[one.column]}` and is used"
                    f" as {WORDS[other.type]}",
                    None,
                    *attribute_places(one.column),
                )
                return
        if left.type == right.type:
            message = f"{WORDS[left.type]} cannot be ordered or compared like this"
        else:
            message = f"{WORDS[left.type]} is used as {WORDS[right.type]}"
        texts = [t.value for t in (left, right) if isinstance(t, Const)]
        self.note(message, None, *((_spelled(v),) for v in texts if isinstance(v, str | int)))


def _stands(term: Term) -> bool:
    return isinstance(term, SetOf) and any(
        isinstance(e, Const) and isinstance(e.value, StandIn) for e in term.elements
    )


def _spelled(value: str | int) -> str:
    return quoted(value) if isinstance(value, str) else str(value).lower()
