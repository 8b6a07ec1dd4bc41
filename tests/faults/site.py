"""A lake that people work on while things break: readers, a loader, a steward, each in a thread.

They use sessions as notebooks do. Whatever an error says must be a `GovDataError`; anything else
that a session raises, and every answer that shows too much, is kept as a `wrong`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from sqlalchemy import create_engine

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.errors import GovDataError
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.lake import init_lake
from jupyter_govdata.gateway.loading import LoadRequest
from jupyter_govdata.session import Session, connect
from tests.faults.zygote import Zygote

ROWS = 40
"""Of one commit; every second one is of study S1."""
PEOPLE = 8
MOST = 25
"""Commits after which the table begins anew."""
THINKING = {"ana": 0.02, "miko": 0.02, "dina": 0.3}
"""Seconds between two questions of one person, so that a small machine has time for all: every
commit is one more file for all who read."""
PATIENCE = 120.0
"""Seconds that everybody may take to work again on a busy machine."""

FILES = {
    "principals.yaml": """
groups: {stewards: {description: s}}
principals:
  dina: {groups: [stewards], purpose: research}
  ana: {purpose: research}
  miko: {purpose: research}
""",
    "purposes.yaml": "purposes: {research: {description: r}}\n",
    "tags.yaml": """
tags:
  register: {scope: [asset], values: [consent]}
  identifier: {scope: [column], values: [direct]}
""",
    "assets/all.yaml": """
assets:
  lab.events:
    owner: dina
    steward: stewards
    subject: {column: pid, domain: "L:p"}
    columns: {pid: {domain: "L:p", tags: {identifier: direct}}}
  governance.consent: {owner: dina, steward: stewards, tags: {register: consent}}
""",
    "policies/all.cedar": """
@id("stewards") permit (principal in Group::"stewards", action, resource);
@id("look") permit (principal, action in [Action::"discover", Action::"reveal"],
  resource in Namespace::"lab");
@id("study") permit (principal == User::"ana", action == Action::"select", resource)
  when { resource.study == "S1" };
@id("agreed") permit (principal == User::"miko", action == Action::"select", resource)
  when { resource.subject.consents.contains(context.purpose) };
@id("ids") @mask("pseudonym") forbid (principal, action == Action::"reveal", resource)
  when { resource.hasTag("identifier") } unless { principal in Group::"stewards" };
