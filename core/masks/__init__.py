"""Masks: how they are drawn, encoded, outlined and changed stroke by stroke."""
