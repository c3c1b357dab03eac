"""The command line: parse, call, print. Heavy modules are imported by the commands that need them."""
