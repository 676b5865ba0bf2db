"""The control-flow patterns: what there is, and each as a case."""
