"""Real image servers for the tests: stable-diffusion.cpp's server, built from its source, with tiny random weights."""
