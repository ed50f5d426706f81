"""Schema upgrades: what changed since version 1, in order, applied in place when an older workspace is opened.

The version of a database is 1 plus the number of entries it has seen, so a new entry goes at the end and never changes.
An entry alters what exists: new tables need none, they are made from `data.store.tables`. A column added here must have
the same type and server default in `data.store.tables`; a test compares an upgraded database with a new one.
"""

UPGRADES: tuple[tuple[str, ...], ...] = (
    (  # thin-structure metrics and the model's grid beside IoU; empty for what was scored before
        "ALTER TABLE scores ADD COLUMN boundary_iou FLOAT",
        "ALTER TABLE scores ADD COLUMN tolerant_precision_2px FLOAT",
        "ALTER TABLE scores ADD COLUMN tolerant_recall_2px FLOAT",
        "ALTER TABLE scores ADD COLUMN tolerant_f1_2px FLOAT",
        "ALTER TABLE scores ADD COLUMN tolerant_precision_5px FLOAT",
        "ALTER TABLE scores ADD COLUMN tolerant_recall_5px FLOAT",
        "ALTER TABLE scores ADD COLUMN tolerant_f1_5px FLOAT",
        "ALTER TABLE scores ADD COLUMN cldice FLOAT",
        "ALTER TABLE scores ADD COLUMN ceiling FLOAT",
        "ALTER TABLE scores ADD COLUMN iou_of_possible FLOAT",
        "ALTER TABLE scores ADD COLUMN grid_height INTEGER",
        "ALTER TABLE scores ADD COLUMN grid_width INTEGER",
    ),
    (  # the scale of a photo, for sizes in mm
        "ALTER TABLE images ADD COLUMN px_per_mm FLOAT",
        "ALTER TABLE images ADD COLUMN scale_author VARCHAR",
    ),
    (  # the boxes that a sample was imported with; empty for what was imported before
        "ALTER TABLE samples ADD COLUMN boxes JSON NOT NULL DEFAULT '[]'",
    ),
    (  # where each mask comes from, and the bulk action that made it
        "ALTER TABLE label_revisions ADD COLUMN provenance VARCHAR(20) DEFAULT 'drawn' NOT NULL",
        "UPDATE label_revisions SET provenance = 'imported' WHERE tool = 'import'",
        "ALTER TABLE label_revisions ADD COLUMN human_made BOOLEAN DEFAULT true NOT NULL",
        "ALTER TABLE label_revisions ADD COLUMN batch VARCHAR(40)",
    ),
    (  # how long a decision took
        "ALTER TABLE reviews ADD COLUMN seconds FLOAT",
    ),
    (  # whether a label is the imported one, whatever its number
        "ALTER TABLE label_revisions ADD COLUMN as_imported BOOLEAN DEFAULT false NOT NULL",
        "UPDATE label_revisions SET as_imported = EXISTS (SELECT 1 FROM label_revisions AS first WHERE first.number = 1 AND "
        "first.sample_id = label_revisions.sample_id AND "
        "json_extract(first.rle, '$.counts') = json_extract(label_revisions.rle, '$.counts'))",
    ),
    (  # what likeness is told by; empty for photos that came in before
        "ALTER TABLE images ADD COLUMN view_hashes BLOB",
    ),
    (  # why a prediction failed, empty for what was scored before; and the slot a score is counted in
        "ALTER TABLE scores ADD COLUMN cause VARCHAR(30) DEFAULT '' NOT NULL",
        "ALTER TABLE scores ADD COLUMN slot INTEGER DEFAULT 0 NOT NULL",
    ),
    (  # where a sample stands in the queue, and how many groups of copies cross splits
        "ALTER TABLE samples ADD COLUMN slot INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE samples ADD COLUMN worth FLOAT DEFAULT 0 NOT NULL",
        "ALTER TABLE samples ADD COLUMN lot FLOAT DEFAULT 0 NOT NULL",
        "ALTER TABLE workspace ADD COLUMN leaking_groups INTEGER DEFAULT 0 NOT NULL",
    ),
    (  # what people write beside a run
        "ALTER TABLE runs ADD COLUMN note VARCHAR DEFAULT '' NOT NULL",
    ),
)

SCHEMA_VERSION = 1 + len(UPGRADES)
