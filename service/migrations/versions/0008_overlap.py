"""Several people answer a blind card; a policy, an adjudicator or a later label decides between them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# What was labelled before was never held against older labels, and is not to come back all at once.
COMPARED = "UPDATE bot SET compared_label = COALESCE((SELECT MAX(id) FROM label WHERE label.bot = bot.name), 0)"


def upgrade() -> None:
    op.add_column("bot", sa.Column("overlap", sa.Integer(), nullable=False, server_default="2"))
    op.add_column("bot", sa.Column("policy", sa.String(length=12), nullable=False, server_default="majority"))
    op.add_column("bot", sa.Column("compared_label", ID, nullable=False, server_default="0"))
    op.execute(COMPARED)
    op.add_column("card", sa.Column("policy", sa.String(length=12), nullable=False, server_default="majority"))
    op.add_column("card", sa.Column("weighed_vote", ID, nullable=True))
    op.add_column("card", sa.Column("returned_after", ID, nullable=True))
    op.add_column("vote", sa.Column("is_adjudication", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "contradiction",
        sa.Column("low_turn", ID, nullable=False),
        sa.Column("high_turn", ID, nullable=False),
        sa.Column("bot", sa.String(length=40), nullable=False),
        sa.Column("card_id", sa.String(length=32), nullable=False),
        sa.Column("label_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("low_turn", "high_turn"),
    )
    op.create_index("contradiction_by_card", "contradiction", ["card_id"])


def downgrade() -> None:
    op.drop_table("contradiction")
    op.drop_column("vote", "is_adjudication")
    op.drop_column("card", "returned_after")
    op.drop_column("card", "weighed_vote")
    op.drop_column("card", "policy")
    op.drop_column("bot", "compared_label")
    op.drop_column("bot", "policy")
    op.drop_column("bot", "overlap")
