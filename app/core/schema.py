"""The device's database as an append-only list of named upgrade steps.

The stores and their keys are the storage contract of docs/design.md.
"""

from __future__ import annotations

from app.ports import IndexDefinition, StoreDefinition, Upgrade

ROWS = "rows"
OUTBOX = "outbox"
INBOX = "inbox"
METADATA = "metadata"
INVALID_ROWS = "invalid_rows"

BY_UPDATED_AT = "collection_updated_at"
BY_ID = "id"
BY_DUE = "state_next_attempt_at"
BY_ITEM = "collection_item_id"
BY_WAITS = "waits_for"
BY_EARLIER_ID = "earlier_ids"

UPGRADES: tuple[Upgrade, ...] = (
    Upgrade(
        "first_stores",
        (
            StoreDefinition(
                ROWS,
                ("collection", "id"),
                (IndexDefinition(BY_UPDATED_AT, ("collection", "updated_at")),),
            ),
            StoreDefinition(
                OUTBOX,
                "seq",
                (
                    IndexDefinition(BY_ID, "id", unique=True),
                    IndexDefinition(BY_DUE, ("state", "next_attempt_at")),
                    IndexDefinition(BY_ITEM, ("collection", "item_id")),
                ),
            ),
            StoreDefinition(INBOX, "id"),
            StoreDefinition(METADATA, "key"),
        ),
    ),
    Upgrade("invalid_rows", (StoreDefinition(INVALID_ROWS, ("collection", "id")),)),
    Upgrade(
        "dependencies",
        indexes=(
            (OUTBOX, IndexDefinition(BY_WAITS, "waits_for", multi_entry=True)),
            (OUTBOX, IndexDefinition(BY_EARLIER_ID, "earlier_ids", multi_entry=True)),
        ),
    ),
)
