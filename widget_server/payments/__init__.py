"""Money through Stripe: the gateway to it, and a pretend Stripe for trying things out and for tests."""
