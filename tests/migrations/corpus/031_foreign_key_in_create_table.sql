-- The lock on users lasts until the end of the statement only; nothing is read.
-- expect 1: missing-lock-timeout
CREATE TABLE avatars (
    user_id bigint PRIMARY KEY REFERENCES users (id),
    picture bytea NOT NULL
);
