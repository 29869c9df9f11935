"""The demo: a small model that really trains, in several processes."""
