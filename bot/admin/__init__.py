"""What those who manage a server can do: see what is spent, set limits and rules. It knows no Discord."""
