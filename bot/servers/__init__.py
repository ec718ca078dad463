"""What belongs to a server: settings, quotas, reports."""
