"""Mail templates: what a mail would say, before it is sent."""
