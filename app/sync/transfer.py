"""Exporting the whole outbox, and importing a file."""

from __future__ import annotations

from app.core.attempt import UNSETTLED, perhaps_sent
from app.core.entry import Entry, behind, read_entries
from app.core.identity import Identity, identify
from app.core.importing import import_entries
from app.core.transfer import Imported, export_entries, read_export
from app.ports import Store

PAGE = 500


async def export_all(store: Store, fresh_id: str) -> str:
    """Return the whole outbox as JSON text; `fresh_id` is for a client that has no id yet."""
    named = identify(fresh_id)
    identity: Identity = await store.transact(named.queries, named.decide)
    entries: list[Entry] = []
    after = 0
    while True:
        found, inbox = await store.read(behind(after, PAGE), UNSETTLED)
        sent = perhaps_sent(inbox)
        read = read_entries(found)
        entries += [it.model_copy(update={"sent": it.sent or it.id in sent}) for it in read]
        if len(found) < PAGE:
            return export_entries(entries, identity.client_id)
        after = entries[-1].seq


async def import_text(store: Store, text: str) -> Imported:
    """Add the entries of a file to the outbox; raises `InvalidInput`."""
    decision = import_entries(read_export(text))
    imported: Imported = await store.transact(decision.queries, decision.decide)
    return imported
