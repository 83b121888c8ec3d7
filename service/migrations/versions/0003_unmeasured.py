"""Candidates nobody has looked around of are found without reading the others."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    only = sa.text("measured_at IS NULL")
    op.create_index(
        "candidate_unmeasured", "candidate", ["bot", "status", "turn_id"], sqlite_where=only, postgresql_where=only
    )


def downgrade() -> None:
    op.drop_index("candidate_unmeasured", table_name="candidate")
