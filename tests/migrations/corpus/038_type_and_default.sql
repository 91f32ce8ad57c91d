-- expect 3: type-change, zoneless-timestamp
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE logs ALTER COLUMN at DROP DEFAULT, ALTER COLUMN at TYPE timestamp(3) without time zone, ALTER COLUMN at SET DEFAULT now();
