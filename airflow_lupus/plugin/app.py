"""The FastAPI app that Airflow mounts under `/lupus`: the API behind its login, and the bundle, which holds no data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from airflow_lupus.exceptions import LupusError, StoreError
from airflow_lupus.plugin.api import router

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.responses import Response

STATIC = Path(__file__).parent / "static"


class Bundle(StaticFiles):
    """Files that browsers ask about each time: their address changes with the version only, not with each build."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app() -> FastAPI:
    """The app; without pages of its own documentation, which would be open to anybody."""
    app = FastAPI(title="airflow-lupus", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.mount("/static", Bundle(directory=STATIC, check_dir=False), name="static")

    @app.exception_handler(LupusError)
    def _lupus_error(_request: Request, error: LupusError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503 if isinstance(error, StoreError) else 422)

    return app
