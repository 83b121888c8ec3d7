"""The audit log is asked for one kind of action: what owners did with classifiers, who counted a log anew."""

from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.create_index("audit_log_by_action", "audit_log", ["bot", "action", "id"])


def downgrade() -> None:
    op.drop_index("audit_log_by_action", "audit_log")
