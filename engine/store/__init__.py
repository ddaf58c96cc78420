"""The only part that speaks SQL: DuckDB behind one object."""
