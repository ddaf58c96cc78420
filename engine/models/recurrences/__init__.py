"""Linear recurrences over short rows, each in a parallel form that stays exact and finite."""
