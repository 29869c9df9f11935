"""The dashboard's files, as built into ``query/ui/dist``: any path that is no file is a view of the page."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

DIST = Path(__file__).parent / "ui" / "dist"
# Files of runs come from S3, whose address only the artifact service knows; scripts come from here alone.
_ANYWHERE = "http: https:"
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: {_ANYWHERE}; "
        f"media-src {_ANYWHERE}; frame-src {_ANYWHERE}; connect-src 'self' {_ANYWHERE}; font-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_NOT_BUILT = "The dashboard was not built into this installation; `poe ui` builds it in a checkout.\n"


def add_dashboard(app: web.Application) -> None:
    """Serves ``/assets`` and, for every other path a browser asks for, the page itself."""
    if not (DIST / "index.html").exists():
        app.router.add_get("/", _not_built)
        return
    app.router.add_get("/assets/{name:[A-Za-z0-9_.-]+}", _asset)
    app.router.add_get("/", _page)
    app.router.add_get("/{kind:p|r}/{rest:.*}", _page)


async def _page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(DIST / "index.html", headers={**_HEADERS, "Cache-Control": "no-cache"})


async def _asset(request: web.Request) -> web.FileResponse:
    path = DIST / "assets" / request.match_info["name"]
    if not path.is_file():
        raise web.HTTPNotFound
    # Their names hold a digest of their content, so they never change.
    return web.FileResponse(path, headers={**_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"})


async def _not_built(request: web.Request) -> web.Response:
    return web.Response(text=_NOT_BUILT, status=503)
