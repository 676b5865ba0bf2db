"""Logging in: a password for a bearer token, and the token for a principal."""
