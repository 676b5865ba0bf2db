"""The worker processes: each puts its parts together and polls its task queues."""
