"""Messages that do not show what SQL says are found without a look at every message."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

IS_FORGOTTEN = sa.text("forgotten_at IS NOT NULL")


def upgrade() -> None:
    op.create_index("post_by_shown", "post", ["shown"])
    op.create_index(
        "turn_by_forgotten",
        "turn",
        ["bot", "forgotten_at"],
        sqlite_where=IS_FORGOTTEN,
        postgresql_where=IS_FORGOTTEN,
    )


def downgrade() -> None:
    op.drop_index("turn_by_forgotten", "turn")
    op.drop_index("post_by_shown", "post")
