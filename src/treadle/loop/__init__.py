"""Where the stages meet: events fold into state, state and time decide on commands, executors carry them out."""
