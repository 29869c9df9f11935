"""Settings of hosting, and the options that stand for them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass

from runstream.errors import InvalidField


@dataclass(frozen=True)
class HostSettings:
    """Where and how a process serves.

    Attributes:
        host: address to listen on. Loopback needs no API keys; any other address does.
        http_port: port of JSON methods, health, metrics and dashboard; 0 takes a free one.
        grpc_port: port of gRPC; 0 takes a free one.
        grace_s: longest that draining may take before sockets are closed.
        max_message_bytes: largest gRPC message.
        max_connection_age_s: closes connections after this long, so that clients spread over new replicas; 0 never.
        advertised_grpc: gRPC address told to clients, where a proxy stands before the port.
        insecure_no_auth: serve without API keys on any address.
    """

    host: str = "127.0.0.1"
    http_port: int = 8080
    grpc_port: int = 8081
    grace_s: float = 10.0
    max_message_bytes: int = 64 << 20
    max_connection_age_s: float = 0.0
    advertised_grpc: str = ""
    insecure_no_auth: bool = False

    def validate(self) -> None:
        """Raises InvalidField naming the first setting that cannot be."""
        for name in ("http_port", "grpc_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise InvalidField(name, f"must be 0 to 65535, not {getattr(self, name)}")
        if self.grace_s < 0:
            raise InvalidField("grace_s", f"must be 0 or more seconds, not {self.grace_s}")


def add_host_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of HostSettings; each is also RUNSTREAM_<NAME> in the environment."""
    defaults = HostSettings()

    def option(flag: str, name: str, kind: Callable[[str], object], default: object, text: str) -> None:
        given = os.environ.get(f"RUNSTREAM_{name.upper()}")
        parser.add_argument(
            flag, dest=name, type=kind, default=kind(given) if given else default, help=f"{text} (default: {default})"
        )

    option("--host", "host", str, defaults.host, "address to listen on")
    option("--port", "http_port", int, defaults.http_port, "HTTP port, 0 takes a free one")
    option("--grpc-port", "grpc_port", int, defaults.grpc_port, "gRPC port, 0 takes a free one")
    option("--grace", "grace_s", float, defaults.grace_s, "seconds that a graceful stop may take")
    option("--advertised-grpc", "advertised_grpc", str, "", "gRPC address told to clients behind a proxy")
    option("--max-connection-age", "max_connection_age_s", float, 0.0, "seconds after which connections are renewed")
    parser.add_argument("--insecure-no-auth", action="store_true", help="serve any address without API keys")


def host_settings(args: argparse.Namespace) -> HostSettings:
    """The settings that a command line gives."""
    return HostSettings(
        host=args.host,
        http_port=args.http_port,
        grpc_port=args.grpc_port,
        grace_s=args.grace_s,
        advertised_grpc=args.advertised_grpc,
        max_connection_age_s=args.max_connection_age_s,
        insecure_no_auth=args.insecure_no_auth,
    )
