"""The spool: append-only files between the training process and the forwarder. FORMAT.md draws the bytes."""
