"""How each database writes what the queries of a scan are made of."""
