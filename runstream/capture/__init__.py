"""What a run records by itself: console output, facts about its start, why it died."""
