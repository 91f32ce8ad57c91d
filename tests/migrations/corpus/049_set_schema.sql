-- expect 2: renamed-table
SET lock_timeout = '1s';
ALTER TABLE public.users SET SCHEMA archive;
