"""The routes that show what exists. Run in the Jupyter server; the gateway says what they say."""

from __future__ import annotations

from collections import Counter
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyter_govdata.model.wire import to_wire
from jupyter_govdata.server.forms import card_json, snapshot_json
from jupyter_govdata.server.handlers import GovDataHandler
from jupyter_govdata.server.inputs import checked_asset

NAME = r"([^/]+)"


class Status(GovDataHandler):
    """Who asks, why, and whether the gateway answers."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer at once, whatever state the gateway is in."""
        self.answer_to((), await self.until_gone(self.link.status()))


class Catalog(GovDataHandler):
    """What exists, a page at a time, with what to filter by."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """List the assets that match, and count them."""
        query = self.query
        offset, limit = query.page()
        purpose = query.text("purpose")
        asked = {
            "text": query.text("text") or "",
            "namespace": query.text("namespace"),
            "modality": query.texts("modality"),
            "tag": query.texts("tag"),
            "owner": query.texts("owner"),
            "readable": query.flag("readable"),
        }
        answer = await self.ask(lambda s, _: _browse(s, asked, purpose, offset, limit))
        self.answer_to((self.link.principal, purpose, asked, offset, limit), answer)


def _browse(
    session: Any, asked: dict[str, Any], purpose: str | None, offset: int, limit: int
) -> dict[str, Any]:
    words = asked["text"].casefold().split()
    found = [
        s
        for s in session.catalog.ls(asked["namespace"], purpose)
        if all(w in f"{s.name} {s.description} {s.tags}".casefold() for w in words)
        and (not asked["modality"] or s.tags.get("modality") in asked["modality"])
        and (not asked["owner"] or s.owner in asked["owner"])
        and set(asked["tag"]) <= set(s.tags)
        and (not asked["readable"] or s.access != "none")
    ]
    return {
        "epoch": session.epoch(),
        "total": len(found),
        "namespaces": [
            {"name": name, "count": count}
            for name, count in sorted(Counter(s.name.split(".", 1)[0] for s in found).items())
        ],
        "facets": {
            "modality": _facet(s.tags["modality"] for s in found if "modality" in s.tags),
            "tag": _facet(t for s in found for t in s.tags),
            "owner": _facet(s.owner for s in found),
        },
        "assets": [{**to_wire(s), "matched": []} for s in found[offset : offset + limit]],
    }


def _facet(values: Any) -> list[dict[str, Any]]:
    return [{"value": value, "count": count} for value, count in sorted(Counter(values).items())]


class AssetCard(GovDataHandler):
    """One asset's card."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Describe the asset, now or at a version."""
        asset, at, purpose = checked_asset(name), self.query.at(), self.query.text("purpose")
        view = await self.ask(lambda s, _: s.view(asset, at, purpose))
        self.answer_to((self.link.principal, purpose), card_json(view))


class Versions(GovDataHandler):
    """One asset's versions."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """List the versions, newest first."""
        asset, purpose = checked_asset(name), self.query.text("purpose")
        offset, limit = self.query.page()
        found = await self.ask(lambda s, _: s.catalog.versions(asset))
        page = [snapshot_json(v) for v in found[offset : offset + limit]]
        answer = {"total": len(found), "versions": page}
        self.answer_to((self.link.principal, purpose, offset, limit), answer)


ROUTES = (
    ("status", Status),
    ("catalog", Catalog),
    (rf"assets/{NAME}", AssetCard),
    (rf"assets/{NAME}/versions", Versions),
)
