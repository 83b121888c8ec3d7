"""Slack: cards posted, clicks turned into votes.

Pure builders in `blocks`, SQL in `posts` and `cards`. `dispatch` talks to Slack; `listeners` answer it, over Socket
Mode (`run`) or the events URL (`http`)."""
