"""The FastAPI app that Airflow mounts under `/lupus`: the API behind its login, and the bundle, which holds no data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from airflow_lupus.exceptions import LupusError, StoreError
from airflow_lupus.plugin.api import router

if TYPE_CHECKING:
    from fastapi import Request

STATIC = Path(__file__).parent / "static"


def create_app() -> FastAPI:
    """The app; without pages of its own documentation, which would be open to anybody."""
    app = FastAPI(title="airflow-lupus", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")

    @app.exception_handler(LupusError)
    def _lupus_error(_request: Request, error: LupusError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503 if isinstance(error, StoreError) else 422)

    return app
