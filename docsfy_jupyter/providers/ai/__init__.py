"""Providers that ask an AI: what they share, and each of them."""
