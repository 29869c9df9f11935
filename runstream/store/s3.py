"""S3 as the services use it: conditional put, get, list, presigned URLs. Over boto3, for any S3.

The one primitive that decides races between replicas (I11) is the put that only creates: ``If-None-Match: *``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from runstream.errors import Conflict, InvalidField, NotFound, StorageUnavailable

PRESIGNED_S = 3600


@dataclass(frozen=True)
class Head:
    """What S3 says of an object: size in bytes, and its SHA-256 in hex if the store kept one."""

    size: int
    metadata: Mapping[str, str]


class S3:
    """One bucket.

    Args:
        url: ``s3://[ACCESS:SECRET@]bucket[?endpoint=URL&region=NAME&public_endpoint=URL]``. Without
            credentials boto3's own chain finds them; without endpoint it is AWS. ``public_endpoint`` is the
            address that clients reach the same S3 by, for presigned URLs.

    Raises:
        InvalidField: the URL has another form.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.hostname:
            raise InvalidField("s3", "must be s3://[ACCESS:SECRET@]bucket[?endpoint=URL&region=NAME]")
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        unknown = set(options) - {"endpoint", "region", "public_endpoint"}
        if unknown:
            raise InvalidField("s3", f"has unknown option {sorted(unknown)[0]!r}")
        self.bucket = parts.hostname
        common: dict[str, Any] = {"region_name": options.get("region", "us-east-1")}
        if parts.username:
            common["aws_access_key_id"] = unquote(parts.username)
            common["aws_secret_access_key"] = unquote(parts.password or "")
        endpoint = options.get("endpoint")
        self._client = _client(endpoint, common)
        self._signer = _client(options.get("public_endpoint") or endpoint, common)

    def ensure_bucket(self) -> None:
        """Makes the bucket if it is not there."""
        try:
            self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if _status(error) != 404:
                raise _translated(error, self.bucket) from error
            self._call(self.bucket, "create_bucket", Bucket=self.bucket)
            # Browsers read files of runs from here. The right to do so is in each URL's signature, so any page may.
            rule = {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
            with contextlib.suppress(ClientError, BotoCoreError):  # not every S3 has rules
                self._client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": [rule]})
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def put(self, key: str, data: bytes) -> None:
        """Writes an object, whatever was there."""
        self._call(key, "put_object", Bucket=self.bucket, Key=key, Body=data)

    def create(self, key: str, data: bytes) -> None:
        """Writes an object that must not be there; of all that try at once exactly one succeeds.

        Raises:
            Conflict: it is there.
        """
        self._call(key, "put_object", Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")

    def get(self, key: str) -> bytes:
        """Reads a whole object.

        Raises:
            NotFound: there is none.
        """
        answer = self._call(key, "get_object", Bucket=self.bucket, Key=key)
        return bytes(answer["Body"].read())

    def head(self, key: str) -> Head | None:
        """What is known of an object, or None if there is none."""
        try:
            answer = self._call(key, "head_object", Bucket=self.bucket, Key=key)
        except NotFound:
            return None
        return Head(int(answer["ContentLength"]), answer.get("Metadata", {}))

    def list(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Keys below a prefix, in order, a page at a time."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, **({"StartAfter": after} if after else {})
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"]
        except ClientError as error:
            raise _translated(error, prefix) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def presigned_put(self, key: str, size: int) -> tuple[str, dict[str, str]]:
        """A URL to put exactly ``size`` bytes to, good for an hour, and the headers to send with it."""
        url = self._signer.generate_presigned_url(
            "put_object",
            Params={"Bucket": self.bucket, "Key": key, "ContentLength": size},
            ExpiresIn=PRESIGNED_S,
        )
        return str(url), {"Content-Length": str(size)}

    def presigned_get(self, key: str, *, media_type: str = "", file_name: str = "") -> str:
        """A URL to get an object from, good for an hour; S3 answers with this type and name if they are given."""
        params = {"Bucket": self.bucket, "Key": key}
        if media_type:
            params["ResponseContentType"] = media_type
        if file_name:
            params["ResponseContentDisposition"] = f"inline; filename*=UTF-8''{quote(file_name, safe='')}"
        return str(self._signer.generate_presigned_url("get_object", Params=params, ExpiresIn=PRESIGNED_S))

    def ping(self) -> bool:
        """Whether the bucket answers."""
        try:
            self._client.head_bucket(Bucket=self.bucket)
        except (ClientError, BotoCoreError):
            return False
        return True

    def close(self) -> None:
        """Closes connections."""
        self._client.close()
        self._signer.close()

    def _call(self, key: str, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(**arguments)
        except ClientError as error:
            raise _translated(error, key) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error


def _client(endpoint: str | None, common: Mapping[str, Any]) -> Any:
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "auto"},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=32,
        retries={"max_attempts": 3, "mode": "standard"},
        # Only what an operation demands: other S3s do not know the newer trailing checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", endpoint_url=endpoint, config=config, **common)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _translated(error: ClientError, key: str) -> Exception:
    status = _status(error)
    if status in (409, 412):
        return Conflict(f"object {key} exists")
    if status == 404:
        return NotFound(f"object {key} does not exist")
    return StorageUnavailable(f"S3 answered {status or 'nothing'} for {key}: {error}", next_step="check --s3")


def _unavailable(error: BotoCoreError) -> StorageUnavailable:
    return StorageUnavailable(f"S3 cannot be reached: {error}", next_step="check the endpoint in --s3")
