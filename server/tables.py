"""The tables as queries see them; how they come to be is in `server/migrations.py`.

Every table of content carries the space and the user. Within a space `version` counts commits of
rows: it is given out under the lock on the space's record, so that its order is the order of the
commits. JSON is kept as ASCII text, which every database holds unchanged.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text

metadata = MetaData()

properties = Table(
    "properties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

spaces = Table(
    "spaces",
    metadata,
    Column("space_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("horizon", BigInteger, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("space_id", Text, primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("settled_through", BigInteger, nullable=False),
)

rows = Table(
    "rows",
    metadata,
    Column("space_id", Text, primary_key=True),
    Column("collection", Text, primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("data", Text),
    Column("updated_at", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("run_base", BigInteger, nullable=False),
    Index("rows_by_version", "space_id", "version", unique=True),
)

receipts = Table(
    "receipts",
    metadata,
    Column("space_id", Text, primary_key=True),
    Column("action_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("body_hash", Text, nullable=False),
    Column("result", Text, nullable=False),
    Index("receipts_by_seq", "space_id", "user_id", "client_id", "seq"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("space_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("p256dh", Text, nullable=False),
    Column("auth", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("subscriptions_by_space", "space_id"),
)
