"""Versions data sets and models on S3; bytes never pass it."""
