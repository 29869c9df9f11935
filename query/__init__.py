"""Answers people, notebooks and the dashboard: runs, history, latest values."""