""",
}


def person(number: int) -> str:
    return f"P{number:02d}"


def commit_of(number: int) -> pa.Table:
    """Return the rows of one commit."""
    return pa.table(
        {
            "batch": pa.array([number] * ROWS, pa.int64()),
            "study": [("S1", "S2")[i % 2] for i in range(ROWS)],
            "pid": [person(i % PEOPLE) for i in range(ROWS)],
            "value": pa.array(range(ROWS), pa.int64()),
        }
    )


def consents() -> pa.Table:
    return pa.table(
        {
            "person_key": [f"L:p|{person(i)}" for i in range(PEOPLE)],
            "purpose": ["research"] * PEOPLE,
            "status": ["given"] * PEOPLE,
            "recorded_at": pa.array(
                [dt.datetime(2025, 1, 1, tzinfo=dt.UTC)] * PEOPLE, pa.timestamp("us", "UTC")
            ),
            "source": ["test"] * PEOPLE,
        }
    )


def make_lake(folder: Path, store: str = "") -> Path:
    """Make the lake with its first commit; its store is a file of its own unless named."""
    lake = folder / "lake"
    init_lake(lake, "dina", template=False)
    if store:
        with (lake / "govdata.toml").open("a", encoding="utf-8") as settings:
            settings.write(f'store = "{store}"\n')
    gateway = Gateway(GatewayConfig(lake=lake))
    try:
        applied = gateway.loading.apply_files(FILES, "dina", dry_run=False)
        assert not applied.problems, applied.problems
        for name, rows in (("governance.consent", consents()), ("lab.events", commit_of(0))):
            request = LoadRequest(name, "create")
            gateway.loading.load("dina", request, rows.schema, iter(rows.to_batches()), {})
    finally:
        gateway.close()
    return lake


class Site:
    """People at work on a lake."""

    def __init__(self, lake: Path, seed: int, store: str = "") -> None:
        self.lake = lake
        self.store = store or f"sqlite:///{lake / 'store.db'}"
        self._zygote = Zygote(lake / "run" / "gateway.log")
        self.random = random.Random(seed)
        self.told = {0}
        """Commits that the loader was told of."""
        self.unsure: set[int] = set()
        """Commits that ended in an error: they are there as a whole, or not at all."""
        self.next = 1
        self.answered: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrongs: list[str] = []
        self.alone = threading.Lock()
        """Held to number a commit."""
        self._state = threading.Condition()
        self._asked: dict[str, float] = {}
        """When the last question was asked that was answered, by who asked."""
        self._parked: set[str] = set()
        self._hold = self._stop = False
        self._people: dict[str, Callable[[Session, random.Random], None]] = {
            "ana": self.read_study,
            "miko": self.withdraw_and_read,
            "dina": self.load,
        }
        self.sessions: dict[str, Session] = {}
        self._threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def working(self) -> Iterator[Site]:
        """Have everybody at work."""
        self.restart()
        self.sessions["steward"] = connect(self.lake, user="dina")
        for user in self._people:
            self.sessions[user] = connect(self.lake, user=user)
            thread = threading.Thread(target=self._work, args=(user,), name=user)
            self._threads.append(thread)
            thread.start()
        try:
            yield self
        finally:
            with self._state:
                self._stop = True
                self._state.notify_all()
            for thread in self._threads:
                thread.join(PATIENCE)
            for session in self.sessions.values():
                session.close()
            signalled(self.gateway(), signal.SIGTERM)
            self._zygote.close()

    # -- what people do ----------------------------------------------------------------------

    def _work(self, user: str) -> None:
        own = random.Random(f"{user}{self.random.random()}")
        while self._may_go_on(user):
            asked = time.monotonic()
            try:
                self._people[user](self.sessions[user], own)
            except GovDataError as error:
                self.errors[error.code] += 1
                continue
            except Exception as error:
                self.wrongs.append(f"{user} met {type(error).__name__}: {error}")
            with self._state:
                self._asked[user] = asked
                self._state.notify_all()

    def _may_go_on(self, user: str) -> bool:
        with self._state:
            while self._hold and not self._stop:
                self._parked.add(user)
                self._state.notify_all()
                self._state.wait()
            self._parked.discard(user)
            self._state.wait(THINKING[user])
            return not self._stop

    def read_study(self, session: Session, own: random.Random) -> None:
        """As ana: only rows of S1, identifiers masked, every commit whole."""
        if own.random() < 0.5:
            rows = session.sql("SELECT * FROM lab.events").arrow()
            self.answered["ana"] += 1
            studies, pids = set(rows["study"].to_pylist()), rows["pid"].to_pylist()
            if studies - {"S1"}:
                self.wrongs.append(f"ana saw studies {studies}")
            if any(pid is None or pid.startswith("P") for pid in pids):
                self.wrongs.append("ana saw an identifier")
        counted = session.sql("SELECT batch, count(*) AS n FROM lab.events GROUP BY batch")
        self.answered["ana"] += 1
        if any(row["n"] != ROWS // 2 for row in counted):
            self.wrongs.append("ana saw a part of a commit, or more than her rows")

    def withdraw_and_read(self, session: Session, own: random.Random) -> None:
        """As miko, beside the steward: a consent that is told withdrawn counts at once."""
        number = own.randrange(PEOPLE)
        steward = self.sessions["steward"]
        steward.consent("L:p", person(number), "research", "withdrawn")
        rows = session.sql("SELECT DISTINCT value FROM lab.events").arrow()["value"].to_pylist()
        self.answered["miko"] += 1
        if any(value % PEOPLE == number for value in rows):
            self.wrongs.append(f"miko saw rows of {person(number)} after the withdrawal")
        steward.consent("L:p", person(number), "research", "given")

    def load(self, session: Session, own: random.Random) -> None:
        """As dina: one more commit."""
        number = self.take_number()
        session.load(commit_of(number), "lab.events", mode="append")
        self.confirm(number)

    def take_number(self) -> int:
        with self.alone:
            number = self.next
            self.next += 1
            self.unsure.add(number)
            return number

    def confirm(self, number: int) -> None:
        with self.alone:
            self.unsure.discard(number)
            self.told.add(number)

    # -- between faults ----------------------------------------------------------------------

    def gateway(self) -> int | None:
        """Return the process of the gateway that serves the lake, None while there is none."""
        with (self.lake / "run" / "gateway.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                told = lock.read()
                return int(told) if told else None
        return None  # whoever wrote the number is gone, and it may be somebody else's by now

    def restart(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the gateway and start another, before anybody else does."""
        with (self.lake / "run" / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            signalled(self.gateway(), number)
            while "address" not in (line := self._zygote.start(self.lake)):
                # The one before is not quite gone: its lock is freed with it.
                assert "lake_locked" in line, line

    def wait_a_moment(self, most: float = 0.4) -> None:
        """Let people work for a random time, so that the fault comes anywhere."""
        with self._state:
            self._state.wait(self.random.random() * most)

    def settle(self) -> None:
        """Wait until everybody got an answer that they asked for after now."""
        with self._state:
            now = time.monotonic()
            while late := [user for user in self._people if self._asked.get(user, 0.0) < now]:
                left = now + PATIENCE - time.monotonic()
                assert left > 0, f"nobody answers {late}: {self.errors}"
                self._state.wait(left)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[Session]:
        """Have everybody pause; yield the steward's session."""
        with self._state:
            self._hold = True
            deadline = time.monotonic() + PATIENCE
            while self._parked != set(self._people):
                left = deadline - time.monotonic()
                assert left > 0, f"somebody hangs: only {self._parked} pause"
                self._state.wait(left)
        try:
            yield self.sessions["steward"]
        finally:
            with self._state:
                self._hold = False
                self._state.notify_all()

    def check(self) -> None:
        """Check what must hold after every fault.

        Raises:
            AssertionError: It does not.
        """
        with self.quiet() as steward:
            assert not self.wrongs, self.wrongs
            chain = steward.audit(limit=1)["chain"]
            assert chain["ok"], chain
            rows = steward.sql("SELECT batch, count(*) AS n FROM lab.events GROUP BY batch")
            there = {row["batch"]: row["n"] for row in rows}
            assert set(there.values()) == {ROWS}, there
            assert self.told <= there.keys(), f"lost: {self.told - there.keys()}"
            assert there.keys() <= self.told | self.unsure, "a commit that nobody made"
            recorded = self.recorded()
            for user, answers in self.answered.items():
                assert recorded.get(user, 0) >= answers, f"{user}: an answer without its record"
            if len(there) > MOST:
                steward.load(commit_of(0), "lab.events", mode="overwrite")
                self.told, self.unsure = {0}, set()

    def recorded(self) -> dict[str, int]:
        """Return how many permitted reads of each principal the audit log holds."""
        store = create_engine(self.store)
        try:
            with store.connect() as connection:
                counted = connection.exec_driver_sql(
                    "SELECT principal, count(*) FROM govdata_audit "
                    "WHERE action = 'select' AND permitted GROUP BY 1"
                )
                return {str(who): int(count) for who, count in counted}
        finally:
            store.dispose()


def signalled(pid: int | None, number: signal.Signals) -> bool:
    """Send a signal; return whether there was somebody to get it."""
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
