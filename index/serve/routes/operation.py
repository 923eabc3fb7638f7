"""Routes for those who run the service: alive, ready, metrics; and the page."""

from fastapi import APIRouter, Response

from index.serve.metrics import CONTENT_TYPE
from index.serve.problems import Problem
from index.serve.routes.page_file import page, policy
from index.serve.service import Asked, Who

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(service: Asked) -> dict[str, str]:
    """Indexes and encoder are loaded, and not too many questions wait."""
    if service.gatherer.waiting >= service.settings.most_waiting:
        raise Problem(503, "too many questions are waiting", {"Retry-After": "1"})
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
async def metrics(service: Asked, caller: Who) -> Response:
    """Counters in Prometheus' text format."""
    service.metrics.waiting.set(service.gatherer.waiting)
    for name, held in service.holdings.all.items():
        service.metrics.version.labels(name).set(held.version)
        service.metrics.rows.labels(name).set(held.open_rows)
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/", include_in_schema=False)
async def show_page() -> Response:
    """The page of the service."""
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy()}
    return Response(page(), media_type="text/html; charset=utf-8", headers=headers)
