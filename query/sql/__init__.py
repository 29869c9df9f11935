"""One statement a file, named like its caller."""
