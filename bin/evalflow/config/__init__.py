"""The config: what it may say, how it is read, how problems are told, and its manual."""
