"""Where metrics are kept: any database that SQLAlchemy speaks to."""
