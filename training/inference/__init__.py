"""Inference: predictors by name, photos and folders of them to masks."""
