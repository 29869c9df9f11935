"""What tests share: processes of our own, waiting, plain twins."""
