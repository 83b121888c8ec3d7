"""Proposed intents: clusters of turns far from every label."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", ID, nullable=False),
        sa.Column("bot", sa.String(length=40), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("tightness", sa.Float(), nullable=False),
        sa.Column("phrases", sa.JSON(), nullable=False),
        sa.Column("intent_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("proposal_by_status", "proposal", ["bot", "status", "id"])
    op.create_table(
        "proposal_turn",
        sa.Column("proposal_id", ID, nullable=False),
        sa.Column("turn_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", "turn_id"),
    )
    op.create_index("proposal_by_turn", "proposal_turn", ["turn_id"])


def downgrade() -> None:
    op.drop_index("proposal_by_turn", table_name="proposal_turn")
    op.drop_table("proposal_turn")
    op.drop_index("proposal_by_status", table_name="proposal")
    op.drop_table("proposal")
