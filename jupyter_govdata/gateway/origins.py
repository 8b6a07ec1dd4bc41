"""What a load says it was made from, checked before anything is written. Runs in the gateway.

SECURITY: the kernel sends receipts, and whoever owns the kernel may send any. One counts only if
a key of this lake signed it, for the same principal: nobody proves a read that was not his. It
proves that the principal read that version, not what he then did with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.gateway.access import Access
from jupyter_govdata.gateway.signing import signed_with
from jupyter_govdata.ledger import Origin
from jupyter_govdata.model.asset import asset_name
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import canonical_json, to_wire


class Origins:
    """Checks origins for one lake."""

    def __init__(self, access: Access, public_keys: Sequence[str]) -> None:
        self._access = access
        self._public_keys = public_keys

    def of(
        self,
        principal: str,
        declared: str | None,
        receipts: Iterable[Receipt],
        inputs: Iterable[str],
    ) -> tuple[Origin, ...]:
        """Return the origins of a load, each once; a receipt counts before a name.

        Raises:
            ProtocolError: A receipt that this lake did not sign for the principal.
            NotVisibleError: An input that is missing or hidden.
        """
        found: dict[tuple[str, int], Origin] = {}
        for receipt in receipts:
            self._require_signed(receipt, principal)
            origin = Origin(receipt.asset, receipt.snapshot_id, "receipt")
            found[receipt.asset, receipt.snapshot_id] = origin
        proved = {origin.asset for origin in found.values()}
        for name in inputs:
            state = self._access.state()
            own = self._access.principal(state, principal).purpose
            purpose = declared or own or ""
            self._access.require_visible(state, principal, name, purpose, "discover")
            if name not in proved:
                found[asset_name(name), 0] = Origin(name, None, "declared")
        return tuple(found.values())

    def _require_signed(self, receipt: Receipt, principal: str) -> None:
        fields = to_wire(replace(receipt, signature=""))
        del fields["signature"]
        try:
            message = canonical_json(fields)
        except (TypeError, ValueError) as exc:
            raise ProtocolError("a receipt of the inputs is damaged") from exc
        signed = isinstance(receipt.signature, str) and any(
            signed_with(pem, message, receipt.signature) for pem in self._public_keys
        )
        if not signed or receipt.principal != principal:
            raise ProtocolError(
                "a receipt of the inputs was not signed by this lake for you",
                hint="load what you read in this lake, or name the assets in `inputs`",
            )
