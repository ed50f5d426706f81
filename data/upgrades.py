"""Schema upgrades: what changed since version 1, in order, applied in place when an older workspace is opened.

The version of a database is 1 plus the number of entries it has seen, so a new entry goes at the end and never changes.
An entry alters what exists: new tables need none, they are made from `data.tables`. A column added here must have
the same type and server default in `data.tables`; a test compares an upgraded database with a new one.
"""

UPGRADES: tuple[tuple[str, ...], ...] = (
    (  # the boxes that a sample was imported with; empty for what was imported before
        "ALTER TABLE samples ADD COLUMN boxes JSON NOT NULL DEFAULT '[]'",
    ),
)

SCHEMA_VERSION = 1 + len(UPGRADES)
