"""One budget of docs/design.md a file: ``python -m benchmarks.NAME [--smoke] [--peers]`` prints one JSON line.

Each measures a ratio within one run, since machines are noisy: ours against the bare engine, the bare kernel or a
peer. Absolute figures stand beside it.
"""
