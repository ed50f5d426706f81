"""Names of checkpoints that need no weights to be talked about."""

COMPACT = "compact"
"""The checkpoint that ships with the project."""
PUBLISHED = "CIDAS/clipseg-rd64-refined"
