"""Failures a user can understand: one sentence that names the thing, the value and the remedy.

DrywallError                 exit code 1: the work failed
├── PhotoError               a photo cannot be read
├── AnnotationError          an annotation file or item cannot be used
├── StaleRevisionError       somebody saved a newer revision first
├── LockedError              the label was accepted and is not reopened
├── LeaseError               another reviewer has the sample
└── RequestError             exit code 2: the request was wrong
    ├── ConfigError          a setting is unknown or out of range
    ├── CheckpointError      a checkpoint cannot be loaded
    └── WorkspaceError       the workspace cannot be used

A programmer's mistake stays a ValueError or TypeError.
"""

from datetime import datetime


class DrywallError(Exception):
    exit_code = 1


class PhotoError(DrywallError):
    pass


class AnnotationError(DrywallError):
    pass


class StaleRevisionError(DrywallError):
    """`current` is the number of the revision that is there now."""

    def __init__(self, message: str, current: int) -> None:
        super().__init__(message)
        self.current = current


class LockedError(DrywallError):
    pass


class LeaseError(DrywallError):
    """`reviewer` has the sample until `until` (UTC)."""

    def __init__(self, message: str, reviewer: str, until: datetime) -> None:
        super().__init__(message)
        self.reviewer, self.until = reviewer, until


class RequestError(DrywallError):
    exit_code = 2


class ConfigError(RequestError):
    pass


class CheckpointError(RequestError):
    pass


class WorkspaceError(RequestError):
    pass
