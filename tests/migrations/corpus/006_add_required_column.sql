-- PostgreSQL reads the rows to see that none lacks a value.
-- expect 1: missing-lock-timeout, missing-statement-timeout, required-column
ALTER TABLE "core_recipe" ADD COLUMN "public" boolean NOT NULL;
