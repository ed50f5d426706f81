"""Schema upgrades: what changed since version 1, in order, applied in place when an older workspace is opened.

The version of a database is 1 plus the number of entries it has seen, so a new entry goes at the end and never changes.
An entry alters what exists: new tables need none, they are made from `data.tables`. A column added here must have
the same type and server default in `data.tables`; a test compares an upgraded database with a new one.
"""

UPGRADES: tuple[tuple[str, ...], ...] = (
    (  # where each mask comes from, and the bulk action that made it
        "ALTER TABLE label_revisions ADD COLUMN provenance VARCHAR(20) DEFAULT 'drawn' NOT NULL",
        "UPDATE label_revisions SET provenance = 'imported' WHERE tool = 'import'",
        "ALTER TABLE label_revisions ADD COLUMN human_made BOOLEAN DEFAULT true NOT NULL",
        "ALTER TABLE label_revisions ADD COLUMN batch VARCHAR(40)",
    ),
    (  # how long a decision took
        "ALTER TABLE reviews ADD COLUMN seconds FLOAT",
    ),
)

SCHEMA_VERSION = 1 + len(UPGRADES)
