"""The page inside Airflow's UI: its registration, its API and its built bundle."""
