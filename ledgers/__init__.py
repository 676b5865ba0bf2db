"""Intake and outbox: the two promises of the product, each decided in one place."""
