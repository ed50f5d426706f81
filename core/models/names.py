"""Names of checkpoints that need no weights to be talked about."""

COMPACT = "compact"
"""The checkpoint that ships with the project."""
PUBLISHED = "CIDAS/clipseg-rd64-refined"
GROUNDED_SAM = "grounded-sam:"
"""`grounded-sam:DINO+SAM`: a Grounding DINO and a SAM checkpoint, each a folder or a hub id, around the last plus sign."""
SAM3 = "sam3:"
"""`sam3:ID_OR_FOLDER`: a SAM 3 checkpoint."""
ALLOWED_VARIABLE = "DRYWALL_QA_CHECKPOINTS"
"""Names the checkpoints, besides the shipped ones and the workspace's runs, that the dashboard may load, parted by blanks."""
REMOTE = ("http://", "https://")
"""How the address of a model server begins (docs/model_server.md)."""
