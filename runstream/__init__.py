"""runstream: experiment tracking for GPU fleets."""
