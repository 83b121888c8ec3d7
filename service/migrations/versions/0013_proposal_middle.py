"""What a proposal's turns mean together: it is known again when it comes back in other turns."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("proposal", sa.Column("encoder", sa.String(80), nullable=False, server_default=""))
    op.add_column("proposal", sa.Column("middle", sa.LargeBinary))


def downgrade() -> None:
    op.drop_column("proposal", "middle")
    op.drop_column("proposal", "encoder")
