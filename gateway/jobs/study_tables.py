"""The tables of reader studies: what was made for whom, and what they say of it."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text

from gateway.jobs.columns import Id, Utc, metadata

studies = Table(
    "studies",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("criteria", JSON, nullable=False),
    Column("design", String(16), nullable=False, server_default="scores"),
    Column("points", Integer, nullable=False),
    Column("repeats", Integer, nullable=False, server_default="0"),
    Column("project", String(255), nullable=False),
    Column("seed", String(64), nullable=False),
    Column("made_by", String(255), nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("deleted_at", Utc),
    Index(None, "name", unique=True),
)

study_images = Table(
    "study_images",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("scan_id", String(32), ForeignKey("scans.id"), nullable=False),
    Column("recipe", String(64), nullable=False),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Index(None, "study_id", "number", unique=True),
    Index(None, "job_id", unique=True),
)

study_readers = Table(
    "study_readers",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True, autoincrement=False),
    Column("reader", String(64), primary_key=True),
    Column("began_at", Utc),
    Column("finished_at", Utc),
)

study_scores = Table(
    "study_scores",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False),
    Column("code", String(32), primary_key=True),
    Column("reader", String(64), primary_key=True),
    Column("criterion", String(64), primary_key=True),
    Column("score", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Index(None, "study_id"),
)

study_remarks = Table(
    "study_remarks",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False),
    Column("code", String(32), primary_key=True),
    Column("reader", String(64), primary_key=True),
    Column("text", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Index(None, "study_id"),
)
