"""What was chosen to be measured of a dataset whose task names nothing."""

from __future__ import annotations

import sqlalchemy as sa

from airflow_lupus.stores.migrations.operations import TEXT, add_columns

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    comment = "JSON object: the source's columns when it was chosen, and what is measured of them"
    add_columns("datasets", sa.Column("choice", TEXT, comment=comment))
