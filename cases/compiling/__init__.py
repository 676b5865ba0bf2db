"""From a definition in either notation to its net."""
