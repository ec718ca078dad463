"""What people see: cards, their buttons, and how a card reaches them and stays up to date."""
