"""What is said between processes, and how: messages, pickles, failures."""
