"""Engines that run steps, with the environments and code that the steps need."""
