-- expect 1: serial-column, narrow-key, limited-text, padded-text, zoneless-timestamp
CREATE TABLE IF NOT EXISTS members (
    id SERIAL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    country CHAR(2),
    joined TIMESTAMP WITHOUT TIME ZONE DEFAULT CURRENT_TIMESTAMP
);
