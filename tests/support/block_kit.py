"""Slack's checks of Block Kit, by their earlier name."""

from tests.support.slack import option_problems, problems, view_problems

__all__ = ("option_problems", "problems", "view_problems")
