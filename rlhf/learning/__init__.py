"""PPO against a scorer: pure torch and transformers, also a command-line program."""
