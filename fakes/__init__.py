"""Stand-ins for Discord and the image services, for the playground, tests, chaos and benchmarks."""
