"""The one JSON line of a benchmark."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence


def arguments(description: str) -> argparse.Namespace:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smoke", action="store_true", help="a short run that only shows that it works")
    parser.add_argument("--peers", action="store_true", help="also measure the peers that are installed")
    return parser.parse_args()


def say(benchmark: str, budgets: dict[str, str], figures: dict[str, object]) -> None:
    """Prints the line."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": benchmark, "budgets": budgets, **figures, "machine": machine}))


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def quantile(sorted_values: Sequence[float], part: float) -> float:
    """A quantile of sorted values, nearest rank."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))]
