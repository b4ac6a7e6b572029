"""The operators: thin shells around `airflow_lupus.pipeline`."""
