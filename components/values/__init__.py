"""Helm values: pure functions from configuration and contracts to nested dicts."""
