"""The whole system in one process, under virtual time and a seed that decides everything, with people and faults."""
