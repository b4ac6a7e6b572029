"""Notifiers that word a digest for a destination. Any other Airflow notifier works as a callback too: its templates see `digest`."""
