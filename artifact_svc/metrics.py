"""Metrics of the artifact service."""

from __future__ import annotations

from runstream.service.metrics import Metric, counter

VERSIONS_MADE = Metric("runstream_artifact_versions_made_total", "counter", "Versions made.")
UPLOADS_PLANNED = Metric("runstream_artifact_uploads_planned_total", "counter", "Blobs that had to be uploaded.")
BLOBS_KNOWN = Metric("runstream_artifact_blobs_known_total", "counter", "Blobs that were there already.")
TABLE = (VERSIONS_MADE, UPLOADS_PLANNED, BLOBS_KNOWN)

versions_made = counter(VERSIONS_MADE)
uploads_planned = counter(UPLOADS_PLANNED)
blobs_known = counter(BLOBS_KNOWN)
