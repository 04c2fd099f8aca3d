"""The tables. SQL is the one truth: what is not here did not happen."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from gateway.jobs.columns import Id, Utc, metadata


def _lease_columns() -> list[Column[object]]:
    """Make the columns that a row needs to be worked on by one worker at a time."""
    columns: list[Column[object]] = [
        Column("attempt", Integer, nullable=False, default=0),
        Column("crashes", Integer, nullable=False, default=0),
        Column("run_at", Utc, nullable=False),
        Column("owner", String(128)),
        Column("lease_until", Utc),
        Column("created_at", Utc, nullable=False),
        Column("finished_at", Utc),
        Column("released_by", String(128)),
        Column("routes_version", Integer, nullable=False, default=0, server_default="0"),
    ]
    return columns


scans = Table(
    "scans",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("peer", String(255), nullable=False),
    Column("recording", String(255)),
    Column("digest", String(80)),
    Column("n_bytes", BigInteger, nullable=False, default=0),
    Column("n_acquisitions", Integer, nullable=False, default=0),
    Column("n_waveforms", Integer, nullable=False, default=0),
    Column("bytes_per_s", Float, nullable=False, default=0.0, server_default="0"),
    Column("recipe_asked", String(1024), nullable=False, default=""),
    Column("duplicate_of", String(32)),
    Column("facts", JSON, nullable=False, default=dict),
    Column("started_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("deleted_at", Utc),
    Index(None, "digest"),
    Index(None, "started_at"),
    Index(None, "state", "id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scan_id", String(32), ForeignKey("scans.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("priority", Integer, nullable=False, default=0),
    Column("recipe_asked", String(1024), nullable=False, default=""),
    Column("rule", String(255)),
    Column("recipe", String(64)),
    Column("progress", Float, nullable=False, default=0.0),
    Column("doing", Text, nullable=False, default=""),
    *_lease_columns(),
    Index(None, "scan_id"),
    Index(None, "state", "priority", "run_at", "id"),
    Index(None, "state", "id"),
    Index(None, "state", "finished_at"),
)

series = Table(
    "series",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("study_instance_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("description", String(64), nullable=False),
    Column("deleted_at", Utc),
    Index(None, "job_id"),
    Index(None, "series_instance_uid"),
)

instances = Table(
    "instances",
    metadata,
    Column("series_id", Id, ForeignKey("series.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sop_class_uid", String(64), nullable=False),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("path", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("n_bytes", BigInteger, nullable=False),
    Index(None, "sop_instance_uid"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("series_id", Id, ForeignKey("series.id"), nullable=False),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("scan_id", String(32), nullable=False),
    Column("destination", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("priority", Integer, nullable=False, default=0),
    *_lease_columns(),
    Index(None, "series_id"),
    Index(None, "job_id"),
    Index(None, "state", "priority", "run_at", "id"),
    Index(None, "state", "job_id"),
    Index(None, "destination", "state", "finished_at"),
)

delivery_items = Table(
    "delivery_items",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("stored_at", Utc, nullable=False),
    Column("committed_at", Utc),
)

commitments = Table(
    "commitments",
    metadata,
    Column("transaction_uid", String(64), primary_key=True),
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False),
    Column("requested_at", Utc, nullable=False),
    Column("taken", Boolean, nullable=False, default=False),
    Column("answered_at", Utc),
    Index(None, "delivery_id"),
)

noise = Table(
    "noise",
    metadata,
    Column("measurement_id", String(255), primary_key=True),
    Column("scan_id", String(32), ForeignKey("scans.id"), nullable=False),
    Column("coil_names", JSON, nullable=False),
    Column("dwell_time_us", Float, nullable=False),
    Column("bandwidth_factor", Float, nullable=False),
    Column("matrix", LargeBinary, nullable=False),
    Column("measured_at", Utc, nullable=False),
)

candidates = Table(
    "candidates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scan_id", String(32), ForeignKey("scans.id"), nullable=False),
    Column("key", String(12), nullable=False),
    Column("source", String(255), nullable=False),
    Column("identity", JSON, nullable=False),
    Column("differences", JSON, nullable=False),
    Column("found_at", Utc, nullable=False),
    Column("chosen_at", Utc),
    Column("chosen_by", String(255)),
    Index(None, "scan_id", "key", unique=True),
)

route_versions = Table(
    "route_versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("who", String(128), nullable=False),
    Column("comment", Text, nullable=False),
    Column("toml", Text, nullable=False),
)

rulings = Table(
    "rulings",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("subject", String(64), nullable=False),
    Column("action", String(16), nullable=False),
    Column("policy", String(255), nullable=False),
    Column("because", JSON, nullable=False),
    Column("assessments", JSON, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("decision", String(16)),
    Column("decided_by", String(255)),
    Column("decided_at", Utc),
    Column("reason", Text, nullable=False),
)

tallies = Table(
    "tallies",
    metadata,
    Column("metric", String(64), primary_key=True),
    Column("label", String(255), primary_key=True),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("total", Float, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("queue", String(16), nullable=False),
    Column("row_id", Id, nullable=False),
    Column("job_id", Id, nullable=False),
    Column("destination", String(255), nullable=False),
    Index(None, "queue", "row_id", "id"),
    Index(None, "at"),
)

notice_sends = Table(
    "notice_sends",
    metadata,
    Column("channel", String(16), primary_key=True),
    Column("notice_id", Id, ForeignKey("notices.id"), primary_key=True, autoincrement=False),
)

channels = Table(
    "channels",
    metadata,
    Column("channel", String(16), primary_key=True),
    Column("since", Utc, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("run_at", Utc, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sent_at", Utc),
    Column("last_told", BigInteger),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("scan_id", String(32), nullable=False),
    Column("job_id", Id),
    Column("who", String(128), nullable=False),
    Column("what", String(64), nullable=False),
    Column("text", Text, nullable=False, default=""),
    Index(None, "scan_id"),
    Index(None, "job_id"),
)

presences = Table(
    "presences",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("place", String(255), nullable=False),
    Column("since", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
)

absences = Table(
    "absences",
    metadata,
    Column("destination", String(255), primary_key=True),
    Column("since", Utc, nullable=False),
    Column("reason", Text, nullable=False),
)

log_lines = Table(
    "log_lines",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, nullable=False),
    Column("at", Utc, nullable=False),
    Column("level", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "job_id", "id"),
    Index(None, "at"),
)
