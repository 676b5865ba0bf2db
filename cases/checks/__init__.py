"""What a definition must satisfy beyond its shapes, each problem with its place and a hint."""
