"""The tables of the control charts."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, String, Table

from gateway.jobs.columns import Id, Utc, metadata

charts = Table(
    "charts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scanner", String(255), nullable=False),
    Column("protocol", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("quantity", String(32), nullable=False),
    Column("phantom", String(16)),
    Column("since", Utc, nullable=False),
    Column("centre", Float),
    Column("sigma", Float),
    Column("based_until", Utc),
    Column("alarm", String(16)),
    Column("alarm_since", Utc),
    Column("last_at", Utc),
    Column("last_value", Float),
    Index(None, "scanner", "protocol", "subject", "quantity", unique=True),
    Index(None, "alarm"),
)

readings = Table(
    "readings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("chart_id", Id, ForeignKey("charts.id"), nullable=False),
    Column("scan_id", String(32), nullable=False),
    Column("job_id", Id, nullable=False),
    Column("at", Utc, nullable=False),
    Column("value", Float, nullable=False),
    Index(None, "chart_id", "scan_id", unique=True),
    Index(None, "chart_id", "at"),
)
