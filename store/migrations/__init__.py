"""Alembic's folder: the environment, and one file for each change of the tables."""
