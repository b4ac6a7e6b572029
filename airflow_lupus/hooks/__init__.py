"""The only way from this package to Airflow's connections, configuration and object storage."""
