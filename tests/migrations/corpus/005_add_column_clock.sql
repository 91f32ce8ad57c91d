-- expect 1: missing-lock-timeout, missing-statement-timeout, rewriting-column
ALTER TABLE audit.events
    ADD COLUMN written_at timestamptz DEFAULT clock_timestamp();
