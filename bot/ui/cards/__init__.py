"""Cards: data in, layout out."""
