"""What belongs to one person: settings, threads, privacy."""
