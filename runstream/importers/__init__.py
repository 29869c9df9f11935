"""Runs that other trackers wrote, brought here: one source a file, one way out.

    source ─► read_runs() ─► ImportedRun ─► spool ─► forwarder ─► server
                                 │                                   │
                                 └──────────── counts ◄──────────────┘

A reader owns its source's format and knows nothing of spools and servers; ``writing`` and ``sending`` know nothing of
sources.
"""
