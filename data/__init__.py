"""Data at rest: COCO in and out, preparation, splits, duplicates, the demo generator and the store."""
