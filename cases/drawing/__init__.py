"""Definitions as pictures: what is drawn, how large it is, where it stands, and its SVG."""
