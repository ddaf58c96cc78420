"""One process per home: tails journals, supervises workers, answers queries."""
