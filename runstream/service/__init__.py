"""What every server of runstream shares: hosting, auth, errors, health, metrics, logs."""
