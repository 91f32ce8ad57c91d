CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE moods (day date PRIMARY KEY, mood mood NOT NULL DEFAULT 'ok');
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';
