"""A card keeps the entities that the tagger saw when it was made: an editor of entities begins with them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("card", sa.Column("tagged", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("card", "tagged")
