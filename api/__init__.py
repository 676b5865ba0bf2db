"""The front door: an HTTP API, one folder a resource."""
