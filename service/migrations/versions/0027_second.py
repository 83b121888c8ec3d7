"""A label that says two intents is found by the second one, too."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

IS_SAID = sa.text("second_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "label_by_second", "label", ["bot", "second_id", "turn_id"], sqlite_where=IS_SAID, postgresql_where=IS_SAID
    )


def downgrade() -> None:
    op.drop_index("label_by_second", "label")
