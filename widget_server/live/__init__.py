"""Updates to open widgets."""
