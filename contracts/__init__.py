"""What crosses Temporal: payload models, names, ids, task queues and search attributes.

Workflows, activities, workers and the API meet only here, so that a name or a payload
is written once and a change to one is seen by all.
"""
