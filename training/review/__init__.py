"""The review desk's logic: what to look at next, proposals, reviewers, what fixes bought."""
