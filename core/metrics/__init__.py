"""Metrics: overlap, thin structures, tolerance, the resolution ceiling, doubt about labels."""
