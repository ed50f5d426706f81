"""Scoring: a checkpoint against labels, its figures, curves and pictures."""
