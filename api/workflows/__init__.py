"""Case definitions: register, validate, read."""
