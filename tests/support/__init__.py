"""What several tests use: real stores, a Slack double, small measurements."""
