"""The 43 control-flow patterns: what each one does, and that faults in the engine are found."""
