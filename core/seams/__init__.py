"""Seams: the true line of a taped joint, found in the photo."""
