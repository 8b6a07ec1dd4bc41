"""The routes that show what exists. Run in the Jupyter server; the gateway says what they say."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyter_govdata.model.wire import to_wire
from jupyter_govdata.server.forms import (
    card_json,
    comparison_json,
    lineage_json,
    version_json,
)
from jupyter_govdata.server.handlers import GovDataHandler
from jupyter_govdata.server.inputs import MAX_OFFSET, checked_asset
from jupyter_govdata.server.pictures import FILES, MAX_FILES, Wanted
from jupyter_govdata.server.preview import MAX_ROWS, preview

NAME = r"([^/]+)"
ROWS = 20
DEPTH, MAX_DEPTH = 3, 10


class Status(GovDataHandler):
    """Who asks, why, and whether the gateway answers."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer soon, whatever state the gateway is in."""
        self.answer_to((), await self.until_gone(self.link.status()))


class Catalog(GovDataHandler):
    """What exists, a page at a time, with what to filter by."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """List the assets that match, and count them."""
        query = self.query
        offset, limit = query.page()
        asked: dict[str, Any] = {
            "text": query.text("text", 500) or "",
            "namespace": query.text("namespace", 500) or "",
            "modality": query.texts("modality"),
            "tag": query.texts("tag"),
            "owner": query.texts("owner"),
            "readable": query.flag("readable"),
            "grouped": query.flag("grouped"),
            "purpose": query.purpose(),
            "offset": offset,
            "limit": limit,
        }
        page = await self.ask(lambda s, _: s.browse(**asked))
        self.answer_to(tuple(asked.values()), to_wire(page))


class AssetCard(GovDataHandler):
    """One asset's card."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Describe the asset, now or at a version."""
        asset, at, purpose = checked_asset(name), self.query.at(), self.query.purpose()
        view = await self.ask(lambda s, _: s.view(asset, at, purpose))
        self.answer_to((purpose,), card_json(view))


class Versions(GovDataHandler):
    """One asset's versions."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """List the versions, newest first, each with what it changed."""
        asset, purpose = checked_asset(name), self.query.purpose()
        offset, limit = self.query.page()
        page = await self.ask(
            lambda s, _: s.versions(asset, offset=offset, limit=limit, purpose=purpose)
        )
        answer = {"total": page.total, "versions": [version_json(v) for v in page.versions]}
        self.answer_to((purpose, offset, limit), answer)


class Compare(GovDataHandler):
    """What lies between two versions of an asset."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Count rows and name columns that changed."""
        asset, purpose = checked_asset(name), self.query.purpose()
        older, newer = self.query.snapshot("from"), self.query.snapshot("to")
        found = await self.ask(
            lambda s, _: s.compare_versions(asset, older, newer, purpose=purpose)
        )
        self.answer_to((purpose, older, newer), comparison_json(found))


class Preview(GovDataHandler):
    """A few governed rows of an asset."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Read and show the first rows, as the gateway lets this principal see them."""
        asset, at, purpose = checked_asset(name), self.query.at(), self.query.purpose()
        rows = self.query.whole("limit", ROWS, 1, MAX_ROWS)
        found = await self.ask(lambda s, stop: preview(s, asset, at, purpose, rows, stop))
        self.answer_to((purpose, rows), found)


class Lineage(GovDataHandler):
    """What an asset was made from, and what was made from it."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Return the graph around the asset, without what is hidden."""
        asset, purpose = checked_asset(name), self.query.purpose()
        depth = self.query.whole("depth", DEPTH, 1, MAX_DEPTH)
        graph = await self.ask(lambda s, _: s.lineage(asset, depth=depth, purpose=purpose))
        self.answer_to((purpose, depth), lineage_json(graph))


class Citation(GovDataHandler):
    """How to cite an asset."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Return a sentence and BibTeX."""
        asset, at, purpose = checked_asset(name), self.query.at(), self.query.purpose()
        cited = await self.ask(lambda s, _: s.citation(asset, at, purpose=purpose))
        self.answer_to((purpose,), to_wire(cited))


class FilesHandler(GovDataHandler):
    """A route about the files of an inventory."""

    def wanted(self, name: str) -> Wanted:
        """Return whose files are meant."""
        return Wanted(self.key, checked_asset(name), self.query.at(), self.query.purpose())


class Files(FilesHandler):
    """Files that one may open."""

    @authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Grant the files and name some of them."""
        wanted = self.wanted(name)
        offset = self.query.whole("offset", 0, 0, MAX_OFFSET)
        limit = self.query.whole("limit", FILES, 1, MAX_FILES)
        pictures = self.shared.pictures
        found = await self.ask(lambda s, _: pictures.listing(s, wanted, offset, limit))
        self.answer_to((wanted.purpose, offset, limit), found)


class Thumbnail(FilesHandler):
    """A small picture of a file that one may open."""

    @authenticated
    @authorized
    async def get(self, name: str, key: str) -> None:
        """Open the file and draw it."""
        wanted, pictures = self.wanted(name), self.shared.pictures
        drawn = await self.ask(lambda s, stop: pictures.picture(s, wanted, key, stop))
        self.answer_png((wanted.purpose,), drawn)


ROUTES = (
    ("status", Status),
    ("catalog", Catalog),
    (rf"assets/{NAME}", AssetCard),
    (rf"assets/{NAME}/versions", Versions),
    (rf"assets/{NAME}/compare", Compare),
    (rf"assets/{NAME}/preview", Preview),
    (rf"assets/{NAME}/lineage", Lineage),
    (rf"assets/{NAME}/citation", Citation),
    (rf"assets/{NAME}/files", Files),
    (rf"assets/{NAME}/files/{NAME}/thumbnail", Thumbnail),
)
