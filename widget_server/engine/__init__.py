"""The reservation engine: Redis decides what is held. One method a script."""
