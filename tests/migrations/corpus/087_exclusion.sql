-- expect 3: blocking-exclusion
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE bookings ADD CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (NOT cancelled);
