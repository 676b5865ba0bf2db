"""Tests of the client libraries' fronts."""
