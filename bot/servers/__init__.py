"""Everything that belongs to a server: settings, quotas, reports."""
