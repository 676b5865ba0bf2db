"""Whether it lives, is ready, and how it fares."""
