"""Cards: functions that turn data into message layouts."""
