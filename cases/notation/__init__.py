"""How definitions are written: states, or tasks and conditions, and the text that holds them."""
