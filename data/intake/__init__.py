"""Intake: exports become samples, inspected, grouped and split."""
