"""How a job's card is kept current and its result delivered."""
