"""The data plane: from a request to a logged answer, over any transport."""
