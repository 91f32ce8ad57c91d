-- expect 1: missing-lock-timeout, missing-statement-timeout, blocking-foreign-key
ALTER TABLE "email" ADD CONSTRAINT "fk_user" FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE;
