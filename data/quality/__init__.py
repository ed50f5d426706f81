"""Data quality: photos and labels measured once, and what in them wants a look."""
