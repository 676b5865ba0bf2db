"""Drawings of definitions and cases."""
