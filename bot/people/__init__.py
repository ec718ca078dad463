"""Everything that belongs to one person: settings, threads, privacy."""
