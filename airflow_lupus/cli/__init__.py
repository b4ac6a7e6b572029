"""`airflow lupus …`: shipped through Airflow's own command, since only that sees the connections of its metadata database."""
