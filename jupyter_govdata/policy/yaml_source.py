"""YAML of the governance folder with places: strict, one way to write each thing.

Runs in the gateway and in `jupyter govdata check`. The only user of PyYAML here; it composes
nodes and never builds Python objects, so a file can hold no surprise.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from jupyter_govdata.errors import PolicyFileError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_KINDS = {
    "str": "a text",
    "int": "a number",
    "float": "a decimal number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a mapping",
    "seq": "a list",
}
_LONG = 2**63
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: 1-based line and column."""

    file: str
    line: int
    column: int


@dataclass(slots=True)
class Problems:
    """Errors in the order they were found."""

    found: list[PolicyFileError] = field(default_factory=list)

    def add(self, place: Place, message: str, hint: str | None = None) -> None:
        """Note an error at a place."""
        self.found.append(
            PolicyFileError(
                message, hint=hint, file=place.file, line=place.line, column=place.column
            )
        )


def near(word: str, known: Iterable[str]) -> str | None:
    """Return a hint that names the nearest known word, or the known words if they are few.

    >>> near("reserch", ["research", "care"])
    'did you mean `research`?'
    """
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if 0 < len(words) <= 12:
        return "known: " + ", ".join(f"`{w}`" for w in words)
    return None


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a YAML file with its place; readers note what is wrong and go on."""

    file: str
    raw: Any
    problems: Problems

    @property
    def place(self) -> Place:
        """Where the value starts."""
        mark = self.raw.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    @property
    def kind(self) -> str:
        """The YAML type, e.g. ``str``."""
        return str(self.raw.tag).removeprefix(_TAG)

    @property
    def empty(self) -> bool:
        """True where nothing is written."""
        return self.kind == "null"

    def error(self, message: str, hint: str | None = None) -> None:
        """Note an error here."""
        self.problems.add(self.place, message, hint)

    def wrong(self, what: str, wanted: str) -> None:
        """Note that this has the wrong type."""
        given = _KINDS.get(self.kind, f"`{self.kind[:40]}`")
        hint = None
        if wanted == "a text" and self.kind in ("int", "float", "bool", "timestamp"):
            hint = f'put it in quotes: "{str(self.raw.value)[:40]}"'
        self.error(f"{what} must be {wanted}, not {given}", hint)

    def entries(self, what: str) -> list[tuple[str, Node, Node]]:
        """Return (key, node of the key, node of the value) of a mapping."""
        if self.empty:
            return []
        if self.kind != "map" or not isinstance(self.raw, yaml.MappingNode):
            self.wrong(what, "a mapping")
            return []
        found: dict[str, tuple[str, Node, Node]] = {}
        for raw_key, raw_value in self.raw.value:
            key = Node(self.file, raw_key, self.problems)
            name = key.text(f"a key of {what}")
            if name is None:
                continue
            if name in found:
                first = found[name][1].place.line
                key.error(f"`{name}` stands here twice", f"the first is in line {first}")
                continue
            found[name] = (name, key, Node(self.file, raw_value, self.problems))
        return list(found.values())

    def fields(self, what: str, known: Collection[str]) -> dict[str, Node]:
        """Return the values of a mapping whose keys are fixed; unknown keys are errors."""
        found: dict[str, Node] = {}
        for name, key, value in self.entries(what):
            if name not in known:
                key.error(f"unknown key `{name}` in {what}", near(name, known))
            elif not value.empty:
                found[name] = value
        return found

    def text(self, what: str) -> str | None:
        """Return a text of one or more characters, or None after noting an error."""
        if not isinstance(self.raw, yaml.ScalarNode) or self.kind != "str":
            self.wrong(what, "a text")
            return None
        value = str(self.raw.value)
        if not value.strip():
            self.error(f"{what} is empty")
            return None
        if any(ord(c) < 32 and c not in "\n\t" for c in value):
            self.error(f"{what} holds a control character")
            return None
        return value

    def texts(self, what: str) -> list[tuple[str, Node]]:
        """Return the texts of a list, each once."""
        if not isinstance(self.raw, yaml.SequenceNode):
            self.wrong(what, "a list")
            return []
        found: dict[str, Node] = {}
        for raw in self.raw.value:
            node = Node(self.file, raw, self.problems)
            value = node.text(f"an item of {what}")
            if value is not None and value in found:
                node.error(f"`{value}` stands in {what} twice")
            elif value is not None:
                found[value] = node
        return list(found.items())

    def attribute(self, what: str) -> bool | int | str | tuple[str, ...] | None:
        """Return a principal's attribute, or None after noting an error."""
        if isinstance(self.raw, yaml.SequenceNode):
            return tuple(sorted(value for value, _ in self.texts(what)))
        if self.kind == "bool":
            return str(self.raw.value).lower() in ("true", "yes", "on")
        if self.kind == "int":
            return self._integer(what)
        if self.kind == "str":
            return self.text(what)
        self.wrong(what, "a text, a whole number, true, false or a list of texts")
        return None

    def _integer(self, what: str) -> int | None:
        text = str(self.raw.value)
        try:
            value = int(text)
        except ValueError:
            self.error(f"{what} must be a plain whole number", f'or a text: "{text[:40]}"')
            return None
        if not -_LONG <= value < _LONG:
            self.error(f"{what} is larger than 64 bits")
            return None
        return value


def _plain(file: str, text: str, problems: Problems) -> bool:
    """Check the stream of events before nodes are built from it.

    SECURITY: nodes are composed by recursion in native code, where too deep ends the process;
    and an alias can stand for a file that is far larger than it looks.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        mark: Any = event.start_mark
        place = Place(file, mark.line + 1, mark.column + 1)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            problems.add(place, "aliases (`*name`) are not supported", "write it out")
            return False
        if depth > MAX_DEPTH:
            problems.add(place, "this is nested too deep")
            return False
    return True


def read_yaml(file: str, text: str, problems: Problems) -> Node | None:
    """Compose the one document of a file; None if it is empty or malformed."""
    try:
        if not _plain(file, text, problems):
            return None
        raw = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        problems.add(place, f"this is not YAML: {exc.problem or 'malformed'}")
        return None
    except yaml.YAMLError:
        problems.add(Place(file, 1, 1), "this is not YAML: it holds a character it must not")
        return None
    return None if raw is None else Node(file, raw, problems)
