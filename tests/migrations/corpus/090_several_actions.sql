-- expect 3: required-column, dropped-column, type-change
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE "app"."people" ADD COLUMN "born" date NOT NULL, DROP COLUMN "age", ALTER COLUMN "height" TYPE numeric(6,2), ADD COLUMN IF NOT EXISTS "note" text;
