-- expect 1: missing-lock-timeout, dropped-table
DROP TABLE IF EXISTS public.old_sessions, public.older_sessions;
