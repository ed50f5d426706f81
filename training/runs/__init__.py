"""Runs: configured, launched, executed, recorded, pushed."""
