-- expect 2: blocking-index-drop
SET lock_timeout = 2000;
DROP INDEX a_idx, s.b_idx CASCADE;
