"""How rules are written and evaluated: fields, condition trees, guards, regular expressions."""
