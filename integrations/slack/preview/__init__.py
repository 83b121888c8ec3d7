"""What reviewers see in Slack, as pages of the console: for owners before they connect Slack, and for pictures."""
