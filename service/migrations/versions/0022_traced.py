"""A turn's places in rankings are found by the turn."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_index("ranking_item_by_turn", "ranking_item", ["turn_id", "ranking_id"])


def downgrade() -> None:
    op.drop_index("ranking_item_by_turn", "ranking_item")
