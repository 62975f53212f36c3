"""Numbered steps of the schema. A step that has been released is never changed; a new one is added."""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE projects (
            name VARCHAR NOT NULL, branch VARCHAR NOT NULL, ai_provider VARCHAR NOT NULL, ai_model VARCHAR NOT NULL,
            owner VARCHAR NOT NULL, status VARCHAR NOT NULL, generation_id VARCHAR NOT NULL, repo_url VARCHAR NOT NULL,
            current_stage VARCHAR, page_count INTEGER NOT NULL, plan_json JSON, error_message VARCHAR,
            last_commit_sha VARCHAR, last_generated TIMESTAMPTZ, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ,
            started_at TIMESTAMPTZ, total_cost_usd DOUBLE, state JSON NOT NULL)""",
        """CREATE TABLE runs (
            generation_id VARCHAR NOT NULL, name VARCHAR NOT NULL, branch VARCHAR NOT NULL, ai_provider VARCHAR NOT NULL,
            ai_model VARCHAR NOT NULL, owner VARCHAR NOT NULL, repo_url VARCHAR, started_by VARCHAR, ended_by VARCHAR,
            batch_id VARCHAR, forced BOOLEAN, started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, outcome VARCHAR,
            failed_stage VARCHAR, error_message VARCHAR, commit_sha VARCHAR, page_count INTEGER, total_pages INTEGER,
            pages_fresh INTEGER, pages_cached INTEGER, cost_usd DOUBLE, stage_times JSON, deleted BOOLEAN DEFAULT FALSE)""",
        "CREATE SEQUENCE event_numbers",
        """CREATE TABLE events (
            seq BIGINT NOT NULL DEFAULT nextval('event_numbers'), generation_id VARCHAR, occurred_at TIMESTAMPTZ, kind VARCHAR,
            text VARCHAR, user_name VARCHAR, details JSON)""",
        """CREATE TABLE pages (
            generation_id VARCHAR, slug VARCHAR, title VARCHAR, provider VARCHAR, model VARCHAR, commit_sha VARCHAR,
            sources JSON, prompt_hash VARCHAR, generator_version VARCHAR, cache_key VARCHAR, seconds DOUBLE,
            outcome VARCHAR, failure VARCHAR, occurred_at TIMESTAMPTZ)""",
        """CREATE TABLE ai_calls (
            generation_id VARCHAR, slug VARCHAR, purpose VARCHAR, provider VARCHAR, model VARCHAR, tokens_in BIGINT,
            tokens_out BIGINT, tokens_cached BIGINT, cost_usd DOUBLE, basis VARCHAR, seconds DOUBLE, outcome VARCHAR,
            occurred_at TIMESTAMPTZ)""",
    ),
    # one number, raised by every transaction: `revisions.py` says why
    ("CREATE TABLE revision (number BIGINT NOT NULL)", "INSERT INTO revision VALUES (0)"),
    # what was foreseen of a run before its work began
    tuple(
        f"ALTER TABLE runs ADD COLUMN {column}"
        for column in (
            "estimated_pages INTEGER",
            "estimated_calls INTEGER",
            "estimated_tokens BIGINT",
            "estimated_cost_usd DOUBLE",
            "estimated_seconds DOUBLE",
            "estimate_at_most BOOLEAN",
            "estimate_basis VARCHAR",
        )
    ),
)

VERSION = len(STEPS)
