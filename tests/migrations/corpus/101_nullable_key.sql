-- A primary key makes its columns NOT NULL, and a new column without a default is not.
-- expect 3: unrepeatable-statement
-- expect 4: unrepeatable-statement, unique-on-existing-rows
-- expect 5: unrepeatable-statement, nullable-primary-key
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE badges ADD COLUMN number bigint;
CREATE UNIQUE INDEX CONCURRENTLY badges_pkey ON badges (number);
ALTER TABLE badges ADD CONSTRAINT badges_pkey PRIMARY KEY USING INDEX badges_pkey;
